"""PathoROB's robustness index: whether neighbours share their class, or their site."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from .predictors.predictor import Bools, Float, Ints

NEIGHBOURS = (1, 3, 5, 11, 21, 31)
"""How many neighbours are tried."""


@dataclass(frozen=True)
class Robustness:
    """The index, the number of neighbours, and what neighbours drawn at random would give."""

    index: float
    k: int
    by_chance: float


def nearest(features: Float) -> Ints:
    """Return each sample's others, (n, n - 1), by cosine distance, the nearest first."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(length > 0, length, 1)
    with threadpool_limits(limits=1):  # else neighbours that are nearly as near may change places
        similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    return np.argsort(-similar, axis=1, kind="stable")[:, :-1]


def robustness_index(
    neighbours: Ints, classes: npt.NDArray[np.object_], sites: npt.NDArray[np.object_]
) -> Robustness:
    """Return the robustness index of samples, each of a patient of its own.

    Among the k nearest neighbours of all samples, those of the same class and another site (SO) and
    those of another class and the same site (OS) are counted. The index is SO / (SO + OS): 1 if
    the features know the class alone, 0 if they know the site alone. The k, of `NEIGHBOURS`, is the
    one whose neighbours tell the class best (balanced accuracy of their majority).

    References
    ----------
    Kömen et al., Towards robust foundation models for digital pathology, arXiv:2507.17845, 2025.
    """
    same_class = classes[neighbours] == classes[:, None]
    same_site = sites[neighbours] == sites[:, None]
    tried = [k for k in NEIGHBOURS if k <= neighbours.shape[1]]
    accuracy = [_balanced_accuracy(neighbours[:, :k], classes) for k in tried]
    # Rounding alone makes equal ones differ by less.
    k = tried[int(np.argmax(np.round(accuracy, 12)))]
    return Robustness(_index(same_class[:, :k], same_site[:, :k]), k, _index(same_class, same_site))


def _index(same_class: Bools, same_site: Bools) -> float:
    other_site, other_class = (same_class & ~same_site).sum(), (~same_class & same_site).sum()
    total = other_site + other_class
    return float(other_site / total) if total else float("nan")


def _balanced_accuracy(neighbours: Ints, classes: npt.NDArray[np.object_]) -> float:
    names, codes = np.unique(classes, return_inverse=True)
    votes = (codes[neighbours][:, :, None] == np.arange(len(names))).sum(axis=1)
    right = votes.argmax(axis=1) == codes
    return float(np.mean([right[codes == code].mean() for code in range(len(names))]))
