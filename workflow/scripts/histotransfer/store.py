"""Files between the stages: whole or not there, and checked against a digest when they are read.

An HDF5 store begins with 512 bytes of text (the user block, which every reader of HDF5 skips) that
hold the SHA-256 of all bytes after them. Of any other file, `written_with_digest` puts it into a
hidden file beside it, in the form that ``sha256sum -c`` reads. So a file that was cut short or
changed is found before anything is computed from it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import h5py

from . import __version__
from .errors import HistotransferError

if TYPE_CHECKING:
    import pandas as pd

SEAL_BYTES = 512
_SEAL = "histotransfer: SHA-256 of the bytes after the first 512: {}\n"

_UNWRITABLE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "it is larger than a file may be here",
    errno.EROFS: "the file system is read-only",
}
_FORBIDDEN = {errno.EACCES: "permission denied", errno.EPERM: "not permitted"}


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` and rename it to `path` if the block succeeds.

    What a killed writer left behind is written over, so that a job that is run again leaves nothing
    else in the folder.

    Parameters
    ----------
    path : str or Path
        The final name; its folder is made if needed.

    Yields
    ------
    Path
        The temporary name in the same folder, with the same suffix.

    Raises
    ------
    HistotransferError
        If the disk is full, the folder cannot be written to, or another process is writing `path`.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial, lock = _partial(path)
    except OSError as error:
        raise_if_unwritable(path, error, _UNWRITABLE | _FORBIDDEN)
        raise
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # some of HDF5's are RuntimeErrors
        raise_if_unwritable(path, error)
        raise
    finally:
        partial.unlink(missing_ok=True)
        lock.close()


def _partial(path: Path) -> tuple[Path, IO[bytes]]:
    """Open and lock the temporary file of `path`, whose last writer must be done or dead."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    while True:
        lock = partial.open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise HistotransferError(
                path,
                "another process is writing it",
                "Wait until that has ended, or end it, and run again",
            ) from error
        except OSError:  # no locks on this file system: a name of our own is as safe, if less tidy
            lock.close()
            partial.unlink(missing_ok=True)
            partial = partial.with_stem(f"{partial.stem}.{secrets.token_hex(4)}")
            return partial, partial.open("xb")
        if partial.exists() and os.path.samestat(os.fstat(lock.fileno()), partial.stat()):
            return partial, lock
        lock.close()  # its writer renamed it between our opening and our locking


def raise_if_unwritable(
    path: Path, error: Exception, causes: Mapping[int, str] = _UNWRITABLE
) -> None:
    """Raise HistotransferError if an error says that the disk has no room or may not be written."""
    code: int | None = getattr(error, "errno", None)
    if code is None and (found := re.search(r"errno = (\d+)", str(error))):
        code = int(found[1])
    if code is not None and code in causes:
        raise HistotransferError(
            path,
            f"cannot be written ({causes[code]})",
            "Make room, or allow to write there, and run again: what is done is kept",
        ) from error


@contextmanager
def written_with_digest(path: str | Path) -> Iterator[Path]:
    """Do as `written_whole`, and write the file's SHA-256 beside it for `check_digest`."""
    path = Path(path)
    beside = _digest_beside(path)
    with written_whole(path) as partial:
        beside.unlink(missing_ok=True)  # so that no file is ever held against another's digest
        yield partial
        digest = file_digest(partial)
    with written_whole(beside) as partial:
        partial.write_text(f"{digest}  {path.name}\n", encoding="utf-8")


def check_digest(path: str | Path) -> None:
    """Check a file against the digest beside it; one that has none is not ours and is let pass.

    Raises
    ------
    HistotransferError
        If the file is missing, cannot be read, or is not as it was written.
    """
    path = Path(path)
    beside = _digest_beside(path)
    with _readable(path):
        if beside.exists() and not beside.read_bytes().startswith(file_digest(path).encode()):
            raise HistotransferError(
                path,
                f"is not as it was written: it does not match its digest, {beside.name}",
                _anew(path),
            )


def _digest_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def _anew(path: str | Path) -> str:
    return f"Delete it and make it anew: snakemake {path}"


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Turn what goes wrong in opening a file of ours into an error that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise HistotransferError(
            path, "is missing", f"Make it by name: snakemake {path}"
        ) from error
    except (PermissionError, IsADirectoryError) as error:
        raise HistotransferError(
            path, f"cannot be read ({error.strerror})", "Make it a file that may be read"
        ) from error
    except OSError as error:
        raise HistotransferError(path, f"cannot be read ({error})", _anew(path)) from error


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

    Raises
    ------
    HistotransferError
        As `written_whole`.
    """
    with written_whole(path) as partial:
        # HDF5 would lock the file against us, who have locked it already.
        with h5py.File(partial, "w", userblock_size=SEAL_BYTES, locking=False) as store:
            store.attrs["schema"] = schema
            store.attrs["histotransfer_version"] = __version__
            for name, value in attrs.items():
                store.attrs[name] = "" if value is None else value
            yield store
        digest = _digest_after_seal(partial)
        with partial.open("r+b") as file:
            file.write(_SEAL.format(digest).encode())


@contextmanager
def open_store(path: str | Path, schema: str) -> Iterator[h5py.File]:
    """Open an HDF5 file of ours for reading and check what it is, and that it is whole.

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
    with _readable(path):
        if store_digest(path) != _digest_after_seal(path):
            raise HistotransferError(
                path, "is not as it was written: it does not match its digest", _anew(path)
            )
        store = h5py.File(path, "r")
    with store:
        found = store.attrs.get("schema", "no schema")
        if found != schema:
            raise HistotransferError(path, f"holds {found}, expected {schema}", _anew(path))
        yield store


def leads_elsewhere(file: h5py.File, name: str) -> bool:
    """Tell whether an object of an HDF5 file has its contents in other files.

    By external links, external storage and virtual datasets, a file from elsewhere could have any
    file of the user's read.
    """
    if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        return True
    found = file[name]
    if found.file.filename != file.filename:  # by a soft link through an external one
        return True
    return isinstance(found, h5py.Dataset) and bool(found.external or found.is_virtual)


def store_digest(path: str | Path) -> str:
    """Return the digest that a store holds of itself; only `open_store` checks that it is true.

    Raises
    ------
    HistotransferError
        If the file is missing, or no store of ours.
    """
    start = _SEAL.split("{")[0].encode()
    with _readable(path), Path(path).open("rb") as file:
        seal = file.read(SEAL_BYTES)
    if not seal.startswith(start):
        raise HistotransferError(
            path, "is damaged, or not a file that this version wrote", _anew(path)
        )
    return seal[len(start) :].split(b"\n")[0].decode("ascii", "replace")


def _digest_after_seal(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        file.seek(SEAL_BYTES)
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        with _readable(path):
            return pd.read_csv(path, sep="\t", dtype=types, keep_default_na=False, na_values=[""])
    except ValueError as error:
        raise HistotransferError(path, f"is no table of ours ({error})", _anew(path)) from error
