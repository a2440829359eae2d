"""The values of targets: from text to numbers, mutation status and transformed expression."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from .exclusions import Excluded

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})
WILD_TYPE = "WT"


def numbers_of(table: pd.DataFrame, path: Path, excluded: Excluded, kind: str) -> pd.DataFrame:
    """Parse the targets' columns.

    In a mutation table a column with ``WT`` in it holds protein changes: ``WT`` and changes that
    leave the protein as it is (``L210=``) are 0, any other is 1.

    A target without a number is left out; another text in a column of numbers is an error. Returns
    float64, NaN where a value is missing.
    """
    columns: dict[str, pd.Series[float]] = {}
    for target in table.columns:
        text = table[target]
        numbers = pd.to_numeric(text, errors="coerce").astype(float)
        if np.isfinite(numbers).all():
            columns[target] = numbers
            continue
        text = text.mask(text.isin(MISSING))
        if kind == "mutation" and text.eq(WILD_TYPE).any():
            mutated = ~(text.eq(WILD_TYPE) | text.str.endswith("=").eq(True))
            text = mutated.astype(float).where(text.notna())
        numbers = pd.to_numeric(text, errors="coerce").astype(float)
        if numbers.notna().sum() == 0:
            excluded.add([target], "target", Reason("no_number"))
            continue
        stray = text.notna() & ~np.isfinite(numbers)
        if stray.any():
            row = str(stray.idxmax())
            raise HistotransferError(
                path,
                f"column {target!r} holds {text[row]!r} for {row}, which is not a number",
                "Correct the cell, empty it if it is missing, or leave the column out of `targets`",
            )
        columns[target] = numbers
    return pd.DataFrame(columns, index=table.index)


def mutation_status(values: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Check that all values are 0, 1 or missing, and return them as Int64."""
    wrong = ~values.isin([0, 1]) & values.notna()
    if wrong.any(axis=None):
        gene = wrong.any().idxmax()
        raise HistotransferError(
            path,
            f"column {gene!r} holds {values[gene][wrong[gene]].iloc[0]:g}",
            "Write 1 (mutated), 0 (wild type) or nothing (not sequenced) in a mutation table",
        )
    return values.astype("Int64")


def transformed(
    values: pd.DataFrame, transform: str | Mapping[str, float], path: Path, excluded: Excluded
) -> pd.DataFrame:
    """Transform expression as `LabelParameters` says, and leave out targets that do not vary."""
    if transform == "log2p1":
        negative = (values < 0).any()
        if negative.any():
            raise HistotransferError(
                path,
                f"column {negative.idxmax()!r} holds negative values, which are not TPM",
                "Use `transform: none` for values that are already logarithms or z-scores",
            )
        values = (values + 1).transform(np.log2)
    elif not isinstance(transform, str):
        bound = float(transform["clip"])
        beyond = values.abs() > bound
        clipped = Reason("values_clipped", f"±{bound:g}")
        excluded.add(values.columns[beyond.any()], "target", clipped)
        values = values.clip(-bound, bound)
    constant = values.max() == values.min()
    excluded.add(values.columns[constant], "target", Reason("no_variance"))
    return values.loc[:, ~constant]
