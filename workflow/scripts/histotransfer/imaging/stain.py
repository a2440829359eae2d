"""Stain normalisation after Macenko et al., ISBI 2009:1107 (doi 10.1109/ISBI.2009.5193250)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .optical_density import GREY_OD, highest, lowest, optical_density

GLASS = 240
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

PIXELS_PER_PATCH = 1000

Tables = npt.NDArray[np.float32] | npt.NDArray[np.float64]

CHUNK_PX = 16384
"""So many pixels are normalised at a time: they stay in the processor's cache."""

_BRIGHTEST = np.full((CHUNK_PX, 4), 255, np.float32)
"""NumPy compares with an array five times faster than with a number."""


@dataclass(frozen=True)
class Stain:
    """The two stains of a slide.

    Attributes
    ----------
    matrix : ndarray, (3, 2), float64
        Unit vectors of optical density (red, green, blue) of haematoxylin and eosin, as columns.
    max_concentrations : ndarray, (2,), float64
        Their 99th percentiles.
    glass : int
        The grey level from which optical density counts.
    """

    matrix: npt.NDArray[np.float64]
    max_concentrations: npt.NDArray[np.float64]
    glass: int = GLASS


class DegenerateStain(ValueError):
    """The pixels do not show two stains that could be haematoxylin and eosin; its text says why."""


def fit(pixels: npt.NDArray[np.uint8], glass: int = GLASS) -> Stain:
    """Estimate the two stains from RGB pixels (n, 3), of which background is left out.

    Optical density counts from a grey level of `glass`.

    Raises
    ------
    DegenerateStain
        If there are too few tissue pixels, only one stain, or stains that are not haematoxylin and
        eosin.
    """
    od = optical_density(pixels).astype(np.float64) - _od_of(glass)
    od = od[:, lowest(od) >= BETA]
    if od.shape[1] < MIN_PIXELS:
        raise DegenerateStain(f"only {od.shape[1]} stained pixels")
    _, vectors = np.linalg.eigh(np.cov(od))
    plane = vectors[:, [2, 1]]
    plane *= np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    first, second = plane.T @ od
    angles = np.arctan2(second, first)
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
    concentrations = np.linalg.pinv(matrix) @ od
    strongest = np.percentile(concentrations, 99, axis=1)
    if strongest.min() <= BETA:
        raise DegenerateStain("only one of the stains")
    return Stain(matrix, strongest, glass)


def _od_of(glass: int) -> float:
    return float(np.log10(255 / glass))


def transform(source: Stain, reference: Stain) -> npt.NDArray[np.float32]:
    """Combine unmixing, scaling and mixing into one matrix that maps optical densities (3, 3)."""
    ratio = reference.max_concentrations / source.max_concentrations
    return ((reference.matrix * ratio) @ np.linalg.pinv(source.matrix)).astype(np.float32)


def tabulate(matrix: npt.NDArray[np.float32], glass: int = GLASS) -> Tables:
    """Tabulate a `transform` (3, 3) between stains with this `glass` by grey levels.

    Optical densities add up, so each channel of a pixel contributes a factor to the brightness of
    each new channel, and that depends on nothing but its grey level.

    Returns
    -------
    ndarray, (3, 256, 4), float32 or float64
        For every channel and grey level, the factors of the new red, green and blue. NumPy looks up
        four numbers five times faster than three; the fourth gives an opaque alpha.
    """
    relative = GREY_OD.astype(np.float64) - _od_of(glass)
    exponents = np.clip(-relative[:, None] * matrix.T[:, None].astype(np.float64), -100, 100)
    tables = np.ones((3, 256, 4))
    tables[..., :3] = 10**exponents
    tables[0] *= glass, glass, glass, 255
    # The product of three such factors stays far from the largest number of its type.
    return tables.astype(np.float32) if np.abs(exponents).max() < 12 else tables


def normalise(
    planes: npt.NDArray[np.uint8], tables: Tables, glass: int = GLASS
) -> tuple[npt.NDArray[np.uint8], float]:
    """Apply a transform (`tabulate`) to the `channels` (3, h, w) of an image.

    Returns
    -------
    image : ndarray, (h, w, 4), uint8
        The image in the reference's stains, RGB and an opaque alpha.
    clipped : float
        Fraction of all pixels that were darker than glass and would have become brighter than 255.
    """
    pixels = planes.reshape(3, -1)
    image = np.empty((pixels.shape[1], 4), np.uint8)
    for start in range(0, len(image), CHUNK_PX):
        part = slice(start, start + CHUNK_PX)
        new = _look_up(pixels[:, part], tables)
        image[part] = np.minimum(new, _BRIGHTEST[: len(new)], out=new)
    # Glass may become brighter than 255; tissue should not, so it is counted.
    whitened = image.view(np.uint32)[:, 0] == np.iinfo(np.uint32).max
    whitened &= highest(pixels) < glass
    clipped = 0.0
    if whitened.any():
        new = _look_up(pixels[:, whitened], tables)
        clipped = np.count_nonzero((new[:, :3] > 255).all(axis=1)) / len(image)
    return image.reshape(*planes.shape[1:], 4), clipped


def _look_up(pixels: npt.NDArray[np.uint8], tables: Tables) -> Tables:
    """Return the rounded new colours (n, 4) of pixels (3, n)."""
    new, green, blue = (
        table.take(plane, axis=0, mode="wrap") for table, plane in zip(tables, pixels, strict=True)
    )
    new *= green
    new *= blue
    return np.asarray(np.rint(new, out=new))


def sample_pixels(rgb: npt.NDArray[np.uint8], random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw pixels (`PIXELS_PER_PATCH`, 3) of an image, with replacement."""
    flat = rgb.reshape(-1, 3)
    return flat.take(random.integers(len(flat), size=PIXELS_PER_PATCH), axis=0)
