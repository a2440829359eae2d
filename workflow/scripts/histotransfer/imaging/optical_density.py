"""Optical density, in which stains add up (Beer and Lambert's law).

Arithmetic on the contiguous plane of a channel is much faster than on interleaved pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

GREY_OD = (-np.log10(np.maximum(np.arange(256), 1) / 255)).astype(np.float32)
"""Decimal optical density by grey level; 0 counts as 1."""

_THIRD = GREY_OD / np.float32(3)


def channels(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the planes (3, ...) of the channels of pixels (..., 3)."""
    return np.ascontiguousarray(np.moveaxis(rgb, -1, 0))


def density(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the optical densities of planes, in their shape."""
    # In this mode NumPy does not look for indices beyond 255, which there are none of.
    return np.asarray(GREY_OD.take(planes, mode="wrap"))


def optical_density(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the optical densities (3, ...) of pixels (..., 3)."""
    return density(channels(rgb))


def mean_density(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the mean optical density (...) of the channels of planes (3, ...)."""
    red, green, blue = planes
    od: npt.NDArray[np.float32] = _THIRD.take(red, mode="wrap")
    od += _THIRD.take(green, mode="wrap")
    od += _THIRD.take(blue, mode="wrap")
    return od


def highest(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the highest channel (...) of planes (3, ...)."""
    return np.asarray(np.maximum(np.maximum(planes[0], planes[1]), planes[2]))


def lowest(planes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the lowest channel (...) of planes (3, ...)."""
    return np.asarray(np.minimum(np.minimum(planes[0], planes[1]), planes[2]))
