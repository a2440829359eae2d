"""The pictures in a TIFF file: OpenSlide uses one, and does not say what it makes of the others."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import tifffile

from ..core.exclusions import Reason
from .levels import sizes_agree

MAX_PICTURES = 500
"""A whole slide has about ten; of a stack, the first are enough."""

TILED = "OUT.tif[tile,pyramid,bigtiff,compression=jpeg,Q=90]"
"""How libvips is told to write a TIFF that OpenSlide reads."""

BIOFORMATS = (
    "Convert it with Bio-Formats: "
    "`bfconvert -bigtiff -compression zlib -tilex 512 -tiley 512 {file} OUT.ome.tif`"
)

IN_COLOURS = "Export it in colours"

COLOURED = frozenset({"RGB", "YCBCR", "SEPARATED"})
"""The colour models of which OpenSlide shows the colours, or which it refuses itself."""

UPRIGHT = 1
"""The orientation of a picture that is stored as it is to be seen."""

WAVELETS = frozenset({"APERIO_JP2000_RGB", "APERIO_JP2000_YCBC"})

NOT_FLIPPED = WAVELETS | {"JPEG"}
"""Compressions that OpenSlide decodes itself. It leaves the others to libtiff, which applies the
orientation to each tile by itself."""

COMPARABLE = 0.25
"""A picture that is no reduced copy and covers at least this part of the slide's is named."""


@dataclass(frozen=True)
class TiffPicture:
    """What the tags of one picture say.

    `page` counts from 1; `sub` is the number of a picture that belongs to that page, else 0.
    """

    page: int
    sub: int
    width: int
    height: int
    is_tiled: bool
    is_reduced: bool
    compression: str
    bits: int
    samples: int
    photometric: str
    is_planar: bool
    orientation: int
    end: int

    @property
    def area(self) -> int:
        """Its pixels."""
        return self.width * self.height

    @property
    def words(self) -> str:
        """Its place in the file and its size."""
        sub = f", part {self.sub}" if self.sub else ""
        return f"page {self.page}{sub} ({self.width} × {self.height} px)"

    def source(self, path: Path) -> str:
        """Return how libvips is told to read this picture of a file, quoted for a shell."""
        place = f"[page={self.page - 1}]" if self.page > 1 else ""
        return shlex.quote(f"{path.name}{place}")


def tiff_pictures(path: Path) -> list[TiffPicture]:
    """List the pictures of a TIFF file; none where it is of another format, or damaged."""
    found: list[TiffPicture] = []
    # Of a damaged file, tifffile raises errors of any kind.
    with suppress(Exception), tifffile.TiffFile(path) as tiff:
        for index, page in enumerate(tiff.pages):
            if not isinstance(page, tifffile.TiffPage) or len(found) >= MAX_PICTURES:
                break
            parts = [part for part in page.pages or () if isinstance(part, tifffile.TiffPage)]
            found += [_picture(part, index + 1, sub) for sub, part in enumerate([page, *parts])]
    return [picture for picture in found if picture.area and picture.end]


def _picture(page: tifffile.TiffPage, number: int, sub: int) -> TiffPicture:
    try:
        compression = tifffile.COMPRESSION(page.compression).name
    except ValueError:
        compression = str(page.compression)
    tag = page.tags.get("Orientation")
    offsets, lengths = page.dataoffsets, page.databytecounts
    return TiffPicture(
        page=number,
        sub=sub,
        width=page.imagewidth,
        height=page.imagelength,
        is_tiled=page.is_tiled,
        is_reduced=bool(page.subfiletype & 1),
        compression=compression,
        bits=page.bitspersample,
        samples=page.samplesperpixel,
        photometric=tifffile.PHOTOMETRIC(page.photometric).name,
        is_planar=page.planarconfig == tifffile.PLANARCONFIG.SEPARATE,
        orientation=int(tag.value) if tag else UPRIGHT,
        end=offsets[-1] + lengths[-1] if offsets and lengths else 0,
    )


def in_colours(path: Path, planes: Sequence[TiffPicture]) -> str:
    """Return the remedy for a TIFF of one colour, whose pictures of one size are `planes`."""
    if len(planes) != 3:
        return IN_COLOURS
    # libvips takes the list apart at the spaces.
    name = path.name.replace(" ", r"\ ")
    listed = " ".join(f"{name}[page={plane.page - 1}]" for plane in planes)
    # Joined planes are no colours until they are said to be.
    join = f"vips bandjoin {shlex.quote(listed)} OUT.v && vips copy OUT.v '{TILED}'"
    return (
        f"{IN_COLOURS}; if its pages are red, green and blue, join them: "
        f"`{join} --interpretation srgb`"
    )


def misread(path: Path, pictures: Sequence[TiffPicture], size: tuple[int, int]) -> Reason | None:
    """Return why OpenSlide shows another slide than the file holds, if it does.

    Parameters
    ----------
    path : Path
        The slide, for the remedy.
    pictures : sequence of TiffPicture
    size : (int, int)
        Width and height of OpenSlide's level 0.
    """
    used = [picture for picture in pictures if (picture.width, picture.height) == size]
    if not used:
        return None  # its levels are put together from several pictures
    if used[0].orientation != UPRIGHT and used[0].compression not in NOT_FLIPPED:
        remedy = (
            f"Turn its pixels (`vips autorot {used[0].source(path)} '{TILED}'`), or, if it is "
            f"stored upright, its tag (`tiffset -s 274 1 {shlex.quote(path.name)}`)"
        )
        return Reason("orientation_misread", f"orientation {used[0].orientation}", remedy)
    if used[0].bits > 8 and used[0].compression in WAVELETS:
        detail = (
            f"{used[0].bits} bits per colour in JPEG 2000, of which OpenSlide shows the lower 8"
        )
        remedy = BIOFORMATS.format(file=shlex.quote(path.name))
        return Reason("slide_unsupported", detail, remedy)
    if used[0].samples > 2 and used[0].photometric not in COLOURED:
        detail = f"{used[0].samples} channels as {used[0].photometric}"
        # libvips takes CIELAB and others at their word, so the tag is corrected first.
        directory = f" -d {used[0].page - 1}" if used[0].page > 1 else ""
        correct = f"tiffset{directory} -s 262 2 {shlex.quote(path.name)}"
        remedy = (
            f"{IN_COLOURS}; if the channels are red, green and blue, correct the tag and copy the "
            f"pixels: `{correct} && vips copy {used[0].source(path)} '{TILED}'`"
        )
        return Reason("slide_unsupported", detail, remedy)
    largest = max(pictures, key=lambda picture: picture.area)
    if largest.area > used[0].area:
        detail = f"{largest.words}; OpenSlide reads {used[0].words}"
        remedy = f"Make a slide of it (`vips copy {largest.source(path)} '{TILED}'`)"
        return Reason("larger_picture_ignored", detail, remedy)
    return None


def other_pictures(
    pictures: Sequence[TiffPicture],
    level_sizes: Sequence[tuple[int, int]],
    associated_sizes: Iterable[tuple[int, int]],
) -> list[TiffPicture]:
    """List what is not used of a file although it is no smaller copy, and comparable in size.

    Parameters
    ----------
    pictures : sequence of TiffPicture
    level_sizes, associated_sizes
        Widths and heights of OpenSlide's levels and of its label, macro and thumbnail pictures.
    """
    rest = list(pictures)
    # Of levels of one size, such as the layers of a stack, only the first is used.
    for size in (*dict.fromkeys(level_sizes), *associated_sizes):
        same = [picture for picture in rest if (picture.width, picture.height) == size]
        if same:
            rest.remove(same[0])
        elif size == level_sizes[0]:
            return []  # its levels are put together from several pictures
    whole = level_sizes[0]

    def counts(picture: TiffPicture) -> bool:
        if picture.area >= whole[0] * whole[1]:
            return True
        copy = picture.is_reduced or picture.sub > 0
        copy = copy or sizes_agree(whole, (picture.width, picture.height))
        return picture.area >= COMPARABLE * whole[0] * whole[1] and not copy

    return [picture for picture in rest if counts(picture)]
