"""What a slide looks like as a whole, where it shows no stained section."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.exclusions import Reason
from .pictures import IN_COLOURS, TILED, TiffPicture, in_colours

NEARLY_ALL = 0.999
"""This part of the pixels decides, so that a few of them do not matter."""

BLACK = 32
BRIGHT = 128
"""A picture is black below the first grey level, and below the second does not fill its bits."""

GREY_SPREAD = 2
BLANK_SD = 6.0
"""Grey levels between the colours of a pixel, and among the pixels of a picture."""

LOOK = "Look at its overview, and take it out of the slide sheet if it shows no stained section"


def why_no_section(
    pixels: npt.NDArray[np.uint8],
    path: Path,
    used: Sequence[TiffPicture],
    has_tissue: bool,
) -> Reason | None:
    """Return why a slide is grey or dark all over, if it is.

    Parameters
    ----------
    pixels : ndarray, (n, 3), uint8
        Those of its thumbnail that were scanned and could be read.
    path : Path
        The slide, for the remedy.
    used : sequence of TiffPicture
        The pictures of a TIFF that have the size of level 0.
    has_tissue : bool
        Whether tissue was found, by its colours.
    """
    if not len(pixels):
        return None
    is_grey = np.quantile(np.ptp(pixels, axis=1), NEARLY_ALL) <= GREY_SPREAD
    if is_grey and used and used[0].samples == 1:
        pages = "1 page" if len(used) == 1 else f"{len(used)} pages"
        return Reason("slide_grey", f"{pages} of one colour", in_colours(path, used))
    brightest = int(np.quantile(pixels.max(axis=1), NEARLY_ALL))
    if used and used[0].bits > 8 and brightest < BRIGHT:
        bits = used[0].bits - 8 + (max(brightest, 1) - 1).bit_length()
        detail = f"{used[0].bits} bits per colour, of which the values use {bits}"
        factor = f"{255 / (2**bits - 1):.4g}"
        scale = f"vips linear {used[0].source(path)} '{TILED}' {factor} 0 --uchar"
        return Reason("values_not_8_bit", detail, f"Scale them to 8 bits: `{scale}`")
    if brightest < BLACK:
        return Reason("slide_black", f"no grey level above {brightest} of 255", LOOK)
    # Light that passes a stained section has all colours; fluorescence may have one.
    in_all = int(np.quantile(pixels.min(axis=1), NEARLY_ALL))
    if in_all < BLACK:
        detail = f"no pixel is brighter than {in_all} of 255 in all colours, as in fluorescence"
        return Reason("slide_black", detail, LOOK)
    if is_grey and not has_tissue and pixels.std() > BLANK_SD:
        return Reason("slide_grey", "all its pixels are grey", IN_COLOURS)
    return None
