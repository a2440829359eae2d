"""Tests of the difference between two extractors under repeated cross-validation.

Every function states what it returns for degenerate input.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from .fold_scores import FoldScores

OK = "ok"
UNTESTED = "untested"
NOT_ESTIMABLE = "not estimable"
LEVEL = 0.95
"""The coverage of every interval."""

UNBOUNDED = (-np.inf, np.inf)

Float = npt.NDArray[np.float64]


def interval(
    scores: FoldScores, bounds: tuple[float, float] = UNBOUNDED
) -> tuple[Float, Float, Float]:
    """Return the standard errors of t means, and the lower and upper ends of their intervals.

    The intervals are Student's t with the `df` and `variance` of `FoldScores`, and never extend
    beyond the bounds, the lowest and the highest score that there is. All are (t,), and NaN where
    the score is the same in every fold, or known in fewer than two.
    """
    mean, se = scores.mean, np.sqrt(scores.variance())
    se = np.where(scores.constant, np.nan, se)
    half = se * scipy.stats.t.ppf((1 + LEVEL) / 2, scores.df)
    low, high = np.clip([mean - half, mean + half], *bounds)
    return se, low, high


def above(
    scores: FoldScores, chance: Float, bounds: tuple[float, float] = UNBOUNDED
) -> pd.DataFrame:
    """Test whether each target is predicted better than by chance; return a row per target.

    Parameters
    ----------
    scores : FoldScores
        Of t targets.
    chance : (t,) float64
        The score without any signal.
    bounds : (float, float)
        The lowest and the highest score that there is (`interval`).

    Returns
    -------
    pandas.DataFrame
        `mean`, its standard error `se` and 95 % interval `ci_low`, `ci_high`, and the one-sided `p`
        of a mean above chance, by Student's t with the `df` and `variance` of `FoldScores`. All but
        the mean are NaN where the score is the same in every fold, or known in fewer than two.
    """
    mean, df = scores.mean, scores.df
    se, low, high = interval(scores, bounds)
    with np.errstate(invalid="ignore"):
        p = scipy.stats.t.sf((mean - chance) / se, df)
    return pd.DataFrame({"mean": mean, "se": se, "df": df, "ci_low": low, "ci_high": high, "p": p})


def compare(
    baseline: FoldScores, compared: FoldScores, chance: Float, *, rope: float, alpha: float
) -> pd.DataFrame:
    """Compare two extractors on t targets; return a row per target.

    A difference is tested only where the target is predicted at all: where the mean score of the
    two is above chance with one-sided p below `alpha`. Elsewhere there is nothing to compare, and
    the variance of a difference between two noises is the hardest to estimate. The sum of two
    scores says nothing about the sign of their difference, so testing the one first leaves the
    other's error alone.

    Parameters
    ----------
    baseline, compared : FoldScores
        Of the same targets, repeats and folds.
    chance : (t,) float64
        The score without any signal.
    rope : float
        Half-width of the region of practical equivalence.
    alpha : float
        Level at which a target counts as predicted.

    Returns
    -------
    pandas.DataFrame
        `delta`, compared minus baseline; its standard error `se` with `df` degrees of freedom
        (`FoldScores.variance`); 95 % interval `ci_low`, `ci_high` and two-sided `p_corrected` of
        Student's t; `prob_better`, `prob_equivalent` and `prob_worse` of the posterior that goes
        with it (Corani & Benavoli 2015); and `status`: `OK`; `UNTESTED`, without interval, p and
        probabilities; `NOT_ESTIMABLE`, without `se` too: fewer than two folds with a score, or the
        same difference in every fold.

    References
    ----------
    Corani & Benavoli, Machine Learning 2015;100:285.
    """
    difference = compared - baseline
    delta, se, df = difference.mean, np.sqrt(difference.variance()), difference.df
    predicted = above(FoldScores.mean_of([baseline, compared]), chance)["p"].to_numpy() < alpha
    # Scores at the ceiling do not vary, but they are above chance.
    predicted |= baseline.constant & (baseline.mean > chance)
    predicted |= compared.constant & (compared.mean > chance)
    status = np.where(predicted, OK, UNTESTED)
    status = np.where(difference.constant | ~np.isfinite(se), NOT_ESTIMABLE, status)
    se = np.where(status == NOT_ESTIMABLE, np.nan, se)
    tested = np.where(status == OK, se, np.nan)
    with np.errstate(invalid="ignore"):
        half = tested * scipy.stats.t.ppf((1 + LEVEL) / 2, df)
        worse = scipy.stats.t.cdf((-rope - delta) / tested, df)
        better = scipy.stats.t.sf((rope - delta) / tested, df)
        p = 2 * scipy.stats.t.sf(np.abs(delta) / tested, df)
    return pd.DataFrame(
        {
            "delta": delta,
            "se": se,
            "df": df,
            "ci_low": delta - half,
            "ci_high": delta + half,
            "p_corrected": p,
            "prob_better": better,
            "prob_equivalent": 1 - better - worse,
            "prob_worse": worse,
            "status": status,
        }
    )


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
    return 1.0 if not d.any() else float(scipy.stats.wilcoxon(d).pvalue)


def benjamini_hochberg(p_values: npt.ArrayLike) -> Float:
    """Return the Benjamini–Hochberg q of each p; NaN are not part of the family and stay NaN."""
    p = np.asarray(p_values, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    given = np.isfinite(p)
    if given.any():
        q[given] = scipy.stats.false_discovery_control(p[given])
    return q


def holm(p_values: npt.ArrayLike) -> Float:
    """Return Holm's adjusted p of each p; NaN are not part of the family and stay NaN.

    With them at most alpha of all families without any difference have a rejection, however the
    tests depend on each other. Holm S, Scand J Stat 1979;6:65.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    given = np.flatnonzero(np.isfinite(p))
    order = given[np.argsort(p[given], kind="stable")]
    left = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(left * p[order]), 1)
    return adjusted


def sign_test(improved: int, n: int) -> float:
    """Return the two-sided sign test as if the n targets were independent; NaN for none."""
    return float(scipy.stats.binomtest(improved, n).pvalue) if n else float("nan")


def wilson(fraction: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Float, Float]:
    """Return the 95 % Wilson score interval of a fraction of `n` independent observations.

    NaN where `n` is 0 or missing. A mean over repeats need not be a count over `n`. Patches of one
    patient resemble each other, so as an interval for an accuracy over patches it is the narrowest
    that can be defended. Wilson EB, J Am Stat Assoc 1927;22:209.
    """
    p, count = np.asarray(fraction, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z = scipy.stats.norm.ppf((1 + LEVEL) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        z2_n = z**2 / count
        centre = (p + z2_n / 2) / (1 + z2_n)
        half = z / (1 + z2_n) * np.sqrt(p * (1 - p) / count + z2_n / (4 * count))
    return np.asarray(centre - half), np.asarray(centre + half)
