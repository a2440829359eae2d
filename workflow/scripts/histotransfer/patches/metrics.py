"""The metrics of a patch, measured on its raw pixels; `qc` judges by them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..imaging.artefacts import DARK_OD, is_pen
from ..imaging.optical_density import GREY_OD, density, highest, lowest, mean_density
from ..imaging.resampling import area_mean_planes

NAMES = (
    "background_fraction",
    "od_mean",
    "od_sd",
    "sharpness",
    "pen_fraction",
    "dark_fraction",
    "saturation",
    "grey_mean",
)
"""The metrics, in the order in which `measure` returns them."""

BACKGROUND_OD = 0.08
BACKGROUND_LEVEL = int(np.argmax(GREY_OD < BACKGROUND_OD))
"""A pixel with less optical density in every channel is background (brighter than 212)."""

FINE_MPP, COARSE_MPP = 2.0, 4.0
"""Sharpness is measured between these scales, whatever the patch's own (unless that is coarser).
Pen is looked for at the second, where a stroke is still broad and the coloured fringes of
refracting edges are gone."""

LUMA = np.array([0.299, 0.587, 0.114])
"""What red, green and blue weigh in a grey level (ITU-R BT.601)."""

STRUCTURE_FLOOR = 0.02
"""Added to the coarse structure (OD), so that camera noise and JPEG blocks on an empty or strongly
blurred patch do not count as sharpness."""


def sharpness(fine: npt.NDArray[np.float32], coarse: npt.NDArray[np.float32]) -> float:
    """Compare fine with coarse structure: optical densities at `FINE_MPP` and `COARSE_MPP`.

    The standard deviation of the discrete Laplacian at 2 µm per px over that at 4 µm per px. Blur
    takes the fine structure first; the quotient depends on neither the strength of the stain nor
    the tissue's large edges, which a plain variance of the Laplacian follows. It is 0.7–1.2 for H&E
    in focus, 0.4–0.7 for a Gaussian blur of 1 µm, below 0.4 for 2 µm (98 % of real patches of
    eleven tissues from four sources).
    """
    return _sd(_laplacian(fine)) / (_sd(_laplacian(coarse)) + STRUCTURE_FLOOR)


def _size_at(wanted_mpp: float, mpp: float, shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height in px of a picture (h, w) at a coarser scale."""
    factor = min(1.0, mpp / wanted_mpp)
    height, width = (min(px, max(3, round(factor * px))) for px in shape)
    return width, height


def _laplacian(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    neighbours = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    return np.asarray(neighbours - 4 * image[1:-1, 1:-1])


def _mean(plane: npt.NDArray[np.float32]) -> float:
    """Return the mean of a plane (h, w): adding up rows takes a third of adding up all at once."""
    return float(plane.sum(axis=0).sum()) / plane.size


def _sd(plane: npt.NDArray[np.float32]) -> float:
    """Return the standard deviation of a plane (h, w)."""
    return float(np.sqrt(_mean(np.square(plane - np.float32(_mean(plane))))))


def measure(planes: npt.NDArray[np.uint8], mpp: float) -> npt.NDArray[np.float32]:
    """Measure one patch.

    Parameters
    ----------
    planes : ndarray, (3, h, w), uint8
        The `channels` of the patch as scanned, before stain normalisation.
    mpp : float
        Its µm per px.

    Returns
    -------
    ndarray, (8,), float32
        In the order of `NAMES`: fraction of background pixels; mean and standard deviation of the
        mean optical density of the channels; sharpness; fractions of pen and of dark pixels; mean
        HSV saturation; mean grey level, 0 to 255.
    """
    od = mean_density(planes)
    fine = area_mean_planes(od[None], _size_at(FINE_MPP, mpp, od.shape))
    coarse = area_mean_planes(fine, _size_at(COARSE_MPP, FINE_MPP, fine.shape[1:]))
    scanned_coarsely = area_mean_planes(planes, _size_at(COARSE_MPP, mpp, od.shape))
    pen = is_pen(density((scanned_coarsely + np.float32(0.5)).astype(np.uint8)))
    low, high = lowest(planes), highest(planes)
    for level in (low, high):
        level += level == 0  # which counts as 1, as in `density`
    return np.array(
        [
            np.count_nonzero(low >= BACKGROUND_LEVEL) / od.size,
            _mean(fine[0]),  # equal to that of all pixels, since all areas are equal
            _sd(od),
            sharpness(fine[0], coarse[0]),
            np.count_nonzero(pen) / pen.size,
            np.count_nonzero(od > DARK_OD) / od.size,
            1 - _mean(np.divide(low, high, dtype=np.float32)),
            LUMA @ planes.sum(axis=1, dtype=np.uint32).sum(axis=1) / od.size,
        ],
        np.float32,
    )
