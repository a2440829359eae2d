"""Scale: what one pixel of a slide measures, and how patches of a wanted scale are read.

Scale is continuous: it is always micrometres per pixel (`mpp`), never a magnification.
"""

from __future__ import annotations

import math
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
        If no source gives a scale, or the first that does is implausible or anisotropic.
    """

    def number(name: str, default: float = math.nan) -> float:
        try:
            return float(properties.get(name, default))
        except ValueError:
            detail = f"its property {name} is {properties[name]!r}, not a number"
            raise SlideError(path, Reason("mpp_implausible", detail, _REMEDY)) from None

    unit_um = _TIFF_UNITS_UM.get(properties.get("tiff.ResolutionUnit", ""))
    if sheet_mpp is not None and not math.isnan(sheet_mpp):
        x, y, source = sheet_mpp, sheet_mpp, "sheet"
    elif openslide.PROPERTY_NAME_MPP_X in properties:
        x = number(openslide.PROPERTY_NAME_MPP_X)
        y = number(openslide.PROPERTY_NAME_MPP_Y, x)
        # OpenSlide itself takes the scale of a plain TIFF from the resolution tags.
        plain = properties.get(openslide.PROPERTY_NAME_VENDOR) == "generic-tiff"
        source = "tiff resolution" if plain else "header"
    elif unit_um and "tiff.XResolution" in properties:
        per_unit = number("tiff.XResolution")
        x = unit_um / (per_unit or math.nan)
        y = unit_um / (number("tiff.YResolution", per_unit) or math.nan)
        source = "tiff resolution"
    else:
        detail = "neither the sheet, the header nor the TIFF resolution tags give one"
        raise SlideError(path, Reason("no_mpp", detail, _REMEDY))
    found = f"{x:g} × {y:g} µm/px, {source}"
    low, high = MPP_RANGE
    if not all(low <= mpp <= high for mpp in (x, y)):
        detail = f"{found}; outside {low:g}–{high:g}"
        raise SlideError(path, Reason("mpp_implausible", detail, _REMEDY))
    if max(x / y, y / x) - 1 > MAX_ANISOTROPY:
        raise SlideError(path, Reason("pixels_not_square", found, _REMEDY))
    return (x + y) / 2, source


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
