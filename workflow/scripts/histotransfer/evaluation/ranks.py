"""Ranks of extractors over targets, as classifiers are ranked over data sets.

The unit is a target: its scores are means over all folds of all repeats, since these are not
independent and would count the same patients many times. The test and the critical difference
still take targets as independent, which those of one cohort are not.

References
----------
Demšar J, Statistical comparisons of classifiers over multiple data sets, JMLR 2006;7:1.
"""

from __future__ import annotations

import numpy as np
import scipy

from .predictors.predictor import Float


def mean_ranks(scores: Float) -> Float:
    """Return the (k,) mean ranks of k extractors with (n, k) scores; the highest score has rank 1.

    Equal scores share the mean of their ranks.
    """
    return np.asarray(scipy.stats.rankdata(-scores, axis=1).mean(axis=0))


def friedman(scores: Float) -> float:
    """Return Friedman's p of equal ranks under (n, k) scores.

    NaN for fewer than two targets or three extractors, or if all are equal everywhere.
    """
    n, k = scores.shape
    if n < 2 or k < 3 or (scores == scores[:, :1]).all():
        return float("nan")
    return float(scipy.stats.friedmanchisquare(*scores.T).pvalue)


def critical_difference(n: int, k: int, alpha: float) -> float:
    """Return Nemenyi's critical difference of two of k mean ranks over n targets.

    NaN for fewer than two targets or extractors.
    """
    if n < 2 or k < 2:
        return float("nan")
    q = scipy.stats.studentized_range.isf(alpha, k, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(k * (k + 1) / (6 * n)))
