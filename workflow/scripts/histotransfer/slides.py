"""Slides: opening them, their scale, and reading pixels at a wanted scale.

Scale is continuous: it is always micrometres per pixel (`mpp`), never a magnification. The reader
is OpenSlide; one handle belongs to one process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import openslide
from PIL import Image

from .errors import SlideError

MPP_RANGE = (0.05, 5.0)
"""Level-0 scales outside this are taken for errors in the header or the sheet, in µm/px."""

MAX_ANISOTROPY = 0.05
"""Largest relative difference of the scales along x and y."""

CACHE_BYTES = 128 * 2**20
"""Decoded slide tiles that OpenSlide keeps, so that a row of patches shares them."""

THUMBNAIL_BLOCK_PX = 2048
"""Width of the blocks in which a level is read for a thumbnail, in that level's px: bounds
memory."""

_TIFF_UNITS_UM = {"inch": 25400.0, "centimeter": 10000.0}
_MPP_REMEDY = "Give the slide's micrometres per pixel in the slide sheet's column `mpp`"
_COPY_REMEDY = "Copy or download the slide again, or take it out of the slide sheet"


def recorded(error: SlideError) -> str:
    """Word an error for a results file: the file's name without its folder, cause and remedy."""
    return f"{Path(error.subject).name}: {error.cause}. {error.remedy}."


@dataclass(frozen=True)
class Scale:
    """How patches of one slide are read.

    Attributes
    ----------
    level : int
        The pyramid level that is read.
    read_px : int
        Width of the square that is read, in px of that level; area-resampled to `patch_px` if it
        differs.
    patch_px : int
        Width of the patch that results.
    patch_size_level0 : int
        Width of the patch in level-0 px.
    effective_mpp : float
        µm per px of the patch that results.
    """

    level: int
    read_px: int
    patch_px: int
    patch_size_level0: int
    effective_mpp: float


def resolve_mpp(sheet_mpp: float | None, properties: Mapping[str, str]) -> tuple[float, str]:
    """Find the scale of level 0: the slide sheet, else the header, else the TIFF resolution tags.

    Parameters
    ----------
    sheet_mpp : float or None
        What the slide sheet says, in µm/px; None or NaN where it says nothing.
    properties : mapping
        OpenSlide's properties.

    Returns
    -------
    mpp : float
        µm per level-0 px, the mean of x and y.
    source : {"sheet", "header", "tiff resolution"}
        Where it comes from.

    Raises
    ------
    ValueError
        If there is no source, or the first source is absurd or anisotropic; the text is the cause.
    """
    unit_um = _TIFF_UNITS_UM.get(properties.get("tiff.ResolutionUnit", ""))
    if sheet_mpp is not None and not math.isnan(sheet_mpp):
        x, y, source = sheet_mpp, sheet_mpp, "sheet"
    elif openslide.PROPERTY_NAME_MPP_X in properties:
        x = _number(properties, openslide.PROPERTY_NAME_MPP_X)
        y = _number(properties, openslide.PROPERTY_NAME_MPP_Y, x)
        # Of a plain TIFF, OpenSlide has the scale from the resolution tags itself.
        plain = properties.get(openslide.PROPERTY_NAME_VENDOR) == "generic-tiff"
        source = "tiff resolution" if plain else "header"
    elif unit_um and "tiff.XResolution" in properties:
        per_unit = _number(properties, "tiff.XResolution")
        x = unit_um / (per_unit or math.nan)
        y = unit_um / (_number(properties, "tiff.YResolution", per_unit) or math.nan)
        source = "tiff resolution"
    else:
        raise ValueError(
            "has no scale: neither the sheet nor its header nor its TIFF tags give mpp"
        )
    if not all(MPP_RANGE[0] <= mpp <= MPP_RANGE[1] for mpp in (x, y)):
        raise ValueError(
            f"its scale of {x:g} × {y:g} µm/px ({source}) is outside "
            f"{MPP_RANGE[0]:g}–{MPP_RANGE[1]:g}"
        )
    if max(x / y, y / x) - 1 > MAX_ANISOTROPY:
        raise ValueError(f"its pixels are not square: {x:g} × {y:g} µm ({source})")
    return (x + y) / 2, source


def _number(properties: Mapping[str, str], name: str, default: float = math.nan) -> float:
    try:
        return float(properties.get(name, default))
    except ValueError:
        raise ValueError(f"its property {name} is no number: {properties[name]!r}") from None


def choose_level(downsamples: Sequence[float], needed: float, tolerance: float) -> int | None:
    """Choose the pyramid level to read for a wanted downsample.

    Parameters
    ----------
    downsamples : sequence of float
        The levels' downsamples, from 1 upwards.
    needed : float
        Target mpp over level-0 mpp.
    tolerance : float
        Relative difference up to which a level is taken as it is.

    Returns
    -------
    int or None
        The nearest level within the tolerance, else the coarsest one finer than needed, else None.
    """
    nearest = min(range(len(downsamples)), key=lambda level: abs(downsamples[level] / needed - 1))
    if abs(downsamples[nearest] / needed - 1) <= tolerance:
        return nearest
    finer = [level for level, downsample in enumerate(downsamples) if downsample <= needed]
    return max(finer, key=lambda level: downsamples[level]) if finer else None


class SlideReader:
    """An open slide.

    Parameters
    ----------
    path : str or Path
        The slide, in any format that OpenSlide reads.
    sheet_mpp : float, optional
        µm per level-0 px where the user gives it; it takes precedence over the file.

    Attributes
    ----------
    mpp, mpp_source : float, str
        Scale of level 0 and where it comes from (`resolve_mpp`).
    width, height : int
        Size of level 0, in px.
    bounds : tuple of int
        x, y, width and height of the part that was scanned, in level-0 px; all of level 0 in most
        formats.
    downsamples : tuple of float
        One per level.
    vendor, objective_power : str
        As the header has them, "" where it does not.

    Raises
    ------
    SlideError
        If the file is missing or unreadable, or has no valid scale.
    """

    def __init__(self, path: str | Path, sheet_mpp: float | None = None) -> None:
        self.path = Path(path)
        self._slide = self._open()
        self.properties: Mapping[str, str] = dict(self._slide.properties)
        try:
            self.mpp, self.mpp_source = resolve_mpp(sheet_mpp, self.properties)
        except ValueError as error:
            self._slide.close()
            raise SlideError(self.path, str(error), _MPP_REMEDY) from error
        self.width, self.height = self._slide.dimensions
        self.downsamples: tuple[float, ...] = self._slide.level_downsamples
        self.bounds = tuple(
            int(self.properties.get(f"openslide.bounds-{name}", whole))
            for name, whole in (("x", 0), ("y", 0), ("width", self.width), ("height", self.height))
        )
        self.vendor = self.properties.get(openslide.PROPERTY_NAME_VENDOR, "")
        self.objective_power = self.properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER, "")

    def _open(self) -> openslide.OpenSlide:
        if not self.path.is_file():
            cause = "is not a file" if self.path.exists() else "does not exist"
            raise SlideError(self.path, cause, "Correct its path in the slide sheet")
        if self.path.stat().st_size == 0:
            raise SlideError(self.path, "is empty (zero bytes)", _COPY_REMEDY)
        try:
            slide = openslide.OpenSlide(self.path)
        except openslide.OpenSlideError as error:
            raise SlideError(
                self.path, f"cannot be opened as a slide ({error})", _COPY_REMEDY
            ) from error
        slide.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
        return slide

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._slide.close()

    def scale(self, *, target_mpp: float, tolerance: float, patch_px: int) -> Scale:
        """Plan how patches of a wanted scale are read (see `Scale`).

        Raises
        ------
        SlideError
            If the slide is coarser than the target: detail that is not there is not invented.
        """
        needed = target_mpp / self.mpp
        level = choose_level(self.downsamples, needed, tolerance)
        if level is None:
            raise SlideError(
                self.path,
                f"its finest scale, {self.mpp:g} µm/px, is coarser than the target {target_mpp:g}",
                "Raise `tiling: target_mpp` or take the slide out of the slide sheet",
            )
        downsample = self.downsamples[level]
        native = abs(downsample / needed - 1) <= tolerance
        read_px = patch_px if native else round(patch_px * needed / downsample)
        return Scale(
            level=level,
            read_px=read_px,
            patch_px=patch_px,
            patch_size_level0=round(read_px * downsample),
            effective_mpp=self.mpp * downsample * read_px / patch_px,
        )

    def read(self, x: int, y: int, level: int, width_px: int, height_px: int) -> Image.Image:
        """Read a rectangle of a level; what lies outside the slide or was not scanned is white.

        Parameters
        ----------
        x, y : int
            Top left corner, in level-0 px.
        level : int
            The level to read.
        width_px, height_px : int
            Size, in px of that level.

        Returns
        -------
        PIL.Image.Image
            RGB.

        Raises
        ------
        SlideError
            If the region cannot be read. The reader stays usable for other regions.
        """
        try:
            region: Image.Image = self._slide.read_region((x, y), level, (width_px, height_px))
        except openslide.OpenSlideError as error:
            # OpenSlide latches the first error of a handle, so the other regions need a new one.
            self._slide.close()
            self._slide = self._open()
            raise SlideError(
                self.path,
                f"the region of {width_px} × {height_px} px at ({x}, {y}) on level {level} "
                f"cannot be read ({error})",
                _COPY_REMEDY,
            ) from error
        alpha = region.getchannel("A")
        if alpha.getextrema() == (255, 255):
            return region.convert("RGB")
        white = Image.new("RGB", region.size, (255, 255, 255))
        white.paste(region, mask=alpha)
        return white

    def read_patch(self, x: int, y: int, scale: Scale) -> npt.NDArray[np.uint8]:
        """Read one patch.

        Parameters
        ----------
        x, y : int
            Top left corner, in level-0 px.
        scale : Scale
            From `scale`.

        Returns
        -------
        ndarray, (patch_px, patch_px, 3), uint8
            RGB; each pixel the mean of the area it covers.

        Raises
        ------
        SlideError
            If the region cannot be read.
        """
        region = self.read(x, y, scale.level, scale.read_px, scale.read_px)
        if scale.read_px != scale.patch_px:
            region = region.resize((scale.patch_px, scale.patch_px), Image.Resampling.BOX)
        return np.asarray(region)

    def thumbnail(self, mpp: float) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Render the scanned part at a fixed scale, block by block to bound the memory.

        Parameters
        ----------
        mpp : float
            µm per px wanted; the slide's own if that is coarser.

        Returns
        -------
        thumbnail : ndarray, (h, w, 3), uint8
            Area-resampled RGB of `bounds`.
        readable : ndarray, (h, w), bool
            False (and white in the thumbnail) where a block could not be read.

        Raises
        ------
        SlideError
            If no block at all can be read.
        """
        downsample = self.thumbnail_downsample(mpp)
        left, top, width, height = self.bounds
        out_width, out_height = (max(1, int(size / downsample)) for size in (width, height))
        level = choose_level(self.downsamples, downsample, 0.0) or 0
        factor = downsample / self.downsamples[level]
        block = max(1, int(THUMBNAIL_BLOCK_PX / factor))
        thumbnail = np.full((out_height, out_width, 3), 255, np.uint8)
        readable = np.ones((out_height, out_width), bool)
        failure: SlideError | None = None
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
                thumbnail[here] = np.asarray(
                    region.resize((columns, rows), Image.Resampling.BOX, box=box)
                )
        if failure is not None and not readable.any():
            raise failure
        return thumbnail, readable

    def thumbnail_downsample(self, mpp: float) -> float:
        """Level-0 px per px of the thumbnail at `mpp`."""
        return max(1.0, mpp / self.mpp)
