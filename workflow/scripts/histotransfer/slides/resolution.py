"""Scale: what one pixel of a slide measures, and how patches of a wanted scale are read.

Scale is continuous: it is always micrometres per pixel (`mpp`), never a magnification.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import openslide

from ..core.errors import SlideError
from ..core.exclusions import Reason

MPP_RANGE = (0.05, 5.0)
"""Level-0 scales outside this range are errors in the header or the sheet, in µm/px."""

MAX_ANISOTROPY = 0.05
"""Largest relative difference of the scales along x and y."""

_REMEDY = "Give the slide's micrometres per pixel in the slide sheet's column `mpp`"
_TIFF_UNITS_UM = {"inch": 25400.0, "centimeter": 10000.0}


@dataclass(frozen=True)
class Scale:
    """How patches of one slide are read.

    Attributes
    ----------
    read_level : int
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

    read_level: int
    read_px: int
    patch_px: int
    patch_size_level0: int
    effective_mpp: float

    @classmethod
    def from_attrs(cls, attrs: Mapping[str, Any]) -> Self:
        """Read the scale from the attributes of a `tiles/1`, which has them by the same names."""
        return cls(**{field.name: attrs[field.name].item() for field in fields(cls)})


def resolve_mpp(
    path: str | Path, sheet_mpp: float | None, properties: Mapping[str, str]
) -> tuple[float, str]:
    """Find the scale of level 0: the slide sheet, else the header, else the TIFF resolution tags.

    Parameters
    ----------
    path : str or Path
        The slide, for the error; it is not read.
    sheet_mpp : float or None
        What the slide sheet says, in µm/px; None or NaN where it says nothing.
    properties : mapping
        OpenSlide's.

    Returns
    -------
    mpp : float
        µm per level-0 px, the mean of x and y.
    source : {"sheet", "header", "tiff resolution"}
        Where it comes from.

    Raises
    ------
    SlideError
        If no source gives a scale, or the first that does is implausible; and if the pixels are not
        square, which no one scale can mend.
    """
    given = sheet_mpp is not None and not math.isnan(sheet_mpp)
    try:
        x, y, source = _stated_mpp(properties)
    except ValueError as error:
        if not given:
            raise SlideError(path, Reason("mpp_implausible", str(error), _REMEDY)) from None
        x, y, source = math.nan, math.nan, ""
    if all(map(_is_plausible, (x, y))) and max(x / y, y / x) - 1 > MAX_ANISOTROPY:
        across, down = min(x / y, 1), min(y / x, 1)
        px_per_mm = f"{1000 / max(x, y):.6g}"
        resize = (
            f"`vips resize {shlex.quote(Path(path).name)} "
            f"'OUT.tif[tile,pyramid,bigtiff,xres={px_per_mm},yres={px_per_mm}]' "
            f"{across:.6g} --vscale {down:.6g}`"
        )
        remedy = f"Make its pixels square ({resize}); if only its header is wrong, correct that"
        found = f"{x:g} × {y:g} µm/px, {source}"
        raise SlideError(path, Reason("pixels_not_square", found, remedy))
    if given:
        x = y = float(sheet_mpp or math.nan)
        source = "sheet"
    if not source:
        detail = "neither the sheet, the header nor the TIFF resolution tags give one"
        raise SlideError(path, Reason("no_mpp", detail, _REMEDY))
    if not all(map(_is_plausible, (x, y))):
        low, high = MPP_RANGE
        detail = f"{x:g} × {y:g} µm/px, {source}; outside {low:g}–{high:g}"
        raise SlideError(path, Reason("mpp_implausible", detail, _REMEDY))
    return (x + y) / 2, source


def _is_plausible(mpp: float) -> bool:
    return MPP_RANGE[0] <= mpp <= MPP_RANGE[1]


def _stated_mpp(properties: Mapping[str, str]) -> tuple[float, float, str]:
    """Return the scales of x and y that a slide states, and where; NaN and "" if it states none.

    Raises ValueError if a property is not a number.
    """

    def number(name: str, default: float = math.nan) -> float:
        try:
            return float(properties.get(name, default))
        except ValueError:
            raise ValueError(f"its property {name} is {properties[name]!r}, not a number") from None

    if openslide.PROPERTY_NAME_MPP_X in properties:
        x = number(openslide.PROPERTY_NAME_MPP_X)
        # OpenSlide itself takes the scale of a plain TIFF from the resolution tags.
        plain = properties.get(openslide.PROPERTY_NAME_VENDOR) == "generic-tiff"
        return x, number(openslide.PROPERTY_NAME_MPP_Y, x), "tiff resolution" if plain else "header"
    unit_um = _TIFF_UNITS_UM.get(properties.get("tiff.ResolutionUnit", ""))
    if unit_um and "tiff.XResolution" in properties:
        x = number("tiff.XResolution")
        y = number("tiff.YResolution", x)
        return unit_um / (x or math.nan), unit_um / (y or math.nan), "tiff resolution"
    return math.nan, math.nan, ""


def choose_level(downsamples: Mapping[int, float], needed: float, tolerance: float) -> int | None:
    """Choose the pyramid level to read, given the downsamples of the levels and the one `needed`.

    It is the nearest within the tolerance (relative), else the coarsest one finer than needed, else
    None.
    """
    nearest = min(downsamples, key=lambda level: abs(downsamples[level] / needed - 1))
    if abs(downsamples[nearest] / needed - 1) <= tolerance:
        return nearest
    finer = [level for level, downsample in downsamples.items() if downsample <= needed]
    return max(finer, key=lambda level: downsamples[level]) if finer else None
