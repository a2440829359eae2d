"""Pick rows and names out of the tables of the results."""

from __future__ import annotations

import pandas as pd

from ..evaluation.kinds import KINDS


def of_kind(comparison: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of a comparison that belong to one kind of task, told by its metric."""
    return comparison[comparison["metric"] == KINDS[kind].metric]


def extractors(comparison: pd.DataFrame) -> list[str]:
    """Return the names of the extractors, the baseline first, then in the order of the table."""
    return list(dict.fromkeys([*comparison["baseline"], *comparison["extractor"]]))


def flag(column: pd.Series) -> pd.Series:
    """Return a column of flags as plain booleans; an empty cell is False."""
    return column.eq(True).fillna(False).astype(bool)
