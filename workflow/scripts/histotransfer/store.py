"""Files between the stages: HDF5 stores and TSV tables that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from . import __version__
from .errors import HistotransferError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` and rename it to `path` if the block succeeds.

    Parameters
    ----------
    path : str or Path
        The final name; its folder is made if needed.

    Yields
    ------
    Path
        The temporary name in the same folder, with the same suffix.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def create_store(path: str | Path, schema: str, attrs: Mapping[str, Any]) -> Iterator[h5py.File]:
    """Write an HDF5 file with root attributes; it appears at `path` only when complete.

    Parameters
    ----------
    path : str or Path
        The file to write.
    schema : str
        Name and version of the contents, such as ``"tiles/1"``.
    attrs : mapping
        Further root attributes: the id and the parameters that made the file. None is stored as "".

    Yields
    ------
    h5py.File
        The open file.
    """
    with written_whole(path) as partial, h5py.File(partial, "w") as store:
        store.attrs["schema"] = schema
        store.attrs["histotransfer_version"] = __version__
        for name, value in attrs.items():
            store.attrs[name] = "" if value is None else value
        yield store


@contextmanager
def open_store(path: str | Path, schema: str) -> Iterator[h5py.File]:
    """Open an HDF5 file of ours for reading and check what it is.

    Parameters
    ----------
    path : str or Path
        The file to read.
    schema : str
        The schema that the caller understands, such as ``"tiles/1"``.

    Yields
    ------
    h5py.File
        The open file.

    Raises
    ------
    HistotransferError
        If the file is missing, damaged or of another schema.
    """
    remedy = "Delete this file and run the workflow again to make it anew"
    if not Path(path).exists():
        raise HistotransferError(path, "is missing", f"Make it by name: snakemake {path}")
    try:
        store = h5py.File(path, "r")
    except OSError as error:
        raise HistotransferError(path, f"cannot be opened as HDF5 ({error})", remedy) from error
    with store:
        found = store.attrs.get("schema", "no schema")
        if found != schema:
            raise HistotransferError(path, f"holds {found}, expected {schema}", remedy)
        yield store


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a tidy table as TSV, whole or not at all; missing values are empty cells."""
    with written_whole(path) as partial:
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
    """
    import pandas as pd  # here, since most jobs of a slide read and write no table

    return pd.read_csv(path, sep="\t", dtype=types, keep_default_na=False, na_values=[""])
