"""Optical density, in which stains add up (Beer and Lambert's law)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

GREY_OD = (-np.log10(np.maximum(np.arange(256), 1) / 255)).astype(np.float32)
"""Decimal optical density by grey level; 0 counts as 1."""


def optical_density(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the optical densities (3, ...) of pixels (..., 3).

    They are contiguous planes, on which arithmetic is much faster than across interleaved pixels.
    """
    return GREY_OD.take(np.ascontiguousarray(np.moveaxis(rgb, -1, 0)))


def highest(od: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the densest channel (...) of densities (3, ...)."""
    return np.asarray(np.maximum(np.maximum(od[0], od[1]), od[2]))


def lowest(od: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the least dense channel (...) of densities (3, ...)."""
    return np.asarray(np.minimum(np.minimum(od[0], od[1]), od[2]))
