"""The size of the densely stained structures of tissue, mostly nuclei, in pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy

from .optical_density import GREY_OD

MIN_OD = 0.08
MIN_STRUCTURES = 50
"""Fewer of them say nothing."""

BINS = 64


def structure_radius(images: Sequence[npt.NDArray[np.uint8]]) -> float | None:
    """Measure the typical radius of densely stained structures, in px.

    What absorbs red (haematoxylin does, eosin hardly) is thresholded by Otsu's method over all
    images; the radius is that of the largest inscribed circles, the median by area.

    Parameters
    ----------
    images : sequence of ndarray, (h, w, 3), uint8

    Returns
    -------
    float or None
        None where the images show too little.
    """
    densities = [scipy.ndimage.gaussian_filter(GREY_OD[image[..., 0]], 1.0) for image in images]
    values = np.concatenate([np.empty(0, np.float32), *(od[od > MIN_OD] for od in densities)])
    if not len(values) or values.min() == values.max():
        return None
    counts, edges = np.histogram(values, BINS)
    centres = (edges[1:] + edges[:-1]) / 2
    lower, sums = np.cumsum(counts)[:-1], np.cumsum(counts * centres)
    split = (sums[-1] * lower / len(values) - sums[:-1]) ** 2 / (lower * (len(values) - lower))
    threshold = centres[split.argmax()]
    radii = []
    for od in densities:
        distance = scipy.ndimage.distance_transform_edt(np.pad(od > threshold, 1))
        highest = scipy.ndimage.maximum_filter(distance, 5)
        radii.append(distance[(distance > 0) & (distance == highest)])
    found = np.sort(np.concatenate(radii))
    if len(found) < MIN_STRUCTURES:
        return None
    area = np.cumsum(found**2)
    return float(found[np.searchsorted(area, area[-1] / 2)])
