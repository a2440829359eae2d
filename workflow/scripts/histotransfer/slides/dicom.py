"""Whole-slide images in DICOM: a folder with a file per level, of which OpenSlide opens any."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import openslide

from ..core.errors import SlideError
from ..core.exclusions import Reason

SERIES = "dicom.SeriesInstanceUID"
HEAD_BYTES = 2**18
"""The header's part that describes the picture lies before this."""

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
"""The class of whole-slide images."""

SEPARATE = "Give each slide a folder of its own, or write the path of one of its files in the sheet"


@dataclass(frozen=True)
class Header:
    """What a file says of its picture, each empty or 0 where it does not say it."""

    file: str
    sop_class: str
    series: str
    image_type: str
    photometric: str
    samples: int

    @property
    def is_slide(self) -> bool:
        """Whether it is a whole-slide image, of which old files do not say what they are."""
        return self.sop_class in (WHOLE_SLIDE, "")


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_header(path: Path) -> Header:
    """Read what a DICOM file says of its picture."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    samples = _value(head, 0x0028, 0x0002, b"US")
    return Header(
        path.name,
        sop_class=_text(head, 0x0008, 0x0016, b"UI"),
        series=_text(head, 0x0020, 0x000E, b"UI"),
        image_type=_text(head, 0x0008, 0x0008, b"CS"),
        photometric=_text(head, 0x0028, 0x0004, b"CS"),
        samples=int.from_bytes(samples[:2], "little"),
    )


def _text(head: bytes, group: int, number: int, kind: bytes) -> str:
    return _value(head, group, number, kind).decode("latin-1").strip("\0 ")


def _value(head: bytes, group: int, number: int, kind: bytes) -> bytes:
    """Return the bytes of an element, with and without the kind of the value spelt out."""
    tag = struct.pack("<HH", group, number)
    at = head.find(tag + kind) + 1 or head.find(tag, 132) + 1
    if not at:
        return b""
    start = at - 1 + 8
    form = "<H" if head[start - 4 : start - 2] == kind else "<I"
    (length,) = struct.unpack(form, head[start - struct.calcsize(form) : start])
    return head[start : start + length]


def headers_beside(path: Path) -> list[Header]:
    """Read the headers of a file and of those of its series in its folder, which make a slide."""
    own = read_header(path)
    files = (other for other in sorted(path.parent.iterdir()) if other != path and is_dicom(other))
    return [own, *(other for other in map(read_header, files) if other.series == own.series)]


def file_of(folder: Path) -> Path | None:
    """Return a file by which OpenSlide opens the slide in a folder; None if no file is DICOM.

    If OpenSlide opens none, it is the first that claims to be of a slide, else the first.

    Raises
    ------
    SlideError
        If the folder holds several slides.
    """
    files = [(path, read_header(path)) for path in sorted(folder.iterdir()) if is_dicom(path)]
    found: tuple[Path, str] | None = None
    for path, header in files:
        if found and header.series == found[1]:
            continue
        try:
            with openslide.OpenSlide(path) as slide:
                series = slide.properties.get(SERIES, "")
        except openslide.OpenSlideError:  # such as a DICOMDIR, or a report
            continue
        if found:
            detail = f"{found[0].name} and {path.name} are of different series"
            raise SlideError(folder, Reason("several_slides", detail, SEPARATE))
        found = path, series
    if found:
        return found[0]
    claim = [path for path, header in files if header.is_slide and header.series]
    return next(iter([*claim, *(path for path, _ in files)]), None)
