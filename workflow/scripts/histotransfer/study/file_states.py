"""The state of the user's files, so that a job runs again when one of them is another.

Snakemake compares a file's time with that of the results. So it does not see a table that another
one with an older date has replaced (``cp -p``, ``rsync``, ``unzip``), nor what happens inside a
folder. A state is a parameter of each rule that reads such files.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..core.user_files import files_meant


def file_state(path: str | Path) -> str:
    """Return a file's size and time of change; an empty text where there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"


def files_state(files: Iterable[str | Path]) -> str:
    """Return the number of files and a digest of their paths, sizes and times of change."""
    paths = sorted(map(str, files))
    states = "".join(f"{path}\t{file_state(path)}\n" for path in paths)
    digest = hashlib.sha256(states.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{len(paths)} files, {digest[:16]}"


def state_of(place: str, patterns: Sequence[str] = ()) -> str:
    """Return the state of a file, or of the files of a folder that are meant.

    Parameters
    ----------
    place : str
    patterns : sequence of str
        Of a folder, as in `files_meant`.
    """
    if Path(place).is_dir():
        return files_state(files_meant(place, patterns))
    return file_state(place)


def slide_state(path: str | Path) -> str:
    """Return the state of a slide: its file, or all files of a folder of DICOM.

    The folder of a MIRAX slide, which has its name, counts too.
    """
    place = Path(path)
    parts = [place, place.with_suffix("")] if place.suffix.lower() == ".mrxs" else [place]
    folders = [part for part in parts if part.is_dir()]
    if not folders:
        return file_state(place)
    inside = [file for folder in folders for file in folder.iterdir() if file.is_file()]
    return files_state([*inside, *(part for part in parts if part.is_file())])
