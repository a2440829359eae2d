"""The choice of a penalty from a grid that is widened where the best lies at its edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .predictor import Float, Ints

CONSTANT = 100.0
"""A penalty so many times the curvature of the steepest direction is the strongest that is tried:
predictions then differ by less than a hundredth of what least squares would give them."""
VANISHING = 0.01
"""A penalty of so much of the curvature of the median direction is the weakest that is tried: it
shrinks half of the directions by less than a hundredth."""
LEAST_RATIO = 1.25


def penalty_limits(curvature: Float) -> tuple[float, float]:
    """Return the weakest and the strongest penalty to try; (r,) curvatures along the directions.

    Constant features have no directions: then any grid is beyond the limits, and stays as it is.
    """
    if not len(curvature):
        return float("inf"), float(np.finfo(np.float64).tiny)
    return VANISHING * float(np.median(curvature)), CONSTANT * float(curvature.max())


def choose(
    values: Sequence[float],
    losses: Callable[[float, Ints], Float],
    n_targets: int,
    limits: tuple[float, float],
) -> Float:
    """Return the (t,) value of least loss of each target; the smallest wins a tie.

    While the best of a target lies at an edge, and the loss falls, the grid goes on by the ratio of
    its last two values, for that target alone: what is chosen does not depend on other targets. The
    last step ends at the limit itself, so that `is_limit` knows a choice that is still at the edge.
    A single value is not a grid.

    Parameters
    ----------
    values : sequence of float
        Above 0, in any order.
    losses : callable
        The (k,) losses under a value of k targets, given their numbers. It is called with values
        ascending for all targets, then with values beyond the edges for some.
    n_targets : int
    limits : tuple of float
        The least and the greatest value; an edge of the grid beyond them stays where it is.
    """
    ladder = np.unique(np.asarray(values, dtype=np.float64))
    everyone = np.arange(n_targets)
    found = np.array([losses(float(value), everyone) for value in ladder])
    best = found.argmin(axis=0)
    chosen, least = ladder[best], found.min(axis=0)
    if len(ladder) == 1:
        return np.asarray(chosen)
    ratios = max(ladder[-1] / ladder[-2], LEAST_RATIO), 1 / max(ladder[1] / ladder[0], LEAST_RATIO)
    for edge, ratio, limit in zip((len(ladder) - 1, 0), ratios, reversed(limits), strict=True):
        targets, value = np.flatnonzero(best == edge), float(ladder[edge])
        while len(targets) and (value < limit if ratio > 1 else value > limit):
            value = min(value * ratio, limit) if ratio > 1 else max(value * ratio, limit)
            beyond = losses(value, targets)
            better = beyond < least[targets]
            targets = targets[better]
            chosen[targets], least[targets] = value, beyond[better]
    return np.asarray(chosen)
