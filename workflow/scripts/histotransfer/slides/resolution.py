"""Scale: what one pixel of a slide measures, and how patches of a wanted scale are read.

Scale is continuous: it is always micrometres per pixel (`mpp`), never a magnification.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import openslide

MPP_RANGE = (0.05, 5.0)
"""Level-0 scales outside this are taken for errors in the header or the sheet, in µm/px."""

MAX_ANISOTROPY = 0.05
"""Largest relative difference of the scales along x and y."""

_TIFF_UNITS_UM = {"inch": 25400.0, "centimeter": 10000.0}


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
