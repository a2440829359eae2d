"""The colour of the glass, by which a picture in the wrong colour model is known.

Glass is about grey in every slide, yellowed or bluish ones included. Where YCbCr is shown as RGB it
is salmon, where RGB is shown as YCbCr it is magenta, and all of the slide counts as tissue.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from .optical_density import optical_density

FLAT_LEVELS = 4
"""Glass differs by no more grey levels between neighbouring pixels of a thumbnail; tissue does."""

MIN_BRIGHTNESS = 150
"""The brightest channel of glass; what is darker is padding or ink."""

MIN_AREA, MIN_PX = 0.02, 100
"""The part of a thumbnail that glass covers at least, and the pixels."""

FAR_FROM_GREY_OD = 0.22
"""Spread of the optical density between the channels. Yellowed glass, (230, 210, 160), has 0.16;
YCbCr's grey as RGB, (215–255, 128, 128), more than this."""

GREY_OD, GREY_LEVEL, MAX_GREY_AREA = 0.1, 170, 0.005
"""If a larger part of a thumbnail is as grey and bright as this, that is glass, and any flat colour
is ink or colloid."""

BIN_LEVELS, BINS = 16, 16
"""Colours are counted in cubes of this width, of which there are so many along each channel."""


def coloured_glass(
    thumbnail: npt.NDArray[np.uint8], seen: npt.NDArray[np.bool_]
) -> tuple[int, int, int] | None:
    """Return the colour of a slide's glass if it is far from grey.

    Glass is the commonest colour of the bright areas without any structure. A slide without such
    areas (tissue all over), or with grey ones, gives None.

    Parameters
    ----------
    thumbnail : ndarray, (h, w, 3), uint8
    seen : ndarray, (h, w), bool
        False where the slide could not be read. What is pure white does not count either: where
        nothing was scanned, a thumbnail is white whatever the colour model.
    """
    red, green, blue = (thumbnail[..., channel] for channel in range(3))
    low = np.minimum(np.minimum(red, green), blue)
    high = np.maximum(np.maximum(red, green), blue)
    seen = seen & (low < 255)
    count = np.count_nonzero(seen)
    grey = (low >= GREY_LEVEL) & (high < low * np.float32(10**GREY_OD)) & seen
    if not count or np.count_nonzero(grey) > MAX_GREY_AREA * count:
        return None
    flat_here = seen & (high >= MIN_BRIGHTNESS)
    for plane in (red, green, blue):
        spread = scipy.ndimage.maximum_filter(plane, 3) - scipy.ndimage.minimum_filter(plane, 3)
        flat_here &= spread <= FLAT_LEVELS
    flat = thumbnail[flat_here]
    least = max(MIN_AREA * count, MIN_PX)
    if len(flat) < least:
        return None
    bins = flat // BIN_LEVELS @ np.array([1, BINS, BINS**2])
    commonest = int(np.bincount(bins).argmax())
    centre = np.array([commonest // BINS**power % BINS for power in range(3)]) * BIN_LEVELS
    centre += BIN_LEVELS // 2
    mode = flat[(abs(flat.astype(np.int16) - centre) <= BIN_LEVELS).all(axis=1)]
    if len(mode) < least:
        return None
    glass = np.rint(np.median(mode, axis=0)).astype(np.uint8)
    if np.ptp(optical_density(glass)) <= FAR_FROM_GREY_OD:
        return None
    return int(glass[0]), int(glass[1]), int(glass[2])
