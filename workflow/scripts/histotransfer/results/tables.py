"""Read the tables that the figures and the report are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from ..core.hdf5 import open_store
from ..core.tables import ColumnType, TableSchema, read_table
from ..qc.verdicts import REASONS
from .claims import CLAIMS
from .gallery_table import GALLERY, IMAGES, PATCH
from .resource_usage import COSTS, SLIDE_COSTS


def _schema(name: str, **columns: str) -> TableSchema:
    kinds: dict[str, ColumnType] = {}
    for kind, names in columns.items():
        kinds |= dict.fromkeys(names.split(), kind)  # type: ignore[arg-type]
    return TableSchema(name, kinds)


SCHEMAS: Mapping[str, TableSchema] = {
    schema.name: schema
    for schema in (
        CLAIMS,
        GALLERY,
        COSTS,
        SLIDE_COSTS,
        _schema(
            "comparison",
            text="task target metric baseline extractor status",
            integer="n",
            number="baseline_mean extractor_mean delta ci_low ci_high p_corrected q_bh p_wilcoxon "
            "prob_better prob_equivalent prob_worse boot_low boot_high",
        ),
        _schema(
            "related_genes",
            text="task target extractor",
            number="r r_sd p_one_sided q_bh",
            integer="n",
            flag="related related_bh",
        ),
        _schema(
            "improved",
            text="task baseline extractor status",
            integer="n_genes n_related n_related_bh n_improved",
            number="fraction ci_low ci_high p_sign",
        ),
        _schema("confusion", text="task extractor true predicted", number="fraction", integer="n"),
        _schema(
            "mutation",
            text="task target extractor status",
            number="mean sd p q_bh",
            integer="n_positive n",
        ),
        _schema(
            "metrics", text="task target extractor metric", number="mean sd", integer="repeats"
        ),
        _schema("roc", text="task target extractor", number="fpr tpr ci_low ci_high"),
        _schema(
            "scores", text="task extractor target metric", integer="repeat fold", number="value"
        ),
        _schema(
            "truth",
            text="target task follows extractor",
            number="effect value q_bh",
            flag="recovered expected agrees",
        ),
        _schema("embedding", text="task extractor sample tissue", number="x y neighbours_of_class"),
        _schema(
            "classifier", text="dataset extractor true predicted", number="fraction", integer="n"
        ),
        _schema("cohort_flow", text="task step unit kind", integer="n"),
        _schema("cohort", text="patient", integer="n_slides n_slides_used n_patches"),
        _schema(
            "qc",
            text="slide patient mpp_source pixel_source stain_status code detail remedy",
            integer=f"n_tiles {' '.join(REASONS)} stain_degenerate n_patches",
            number="mpp effective_mpp tissue_mm2 stain_clipped_fraction",
        ),
        _schema("excluded_slides", text="slide patient code detail remedy"),
        _schema("excluded_labels", text="item what code detail remedy"),
        _schema("external", text="item what qc code detail remedy", integer="n_patches n_pooled"),
        _schema(
            "training",
            integer="step epoch",
            number="loss accuracy val_loss val_accuracy learning_rate",
        ),
    )
}
"""The columns of each table."""

SEVERAL: Mapping[str, tuple[str, ...]] = {
    "scores": ("task", "extractor"),
    "training": ("extractor",),
    "excluded_labels": ("task",),
    "external": ("extractor",),
}
"""Tables of which a study has several, and the columns that say of what each one is."""

GALLERY_IMAGES = "gallery_images"

Tables = Mapping[str, pd.DataFrame]
Files: TypeAlias = "str | Path | Mapping[str, Files]"
Paths = Mapping[str, Files]
"""A path by a table's name; of a table in `SEVERAL`, paths by task, extractor or both."""


def read_tables(paths: Paths) -> dict[str, pd.DataFrame]:
    """Read tables by name.

    Parameters
    ----------
    paths : mapping of str to path, or to nested mappings of paths
        A table's path by its name. The rows of those in `SEVERAL` are joined; the keys of their
        mapping become columns, or are checked where the table has them. ``gallery_images`` is an
        HDF5 file.

    Returns
    -------
    dict of str to pandas.DataFrame
        By name. The images have one row each: `slide`, `x`, `y`, `image` (h, w, 3) uint8, `shown`.
    """
    return {name: _read(name, path) for name, path in paths.items()}


def _read(name: str, files: Files) -> pd.DataFrame:
    if name == GALLERY_IMAGES:
        return _images(files)
    schema, columns = SCHEMAS[name], SEVERAL.get(name, ())
    parts = []
    for keys, path in _leaves(files):
        whose = dict(zip(columns, keys, strict=True))
        identity = {column: key for column, key in whose.items() if column in schema.columns}
        parts.append(read_table(path, schema, **identity).assign(**whose))
    if not parts:
        return schema.empty().assign(**{column: [] for column in columns})
    return pd.concat(parts, ignore_index=True)


def _leaves(files: Files) -> Iterator[tuple[tuple[str, ...], str | Path]]:
    """Yield the paths of nested mappings, each with the keys that lead to it."""
    if not isinstance(files, Mapping):
        yield (), files
        return
    for key, inner in files.items():
        for keys, path in _leaves(inner):
            yield (key, *keys), path


def _images(files: Files) -> pd.DataFrame:
    ((_, path),) = _leaves(files)
    with open_store(path, IMAGES) as store:
        places = store["slide"].asstr()[:], store["x"][:], store["y"][:]
        table = pd.DataFrame(dict(zip(PATCH, places, strict=True)))
        return table.assign(image=list(store["images"][:]), shown=store["shown"][:])
