"""Slides: opening them, and reading pixels at a wanted scale.

OpenSlide opens every slide and lists its levels. The pixels of patches come from the TIFF tiles
where these can be decoded directly (`tiff`), otherwise from OpenSlide. A reader belongs to one
process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from . import dicom, levels
from .pictures import misread, other_pictures, tiff_pictures
from .resolution import Scale, choose_level, resolve_mpp
from .thumbnail import render
from .tiff import VENDORS, TiffTiles, Undecodable
from .unsupported import COPY_AGAIN, why_unreadable

CACHE_BYTES = 128 * 2**20
"""Decoded slide tiles that OpenSlide keeps, so that a row of patches shares them."""

MAX_THUMBNAIL_PX = 2**27
"""At 8 µm/px a whole glass slide has a tenth of this; a file that claims more is damaged."""

UNSCANNED = 255
"""The grey level of what lies outside the slide or was not scanned."""

PLACES_MPP = 8.0
"""Scale of the thumbnail on which places are chosen where none has been rendered yet, in µm/px."""

CHECK_PX = 256
MAX_DIFFERENCE = 1
"""Before a slide's tiles are decoded directly, a square of this width must equal OpenSlide's to
within this many grey levels, by which two decoders of JPEG 2000 may differ."""


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


def _associated_sizes(properties: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Yield width and height of the label, macro and thumbnail pictures."""
    for name in properties:
        if name.startswith("openslide.associated.") and name.endswith(".width"):
            yield int(properties[name]), int(properties[f"{name.removesuffix('width')}height"])


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
    path : str or Path
        A file, or the folder of a slide in DICOM.
    sheet_mpp : float, optional
        µm per level-0 px where the user gives it; it takes precedence over the file.

    Attributes
    ----------
    mpp, mpp_source : float, str
        Scale of level 0 and where it comes from (`resolve_mpp`).
    pictures : list of TiffPicture
        Those of a TIFF, whether OpenSlide uses them or not.
    used_pictures : list of TiffPicture
        Those with the size of level 0: the first is it.
    other_pictures : str
        Those that OpenSlide ignores although they are comparable to the slide; empty in most.
    file : Path
        What OpenSlide opens: `path`, or a file of that folder.
    level_sizes : tuple of (int, int)
        Width and height of each level, whether it is used or not.
    bounds : tuple of int
        x, y, width and height of the part that was scanned, in level-0 px; all of level 0 in most
        formats.
    passed_over : dict of int to str
        Levels that are not used because they do not agree with level 0 (`levels`), and why; grows
        when a level is first wanted.
    scanned_px, translucent_px : int
        Pixels that OpenSlide has read so far and are not transparent, and those of them that are
        not opaque either.
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
        self.path = self.file = Path(path)
        slide = self._open()
        self._slide: openslide.OpenSlide | None = slide
        self.properties: Mapping[str, str] = _properties(slide)
        self.width, self.height = slide.dimensions
        self.downsamples: tuple[float, ...] = slide.level_downsamples
        self.level_sizes: tuple[tuple[int, int], ...] = slide.level_dimensions
        self.pictures = tiff_pictures(self.file)
        self.used_pictures = [
            picture
            for picture in self.pictures
            if (picture.width, picture.height) == slide.dimensions
        ]
        self.other_pictures = ", ".join(
            picture.words
            for picture in other_pictures(
                self.pictures, self.level_sizes, _associated_sizes(self.properties)
            )
        )
        try:
            if reason := misread(self.file, self.pictures, slide.dimensions):
                raise SlideError(path, reason)
            self.mpp, self.mpp_source = resolve_mpp(path, sheet_mpp, self.properties)
        except SlideError:
            self._close()
            raise
        self.bounds = tuple(
            int(self.properties.get(f"openslide.bounds-{name}", whole))
            for name, whole in (("x", 0), ("y", 0), ("width", self.width), ("height", self.height))
        )
        self.vendor = self.properties.get(openslide.PROPERTY_NAME_VENDOR, "")
        self.objective_power = self.properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER, "")
        self.icc_profile = _icc_profile(slide)
        self.pixel_source = ""
        self._tiles: TiffTiles | None = None
        self.passed_over = {
            level: f"{self.width / size[0]:.4g} by {self.height / size[1]:.4g} times smaller"
            for level, size in enumerate(self.level_sizes)
            if not levels.sizes_agree((self.width, self.height), size)
        }
        self.scanned_px = self.translucent_px = 0
        self._agreeing = {0}
        self._thumbnails: dict[float, tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]] = {}

    def _open(self) -> openslide.OpenSlide:
        if self.path.is_dir():
            self.file = dicom.file_of(self.path) or self.path
        if not self.file.is_file():
            code = "slide_not_a_file" if self.path.exists() else "slide_missing"
            remedy = (
                "Put it there or correct its path in the slide sheet, delete its file in `tiles` "
                "and run again"
            )
            raise SlideError(self.path, Reason(code, remedy=remedy))
        if self.file.stat().st_size == 0:
            raise SlideError(self.path, Reason("slide_empty", remedy=COPY_AGAIN))
        try:
            slide = openslide.OpenSlide(self.file)
        except openslide.OpenSlideError as error:
            raise SlideError(self.path, why_unreadable(self.file, str(error))) from error
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
        level = self._choose_level(needed, tolerance)
        while level is not None and not self._agrees(level):
            level = self._choose_level(needed, tolerance)
        if level is None:
            detail = f"{self.mpp:g} µm/px, target {target_mpp:g}"
            remedy = (
                "Raise `tiling: target_mpp`, take the slide out of the slide sheet or, if its "
                "scale is another, give that in the sheet's column `mpp`"
            )
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

    def _choose_level(self, needed: float, tolerance: float) -> int | None:
        usable = {
            level: downsample
            for level, downsample in enumerate(self.downsamples)
            if level not in self.passed_over
        }
        return choose_level(usable, needed, tolerance)

    def _agrees(self, level: int) -> bool:
        """Compare a level with level 0 when it is first wanted, and pass over one that differs."""
        if level in self._agreeing:
            return True
        thumbnail, _ = self.thumbnail(PLACES_MPP)  # which may decide about this very level
        if level not in self._agreeing | self.passed_over.keys():
            self._compare(level, thumbnail, self.thumbnail_downsample(PLACES_MPP))
        return level in self._agreeing

    def _compare(self, level: int, thumbnail: npt.NDArray[np.uint8], downsample: float) -> None:
        """Compare a level with level 0 where a thumbnail shows most."""
        left, top = self.bounds[:2]
        places = [
            (left + round((x + 0.5) * downsample), top + round((y + 0.5) * downsample))
            for x, y in levels.places(thumbnail).tolist()
        ]
        if levels.pictures_agree(self._match(level, *place) for place in places):
            self._agreeing.add(level)
        else:
            self.passed_over[level] = "shows another picture than level 0"

    def passed_over_in_words(self) -> str:
        """Return a line about the levels that are not used, "" if there are none."""
        return "; ".join(
            f"level {level} ({' × '.join(map(str, self.level_sizes[level]))} px): {why}"
            for level, why in sorted(self.passed_over.items())
        )

    def _match(self, level: int, x: int, y: int) -> levels.Match:
        """Compare the level with level 0 around a place (level-0 px), if that can be read."""
        downsample = self.downsamples[level]
        size, margin = levels.window_px(downsample), levels.SEARCH_PX
        # On a pixel of the level, and inside it: beyond its edges all levels are white.
        left, top = (
            round(min(max(place / downsample - size / 2, 0), max(whole - size, 0)))
            for place, whole in zip((x, y), self.level_sizes[level], strict=True)
        )

        def at(column: int, row: int) -> tuple[int, int]:
            return round(column * downsample), round(row * downsample)

        side = max(size, round(size * downsample))
        try:
            level0 = np.asarray(self.read(*at(left, top), 0, side, side))
            around = self.read(
                *at(left - margin, top - margin), level, size + 2 * margin, size + 2 * margin
            )
        except SlideError:
            return levels.Match.NOTHING
        return levels.match(area_mean(level0, (size, size)), np.asarray(around))

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
        transparent, *translucent, opaque = region.getchannel("A").histogram()
        self.translucent_px += sum(translucent)
        self.scanned_px += sum(translucent) + opaque
        if not transparent and not any(translucent):
            return region.convert("RGB")
        white = Image.new("RGB", region.size, (UNSCANNED,) * 3)
        white.paste(region, mask=region.getchannel("A"))
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
                self._tiles = TiffTiles(self.file, self.level_sizes)
                difference = np.abs(self._tiles.read(x, y, 0, *size) - expected)
                if difference.max() <= MAX_DIFFERENCE:
                    self.pixel_source = "tiff tiles"
                    return
        self._close_tiles()
        self.pixel_source = "openslide"

    def thumbnail(self, mpp: float) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Render the scanned part at `mpp` µm/px (the slide's own if coarser), block by block.

        The level that is read is first compared with level 0 in the places where this picture shows
        most; a level that differs is passed over.

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
        width, height = self.bounds[2:]
        out_width, out_height = (max(1, int(size / downsample)) for size in (width, height))
        if out_width * out_height > MAX_THUMBNAIL_PX:
            detail = f"{width} × {height} px at {self.mpp:g} µm/px"
            scale = "Correct the scale in the slide sheet's column `mpp`"
            reason = Reason("too_large", detail, f"{scale}, or raise `tiling: thumbnail_mpp`")
            raise SlideError(self.path, reason)
        while mpp not in self._thumbnails:
            level = self._choose_level(downsample, 0.0) or 0
            thumbnail, readable = render(self, level, downsample, (out_width, out_height))
            if level not in self._agreeing:
                self._compare(level, thumbnail, downsample)
            if level in self._agreeing:
                self._thumbnails[mpp] = thumbnail, readable
        return self._thumbnails[mpp]

    def thumbnail_downsample(self, mpp: float) -> float:
        """Level-0 px per px of the thumbnail at `mpp`."""
        return max(1.0, mpp / self.mpp)
