"""The colour of the glass, by which a picture in the wrong colour model is known.

Glass is about grey in every slide, yellowed or bluish ones included. Where YCbCr is shown as RGB it
is salmon, where RGB is shown as YCbCr it is magenta, and all of the slide counts as tissue.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .optical_density import highest, lowest, optical_density

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

BIN_LEVELS = 16


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
    seen = seen & (thumbnail < 255).any(axis=2)
    count = np.count_nonzero(seen)
    od = optical_density(thumbnail)
    spread = highest(od) - lowest(od)
    grey = (spread < GREY_OD) & (thumbnail.min(axis=2) >= GREY_LEVEL) & seen
    if not count or np.count_nonzero(grey) > MAX_GREY_AREA * count:
        return None
    window = (3, 3, 1)
    levels = ndimage.maximum_filter(thumbnail, window) - ndimage.minimum_filter(thumbnail, window)
    flat = thumbnail[
        seen & (levels <= FLAT_LEVELS).all(axis=2) & (thumbnail.max(axis=2) >= MIN_BRIGHTNESS)
    ]
    least = max(MIN_AREA * count, MIN_PX)
    if len(flat) < least:
        return None
    bins, sizes = np.unique(flat // BIN_LEVELS, axis=0, return_counts=True)
    centre = (bins[sizes.argmax()] + 0.5) * BIN_LEVELS
    mode = flat[(abs(flat - centre) <= BIN_LEVELS).all(axis=1)]
    red, green, blue = (round(level) for level in np.median(mode, axis=0).tolist())
    density = optical_density(np.array([red, green, blue], np.uint8))
    if len(mode) < least or np.ptp(density) <= FAR_FROM_GREY_OD:
        return None
    return red, green, blue
