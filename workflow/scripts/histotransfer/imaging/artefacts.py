"""What is not stained tissue: ink, dirt and black by their density, padding by its evenness."""

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


PADDING_LEVEL = 212
"""Squares of one colour are padding if a channel is darker than this; glass is brighter."""


NO_COLOURS = np.empty((0, 3), np.uint8)


def padding_colours(image: npt.NDArray[np.uint8], step_px: int) -> npt.NDArray[np.uint8]:
    """Find the colours (k, 3) with which an image (h, w, 3) was padded.

    Whatever was scanned has noise, so a square of one exact colour was not: of 1,400 real patches
    with tissue none has one of 16 px, nor have the thumbnails of four real slides one of 4 px.
    Squares of `step_px` and a pixel are looked at, that far apart: padding twice as wide is always
    found. Only a colour that reaches the image's border counts, since what is even inside may be
    drawn tissue.
    """
    border = np.concatenate([image[[0, -1]].reshape(-1, 3), image[:, [0, -1]].reshape(-1, 3)])
    outermost = set(map(tuple, border.tolist()))
    points = image[::step_px, ::step_px]
    corner = points[:-1, :-1]
    alike = [points[1:, 1:], points[1:, :-1], points[:-1, 1:]]
    same = np.logical_and.reduce([(corner == other).all(axis=2) for other in alike])
    same &= corner.min(axis=2) < PADDING_LEVEL
    found: set[tuple[int, ...]] = set()
    for row, column in np.argwhere(same).tolist():
        colour = tuple(corner[row, column].tolist())
        y, x = row * step_px, column * step_px
        if (
            colour in outermost - found
            and (image[y : y + step_px + 1, x : x + step_px + 1] == colour).all()
        ):
            found.add(colour)
    return np.array(sorted(found), np.uint8).reshape(-1, 3)


def has_colour(
    pixels: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """Tell which of the pixels (..., 3) have exactly one of the colours (k, 3)."""
    found = np.zeros(pixels.shape[:-1], bool)
    for colour in colours:
        found |= (pixels == colour).all(axis=-1)
    return found


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


def stained(
    pixels: npt.NDArray[np.uint8], padding: npt.NDArray[np.uint8] = NO_COLOURS
) -> npt.NDArray[np.uint8]:
    """Return those of the pixels (n, 3) to which a stain may be fitted: neither ink nor black.

    Nor may they have one of the colours (k, 3) of the slide's `padding`. Padding, dirt and folds
    are the densest pixels of a slide, and stains are fitted to the extremes: a few of them would
    decide the result.
    """
    od = optical_density(pixels)
    return pixels[~(is_pen(od) | is_black(od) | has_colour(pixels, padding))]
