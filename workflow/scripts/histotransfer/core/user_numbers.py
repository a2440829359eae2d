"""Numbers in tables that users bring: what counts as missing, and decimal commas."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import HistotransferError

MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", ".", "-", "--", "'--"}
    | {"ns", "np", "not sequenced", "not profiled", "not available", "not reported"}
    | {"[not available]", "[not applicable]", "[not evaluated]", "[unknown]"}
)
"""Cells that say that a value is missing, whatever their capitals. NS and NP are cBioPortal's."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_COMMA_OR_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


@dataclass(frozen=True)
class Numbers:
    """The numbers of a table.

    Attributes
    ----------
    values : pandas.DataFrame of float64
        NaN where a value is missing or the cell holds something else.
    stray : array of bool, of the same shape
        Where the cell holds something else.
    with_commas : list of str
        The columns with decimal commas.
    """

    values: pd.DataFrame
    stray: npt.NDArray[np.bool_]
    with_commas: list[str]


def read_numbers(
    table: pd.DataFrame, path: Path, number_of: Callable[[str], float] | None = None
) -> Numbers:
    """Read the numbers of a table.

    Commas are decimal where a cell of the table shows that they do not separate thousands.

    Parameters
    ----------
    table : pandas.DataFrame of str
    path : Path
        The table, for errors.
    number_of : callable, optional
        What words stand for, NaN for those that stand for nothing; commas are not read then.

    Raises
    ------
    HistotransferError
        If commas may separate thousands, or stand beside decimal points.
    """
    # Each word is read once: tables repeat theirs.
    codes, found = pd.factorize(table.to_numpy(dtype=object).ravel())
    codes, words = codes.reshape(table.shape), pd.Series(found, dtype=object)
    numbers = pd.to_numeric(words, errors="coerce").to_numpy(dtype=float, copy=True)
    odd = np.flatnonzero(~np.isfinite(numbers))
    is_missing, has_comma = np.zeros(len(words), bool), np.zeros(len(words), bool)
    for place in odd:
        word = str(words[place])
        numbers[place] = np.nan
        if word.casefold() in MISSING:
            is_missing[place] = True
        elif number_of is not None:
            numbers[place] = number_of(word)
        elif _DECIMAL_COMMA.fullmatch(word):
            has_comma[place] = True
            numbers[place] = float(word.replace(",", "."))
    with_commas = []
    if has_comma.any():
        _check_commas(table, codes, words, has_comma, path)
        with_commas = table.columns[np.flatnonzero(has_comma[codes].max(axis=0))].tolist()
    stray = (np.isnan(numbers) & ~is_missing)[codes]
    return Numbers(pd.DataFrame(numbers[codes], table.index, table.columns), stray, with_commas)


def _check_commas(
    table: pd.DataFrame,
    codes: npt.NDArray[np.intp],
    words: pd.Series[str],
    has_comma: npt.NDArray[np.bool_],
    path: Path,
) -> None:
    """Raise an error if commas may separate thousands, or stand beside decimal points."""
    decimal = any(not _COMMA_OR_THOUSANDS.fullmatch(word) for word in words[has_comma])
    has_point = words.str.fullmatch(r"[+-]?\d*\.\d+").to_numpy(dtype=bool)
    commas, points = has_comma[codes], has_point[codes]
    both = commas.any(axis=0) & points.any(axis=0)
    if decimal and not both.any():
        return
    column = int(np.argmax(both if both.any() else commas.any(axis=0)))
    row, cell = first_cell(table, commas, column)
    doubt = f"column {table.columns[column]!r} holds {cell!r} for {row}, "
    if both.any():
        row, cell = first_cell(table, points, column)
        doubt += f"and {cell!r} for {row}"
    else:
        doubt += "which may be a decimal number or thousands"
    raise HistotransferError(path, doubt, "Write decimal points, and nothing between thousands")


def first_cell(table: pd.DataFrame, mask: npt.NDArray[np.bool_], column: int) -> tuple[str, str]:
    """Return the row and the text of a column's first cell where the mask is true."""
    row = int(np.argmax(mask[:, column]))
    return str(table.index[row]), str(table.iat[row, column])


def plain_word(word: str) -> str:
    """Return a word without what does not matter: capitals, blanks, the way a number is written."""
    words = re.sub(r"\s+", " ", word.casefold()).strip()
    try:
        return f"{float(words):.12g}" if words not in MISSING else words
    except ValueError:
        return words
