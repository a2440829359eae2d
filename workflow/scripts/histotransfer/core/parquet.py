"""Parquet tables that users bring."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .errors import HistotransferError
from .tables import UNREADABLE


def read_parquet(path: str | Path, remedy: str) -> pd.DataFrame:
    """Read a Parquet table; an index that is not a count of the rows becomes the first column.

    Raises
    ------
    HistotransferError
        If the file is something else; it ends with the remedy.
    """
    # Here, since most jobs read no such table.
    from fastparquet import ParquetFile
    from fastparquet.util import ParquetException

    try:
        frame: pd.DataFrame = ParquetFile(str(path)).to_pandas()
    except (*UNREADABLE, IndexError, ParquetException) as error:
        raise HistotransferError(path, f"cannot be read as a table ({error})", remedy) from error
    if frame.index.name is not None or not isinstance(frame.index, pd.RangeIndex):
        frame = frame.rename_axis(str(frame.index.name or "")).reset_index()
    return frame
