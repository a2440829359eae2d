"""How many of many targets are truly improved: bounds that hold though targets are correlated.

The share of targets with a positive difference is not the share that is improved: where nothing
differs, it is one half, give or take much, since genes rise and fall together.
"""

from __future__ import annotations

import numpy as np
import scipy

from .fold_scores import FoldScores
from .predictors.predictor import Float

FEWEST = 10
"""Targets of which a share says something."""
DRAWS = 4000
THRESHOLDS = np.arange(0, 5.01, 0.25)
"""Values of t at which targets are counted."""


def null_statistics(difference: FoldScores, rng: np.random.Generator) -> Float:
    """Draw the (DRAWS, t) t statistics of targets that do not differ, correlated as these are.

    A multivariate t: the fold differences, centred, are summed with Gaussian weights, which keeps
    their correlation between targets (a multiplier bootstrap), and divided by one chi per draw. A
    fold without the score of a target adds nothing to it.
    """
    folds = difference.folds.reshape(-1, difference.folds.shape[2])
    centred = np.nan_to_num(folds - difference.mean)
    length = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(length > 0, length, 1)
    df = float(np.median(difference.df))
    chi = np.sqrt(rng.chisquare(df, DRAWS) / df)
    return np.asarray(rng.standard_normal((DRAWS, len(unit))) @ unit / chi[:, None])


def at_least(t: Float, null: Float, error: float) -> int:
    """Return a lower bound of how many targets truly have a positive difference.

    However many there are above a threshold, those without a positive difference among them are no
    more than what the null gives there. The bound is the best over `THRESHOLDS`, whose quantiles
    are chosen to hold together (Genovese & Wasserman, JASA 2006;101:1408; Blanchard, Neuvial &
    Roquain, Ann Stat 2020;48:1281).

    Parameters
    ----------
    t : (g,) float64
        Statistics of the targets.
    null : (draws, g) float64
        Statistics of targets that do not differ.
    error : float
        How often the bound may be too high.
    """
    counts = np.array([(null > threshold).sum(axis=1) for threshold in THRESHOLDS]).T
    ordered = np.sort(counts, axis=0)
    # The share of draws that reach a count, at the threshold where that is rarest for the draw.
    reached = [
        1 - np.searchsorted(column, of_draws, side="left") / len(null)
        for column, of_draws in zip(ordered.T, counts.T, strict=True)
    ]
    level = np.quantile(np.min(reached, axis=0), error)
    false = np.quantile(ordered, 1 - level, axis=0, method="higher")
    found = (t > THRESHOLDS[:, None]).sum(axis=1)
    return int(max(0, (found - false).max()))


def truly_positive(delta: Float, se: Float) -> float:
    """Estimate the share of targets whose true difference is positive.

    The distribution of the true differences that makes the observed ones most likely, on a grid
    (Kiefer & Wolfowitz 1956; Koenker & Mizera, JASA 2014;109:674, by expectation-maximisation).
    Half of the weight at zero counts. Correlated targets leave the estimate consistent, not its
    precision: `at_least` gives the bounds.
    """
    width = np.abs(delta).max()
    grid = np.linspace(-width, width, 201)
    likelihood = scipy.stats.norm.pdf(delta[:, None], grid, se[:, None])
    weights = np.full(len(grid), 1 / len(grid))
    for _ in range(500):
        joint = likelihood * weights
        weights = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
    return float(weights[grid > 1e-12].sum() + weights[np.abs(grid) <= 1e-12].sum() / 2)
