"""Tables: TSV files between the stages and of the results, each with columns declared once."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from .errors import HistotransferError
from .files import check_digest, readable, remake, written_with_digest

if TYPE_CHECKING:
    import pandas as pd

UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    ImportError,
    RuntimeError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What opening and parsing a text table, compressed or not, can raise when it is something else."""

ColumnType = Literal["text", "integer", "number", "flag"]
_DTYPES: Mapping[ColumnType, str] = {
    "text": "str",
    "integer": "Int64",
    "number": "float64",
    "flag": "boolean",
}


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table.

    Attributes
    ----------
    name : str
        Of the table, such as ``comparison``.
    columns : mapping of str to {"text", "integer", "number", "flag"}
        In order. Ids are text, whatever they look like; a number or flag may be missing.
    """

    name: str
    columns: Mapping[str, ColumnType]

    @classmethod
    def of(cls, name: str, *groups: str) -> TableSchema:
        """Declare a table by groups of columns, such as ``"text: task target"``, in order."""
        columns: dict[str, ColumnType] = {}
        for kind, _, names in (group.partition(": ") for group in groups):
            columns |= dict.fromkeys(names.split(), cast("ColumnType", kind))
        return cls(name, columns)

    def empty(self) -> pd.DataFrame:
        """Return a table without rows."""
        import pandas as pd

        return pd.DataFrame({name: [] for name in self.columns})


def write_table(table: pd.DataFrame, path: str | Path, schema: TableSchema | None = None) -> None:
    """Write a tidy table as TSV, whole or not at all; missing values are empty cells.

    Parameters
    ----------
    table : pandas.DataFrame
        At least the schema's columns, in any order; no others are written.
    path : str or Path
        The file to write.
    schema : TableSchema, optional
        None where the columns depend on the data.
    """
    if schema is not None:
        table = table[list(schema.columns)]
    with written_with_digest(path) as partial:
        table.to_csv(partial, sep="\t", index=False, lineterminator="\n")


def read_table(path: str | Path, schema: TableSchema, /, **identity: str) -> pd.DataFrame:
    """Read a TSV table of ours.

    Parameters
    ----------
    path : str or Path
        The table.
    schema : TableSchema
        Its columns.
    **identity
        Columns that say whose table it is, and what is expected there, such as ``task="tissue"``.

    Returns
    -------
    pandas.DataFrame
        The table; only empty cells count as missing, so an id or gene named ``NA`` survives.

    Raises
    ------
    HistotransferError
        If the table is missing, damaged, of other columns, or of something else than expected.
    """
    import pandas as pd  # here, since most jobs of a slide read and write no table

    dtype = {name: _DTYPES[kind] for name, kind in schema.columns.items()}
    check_digest(path)
    try:
        with readable(path):
            table = pd.read_csv(path, sep="\t", dtype=dtype, keep_default_na=False, na_values=[""])
    except ValueError as error:
        raise HistotransferError(path, f"is not a table of ours ({error})", remake(path)) from error
    if lacking := [name for name in schema.columns if name not in table]:
        raise HistotransferError(path, f"has no column {', '.join(lacking)}", remake(path))
    for name, expected in identity.items():
        if other := sorted(set(table[name].dropna()) - {expected}):
            raise HistotransferError(
                path, f"is of {name} {other[0]}, expected {expected}", remake(path)
            )
    return table
