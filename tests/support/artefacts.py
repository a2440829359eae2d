"""Slides with what is no tissue: padding, borders, ink, dirt and folds, over the same section."""

from __future__ import annotations

import numpy as np

from .slides import GLASS, Pixels, tissue

LEFT, TOP, WIDTH, HEIGHT = 640, 512, 960, 768


def section(size: int = 2048) -> Pixels:
    """Put a section on glass."""
    slide = np.full((size, size, 3), GLASS, np.uint8)
    slide[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH] = tissue(HEIGHT, WIDTH)
    return slide


def padded(colour: tuple[int, int, int], size: int = 2048) -> Pixels:
    """Pad the section to the slide's size with a colour."""
    slide = section(size)
    slide[:, : LEFT - 100] = slide[: TOP - 60] = colour
    slide[TOP + HEIGHT + 60 :] = slide[:, LEFT + WIDTH + 100 :] = colour
    return slide


def drawn_over(colour: tuple[int, int, int], width: int = 60) -> Pixels:
    """Draw a stroke of ink or dirt down the section."""
    slide = section()
    slide[TOP:, LEFT + 300 : LEFT + 300 + width] = colour
    return slide


def folded(times: float = 3, width: int = 160) -> Pixels:
    """Fold the section: there it is several times as dense."""
    slide = section()
    fold = slide[TOP : TOP + HEIGHT, LEFT + 300 : LEFT + 300 + width]
    fold[:] = np.rint(GLASS * (fold / GLASS) ** times)
    return slide
