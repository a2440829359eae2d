"""Stain normalisation after Macenko et al., ISBI 2009:1107 (doi 10.1109/ISBI.2009.5193250)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .optical_density import GREY_OD, lowest

WHITE = 240
"""Grey level of glass, as in the common implementations and about that of real scanners. With 255
the faint density of the glass itself would be amplified into a tint. Brighter pixels have a
negative density and stay brighter."""

BETA = 0.065
"""Pixels with less decimal optical density in a channel are not fitted. This is the 0.15 (natural
logarithm) of the common implementations; the paper's decimal 0.15 would drop pale eosin."""

ALPHA = 1.0
"""Percentile, from either end, at which the angles of the two stains are taken."""

MIN_PIXELS = 1000
MIN_ANGLE_DEG = 8.0
"""Fewer tissue pixels or closer stain vectors than this make an estimate degenerate."""

_GLASS_OD = float(np.log10(255 / WHITE))
PIXELS_PER_PATCH = 1000


@dataclass(frozen=True)
class Stain:
    """The two stains of a slide.

    Attributes
    ----------
    matrix : ndarray, (3, 2), float64
        Unit vectors of optical density (red, green, blue) of haematoxylin and eosin, as columns.
    max_concentrations : ndarray, (2,), float64
        Their 99th percentiles.
    """

    matrix: npt.NDArray[np.float64]
    max_concentrations: npt.NDArray[np.float64]


class DegenerateStain(ValueError):
    """The pixels do not show two stains that could be haematoxylin and eosin; its text says why."""


def fit(pixels: npt.NDArray[np.uint8]) -> Stain:
    """Estimate the two stains from RGB pixels (n, 3), of which background is left out.

    Raises
    ------
    DegenerateStain
        If there are too few tissue pixels, only one stain, or stains that are not haematoxylin and
        eosin.
    """
    od = GREY_OD[pixels].astype(np.float64) - _GLASS_OD
    od = od[(od >= BETA).all(axis=1)]
    if len(od) < MIN_PIXELS:
        raise DegenerateStain(f"only {len(od)} stained pixels")
    _, vectors = np.linalg.eigh(np.cov(od.T))
    plane = vectors[:, [2, 1]]
    plane *= np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    projected = od @ plane
    angles = np.arctan2(projected[:, 1], projected[:, 0])
    extremes = np.percentile(angles, [ALPHA, 100 - ALPHA])
    matrix = plane @ np.array([np.cos(extremes), np.sin(extremes)])
    # Haematoxylin is the stain that absorbs more red.
    matrix = matrix[:, np.argsort(-matrix[0], kind="stable")]
    angle = np.degrees(np.ptp(extremes))
    if angle < MIN_ANGLE_DEG:
        raise DegenerateStain(f"stain vectors only {angle:.1f}° apart")
    red, green, blue = matrix
    if (green <= np.maximum(blue, 0)).any() or red.min() < -0.1 or matrix.min() < -0.2:
        raise DegenerateStain("stain vectors not those of haematoxylin and eosin")
    concentrations = od @ np.linalg.pinv(matrix).T
    highest = np.percentile(concentrations, 99, axis=0)
    if highest.min() <= BETA:
        raise DegenerateStain("only one of the stains")
    return Stain(matrix, highest)


def transform(source: Stain, reference: Stain) -> npt.NDArray[np.float32]:
    """Combine unmixing, scaling and mixing into one matrix that maps optical densities (3, 3)."""
    ratio = reference.max_concentrations / source.max_concentrations
    return ((reference.matrix * ratio) @ np.linalg.pinv(source.matrix)).astype(np.float32)


def normalise(
    od: npt.NDArray[np.float32], matrix: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.uint8], float]:
    """Apply a `transform` to the `optical_density` (3, h, w) of an image.

    Returns
    -------
    image : ndarray, (h, w, 3), uint8
        The image in the reference's stains.
    clipped : float
        Fraction of all pixels that were darker than glass and would have become brighter than 255.
    """
    # Densities are relative to the glass; the constants are folded into slope and offset.
    slope = matrix * np.float32(-np.log(10))
    offset = np.float32(np.log(WHITE)) - slope.sum(axis=1) * np.float32(_GLASS_OD)
    new = slope @ od.reshape(3, -1)
    new += offset[:, None]
    np.exp(new, out=new)
    np.rint(new, out=new)
    # Glass may become brighter than 255; tissue should not, so it is counted.
    tissue = lowest(od).ravel() > _GLASS_OD
    clipped = np.count_nonzero((lowest(new) > 255) & tissue) / tissue.size
    np.minimum(new, 255, out=new)
    image = np.empty((*od.shape[1:], 3), np.uint8)
    for channel, plane in enumerate(new.reshape(od.shape)):
        image[..., channel] = plane
    return image, clipped


def sample_pixels(rgb: npt.NDArray[np.uint8], random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw pixels (`PIXELS_PER_PATCH`, 3) of an image, with replacement."""
    flat = rgb.reshape(-1, 3)
    return flat[random.integers(len(flat), size=PIXELS_PER_PATCH)]
