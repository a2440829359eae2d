"""Tables: TSV files between the stages and of the results."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import HistotransferError
from .files import check_digest, readable, remake, written_with_digest

if TYPE_CHECKING:
    import pandas as pd

#: What opening and parsing a text table, compressed or not, can raise when it is something else.
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


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a tidy table as TSV, whole or not at all; missing values are empty cells."""
    with written_with_digest(path) as partial:
        table.to_csv(partial, sep="\t", index=False, lineterminator="\n")


def read_table(path: str | Path, /, **types: str) -> pd.DataFrame:
    """Read a TSV table of ours.

    Parameters
    ----------
    path : str or Path
        The table.
    **types
        dtypes by column, so that ids such as ``007`` stay text.

    Returns
    -------
    pandas.DataFrame
        The table; only empty cells count as missing, so an id or gene named ``NA`` survives.

    Raises
    ------
    HistotransferError
        If the table is missing or damaged.
    """
    import pandas as pd  # here, since most jobs of a slide read and write no table

    check_digest(path)
    try:
        with readable(path):
            return pd.read_csv(path, sep="\t", dtype=types, keep_default_na=False, na_values=[""])
    except ValueError as error:
        raise HistotransferError(path, f"is no table of ours ({error})", remake(path)) from error
