"""Read the tables that the figures and the report are drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..core.hdf5 import open_store
from ..core.tables import read_table
from ..evaluation.kinds import KINDS

ENDINGS = {
    "scores": ".tsv",
    "training": ".training.tsv",
    "excluded_labels": ".excluded.tsv",
    "elsewhere": ".used.tsv",
}
"""Inputs that are many tables, and what follows in their file names after what they are about."""

IDS = [
    "task",
    "target",
    "extractor",
    "baseline",
    "true",
    "predicted",
    "slide",
    "patient",
    "sample",
    "item",
    "metric",
    "status",
    "reason",
    "error",
    "what",
    "follows",
    "claim",
    "source",
    "qc",
    "dataset",
    "tissue",
    "side",
]
"""Columns that are text, whatever their values look like."""

Tables = Mapping[str, pd.DataFrame]
Inputs = Mapping[str, str | Path | Sequence[str | Path]]


def read_tables(inputs: Inputs) -> dict[str, pd.DataFrame]:
    """Read every input.

    Parameters
    ----------
    inputs : mapping
        A table's path by its name. Of those in `ENDINGS` there are several: their rows are joined,
        with a column `source` from the file's name (the extractor, or the task). An HDF5 file holds
        the pictures of the gallery.

    Returns
    -------
    dict of str to pandas.DataFrame
        The tables by name; ids are text.
    """
    return {
        name: _joined(paths, ENDINGS[name]) if name in ENDINGS else _read(paths)
        for name, paths in inputs.items()
    }


def _read(path: str | Path | Sequence[str | Path]) -> pd.DataFrame:
    if not isinstance(path, str | Path):
        (path,) = path
    if Path(path).suffix == ".h5":
        return _pictures(path)
    return read_table(path, **dict.fromkeys(IDS, "str"))


def _pictures(path: str | Path) -> pd.DataFrame:
    """Read the images of the gallery: one row each, `image` (h, w, 3) uint8 and `shown`."""
    with open_store(path, "gallery/1") as store:
        return pd.DataFrame({"image": list(store["images"][:]), "shown": store["shown"][:]})


def _joined(paths: str | Path | Sequence[str | Path], ending: str) -> pd.DataFrame:
    paths = [paths] if isinstance(paths, str | Path) else paths
    parts = [_read(path).assign(source=Path(path).name.removesuffix(ending)) for path in paths]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"source": []})


def of_kind(comparison: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of a comparison that belong to one kind of task, told by its metric."""
    return comparison[comparison["metric"] == KINDS[kind].metric]


def extractors(comparison: pd.DataFrame) -> list[str]:
    """Return the names of the extractors, the baseline first, then in the order of the table."""
    return unique([*comparison["baseline"], *comparison["extractor"]])


def unique(values: Iterable[str]) -> list[str]:
    """Return the values in the order of their first appearance."""
    return list(dict.fromkeys(values))


def flag(column: pd.Series) -> pd.Series:
    """Return a column of yes and no as booleans; an empty cell is a no."""
    return column.eq(True)
