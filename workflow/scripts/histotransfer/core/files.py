"""Files between the stages: each appears whole or not at all, and reading one checks its digest.

An HDF5 store begins with 512 bytes of text (the user block, which every HDF5 reader skips). They
hold the SHA-256 of all bytes that follow. For any other file, `written_with_digest` writes the
SHA-256 to a hidden file beside it, in the form that ``sha256sum -c`` reads. A file that was cut
short or changed is found before anything is computed from it.
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
from typing import IO

from .errors import HistotransferError

_UNWRITABLE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is exhausted",
    errno.EFBIG: "it exceeds the largest file size allowed here",
    errno.EROFS: "the file system is read-only",
}
_FORBIDDEN = {errno.EACCES: "permission denied", errno.EPERM: "not permitted"}
_READ_ONLY = {errno.EROFS, *_FORBIDDEN}


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` and rename it to `path` if the block succeeds.

    What a killed writer left behind is overwritten, so running a job again leaves no other files in
    the folder.

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
                "Wait until it has finished, or stop it, and run again",
            ) from error
        except OSError:  # a file system without locks: a random name is as safe, if less tidy
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
    """Raise HistotransferError if an error says that the disk is full or cannot be written to."""
    code: int | None = getattr(error, "errno", None)
    if code is None and (found := re.search(r"errno = (\d+)", str(error))):
        code = int(found[1])
    if code is not None and code in causes:
        what = "Make the folder writable" if code in _READ_ONLY else "Free some space"
        remedy = f"{what} and run again; finished files are kept"
        raise HistotransferError(
            path,
            f"cannot be written ({causes[code]})",
            remedy,
        ) from error


@contextmanager
def written_with_digest(path: str | Path) -> Iterator[Path]:
    """Do as `written_whole`, and write the file's SHA-256 beside it for `check_digest`."""
    path = Path(path)
    beside = _digest_beside(path)
    with written_whole(path) as partial:
        beside.unlink(missing_ok=True)  # so that no file is ever compared with another's digest
        yield partial
        digest = file_digest(partial)
    with written_whole(beside) as partial:
        partial.write_text(f"{digest}  {path.name}\n", encoding="utf-8")


def check_digest(path: str | Path) -> None:
    """Check a file against the digest beside it; a file without one is not ours and passes.

    Raises
    ------
    HistotransferError
        If the file is missing, cannot be read, or has changed since it was written.
    """
    path = Path(path)
    beside = _digest_beside(path)
    with readable(path):
        if beside.exists() and not beside.read_bytes().startswith(file_digest(path).encode()):
            raise HistotransferError(
                path,
                f"has changed since it was written: it does not match its digest, {beside.name}",
                remake(path),
            )


def _digest_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def remake(path: str | Path) -> str:
    """Say how a file of ours is made again."""
    return f"Delete it and make it again: snakemake {path}"


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Turn a failure to open a file of ours into an error that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise HistotransferError(path, "is missing", f"Make it: snakemake {path}") from error
    except (PermissionError, IsADirectoryError) as error:
        raise HistotransferError(
            path, f"cannot be read ({error.strerror})", "Make it a readable file"
        ) from error
    except OSError as error:
        raise HistotransferError(path, f"cannot be read ({error})", remake(path)) from error


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_of(path: Path) -> str:
    """Describe a file, or a folder by all its files, so that any change of them is seen.

    Sizes and times of change decide; contents are not read. The folder of a MIRAX slide, which has
    its name, counts too.
    """
    parts = [path, path.with_suffix("")] if path.suffix.lower() == ".mrxs" else [path]
    files = [
        file
        for part in parts
        for file in (sorted(part.iterdir()) if part.is_dir() else [part])
        if file.is_file()
    ]
    states = [f"{file.stat().st_size} bytes, {file.stat().st_mtime_ns} ns" for file in files]
    if files == [path]:
        return states[0]
    lines = [f"{file.name}: {state}" for file, state in zip(files, states, strict=True)]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return f"{len(files)} files, sha256 of their sizes and times {digest}"
