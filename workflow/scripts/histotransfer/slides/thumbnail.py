"""The thumbnail of a slide: a level reduced by area means, block by block."""

from __future__ import annotations

import math
import shlex
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..core.errors import SlideError
from ..core.exclusions import Reason
from ..imaging.resampling import area_mean
from .pictures import TILED
from .tiff import EIGHTH, VENDORS, TiffTiles, Undecodable
from .unsupported import why_unsupported

BLOCK_PX = 2048
"""Width of the blocks in which a level is read, in that level's px: bounds memory."""

CHECK_PX = 256
MAX_DIFFERENCE = 8
"""Before a level is decoded at an eighth of its width, a square of `CHECK_PX` must be OpenSlide's
to within this many grey levels, on average over squares of a 32nd. Wrong colours differ by more."""


class Readable(Protocol):
    """What is needed of an open slide (`SlideReader`)."""

    path: Path
    file: Path
    vendor: str
    bounds: tuple[int, ...]
    downsamples: tuple[float, ...]
    level_sizes: tuple[tuple[int, int], ...]
    scanned_px: int
    translucent_px: int

    def read(self, x: int, y: int, level: int, width_px: int, height_px: int) -> Image.Image:
        """Read an RGB rectangle of a level."""


Rendered = tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]


def render(slide: Readable, level: int, downsample: float, size_px: tuple[int, int]) -> Rendered:
    """Reduce the scanned part of a level.

    Of a level that is much larger than the thumbnail, no more than an eighth of the width is
    decoded where that is possible.

    Parameters
    ----------
    slide : Readable
    level : int
    downsample : float
        Level-0 px per px of the thumbnail, no less than the level's own.
    size_px : (int, int)
        Width and height of the thumbnail.

    Returns
    -------
    thumbnail : ndarray, (h, w, 3), uint8
    readable : ndarray, (h, w), bool
        False where a block could not be read.

    Raises
    ------
    SlideError
        If no block can be read, or the slide is transparent or translucent everywhere.
    """
    if downsample >= EIGHTH * slide.downsamples[level] and slide.vendor in VENDORS:
        with (
            suppress(Undecodable),
            closing(TiffTiles(slide.file, slide.level_sizes)) as tiles,
        ):
            if shows_the_same(tiles, slide, level):
                return _reduce(slide, level, downsample, size_px, tiles)
    return render_all(slide, level, downsample, size_px)


def render_all(
    slide: Readable, level: int, downsample: float, size_px: tuple[int, int]
) -> Rendered:
    """Do as `render`, from every pixel of the level."""
    return _reduce(slide, level, downsample, size_px, None)


def shows_the_same(tiles: TiffTiles, slide: Readable, level: int) -> bool:
    """Tell whether an eighth of a level shows what OpenSlide shows in the middle of the slide."""
    width, height = (side // EIGHTH for side in slide.level_sizes[level])
    side = min(CHECK_PX // EIGHTH, width, height)
    if not tiles.is_reducible(level) or side < 4:
        return False
    x, y = (width - side) // 2, (height - side) // 2
    left, top = (round(EIGHTH * place * slide.downsamples[level]) for place in (x, y))
    try:
        whole = np.asarray(slide.read(left, top, level, EIGHTH * side, EIGHTH * side))
    except SlideError:
        return False
    coarse = side // 4, side // 4
    difference = area_mean(whole, coarse).astype(np.float32)
    difference -= area_mean(tiles.read(x, y, level, side, side, EIGHTH), coarse)
    return bool(np.abs(difference).mean(axis=(0, 1)).max() <= MAX_DIFFERENCE)


def _reduce(
    slide: Readable,
    level: int,
    downsample: float,
    size_px: tuple[int, int],
    eighths: TiffTiles | None,
) -> Rendered:
    own = slide.downsamples[level]
    factor = downsample / own / (EIGHTH if eighths else 1)
    offset = eighths.offset(level) if eighths else 0.0
    block = max(1, int(BLOCK_PX / factor))
    out_width, out_height = size_px
    thumbnail = np.full((out_height, out_width, 3), 255, np.uint8)
    readable = np.ones((out_height, out_width), bool)
    failure = None

    def read(x: int, y: int, width: int, height: int) -> npt.NDArray[np.uint8]:
        if eighths:
            return eighths.read(x, y, level, width, height, EIGHTH)
        left, top = slide.bounds[:2]
        return np.asarray(
            slide.read(left + round(x * own), top + round(y * own), level, width, height)
        )

    for row in range(0, out_height, block):
        for column in range(0, out_width, block):
            rows = min(block, out_height - row)
            columns = min(block, out_width - column)
            # The block's edges fall between pixels of the level: read outwards, resample the exact
            # box.
            x0, y0 = column * factor + offset, row * factor + offset
            x1, y1 = x0 + columns * factor, y0 + rows * factor
            first_x, first_y = int(x0), int(y0)
            here = slice(row, row + rows), slice(column, column + columns)
            try:
                region = read(first_x, first_y, math.ceil(x1) - first_x, math.ceil(y1) - first_y)
            except SlideError as error:
                failure = error
                readable[here] = False
                continue
            box = (x0 - first_x, y0 - first_y, x1 - first_x, y1 - first_y)
            thumbnail[here] = area_mean(region, (columns, rows), box)
    if failure is not None and not readable.any():
        if reason := why_unsupported(slide.file, failure.reason.detail):
            raise SlideError(slide.path, reason) from failure
        raise failure
    transparent = not slide.scanned_px or slide.translucent_px > slide.scanned_px / 2
    if failure is None and eighths is None and transparent:
        detail = "none of it was scanned, or its alpha is 0"
        if slide.translucent_px:
            detail = "its fourth channel makes most of it translucent"
        command = f"`vips extract_band {shlex.quote(slide.path.name)} '{TILED}' 0 --n 3`"
        reason = Reason("slide_transparent", detail, f"Drop its transparency: {command}")
        raise SlideError(slide.path, reason)
    return thumbnail, readable
