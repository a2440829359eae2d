"""The files of a user's folder that are meant: not what other programs left beside them.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from .errors import HistotransferError

MAFS = ("*.maf", "*.maf.gz")
STAR_COUNTS = ("*.tsv", "*.tsv.gz")
FEATURES = ("*.h5",)
PATCHES = ("*.tif", "*.tiff", "*.png", "*.jpg", "*.jpeg")
NETWORK = ("config.json", "model.safetensors", "pytorch_model.bin", "README.md")
PASSED_OVER = "logs"
"""A folder of this name, which the GDC's client makes beside each file, holds no data."""
UNFINISHED = ".parcel"
"""The ending of what the GDC's client has not finished."""


def files_meant(folder: str | Path, patterns: Sequence[str]) -> list[Path]:
    """List the files of a folder that match, at any depth.

    Hidden files and folders do not count (``.DS_Store``, macOS's ``._x.maf``), nor does anything
    below a folder `PASSED_OVER`, nor what is `UNFINISHED`. Links to folders are followed; a folder
    that is reached twice is listed once.

    Parameters
    ----------
    folder : str or Path
        Its own name may be any, also hidden.
    patterns : sequence of str
        Such as ``*.maf``; upper and lower case are alike.

    Returns
    -------
    list of Path
        Sorted.

    Raises
    ------
    HistotransferError
        If a folder cannot be listed.
    """
    wanted = [pattern.lower() for pattern in patterns]
    found: list[Path] = []
    visited: set[tuple[int, int]] = set()
    waiting = [Path(folder)]
    while waiting:
        place = waiting.pop()
        try:
            status = place.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(place) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise HistotransferError(
                place, f"cannot be listed ({error.strerror})", "Correct the folder or its rights"
            ) from error
        folders = []
        for entry in inside:
            name = entry.name.lower()
            if name.startswith(".") or name.endswith(UNFINISHED):
                continue
            if entry.is_dir():
                folders += [] if name == PASSED_OVER else [Path(entry.path)]
            elif any(fnmatchcase(name, pattern) for pattern in wanted) and entry.is_file():
                found.append(Path(entry.path))
        waiting += reversed(folders)
    return sorted(found)


def files_by_stem(folder: str | Path, patterns: Sequence[str]) -> dict[str, list[Path]]:
    """Return the files of `files_meant` by their name without its ending."""
    found: dict[str, list[Path]] = {}
    for path in files_meant(folder, patterns):
        found.setdefault(path.stem, []).append(path)
    return found
