"""Stores: HDF5 files between the stages, each with the digest of its own bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from .. import __version__
from .errors import HistotransferError
from .files import readable, remake, written_whole

SEAL_BYTES = 512
_SEAL = "histotransfer: SHA-256 of the bytes after the first 512: {}\n"


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
def open_store(
    path: str | Path, schema: str | Sequence[str], **identity: str
) -> Iterator[h5py.File]:
    """Open an HDF5 file of ours for reading and check what it is, whose, and that it is whole.

    Parameters
    ----------
    path : str or Path
        The file to read.
    schema : str or sequence of str
        The schema that the caller understands, such as ``"tiles/1"``, or several.
    **identity
        Root attributes that say whose file it is, and what is expected there, such as
        ``slide="S1"``.

    Yields
    ------
    h5py.File
        The open file.

    Raises
    ------
    HistotransferError
        If the file is missing, damaged, of another schema, or of something else than expected.
    """
    with readable(path):
        if store_digest(path) != _digest_after_seal(path):
            raise HistotransferError(
                path, "has changed since it was written: it does not match its digest", remake(path)
            )
        store = h5py.File(path, "r")
    with store:
        found = store.attrs.get("schema", "no schema")
        known = [schema] if isinstance(schema, str) else schema
        if found not in known:
            expected = " or ".join(known)
            raise HistotransferError(path, f"holds {found}, expected {expected}", remake(path))
        for name, expected in identity.items():
            if (actual := store.attrs.get(name)) != expected:
                raise HistotransferError(
                    path, f"is of {name} {actual}, expected {expected}", remake(path)
                )
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
    with readable(path), Path(path).open("rb") as file:
        seal = file.read(SEAL_BYTES)
    if not seal.startswith(start):
        raise HistotransferError(
            path, "is damaged, or was not written by this version", remake(path)
        )
    return seal[len(start) :].split(b"\n")[0].decode("ascii", "replace")


def _digest_after_seal(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        file.seek(SEAL_BYTES)
        return hashlib.file_digest(file, "sha256").hexdigest()
