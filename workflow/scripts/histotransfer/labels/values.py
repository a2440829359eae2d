"""The values of targets: numbers, and words that say whether a gene is mutated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.user_numbers import NumbersInText, first_of, without_missing
from .exclusions import Excluded
from .variant_classes import NON_SILENT, classes_of

WILD_TYPE = frozenset(
    {"wt", "wildtype", "wild type", "no", "false", "unmutated", "not mutated", "no mutation"}
)
MUTATED = frozenset({"mut", "mutated", "mutant", "mutation", "yes", "true"})
_AMINO_ACID = r"(?:[A-Z][a-z]{2}|[A-Z*])"
_PROTEIN_CHANGE = re.compile(
    rf"(?:[A-Za-z0-9_.]+:)?(?:p\.)?\(?(?:{_AMINO_ACID}+)?\d+(?:_{_AMINO_ACID}?\d+)?"
    rf"(?:{_AMINO_ACID}|[=?]|del|dup|ins|fs|ext|_splice)[-A-Za-z0-9*=?_]*\)?"
    r"|(?:p\.)?\*?\d+\*|[-*]?\d+[ACGT]>[ACGT]|c\.[-*]?\d\S*",
)
"""HGVS, with or without ``p.``, in one or three letters; as cBioPortal writes it, ``X125_splice``
too; and a change of the coding DNA."""
_REMEDY = "Correct the cell, empty it if it is missing, or leave the column out of `targets`"


def numbers_of(table: pd.DataFrame, path: Path, excluded: Excluded) -> pd.DataFrame:
    """Read columns of numbers.

    Decimal commas are read as such where a cell of the table shows that they are no separators of
    thousands. A target without a number is left out, and why is said.

    Parameters
    ----------
    table : pandas.DataFrame of str
        A column per target.
    path : Path
        The table, for errors.
    excluded : Excluded
        Gets the targets without a number.

    Returns
    -------
    pandas.DataFrame of float64
        NaN where a value is missing.

    Raises
    ------
    HistotransferError
        If a column of numbers holds other text.
    """
    numbers = NumbersInText(table, path)
    values = _columns(table, numbers.read, path, excluded, "a number")
    excluded.add(numbers.with_commas, "target", Reason("decimal_commas"))
    return values


def statuses_of(table: pd.DataFrame, path: Path, excluded: Excluded) -> pd.DataFrame:
    """Read columns that say who is mutated: 0 and 1, words, protein changes or variant classes.

    A change that leaves the protein as it is (``L210=``) and a class of variant that does not
    change it are 0. See `numbers_of`; values are 0, 1 and NaN.
    """

    def read(text: pd.Series[str]) -> pd.Series[float]:
        words = text[text.notna()].unique()
        statuses = {word: status_of(word) for word in words}
        return text.map(statuses).astype(float)

    return _columns(table, read, path, excluded, "0, 1, a word for them, or a protein change")


def status_of(word: str) -> float:
    """Return 1 for a word that says mutated, 0 for one that says wild type, a number as itself.

    Returns NaN for any other word. Of several changes (``R222L E545Q``) one suffices.
    """
    plain = re.sub(r"[\s_-]+", " ", word.casefold()).strip()
    if plain in MUTATED or plain in WILD_TYPE:
        return float(plain in MUTATED)
    number = pd.to_numeric(word, errors="coerce")
    if np.isfinite(number):
        return float(number)
    classes = classes_of(word)
    if classes:
        return float(bool(classes & set(NON_SILENT)))
    changes = re.split(r"[\s,;/|]+", word)
    if not all(
        _PROTEIN_CHANGE.fullmatch(change) or change.upper() == "MUTATED" for change in changes
    ):
        return np.nan
    return float(not all(change.rstrip(")").endswith("=") for change in changes))


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


def _columns(
    table: pd.DataFrame,
    read: Callable[[pd.Series[str]], pd.Series[float]],
    path: Path,
    excluded: Excluded,
    wanted: str,
) -> pd.DataFrame:
    """Read each column; `read` returns NaN for what it cannot read."""
    columns: dict[str, pd.Series[float]] = {}
    for target in table.columns:
        values = pd.to_numeric(table[target], errors="coerce").astype(float)
        if not np.isfinite(values).all():
            text = without_missing(table[target])
            values = read(text)
            stray = text.notna() & ~np.isfinite(values)
            if values.notna().sum() == 0 or stray.all():
                detail = "no cell has a value"
                if stray.any():
                    row, cell = first_of(text[stray])
                    detail = f"{row} has {cell!r}, which is not {wanted}"
                excluded.add([target], "target", Reason("no_number", detail))
                continue
            if stray.any():
                row, cell = first_of(text[stray])
                raise HistotransferError(
                    path, f"column {target!r} holds {cell!r} for {row}, which is not {wanted}",
                    _REMEDY,
                )  # fmt: skip
        columns[target] = values
    return pd.DataFrame(columns, index=table.index)
