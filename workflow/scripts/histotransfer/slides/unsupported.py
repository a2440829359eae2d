"""Files that OpenSlide does not open: what they are, and how they become slides."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.exclusions import Reason
from .dicom import SEPARATE, headers_beside
from .pictures import (
    BIOFORMATS,
    IN_COLOURS,
    TILED,
    WAVELETS,
    TiffPicture,
    in_colours,
    tiff_pictures,
)

COPY_AGAIN = "Copy or download the slide again, or take it out of the slide sheet"

HEAD_BYTES = 2048

READ = WAVELETS | {"NONE", "LZW", "PACKBITS", "JPEG", "ADOBE_DEFLATE", "DEFLATE"}
"""The compressions that OpenSlide reads, by tifffile's names: wavelets in Aperio's files."""

OF_GDAL = frozenset({"JPEGXL", "JPEGXL_DNG"})
OF_BIOFORMATS = WAVELETS | {"JPEG2000", "JPEGXR_NDPI"}
OF_NOBODY = frozenset({"JPEGXR", "PNG"})
"""Compressions of TIFFs that libvips does not read, or in wrong colours, by what reads them."""

VIPS = f"Convert it with libvips: `vips copy {{file}} '{TILED}'`"
GDAL = (
    "Convert it with GDAL, if yours has JPEG XL: "
    "`gdal_translate -co TILED=YES -co BIGTIFF=YES -co COMPRESS=JPEG {file} OUT.tif`"
)
OF_INTACT_DICOM = "Unsupported photometric", "Unsupported transfer", " != "
"""What OpenSlide says of a file in DICOM that is of a kind that it does not read."""

ISYNTAX = "Export it as TIFF from Philips' software, or convert it with libisyntax or isyntax2raw"
EXPORT = "Export it as SVS, TIFF or DICOM with the scanner's software"
SAVE_AGAIN = "Save it as a tiled TIFF of 8 bits per colour"
UNPACK = "Unpack it, and write the path of the slide in the slide sheet"


@dataclass(frozen=True)
class Kind:
    """A kind of file, told by bytes at an offset, and what to do about it."""

    offset: int
    magic: bytes
    name: str
    remedy: str


KINDS = (
    Kind(4, b"jP  \r\n", "a JPEG 2000 file", VIPS),
    Kind(0, b"\xff\x4f\xff\x51", "a JPEG 2000 file", VIPS),
    Kind(4, b"JXL \r\n", "a JPEG XL file", VIPS),
    Kind(0, b"\xff\x0a", "a JPEG XL file", VIPS),
    Kind(0, b"\xff\xd8\xff", "a JPEG file", VIPS),
    Kind(0, b"\x89PNG\r\n", "a PNG file", VIPS),
    Kind(8, b"WEBP", "a WebP file", VIPS),
    Kind(4, b"ftyp", "a HEIF or AVIF file", VIPS),
    Kind(0, b"BM", "a BMP file", VIPS),
    Kind(0, b"GIF8", "a GIF file", VIPS),
    Kind(0, b"ZISRAWFILE", "a Zeiss CZI file", BIOFORMATS),
    Kind(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE file, such as Zeiss ZVI", BIOFORMATS),
    Kind(0, b"\xda\xce\xbe\x0a", "a Nikon ND2 file", BIOFORMATS),
    Kind(0, b"SIS\x00", "an Olympus ETS file", BIOFORMATS),
    Kind(0, b"\x70\x00\x00\x00", "a Leica LIF file", BIOFORMATS),
    Kind(0, b"\x89HDF\r\n", "an HDF5 file", BIOFORMATS),
    Kind(0, b"<DataObject", "a Philips iSyntax file", ISYNTAX),
    Kind(0, b"PK\x03\x04", "a ZIP archive", UNPACK),
    Kind(0, b"\x1f\x8b", "a gzip archive", UNPACK),
    Kind(0, b"BZh", "a bzip2 archive", UNPACK),
    Kind(0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    Kind(0, b"Rar!", "a RAR archive", UNPACK),
    Kind(257, b"ustar", "a tar archive", UNPACK),
    Kind(0, b"version https://git-lfs", "a pointer of Git LFS", "Fetch the file: `git lfs pull`"),
)  # fmt: skip

MIRAX_PICTURES = frozenset({"a JPEG file", "a PNG file", "a BMP file"})
"""Kinds of which a slide's own file in MIRAX may be: a small picture of it."""

BY_ENDING = {
    ".isyntax": ("a Philips iSyntax file", ISYNTAX),
    ".i2syntax": ("a Philips iSyntax file", ISYNTAX),
    ".vsi": ("an Olympus VSI file", BIOFORMATS),
    **dict.fromkeys(
        (".kfb", ".sdpc", ".tmap", ".mdsx", ".ibl", ".tron"),
        ("in a format of one maker", EXPORT),
    ),
}
"""Kinds that only the file's name gives away."""


def why_unreadable(path: Path, message: str) -> Reason:
    """Return why OpenSlide, which says `message`, does not open a file.

    `slide_unsupported` if the file is intact but of another kind, `slide_incomplete` if others that
    belong to it are missing, else `slide_unreadable`.
    """
    file = shlex.quote(path.name)
    with path.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    if b"<DataObject" in head:
        head = head[head.index(b"<DataObject") :]
    kind = next((kind for kind in KINDS if head[kind.offset :].startswith(kind.magic)), None)
    is_known = kind is not None and kind.name not in MIRAX_PICTURES
    if (missing := _missing_companion(path, head)) and not is_known:
        remedy = f"Copy {missing} beside it"
        return Reason("slide_incomplete", f"{missing} is missing", remedy)
    if head[128:132] == b"DICM":
        return _why_dicom_unreadable(path, message)
    if kind is not None:
        return Reason("slide_unsupported", kind.name, kind.remedy.format(file=file))
    if path.suffix.lower() in BY_ENDING:
        name, remedy = BY_ENDING[path.suffix.lower()]
        return Reason("slide_unsupported", name, remedy.format(file=file))
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return Reason("slide_unreadable", "a web page", COPY_AGAIN)
    return why_unsupported(path, message) or Reason("slide_unreadable", message, COPY_AGAIN)


def _why_dicom_unreadable(path: Path, message: str) -> Reason:
    """Do as `why_unreadable` for a file in DICOM: one of its series that is unfit spoils all."""
    own, *others = headers_beside(path)
    if not own.is_slide:
        remedy = "Write the path of the slide in the slide sheet"
        return Reason("slide_unsupported", f"{own.file}: DICOM, but no whole-slide image", remedy)
    for header in (own, *others):
        if header.samples == 1:
            detail = f"{header.file}: one channel, {header.photometric or 'DICOM'}"
            is_level = "LABEL" not in header.image_type and "OVERVIEW" not in header.image_type
            aside = f"Move {header.file} out of its folder"
            return Reason("slide_grey", detail, IN_COLOURS if is_level else aside)
    if "unexpected image" in message:  # two pictures of one level
        return Reason("several_slides", f"DICOM: {message}", SEPARATE)
    if "No pyramid levels" in message:
        remedy = "Copy the other files of the slide beside it"
        return Reason("slide_incomplete", f"{own.file}: no level, only a label or overview", remedy)
    convert = BIOFORMATS.format(file=shlex.quote(own.file))
    if any(words in message for words in OF_INTACT_DICOM):
        return Reason("slide_unsupported", f"DICOM: {message}", convert)
    remedy = f"{COPY_AGAIN}; if it is intact: {convert}"
    return Reason("slide_unreadable", f"DICOM: {message}", remedy)


def _missing_companion(path: Path, head: bytes) -> str:
    """Name what must lie beside the file and does not, "" if nothing is known to be missing."""
    if path.suffix.lower() == ".mrxs":
        folder = path.with_suffix("")
        index = folder / "Slidedat.ini"
        return "" if index.is_file() else f"the folder {folder.name} with its Slidedat.ini"
    if path.suffix.lower() in (".vms", ".vmu"):
        lines = head.decode("latin-1").splitlines()
        named = [value.strip() for _, _, value in (line.partition("=") for line in lines)]
        named = [name for name in named if name.lower().endswith((".jpg", ".opt", ".ngr"))]
        return next((name for name in named if not (path.parent / name).is_file()), "")
    return ""


def why_unsupported(path: Path, message: str) -> Reason | None:
    """Return how an intact TIFF differs from those that OpenSlide reads; None if it does not.

    `message` is what OpenSlide says of it.
    """
    pictures = tiff_pictures(path)
    if not pictures or max(picture.end for picture in pictures) > path.stat().st_size:
        return None
    largest = max(pictures, key=lambda picture: picture.area)
    if largest.compression.isdigit():
        return None  # no program knows it: the tag is damaged
    differences = list(_differences(largest, message))
    if largest.page > 1 and not differences:
        differences = ["the first page is another picture"]
    if not differences:
        return None
    file, source = shlex.quote(path.name), largest.source(path)
    if largest.samples == 1 and largest.photometric == "MINISBLACK":
        size = largest.width, largest.height
        same = [picture for picture in pictures if (picture.width, picture.height) == size]
        remedy = in_colours(path, same)
    elif largest.bits not in (8, 16) or largest.compression in OF_NOBODY:
        remedy = SAVE_AGAIN
    elif largest.compression in OF_GDAL:
        remedy = GDAL.format(file=file)
    elif largest.compression in OF_BIOFORMATS:
        remedy = BIOFORMATS.format(file=file)
    elif largest.bits == 16:
        remedy = f"Convert it with libvips: `vips cast {source} '{TILED}' uchar --shift`"
    else:
        remedy = VIPS.format(file=source)
    return Reason("slide_unsupported", f"{largest.words}: {', '.join(differences)}", remedy)


def _differences(picture: TiffPicture, message: str) -> Iterator[str]:
    if not picture.is_tiled:
        yield "stored in strips, not in tiles"
    if picture.compression not in READ or "compression" in message.lower():
        yield f"compressed as {picture.compression}"
    if picture.bits != 8:
        yield f"{picture.bits} bits per colour"
    if picture.samples == 1:
        yield "one colour only"
    if picture.is_planar and picture.samples > 1:
        yield "each colour stored apart"
    if picture.photometric not in ("RGB", "YCBCR", "MINISBLACK"):
        yield f"colours as {picture.photometric}"
