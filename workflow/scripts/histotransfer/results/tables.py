"""Read the tables that the figures and the report are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from ..core.hdf5 import open_store
from ..core.tables import TableSchema, read_table
from ..evaluation.comparison import SCHEMAS as COMPARED
from ..evaluation.curve_tables import LEARNING_CURVES, PERMUTED
from ..evaluation.external_scores import VALIDATION
from ..evaluation.scores import SCORES
from ..evaluation.site_audit import SITE_AUDIT, SITE_SPLITS
from ..features.external import USED
from ..features.external_patches import OF_PATCHES
from ..labels.exclusions import EXCLUDED
from ..models.history import TRAINING
from ..qc.cohort import COHORT, EXCLUDED_SLIDES, QC
from .answers import ANSWERS
from .claims import CLAIMS
from .cohort_flow import COHORT_FLOW
from .embedding import EMBEDDING
from .near_duplicates import NEAR_DUPLICATES
from .planted_truth import TRUTH
from .ranks import PAIRS, RANKS
from .resource_usage import COSTS, SLIDE_COSTS
from .schemas import CLASSIFIER, GALLERY, HEATMAP, HEATMAPS, IMAGES, PATCH
from .sensitivity import ROBUSTNESS
from .table1 import TABLE1
from .tuning import TUNING

SCHEMAS: Mapping[str, TableSchema] = {
    schema.name: schema
    for schema in (
        *(*COMPARED.values(), ANSWERS, CLAIMS, CLASSIFIER, COHORT, COHORT_FLOW, COSTS, EMBEDDING),
        *(EXCLUDED, EXCLUDED_SLIDES, GALLERY, HEATMAPS, NEAR_DUPLICATES, OF_PATCHES, PAIRS),
        *(LEARNING_CURVES, PERMUTED, SITE_AUDIT, SITE_SPLITS, TABLE1),
        *(QC, RANKS, ROBUSTNESS, SCORES, SLIDE_COSTS, TRAINING, TRUTH, TUNING, USED),
        VALIDATION,
    )
}
"""The columns of each table, as declared where it is made."""

SEVERAL: Mapping[str, tuple[str, ...]] = {
    "scores": ("task", "extractor"),
    "training": ("extractor",),
    "excluded_labels": ("task",),
    "external": ("extractor",),
    "external_patches": ("extractor", "dataset"),
}
"""Tables of which a study has several, and the columns that say of what each one is."""

Tables = Mapping[str, pd.DataFrame]
Files: TypeAlias = "str | Path | Mapping[str, Files]"
Paths = Mapping[str, Files]
"""A path by a table's name; of a table in `SEVERAL`, paths by task, extractor or both."""


def read_tables(paths: Paths) -> dict[str, pd.DataFrame]:
    """Read tables by name.

    The rows of the tables in `SEVERAL` are joined; the keys of their mapping become columns, or are
    checked where the table has them. Two are HDF5 files: ``gallery_images`` (`IMAGES`) is read as
    one row per image, with `image` (h, w, 3) uint8, and ``heatmap_images`` (`HEATMAP`) as one per
    map.
    """
    return {name: _read(name, files) for name, files in paths.items()}


def _read(name: str, files: Files) -> pd.DataFrame:
    if name == "gallery_images":
        return _images(files)
    if name == "heatmap_images":
        return _maps(files)
    schema, columns = SCHEMAS[name], SEVERAL.get(name, ())
    parts = [schema.empty().assign(**{column: [] for column in columns})]
    for keys, path in _leaves(files):
        whose = dict(zip(columns, keys, strict=True))
        identity = {column: key for column, key in whose.items() if column in schema.columns}
        parts.append(read_table(path, schema, **identity).assign(**whose))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _leaves(files: Files, *keys: str) -> Iterator[tuple[tuple[str, ...], str | Path]]:
    """Yield the paths of nested mappings, each with the keys that lead to it."""
    if isinstance(files, Mapping):
        for key, inner in files.items():
            yield from _leaves(inner, *keys, key)
    else:
        yield keys, files


def _images(files: Files) -> pd.DataFrame:
    ((_, path),) = _leaves(files)
    with open_store(path, IMAGES) as store:
        places = store["slide"].asstr()[:], store["x"][:], store["y"][:]
        table = pd.DataFrame(dict(zip(PATCH, places, strict=True)))
        return table.assign(image=list(store["images"][:]), shown=store["shown"][:])


def _maps(files: Files) -> pd.DataFrame:
    ((_, path),) = _leaves(files)
    with open_store(path, HEATMAP) as store:
        maps = [store[number] for number in store]
        arrays = ("coords", "contributions", "thumbnail")
        rows = [{**one.attrs, **{array: one[array][:] for array in arrays}} for one in maps]
    return pd.DataFrame(rows)
