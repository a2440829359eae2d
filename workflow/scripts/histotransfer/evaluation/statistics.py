"""Tests and intervals for the difference between two extractors under repeated cross-validation.

Repeats reuse the same samples, so their spread is far smaller than the real uncertainty; see the
functions for what each accounts for. Every function states what it returns for degenerate input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

OK = "ok"
NOT_ESTIMABLE = "not estimable"
NO_DIFFERENCE = "no difference"  # every fold's difference is exactly zero
CONSTANT = "constant difference"  # the same in every fold: no variance to test against
LEVEL = 0.95
"""The coverage of every interval."""

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """The difference of a score (compared minus baseline) over r × k folds.

    The mean, 95 % interval and two-sided p of the corrected resampled t-test, and the probabilities
    of the Bayesian correlated t-test. Status is `OK`, `NOT_ESTIMABLE` (fewer than two folds with a
    score: all NaN), `NO_DIFFERENCE` (p is 1, the interval a point) or `CONSTANT` (p is NaN, the
    interval a point).
    """

    delta: float
    ci_low: float
    ci_high: float
    p_corrected: float
    prob_better: float
    prob_equivalent: float
    prob_worse: float
    status: str


def compare(differences: npt.ArrayLike, *, folds: int, rope: float) -> Difference:
    """Test the differences of r × k folds: Nadeau–Bengio, and its Bayesian counterpart.

    The variance of the mean difference over J folds is taken as ``(1/J + 1/(k-1)) var``: folds
    share training samples, so their differences correlate by about 1/k, the fraction of samples in
    a test fold; ``1/(k-1)`` is the ratio of test to training samples.

    Parameters
    ----------
    differences : (J,) array
        Score of the compared extractor minus score of the baseline in the same fold; NaN, where
        undefined, are left out.
    folds : int
        k, at least 2.
    rope : float
        Half-width of the region of practical equivalence.

    References
    ----------
    Nadeau & Bengio, Machine Learning 2003;52:239. Bouckaert & Frank, PAKDD 2004 (r × k).
    Corani & Benavoli, Machine Learning 2015;100:285 (Bayesian correlated t-test).
    """
    d = _defined(differences)
    if len(d) < 2:
        nan = float("nan")
        return Difference(nan, nan, nan, nan, nan, nan, nan, NOT_ESTIMABLE)
    delta = float(d.mean())
    if np.ptp(d) == 0:
        point = float(d[0])
        worse, better = float(point < -rope), float(point > rope)
        p, status = (1.0, NO_DIFFERENCE) if point == 0 else (float("nan"), CONSTANT)
        return Difference(point, point, point, p, better, 1 - better - worse, worse, status)
    scale = np.sqrt((1 / len(d) + 1 / (folds - 1)) * d.var(ddof=1))
    # The posterior of the difference is the sampling distribution of the test, centred on delta.
    posterior = stats.t(len(d) - 1, loc=delta, scale=scale)
    low, high = posterior.interval(LEVEL)
    p = float(2 * stats.t.sf(abs(delta) / scale, len(d) - 1))
    worse, better = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    return Difference(delta, float(low), float(high), p, better, 1 - better - worse, worse, OK)


def _defined(values: npt.ArrayLike) -> Float:
    v = np.asarray(values, dtype=np.float64)
    return v[np.isfinite(v)]


def wilcoxon(differences: npt.ArrayLike) -> float:
    """Return the two-sided Wilcoxon signed-rank p over repeats: as published, anti-conservative.

    The repeats reuse the same samples, so this rejects far too often; it is shown beside the
    corrected test. All differences zero: 1. No difference defined: NaN.
    """
    d = _defined(differences)
    if len(d) == 0:
        return float("nan")
    return 1.0 if not d.any() else float(stats.wilcoxon(d).pvalue)


def benjamini_hochberg(p_values: npt.ArrayLike) -> Float:
    """Return the Benjamini–Hochberg q of each p; NaN are not part of the family and stay NaN."""
    p = np.asarray(p_values, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    given = np.isfinite(p)
    if given.any():
        q[given] = stats.false_discovery_control(p[given])
    return q


def pearson_p(r: npt.ArrayLike, n: npt.ArrayLike) -> Float:
    """Return the one-sided p of a correlation above zero, from Student's t with n - 2 df.

    NaN where r is NaN or n < 3.
    """
    r, n = np.asarray(r, dtype=np.float64), np.asarray(n, dtype=np.float64)
    df = np.where(n >= 3, n - 2, np.nan)
    with np.errstate(divide="ignore"):
        return np.asarray(stats.t.sf(r * np.sqrt(df / np.maximum(1 - r**2, 0)), df))


def sign_test(improved: int, n: int) -> float:
    """Return the two-sided sign test as if the n targets were independent; NaN for none."""
    return float(stats.binomtest(improved, n).pvalue) if n else float("nan")


def resamples(groups: npt.ArrayLike, n_resamples: int, rng: np.random.Generator) -> Float:
    """Draw bootstrap resamples of groups (patients) with replacement.

    Returns (n_resamples, n) how often each sample is in each resample, given its group (n,).
    """
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    n_groups = int(codes.max()) + 1
    counts = [
        np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups)
        for _ in range(n_resamples)
    ]
    return np.array(counts, dtype=np.float64)[:, codes]


def resampled_pearson(weights: Float, truth: Float, predicted: Float) -> Float:
    """Return the correlation in each resample, averaged over the repeats, of one target.

    Takes (b, n) `resamples`, (n,) labels, NaN where missing, and (repeats, n) pooled out-of-fold
    predictions. Returns (b,) correlations, NaN where a resample has no variance.
    """
    known = np.isfinite(truth) & np.isfinite(predicted).all(axis=0)
    w = weights[:, known]
    # Centring and scaling first keeps the moments below free of cancellation.
    y, p = _centred(truth[known]), _centred(predicted[:, known].T)
    total = w.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_y, mean_p = w @ y[:, None] / total, w @ p / total
        var_y = w @ y[:, None] ** 2 / total - mean_y**2
        var_p = w @ p**2 / total - mean_p**2
        covariance = w @ (p * y[:, None]) / total - mean_p * mean_y
        flat = (var_y <= 1e-12) | (var_p <= 1e-12)
        r = np.where(flat, np.nan, covariance / np.sqrt(np.where(flat, 1, var_y * var_p)))
    return np.asarray(r.mean(axis=1))


def _centred(values: Float) -> Float:
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0))


def resampled_auroc(weights: Float, truth: Float, predicted: Float) -> Float:
    """Return the AUROC in each resample, averaged over the repeats, of one target.

    Parameters and return value as for `resampled_pearson`, with `truth` of 0 and 1. A resample's
    AUROC is bilinear in the weights of its positives and negatives, so the repeats' comparisons of
    every pair are averaged once.
    """
    known = np.isfinite(truth) & np.isfinite(predicted).all(axis=0)
    positive, negative = known & (truth == 1), known & (truth == 0)
    wins = np.zeros((int(positive.sum()), int(negative.sum())))
    for values in predicted:
        a, b = values[positive][:, None], values[negative][None, :]
        wins += (a > b) + 0.5 * (a == b)
    wins /= len(predicted)
    w_positive, w_negative = weights[:, positive], weights[:, negative]
    with np.errstate(invalid="ignore", divide="ignore"):
        won = np.einsum("bp,bp->b", w_positive, w_negative @ wins.T)
        return np.asarray(won / (w_positive.sum(axis=1) * w_negative.sum(axis=1)))


def resampled_roc(weights: Float, truth: Float, predicted: Float, at: Float) -> Float:
    """Return the ROC curve in each resample, averaged over the repeats, of one target.

    The average is vertical: of the true positive rates at the same false positive rate (Fawcett,
    Pattern Recognit Lett 2006;27:861). Ties are joined by a straight line.

    Takes what `resampled_auroc` takes, and (m,) false positive rates, ascending from 0 to 1.
    Returns (b, m) true positive rates; NaN where a resample lacks a class.
    """
    known = np.isfinite(truth) & np.isfinite(predicted).all(axis=0)
    w, positive = weights[:, known], truth[known] == 1
    if not 0 < positive.sum() < len(positive):
        return np.full((len(w), len(at)), np.nan)
    curves = np.zeros((len(w), len(at)))
    for values in predicted[:, known]:
        order = np.argsort(-values, kind="stable")
        # A threshold between equal predictions separates nothing.
        ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
        hits = np.cumsum(w[:, order] * positive[order], axis=1)[:, ends]
        alarms = np.cumsum(w[:, order] * ~positive[order], axis=1)[:, ends]
        with np.errstate(invalid="ignore", divide="ignore"):
            tpr, fpr = hits / hits[:, -1:], alarms / alarms[:, -1:]
        start = np.zeros((len(w), 1))
        tpr, fpr = np.hstack([start, tpr]), np.hstack([start, fpr])
        for curve, x, y in zip(curves, fpr, tpr, strict=True):
            curve += np.interp(at, x, y) if np.isfinite(x[-1] + y[-1]) else np.nan
    return curves / len(predicted)


def resampled_accuracy(weights: Float, hits: Float) -> Float:
    """Return the accuracy in each resample; `hits` (n,) is how often each sample was right."""
    known = np.isfinite(hits)
    w = weights[:, known]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(w @ hits[known] / w.sum(axis=1))


def percentile_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """Return the 95 % percentile interval over the defined resamples; NaN if there is none."""
    v = _defined(values)
    if len(v) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(v, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return low, high


def wilson(fraction: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Float, Float]:
    """Return the 95 % Wilson score interval of a fraction of `n` independent observations.

    NaN where `n` is 0 or missing. A mean over repeats need not be a count over `n`. Patches of one
    patient resemble each other, so as an interval for an accuracy over patches it is the narrowest
    that can be defended. Wilson EB, J Am Stat Assoc 1927;22:209.
    """
    p, count = np.asarray(fraction, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z = stats.norm.ppf((1 + LEVEL) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        z2_n = z**2 / count
        centre = (p + z2_n / 2) / (1 + z2_n)
        half = z / (1 + z2_n) * np.sqrt(p * (1 - p) / count + z2_n / (4 * count))
    return np.asarray(centre - half), np.asarray(centre + half)
