"""Tissue on a thumbnail: where it is, and how much of a tile it covers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from ..imaging.artefacts import has_colour, is_black, padding_colours
from ..imaging.optical_density import GREY_OD, optical_density

METHOD = "od-chroma-otsu/4"

SMOOTHING_UM = 8.0
CLOSING_UM = 24.0
"""Gaps up to twice this are part of the tissue: fat cells, clefts."""

MIN_AREA_MM2 = 0.01
"""Smaller islands are debris, smaller holes are lumina and fat; a 100-µm square."""

PADDING_UM = 32.0
"""Padding is looked for at this distance."""

THRESHOLD_RANGE = (0.04, 0.05)
"""Otsu's threshold is kept within this (OD), because a slide of glass or tissue alone has one
class. The glass of real slides has up to 0.015, of tinted ones 0.02; pale mucus has 0.06."""

STRIP_PX = 256

_MILLI_OD = np.round(1000 * GREY_OD).astype(np.int16)


class Tissue(NamedTuple):
    """Where the tissue is on a thumbnail.

    Attributes
    ----------
    mask : ndarray, (h, w), bool
    threshold : float
        The optical density that made it, after its limits were applied.
    padding : ndarray, (k, 3), uint8
        The colours with which the slide was padded.
    """

    mask: npt.NDArray[np.bool_]
    threshold: float
    padding: npt.NDArray[np.uint8]


def chroma(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
    """Measure the spread of optical density between a picture's channels, in thousandths (h, w).

    It is the largest minus the smallest decimal optical density; dust and shadow have none.
    """
    red, green, blue = (_MILLI_OD[rgb[..., channel]] for channel in range(3))
    low = np.minimum(np.minimum(red, green), blue)
    np.maximum(red, green, out=red)
    np.maximum(red, blue, out=red)
    red -= low
    return red


def otsu(values: npt.NDArray[np.int16]) -> int:
    """Return Otsu's threshold of small non-negative integers; values above it are the upper class.

    The threshold of constant values is that value.
    """
    counts = np.bincount(values.ravel()).astype(np.float64)
    levels = np.arange(counts.size)
    lower = np.cumsum(counts)
    upper = lower[-1] - lower
    sums = np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (sums[-1] * lower / lower[-1] - sums) ** 2 / (lower * upper)
    return int(np.nanargmax(between)) if np.isfinite(between).any() else int(values.flat[0])


def find_tissue(
    thumbnail: npt.NDArray[np.uint8], mpp: float, readable: npt.NDArray[np.bool_] | None = None
) -> Tissue:
    """Find the tissue on a thumbnail.

    The chroma (`chroma`; padding, black ink and dirt have none), limited and smoothed, is
    thresholded by Otsu's method within `THRESHOLD_RANGE`; small gaps are closed, small islands and
    holes removed. All lengths are in µm, so the mask depends on neither the slide's levels nor the
    machine.

    Parameters
    ----------
    thumbnail : ndarray, (h, w, 3), uint8
    mpp : float
        µm per px of the thumbnail.
    readable : ndarray, (h, w), bool, optional
        False where the slide could not be read; this counts as tissue, so that its tiles are tried
        and the failures counted.
    """
    low, high = (round(1000 * limit) for limit in THRESHOLD_RANGE)
    spread = chroma(thumbnail)
    for rows in range(0, len(thumbnail), STRIP_PX):  # of a large slide, all densities are too many
        strip = slice(rows, rows + STRIP_PX)
        spread[strip][is_black(optical_density(thumbnail[strip]))] = 0
    padding = padding_colours(thumbnail, max(1, round(PADDING_UM / mpp)))
    spread[has_colour(thumbnail, padding)] = 0
    # Cut at twice the threshold, strong stain crosses it where the tissue ends, not beyond.
    smooth = scipy.ndimage.gaussian_filter(
        np.minimum(spread, 2 * high),
        SMOOTHING_UM / mpp,
        output=np.int16,
        mode="nearest",
        truncate=2,
    )
    threshold = min(max(otsu(smooth), low), high)
    mask = smooth > threshold
    radius = round(CLOSING_UM / mpp)
    if radius > 0:
        y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        disk = x * x + y * y <= radius * radius
        inner = slice(radius, -radius)
        mask = scipy.ndimage.binary_closing(np.pad(mask, radius), disk)[inner, inner]
    min_px = max(1, round(MIN_AREA_MM2 * 1e6 / mpp**2))
    mask = ~_without_small(~_without_small(mask, min_px), min_px)
    if readable is not None:
        mask |= ~readable
    return Tissue(mask, threshold / 1000, padding)


def _without_small(mask: npt.NDArray[np.bool_], min_px: int) -> npt.NDArray[np.bool_]:
    labels, _ = scipy.ndimage.label(mask)
    keep = np.bincount(labels.ravel()) >= min_px
    keep[0] = False
    kept: npt.NDArray[np.bool_] = keep[labels]
    return kept


def covered_fraction(
    mask: npt.NDArray[np.bool_], x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], size: float
) -> npt.NDArray[np.float32]:
    """Measure which fraction (n,) of each of many squares a mask (h, w) covers.

    `x` and `y` (n,) are their top left corners, `size` is their width, all in px of the mask and
    not necessarily whole. Beyond the mask's edges nothing is covered.
    """
    height, width = mask.shape
    # A summed-area table is bilinear between its nodes, so interpolating it is exact.
    table = np.zeros((height + 1, width + 1), np.int32)
    np.cumsum(np.cumsum(mask, axis=0, dtype=np.int32), axis=1, out=table[1:, 1:])

    def area(
        right: npt.NDArray[np.float64], bottom: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        right, bottom = np.clip(right, 0, width), np.clip(bottom, 0, height)
        i = np.minimum(bottom.astype(np.intp), height - 1)
        j = np.minimum(right.astype(np.intp), width - 1)
        v, u = bottom - i, right - j
        return np.asarray(
            (1 - v) * ((1 - u) * table[i, j] + u * table[i, j + 1])
            + v * ((1 - u) * table[i + 1, j] + u * table[i + 1, j + 1])
        )

    covered = area(x + size, y + size) - area(x, y + size) - area(x + size, y) + area(x, y)
    return np.asarray(covered / size**2, np.float32)


def area_mm2(mask: npt.NDArray[np.bool_], mpp: float) -> float:
    """Return the area of a mask in mm², rounded to a thumbnail's precision (0.0001 mm²)."""
    return round(int(mask.sum()) * mpp**2 / 1e6, 4)
