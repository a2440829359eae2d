"""Intervals over the patients of an external cohort: the fitted models stay as they are.

In cross-validation this would be wrong, because there patients also train the models that others
are tested by. In an external cohort nobody trains, so patients are the only draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from warnings import catch_warnings, filterwarnings

import numpy as np
import scipy

from .kinds import TaskKind
from .predictors.predictor import Float, Ints
from .statistics import LEVEL

DRAWS = 2000
"""Bootstrap samples of the patients."""
MOST_VALUES = 2_000_000
"""Labels that are scored at once, so that they fit into memory."""


def drawn_patients(n: int, rng: np.random.Generator, draws: int = DRAWS) -> Ints:
    """Return (draws, n) rows of patients, drawn with replacement."""
    return rng.integers(0, n, (draws, n))


def left_out_patients(n: int) -> Ints:
    """Return (n, n - 1) rows: all patients but one."""
    rows = np.arange(n - 1)
    return rows + (rows >= np.arange(n)[:, None])


def scores_of_rows(
    kind: TaskKind, truth: Float, predicted: Float, targets: Sequence[str], rows: Ints
) -> Float:
    """Score each of b samples of the patients.

    Truth and predictions are (n, t), rows (b, m). Returns (b, s), s being the rows of
    `TaskKind.primary`.
    """
    if not kind.by_column:
        each = (kind.primary(truth[some], predicted[some], targets)["value"] for some in rows)
        return np.array(list(each))
    # Samples are scored beside each other, as if each were a target of its own.
    m, width = rows.shape[1], len(targets)
    at_once = max(1, MOST_VALUES // max(1, m * width))
    parts = []
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once].T
        labels, values = (of_all[some].reshape(m, -1) for of_all in (truth, predicted))
        names = [str(number) for number in range(labels.shape[1])]
        parts.append(kind.primary(labels, values, names)["value"].to_numpy().reshape(-1, width))
    return np.concatenate(parts)


def intervals(found: Float, drawn: Float, left_out: Float) -> tuple[Float, Float]:
    """Return the 95 % interval of each of s scores, bias-corrected and accelerated.

    NaN where a score is undefined, or the same in every draw. Draws in which it is undefined do not
    count: those without a single positive, say.

    Parameters
    ----------
    found : (s,) float64
        In all n patients.
    drawn : (b, s) float64
        In the bootstrap samples.
    left_out : (n, s) float64
        Without each patient.

    References
    ----------
    Efron, J Am Stat Assoc 1987;82:171.
    """
    low, high = np.full(len(found), np.nan), np.full(len(found), np.nan)
    z = scipy.stats.norm.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    for score in np.flatnonzero(np.isfinite(found)).tolist():
        own = drawn[np.isfinite(drawn[:, score]), score]
        # Rounding alone makes equal scores differ by this much.
        if not len(own) or np.ptp(own) <= 1e-12:
            continue
        below = (np.mean(own < found[score]) + np.mean(own <= found[score])) / 2
        bias = scipy.stats.norm.ppf(np.clip(below, 1 / len(own), 1 - 1 / len(own)))
        shift = np.nanmean(left_out[:, score]) - left_out[:, score]
        size = float(np.nansum(shift**2))
        skewness = np.nansum(shift**3) / (6 * size**1.5) if size > 0 else 0.0
        levels = scipy.stats.norm.cdf(bias + (bias + z) / (1 - skewness * (bias + z)))
        low[score], high[score] = np.quantile(own, levels)
    return low, high


def intervals_of_means(found: Float, drawn: Float, n: int) -> tuple[Float, Float]:
    """Return the 95 % interval of each of s means over several scores, from (b, s) draws.

    Student's t with the bootstrap's standard error over n patients. A mean is nearly normal, and
    its error small beside the bias of a score in a bootstrap sample, for which `intervals` would
    correct too much.
    """
    with catch_warnings():
        filterwarnings("ignore", "Degrees of freedom <= 0")
        error = np.nanstd(drawn, axis=0, ddof=1) * np.sqrt(n / (n - 1))
    half = np.where(error > 1e-12, error * scipy.stats.t.isf((1 - LEVEL) / 2, n - 1), np.nan)
    return found - half, found + half


def mean_of(scores: Float) -> Float:
    """Return the (b,) mean of (b, s) scores, over those that are defined."""
    with catch_warnings():
        filterwarnings("ignore", "Mean of empty slice")
        return np.asarray(np.nanmean(scores, axis=1))
