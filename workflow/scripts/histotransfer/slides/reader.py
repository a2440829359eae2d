"""Slides: opening them, and reading pixels at a wanted scale.

OpenSlide opens every slide and lists its levels. The pixels of patches come from the TIFF tiles
where these can be decoded directly (`tiff`), otherwise from OpenSlide. A reader belongs to one
process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import openslide
from PIL import Image, ImageCms

from ..core.errors import SlideError
from ..core.exclusions import Reason
from ..imaging.resampling import area_mean
from .resolution import Scale, choose_level, resolve_mpp
from .tiff import VENDORS, TiffTiles, Undecodable

CACHE_BYTES = 128 * 2**20
"""Decoded slide tiles that OpenSlide keeps, so that a row of patches shares them."""

THUMBNAIL_BLOCK_PX = 2048
"""Width of the blocks in which a level is read for a thumbnail, in that level's px: bounds
memory."""

MAX_THUMBNAIL_PX = 2**27
"""At 8 µm/px a whole glass slide has a tenth of this; a file that claims more is damaged."""

CHECK_PX = 256
MAX_DIFFERENCE = 1
"""Before a slide's tiles are decoded directly, a square of this width must equal OpenSlide's to
within this many grey levels, by which two decoders of JPEG 2000 may differ."""

COPY_AGAIN = "Copy or download the slide again, or take it out of the slide sheet"


def crashed(path: str | Path, crash: str) -> SlideError:
    """Return the error of a slide whose reading crashed by a signal (`crashes.crash_of`)."""
    return SlideError(path, Reason("slide_crashes_reader", crash, COPY_AGAIN))


def _properties(slide: openslide.OpenSlide) -> dict[str, str]:
    """Return the header's properties, except names that are not UTF-8, which OpenSlide misses."""
    found = {}
    for name in slide.properties:
        with suppress(KeyError):
            found[name] = slide.properties[name]
    return found


def _icc_profile(slide: openslide.OpenSlide) -> bytes | None:
    try:
        profile = slide.color_profile
        return None if profile is None else bytes(profile.tobytes())
    except (OSError, ImageCms.PyCMSError):
        return b""


class SlideReader:
    """An open slide, in any format that OpenSlide reads.

    Parameters
    ----------
    sheet_mpp : float, optional
        µm per level-0 px where the user gives it; it takes precedence over the file.

    Attributes
    ----------
    mpp, mpp_source : float, str
        Scale of level 0 and where it comes from (`resolve_mpp`).
    bounds : tuple of int
        x, y, width and height of the part that was scanned, in level-0 px; all of level 0 in most
        formats.
    icc_profile : bytes or None
        The colour profile that the file carries; b"" where it cannot be read.
    pixel_source : {"", "tiff tiles", "openslide"}
        What decodes the patches; known once the first has been read.

    Raises
    ------
    SlideError
        If the file is missing or unreadable, or has no valid scale.
    """

    def __init__(self, path: str | Path, sheet_mpp: float | None = None) -> None:
        self.path = Path(path)
        slide = self._open()
        self._slide: openslide.OpenSlide | None = slide
        self.properties: Mapping[str, str] = _properties(slide)
        try:
            self.mpp, self.mpp_source = resolve_mpp(path, sheet_mpp, self.properties)
        except SlideError:
            self._close()
            raise
        self.width, self.height = slide.dimensions
        self.downsamples: tuple[float, ...] = slide.level_downsamples
        self._level_dimensions: tuple[tuple[int, int], ...] = slide.level_dimensions
        self.bounds = tuple(
            int(self.properties.get(f"openslide.bounds-{name}", whole))
            for name, whole in (("x", 0), ("y", 0), ("width", self.width), ("height", self.height))
        )
        self.vendor = self.properties.get(openslide.PROPERTY_NAME_VENDOR, "")
        self.objective_power = self.properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER, "")
        self.icc_profile = _icc_profile(slide)
        self.pixel_source = ""
        self._tiles: TiffTiles | None = None

    def _open(self) -> openslide.OpenSlide:
        if not self.path.is_file():
            code = "slide_not_a_file" if self.path.exists() else "slide_missing"
            remedy = (
                "Put it there or correct its path in the slide sheet, delete its file in `tiles` "
                "and run again"
            )
            raise SlideError(self.path, Reason(code, remedy=remedy))
        if self.path.stat().st_size == 0:
            raise SlideError(self.path, Reason("slide_empty", remedy=COPY_AGAIN))
        try:
            slide = openslide.OpenSlide(self.path)
        except openslide.OpenSlideError as error:
            reason = Reason("slide_unreadable", str(error), COPY_AGAIN)
            raise SlideError(self.path, reason) from error
        slide.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
        return slide

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._close_tiles()

    def _close(self) -> None:
        if self._slide is not None:
            self._slide.close()
            self._slide = None

    def _close_tiles(self) -> None:
        if self._tiles is not None:
            self._tiles.close()
            self._tiles = None

    def scale(self, *, target_mpp: float, tolerance: float, patch_px: int) -> Scale:
        """Plan how patches of a wanted scale are read.

        A slide coarser than the target raises SlideError: missing detail is not invented.
        """
        needed = target_mpp / self.mpp
        level = choose_level(self.downsamples, needed, tolerance)
        if level is None:
            detail = f"{self.mpp:g} µm/px, target {target_mpp:g}"
            remedy = "Raise `tiling: target_mpp` or take the slide out of the slide sheet"
            raise SlideError(self.path, Reason("too_coarse", detail, remedy))
        downsample = self.downsamples[level]
        native = abs(downsample / needed - 1) <= tolerance
        read_px = patch_px if native else round(patch_px * needed / downsample)
        return Scale(
            read_level=level,
            read_px=read_px,
            patch_px=patch_px,
            patch_size_level0=round(read_px * downsample),
            effective_mpp=self.mpp * downsample * read_px / patch_px,
        )

    def read(self, x: int, y: int, level: int, width_px: int, height_px: int) -> Image.Image:
        """Read an RGB rectangle of a level; what is outside the slide or was not scanned is white.

        Its top left corner is in level-0 px, its size in px of that level. A region that cannot be
        read raises SlideError; the reader stays usable for other regions.
        """
        try:
            # OpenSlide latches a handle's first error, so the next read needs a new handle; by then
            # the file may be gone.
            self._slide = self._slide or self._open()
            region: Image.Image = self._slide.read_region((x, y), level, (width_px, height_px))
        except openslide.OpenSlideError as error:
            self._close()
            detail = f"{width_px} × {height_px} px at ({x}, {y}) on level {level}: {error}"
            reason = Reason("slide_region_unreadable", detail, COPY_AGAIN)
            raise SlideError(self.path, reason) from error
        alpha = region.getchannel("A")
        if alpha.getextrema() == (255, 255):
            return region.convert("RGB")
        white = Image.new("RGB", region.size, (255, 255, 255))
        white.paste(region, mask=alpha)
        return white

    def read_patch(self, x: int, y: int, scale: Scale) -> npt.NDArray[np.uint8]:
        """Read the patch (patch_px, patch_px, 3) whose top left corner is at level-0 px (x, y).

        Each pixel is the mean of the area it covers. A region that cannot be read raises
        SlideError.
        """
        if not self.pixel_source:
            self._choose_pixel_source(x, y)
        region = None
        if self._tiles is not None:
            downsample = self.downsamples[scale.read_level]
            # On whole pixels of the level: between them OpenSlide would interpolate, and blur.
            left, top = round(x / downsample), round(y / downsample)
            with suppress(Undecodable):
                region = self._tiles.read(left, top, scale.read_level, scale.read_px, scale.read_px)
        if region is None:
            region = np.asarray(self.read(x, y, scale.read_level, scale.read_px, scale.read_px))
        return area_mean(region, (scale.patch_px, scale.patch_px))

    def _choose_pixel_source(self, x: int, y: int) -> None:
        """Decode TIFF tiles directly if that gives OpenSlide's pixels at level 0 from (x, y)."""
        if self.vendor in VENDORS:
            size = min(CHECK_PX, self.width - x), min(CHECK_PX, self.height - y)
            if min(size) <= 0:
                return  # nothing to compare with: the next patch decides
            try:
                expected = np.asarray(self.read(x, y, 0, *size), np.int16)
            except SlideError:
                return  # likewise
            with suppress(Undecodable):
                self._tiles = TiffTiles(self.path, self._level_dimensions)
                difference = np.abs(self._tiles.read(x, y, 0, *size) - expected)
                if difference.max() <= MAX_DIFFERENCE:
                    self.pixel_source = "tiff tiles"
                    return
        self._close_tiles()
        self.pixel_source = "openslide"

    def thumbnail(self, mpp: float) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Render the scanned part at `mpp` µm/px (the slide's own if coarser), block by block.

        Returns
        -------
        thumbnail : ndarray, (h, w, 3), uint8
            Area-resampled RGB of `bounds`.
        readable : ndarray, (h, w), bool
            False (and white in the thumbnail) where a block could not be read.

        Raises
        ------
        SlideError
            If no block can be read.
        """
        downsample = self.thumbnail_downsample(mpp)
        left, top, width, height = self.bounds
        out_width, out_height = (max(1, int(size / downsample)) for size in (width, height))
        if out_width * out_height > MAX_THUMBNAIL_PX:
            detail = f"{width} × {height} px at {self.mpp:g} µm/px"
            scale = "Correct the scale in the slide sheet's column `mpp`"
            reason = Reason("too_large", detail, f"{scale}, or raise `tiling: thumbnail_mpp`")
            raise SlideError(self.path, reason)
        level = choose_level(self.downsamples, downsample, 0.0) or 0
        factor = downsample / self.downsamples[level]
        block = max(1, int(THUMBNAIL_BLOCK_PX / factor))
        thumbnail = np.full((out_height, out_width, 3), 255, np.uint8)
        readable = np.ones((out_height, out_width), bool)
        failure = None
        for row in range(0, out_height, block):
            for column in range(0, out_width, block):
                rows = min(block, out_height - row)
                columns = min(block, out_width - column)
                # The block's edges fall between pixels of the level: read outwards, resample the
                # exact box.
                x0, y0 = column * factor, row * factor
                x1, y1 = x0 + columns * factor, y0 + rows * factor
                first_x, first_y = int(x0), int(y0)
                here = slice(row, row + rows), slice(column, column + columns)
                try:
                    region = self.read(
                        left + round(first_x * self.downsamples[level]),
                        top + round(first_y * self.downsamples[level]),
                        level,
                        math.ceil(x1) - first_x,
                        math.ceil(y1) - first_y,
                    )
                except SlideError as error:
                    failure = error
                    readable[here] = False
                    continue
                box = (x0 - first_x, y0 - first_y, x1 - first_x, y1 - first_y)
                thumbnail[here] = area_mean(np.asarray(region), (columns, rows), box)
        if failure is not None and not readable.any():
            raise failure
        return thumbnail, readable

    def thumbnail_downsample(self, mpp: float) -> float:
        """Level-0 px per px of the thumbnail at `mpp`."""
        return max(1.0, mpp / self.mpp)
