"""The targets of a task: which are wanted, their columns in a labels table, and their values."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from .exclusions import Excluded
from .matrix import NO_TARGET

Panel = dict[str, list[str]]
"""Targets, each with the names that a labels table may give it, the target's own first."""
MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})
WILD_TYPE = "WT"


def wanted_targets(targets: str | Sequence[str]) -> Panel | None:
    """Resolve `targets` of the config: ``all`` (None), a list, or a file of them.

    A file has a symbol on each line, or is tab-separated with the columns gene and, optionally,
    previous: further symbols of the same gene, separated by ``|``.
    """
    if targets == "all":
        return None
    if not isinstance(targets, str):
        return {target: [target] for target in targets}
    try:
        lines = Path(targets).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HistotransferError(
            targets,
            f"cannot be read as a list of targets ({error})",
            "Give `all`, a list, or a file with a symbol on each line as the task's `targets`",
        ) from error
    lines = [line.strip(" ") for line in lines if line.strip() and line.strip()[0] != "#"]
    if not any("\t" in line for line in lines):
        return {line.strip(): [line.strip()] for line in lines}
    rows = list(csv.DictReader(lines, delimiter="\t"))
    if "gene" not in rows[0]:
        raise HistotransferError(
            targets, "has no column `gene`", "Give it a header (config/panels/immune.tsv has one)"
        )
    panel = {
        row["gene"]: [row["gene"], *filter(None, (row.get("previous") or "").split("|"))]
        for row in rows
    }
    # Where an earlier symbol is now another target's, it belongs to that target alone.
    return {
        gene: [n for n in names if n == gene or n not in panel] for gene, names in panel.items()
    }


def symbols(panel: Panel | None) -> list[str] | None:
    """Return every name of a panel's targets, earlier symbols included; None for all."""
    return None if panel is None else [name for names in panel.values() for name in names]


def columns_of(panel: Panel | None, table: pd.DataFrame, excluded: Excluded) -> pd.DataFrame:
    """Return the columns of the targets that the table has, under the targets' own names.

    Targets without a name or a column are left out; without a panel every column is a target.
    """
    if panel is None:
        panel = {name: [name] for name in table.columns if not name.startswith(NO_TARGET)}
    # A table's column of row numbers, for example; an empty cell of a result means no target.
    excluded.add([target for target in panel if not target], "target", Reason("no_name"))
    found = {
        target: next((name for name in names if name in table), None)
        for target, names in panel.items()
        if target
    }
    columns = {target: name for target, name in found.items() if name is not None}
    absent = [target for target in found if target not in columns]
    excluded.add(absent, "target", Reason("not_in_labels"))
    for target, name in columns.items():
        if name != target:
            excluded.add([target], "target", Reason("earlier_symbol", name))
    return table[list(columns.values())].set_axis(list(columns), axis=1)


def numbers_of(table: pd.DataFrame, path: Path, excluded: Excluded, kind: str) -> pd.DataFrame:
    """Parse the targets' columns.

    Returns float64, NaN where a value is missing. In a mutation table a column with ``WT`` in it
    holds protein changes: ``WT`` and changes that leave the protein as it is (``L210=``) are 0, any
    other is 1. A target without a number is left out; other text in a column of numbers is an
    error.
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
