"""The values of targets: numbers, and words that say whether a gene is mutated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.user_numbers import Numbers, first_cell, read_numbers
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

CORRECT = "Correct the cell, empty it if it is missing, or leave the column out of `targets`"


def numbers_of(
    table: pd.DataFrame, path: Path, excluded: Excluded, *, named: bool = False
) -> pd.DataFrame:
    """Read columns of numbers, also with decimal commas (`read_numbers`).

    A target without a number is left out, and a cell shows why; text in one is an error where
    `named` says that the user named the targets.

    Parameters
    ----------
    table : pandas.DataFrame of str
        A column per target.
    path : Path
        The table, for errors.
    excluded : Excluded
        Gets the targets without a number.
    named : bool
        Whether text is an error even in a column without a number.

    Returns
    -------
    pandas.DataFrame of float64
        NaN where a value is missing.

    Raises
    ------
    HistotransferError
        If a column of numbers holds other text.
    """
    numbers = read_numbers(table, path)
    excluded.add(numbers.with_commas, "target", Reason("decimal_commas"))
    remedy = f"{CORRECT}; words are predicted by `kind: binary` or `kind: multiclass`"
    return _readable(table, numbers, path, excluded, "a number", remedy, strict=named)


def statuses_of(table: pd.DataFrame, path: Path, excluded: Excluded) -> pd.DataFrame:
    """Read columns that say who is mutated: 0 and 1, words, protein changes or variant classes.

    A change that leaves the protein as it is (``L210=``) and a class of variant that does not
    change it are 0. See `numbers_of`; values are 0, 1 and NaN.
    """
    wanted = "0, 1, a word for them, or a protein change"
    numbers = read_numbers(table, path, status_of)
    return _readable(table, numbers, path, excluded, wanted, CORRECT)


def status_of(word: str) -> float:
    """Return 1 for a word that says mutated, 0 for one that says wild type, a number as itself.

    Returns NaN for any other word. Of several changes (``R222L E545Q``) one suffices.
    """
    said = said_to_be_mutated(word)
    if said is not None:
        return float(said)
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


def said_to_be_mutated(word: str) -> bool | None:
    """Tell what 0, 1 and plain words say, such as ``yes`` or ``wild-type``; None for any other."""
    plain = re.sub(r"[\s_-]+", " ", word.casefold()).strip()
    if plain in MUTATED or plain in WILD_TYPE:
        return plain in MUTATED
    number = pd.to_numeric(word, errors="coerce")
    return bool(number) if number in (0, 1) else None


def check_statuses(values: pd.DataFrame, path: Path) -> None:
    """Raise an error unless all values are 0, 1 or missing."""
    numbers = values.to_numpy()
    wrong = ~np.isin(numbers, [0, 1]) & ~np.isnan(numbers)
    if wrong.any():
        column, row = np.argwhere(wrong.T)[0].tolist()
        raise HistotransferError(
            path,
            f"column {values.columns[column]!r} holds {numbers[row, column]:g}",
            "Write 1 (mutated), 0 (wild type) or nothing (not sequenced) in a mutation table",
        )


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
        values = pd.DataFrame(np.log2(values.to_numpy() + 1), values.index, values.columns)
    elif not isinstance(transform, str):
        bound = float(transform["clip"])
        beyond = values.abs() > bound
        clipped = Reason("values_clipped", f"±{bound:g}")
        excluded.add(values.columns[beyond.any()], "target", clipped)
        values = values.clip(-bound, bound)
    constant = values.max() == values.min()
    excluded.add(values.columns[constant], "target", Reason("no_variance"))
    return values.loc[:, ~constant]


def _readable(
    table: pd.DataFrame,
    numbers: Numbers,
    path: Path,
    excluded: Excluded,
    wanted: str,
    remedy: str,
    *,
    strict: bool = False,
) -> pd.DataFrame:
    """Return the columns that hold a value, and list the others; text beside values is an error."""
    has_value = np.isfinite(numbers.values.to_numpy()).max(axis=0, initial=False)
    has_stray = numbers.stray.max(axis=0, initial=False)
    for column in np.flatnonzero(has_stray | ~has_value).tolist():
        target, detail = table.columns[column], "no cell has a value"
        if has_stray[column]:
            row, cell = first_cell(table, numbers.stray, column)
            detail = f"{row} has {cell!r}, which is not {wanted}"
        if has_stray[column] and (has_value[column] or strict):
            cause = f"column {target!r} holds {cell!r} for {row}, which is not {wanted}"
            raise HistotransferError(path, cause, remedy)
        excluded.add([target], "target", Reason("no_number", detail))
    readable: pd.DataFrame = numbers.values.loc[:, has_value]
    return readable
