"""Whole-slide images in DICOM: a folder with a file per level, of which OpenSlide opens any."""

from __future__ import annotations

import struct
from pathlib import Path

import openslide

from ..core.errors import SlideError
from ..core.exclusions import Reason

SERIES = "dicom.SeriesInstanceUID"
SERIES_TAG = struct.pack("<HH", 0x0020, 0x000E)
HEAD_BYTES = 2**18
"""The header's part that names the series lies before this."""

REMEDY = "Give each slide a folder of its own, or write the path of one of its files in the sheet"


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def file_of(folder: Path) -> Path | None:
    """Return a file by which OpenSlide opens the slide in a folder; None if no file is DICOM.

    Raises
    ------
    SlideError
        If the folder holds several slides, or none that OpenSlide opens.
    """
    files = sorted(path for path in folder.iterdir() if is_dicom(path))
    found: tuple[Path, str] | None = None
    failure = ""
    for path in files:
        if found and _is_of_series(path, found[1]):
            continue
        try:
            with openslide.OpenSlide(path) as slide:
                series = slide.properties.get(SERIES, "")
        except openslide.OpenSlideError as error:  # such as a DICOMDIR, or a report
            failure = failure or f"{path.name}: {error}"
            continue
        if found:
            detail = f"{found[0].name} and {path.name} are of different series"
            raise SlideError(folder, Reason("several_slides", detail, REMEDY))
        found = path, series
    if files and not found:
        remedy = "Copy the folder again, or take it out of the slide sheet"
        raise SlideError(folder, Reason("slide_unreadable", f"DICOM; {failure}", remedy))
    return found[0] if found else None


def _is_of_series(path: Path, series: str) -> bool:
    """Tell whether a file names a series, with and without the kind of the value spelt out."""
    uid = series.encode()
    uid += b"\0" * (len(uid) % 2)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    length = len(uid)
    lengths = b"UI" + struct.pack("<H", length), struct.pack("<I", length)
    return any(SERIES_TAG + form + uid in head for form in lengths)
