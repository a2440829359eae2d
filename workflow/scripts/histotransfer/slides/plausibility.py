"""Whether a slide's scale can be true: what the objective and the nuclei say of it.

A scale that is wrong in the header or the sheet changes every patch and fails nowhere. Both checks
warn; neither excludes a slide.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..core.errors import SlideError
from ..imaging.artefacts import NO_COLOURS, has_colour, is_black, is_pen
from ..imaging.optical_density import optical_density
from ..imaging.structure import structure_radius
from .reader import UNSCANNED, SlideReader

UM_AT_POWER_1 = 10.0
"""A scanner's µm per px, times the power of its objective: 0.5 at 20×, 0.25 at 40×."""

FACTOR = 1.9
"""A scale that differs from the objective's by this factor is doubtful: two, but for rounding."""

FINE_CAMERAS, FINE_FACTOR = frozenset({"mirax", "zeiss"}), 2.5
"""Scanners with smaller pixels (0.22–0.24 µm at 20×), and the factor by which they may be finer."""

RADIUS_PX, REFERENCE_MPP = 4.7, 0.5
TOO_SMALL, TOO_LARGE = 0.5, 2.5
"""The typical radius of dense structures at a scale, and by which factor it may differ. It changes
with the root of the scale, because nuclei give way to cords and glands; so the limits are a factor
of four and of six in the scale. In eighteen sets of real images at 0.25–2 µm/px (H&E of five organs
and DAB, as scanned and resampled) it was 0.67 to 2.0 times what is expected."""

REGIONS, REGION_PX = 16, 256
"""So many squares of level 0, of this width, are looked at."""


INK_MPP, MAX_INK = 4.0, 0.02
"""Strokes of a pen are denser and wider than nuclei. A square with more ink than this, at this
scale, is passed over."""


def scale_doubts(
    reader: SlideReader,
    corners: npt.NDArray[np.int32],
    padding: npt.NDArray[np.uint8] = NO_COLOURS,
) -> str:
    """Say what speaks against a slide's scale, or nothing.

    Parameters
    ----------
    reader : SlideReader
    corners : ndarray, (n, 2), int32
        The slide's candidate tiles, in level-0 px.
    padding : ndarray, (k, 3), uint8
        The colours with which it was padded.
    """
    doubts = [_of_the_objective(reader.mpp, reader.objective_power, reader.vendor)]
    if len(corners):
        chosen = np.unique(np.linspace(0, len(corners) - 1, REGIONS).round().astype(int))
        doubts.append(_of_the_structure(reader, corners[chosen].tolist(), padding))
    return "; ".join(filter(None, doubts))


def _of_the_objective(mpp: float, power: str, vendor: str) -> str:
    try:
        expected = UM_AT_POWER_1 / float(power)
    except (ValueError, ZeroDivisionError):
        return ""
    finer = FINE_FACTOR if vendor in FINE_CAMERAS else FACTOR
    if not expected > 0 or expected / finer < mpp < expected * FACTOR:
        return ""
    return f"a {float(power):g}× objective gives about {expected:.2g} µm/px, not {mpp:.3g}"


def _of_the_structure(
    reader: SlideReader, corners: list[list[int]], padding: npt.NDArray[np.uint8]
) -> str:
    images = []
    for x, y in corners:
        try:
            image = np.array(reader.read(x, y, 0, REGION_PX, REGION_PX))
        except SlideError:  # extraction counts what cannot be read
            continue
        image[has_colour(image, padding)] = UNSCANNED
        if _ink(image, reader.mpp) < MAX_INK:
            images.append(image)
    radius = structure_radius(images)
    if radius is None:
        return ""
    ratio = radius / (RADIUS_PX * (REFERENCE_MPP / reader.mpp) ** 0.5)
    if TOO_SMALL < ratio < TOO_LARGE:
        return ""
    size = "smaller" if ratio < 1 else "larger"
    um = radius * reader.mpp
    return f"dense structures are {size} than nuclei can be at {reader.mpp:.3g} µm/px ({um:.2g} µm)"


def _ink(image: npt.NDArray[np.uint8], mpp: float) -> float:
    """Return the fraction of an image (h, w, 3) that is ink or black."""
    coarse = Image.fromarray(image).reduce(max(1, round(INK_MPP / mpp)))
    od = optical_density(np.asarray(coarse))
    return float((is_pen(od) | is_black(od)).mean())
