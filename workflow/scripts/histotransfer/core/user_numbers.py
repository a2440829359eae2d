"""Numbers in tables that users bring: what counts as missing, and decimal commas."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .errors import HistotransferError

MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", ".", "-", "--", "'--"}
    | {"ns", "np", "not sequenced", "not profiled", "not available", "not reported"}
    | {"[not available]", "[not applicable]", "[not evaluated]", "[unknown]"}
)
"""Cells that say that a value is missing, whatever their capitals. NS and NP are cBioPortal's."""
_DECIMAL_COMMA = r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?"
_COMMA_OR_THOUSANDS = r"[+-]?[1-9]\d{0,2},\d{3}"


def without_missing(text: pd.Series[str]) -> pd.Series[str]:
    """Replace cells that say that a value is missing by None."""
    text = text.astype(object)
    return text.mask(text.str.casefold().isin(MISSING), None)


def first_of(text: pd.Series[str]) -> tuple[str, str]:
    """Return the row and the text of a column's first cell."""
    return str(text.index[0]), str(text.iloc[0])


class NumbersInText:
    """Reads the numbers of a table's columns.

    Commas are decimal where a cell of the table shows that they do not separate thousands.

    Parameters
    ----------
    table : pandas.DataFrame of str
    path : Path
        The table, for errors.

    Attributes
    ----------
    with_commas : list of str
        The columns so far whose commas are decimal.
    """

    def __init__(self, table: pd.DataFrame, path: Path) -> None:
        self._table, self._path = table, path
        self._decimal: bool | None = None
        self.with_commas: list[str] = []

    def read(self, text: pd.Series[str]) -> pd.Series[float]:
        """Read a column of which missing cells are None; anything but a number becomes NaN.

        Raises
        ------
        HistotransferError
            If commas may separate thousands, or stand beside decimal points.
        """
        values = pd.to_numeric(text, errors="coerce").astype(float)
        comma = text.str.fullmatch(_DECIMAL_COMMA).eq(True)
        if not comma.any():
            return values
        row, cell = first_of(text[comma])
        points = text[~comma].str.contains(".", regex=False).eq(True) & values[~comma].notna()
        doubt = "which may be a decimal number or thousands" if not self._are_decimal() else ""
        if doubt or points.any():
            raise HistotransferError(
                self._path,
                f"column {text.name!r} holds {cell!r} for {row}, "
                + (doubt or "and {1!r} for {0}".format(*first_of(text[~comma][points]))),
                "Write decimal points, and nothing between thousands",
            )
        self.with_commas.append(str(text.name))
        return values.where(~comma, pd.to_numeric(text.str.replace(",", "."), errors="coerce"))

    def _are_decimal(self) -> bool:
        """Tell whether any number of the table has a comma that cannot separate thousands."""
        if self._decimal is None:
            self._decimal = any(
                (
                    column.str.fullmatch(_DECIMAL_COMMA)
                    & ~column.str.fullmatch(_COMMA_OR_THOUSANDS)
                ).any()
                for _, column in self._table.items()
            )
        return self._decimal
