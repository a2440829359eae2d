"""What is no stained tissue, by the optical density of its pixels: ink, dirt, black padding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .optical_density import highest, lowest, optical_density

PEN_RED_OD = 0.3
PEN_EXCESS_OD = 0.07
"""A pixel that absorbs red, and more of it than of green by this, is blue or green ink, because
haematoxylin and eosin both absorb green most. None of 830 real H&E patches has a single one at
4 µm per px; at the frayed edges of a skin slide, 4.6 % of a patch were."""

INK_OD = 0.5
INK_CHROMA_OD = 0.15
"""A pixel of this mean density whose channels differ by less is black ink, because what is darkly
stained is blue or red as well."""

DARK_OD = 1.0
"""Mean optical density above which a pixel is darker than stained tissue: dirt, thick folds."""


def is_pen(od: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Tell from densities (3, ...) where black, blue or green ink is: a hue that no stain gives.

    Red ink cannot be told from eosin and blood by its hue, and is not found.
    """
    red, green, _ = od
    coloured = (red > PEN_RED_OD) & (red - green > PEN_EXCESS_OD)
    return np.asarray(coloured | _is_black_ink(od))


def is_black(od: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Tell from densities (3, ...) where something is black or too dark for stained tissue."""
    return np.asarray((od[0] + od[1] + od[2] > 3 * DARK_OD) | _is_black_ink(od))


def _is_black_ink(od: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    red, green, blue = od
    chroma = highest(od) - lowest(od)
    return np.asarray((red + green + blue > 3 * INK_OD) & (chroma < INK_CHROMA_OD))


def stained(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return those of the pixels (n, 3) to which a stain may be fitted: neither ink nor black.

    Black padding, dirt and folds are the densest pixels of a slide, and stains are fitted to the
    extremes: a few of them would decide the result.
    """
    od = optical_density(pixels)
    return pixels[~(is_pen(od) | is_black(od))]
