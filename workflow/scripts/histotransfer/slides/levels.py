"""The levels of a pyramid: which of them show the picture of level 0, in the same places.

A file may list as a level what is none: one that was padded to whole tiles, the macro picture, lost
pixels. OpenSlide stretches it over the slide, and every position and length on it is wrong. So a
level is used only if it agrees with level 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

SECTORS = 4
"""A level is compared in one place of each of this many rows and columns of sectors."""

SECTORS_OF_A_BLANK = 10
"""The same for a level that shows nothing."""

STRUCTURE_PX = 8
"""Width of the squares among which a place is chosen, in px of the thumbnail."""

WINDOW_PX = (12, 48)
"""Limits of the width of the squares that are compared, in px of the level."""

MAX_WINDOW_LEVEL0_PX = 512

SEARCH_PX = 6
ROUNDING_PX = 1
"""Level 0 is looked for within `SEARCH_PX` of its place on the level; the best match must lie
within `ROUNDING_PX`, which rounding explains."""

MIN_CORRELATION = 0.2
"""Low, because some programs make levels of single pixels instead of means."""

MARGIN = 0.05
"""By this much a match farther away may correlate better: along an edge all matches are alike."""

FLAT_SD = 6.0
BLANK_SD = 2.0
MAX_DIFFERENCE = 24.0
"""Grey levels. Squares with less spread than `FLAT_SD` show nothing; one below `BLANK_SD` does not
match one that shows something; the means of a match differ by less than `MAX_DIFFERENCE`."""

MAX_ELSEWHERE = 1 / 3
"""Of the places that show something."""


class Match(Enum):
    """What a level shows in a place: as level 0, the same nearby, another picture, or nothing."""

    SAME = auto()
    ELSEWHERE = auto()
    OTHER = auto()
    NOTHING = auto()


def sizes_agree(level0: tuple[int, int], level: tuple[int, int]) -> bool:
    """Tell whether one factor leads from level 0's width and height to a level's, to a pixel."""
    lowest = max(whole / (part + 1) for whole, part in zip(level0, level, strict=True))
    highest = min(whole / max(part - 1, 1e-9) for whole, part in zip(level0, level, strict=True))
    return lowest <= highest


def places(thumbnail: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Choose where to compare a level: in each sector of its thumbnail where most is to be seen.

    Parameters
    ----------
    thumbnail : ndarray, (h, w, 3), uint8

    Returns
    -------
    ndarray, (n, 2), intp
        x and y in px of the thumbnail. Of one that shows nothing, the centres of smaller sectors.
    """
    size = STRUCTURE_PX
    green = thumbnail[..., 1]  # in which both stains show
    green = np.pad(green, [(0, -side % size) for side in green.shape], mode="edge")
    squares = green.reshape(green.shape[0] // size, size, -1, size)
    spread = squares.std(axis=(1, 3), dtype=np.float32)
    sectors = SECTORS_OF_A_BLANK if spread.max() < FLAT_SD else SECTORS
    rows, columns = (np.array_split(np.arange(n), min(n, sectors)) for n in spread.shape)
    chosen = []
    for y in rows:
        for x in columns:
            sector = spread[np.ix_(y, x)]
            if sector.max() < FLAT_SD:
                chosen.append((x[len(x) // 2] * size, y[len(y) // 2] * size))
                continue
            row, column = np.unravel_index(int(sector.argmax()), sector.shape)
            # Around that square, the place from which an edge passes through the middle.
            top, left = (max(0, (part - 1) * size) for part in (y[row], x[column]))
            near = sliding_window_view(
                green[top : top + 3 * size, left : left + 3 * size], (size, size)
            )
            spreads = near.std(axis=(2, 3), dtype=np.float32)
            down, across = np.unravel_index(int(spreads.argmax()), spreads.shape)
            chosen.append((left + across + size // 2, top + down + size // 2))
    return np.array(chosen)


def window_px(downsample: float) -> int:
    """Return the width of the squares to compare, in px of a level."""
    low, high = WINDOW_PX
    return min(high, max(low, int(MAX_WINDOW_LEVEL0_PX / downsample)))


def match(level0: npt.NDArray[np.uint8], level: npt.NDArray[np.uint8]) -> Match:
    """Tell whether a level shows what level 0 shows, in the same place.

    Parameters
    ----------
    level0 : ndarray, (k, k, 3), uint8
        A square of level 0, reduced to the scale of the level.
    level : ndarray, (k + 2 * SEARCH_PX, k + 2 * SEARCH_PX, 3), uint8
        The level there, with a margin all around.
    """
    size = len(level0)
    inner = level[SEARCH_PX : SEARCH_PX + size, SEARCH_PX : SEARCH_PX + size]
    shift = np.abs(level0.mean(axis=(0, 1)) - inner.mean(axis=(0, 1))).max()
    wanted, found = (picture.mean(axis=2, dtype=np.float32) for picture in (level0, level))
    spreads = wanted.std(), inner.mean(axis=2, dtype=np.float32).std()
    if max(spreads) < FLAT_SD:
        return Match.NOTHING if shift < MAX_DIFFERENCE else Match.OTHER
    if min(spreads) < BLANK_SD or shift >= MAX_DIFFERENCE:
        return Match.OTHER
    wanted -= wanted.mean()
    windows = sliding_window_view(found, wanted.shape)
    scale = windows.std(axis=(2, 3)) * wanted.std() * wanted.size
    correlation = np.einsum("ijkl,kl->ij", windows, wanted) / np.maximum(scale, 1e-6)
    near = slice(SEARCH_PX - ROUNDING_PX, SEARCH_PX + ROUNDING_PX + 1)
    here = correlation[near, near].max()
    is_here = here >= max(MIN_CORRELATION, correlation.max() - MARGIN)
    return Match.SAME if is_here else Match.ELSEWHERE


def pictures_agree(found: Iterable[Match]) -> bool:
    """Decide about a level from what `match` says of its places: one that is lost is too many."""
    counts = Counter(found)
    elsewhere, same = counts[Match.ELSEWHERE], counts[Match.SAME]
    return not counts[Match.OTHER] and elsewhere <= MAX_ELSEWHERE * (elsewhere + same)
