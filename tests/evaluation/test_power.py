"""The detectable difference and the patients that decide one, against formulas and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from histotransfer.evaluation.power import POWER, detectable_difference, n_to_decide

STUDIES = 4000


def rejected(delta, se, folds, repeats, level, seed):
    """Return how often the corrected t-test rejects, in simulated studies of r × k folds.

    The folds' differences correlate by 1/k, as the correction assumes; `se` is the true standard
    error of their mean.
    """
    rng, size, rho = np.random.default_rng(seed), folds * repeats, 1 / folds
    scale = se / np.sqrt(1 / size + (size - 1) / size * rho)
    shared = rng.normal(0, np.sqrt(rho), (STUDIES, 1))
    d = delta + scale * (shared + rng.normal(0, np.sqrt(1 - rho), (STUDIES, size)))
    error = np.sqrt((1 / size + 1 / (folds - 1)) * d.var(axis=1, ddof=1))
    return float((2 * stats.t.sf(np.abs(d.mean(axis=1)) / error, size - 1) <= level).mean())


def in_error(rate, expected):
    return abs(rate - expected) < 4 * np.sqrt(expected * (1 - expected) / STUDIES)


@pytest.mark.parametrize(
    ("folds", "repeats", "level"), [(5, 10, 0.05), (5, 2, 0.05), (10, 5, 0.05), (5, 10, 0.05 / 20)]
)
def test_the_detectable_difference_is_detected_in_four_of_five_simulated_studies(
    folds, repeats, level
):
    df = folds * repeats - 1
    delta = float(detectable_difference(0.011, df, level))
    assert in_error(rejected(delta, 0.011, folds, repeats, level, seed=1), POWER)
    assert rejected(0.8 * delta, 0.011, folds, repeats, level, seed=2) < POWER - 0.1
    assert rejected(1.2 * delta, 0.011, folds, repeats, level, seed=3) > POWER + 0.1


@pytest.mark.parametrize(("n", "delta"), [(60, 0.012), (430, 0.012), (430, -0.004)])
def test_so_many_patients_decide_the_difference_in_four_of_five_simulated_studies(n, delta):
    """Differences per patient are drawn, so that the standard error truly depends on n."""
    spread, df = 0.25, 49
    needed = int(n_to_decide(n, delta, spread / np.sqrt(n), df, 0.05))
    rate = rejected(delta, spread / np.sqrt(needed), 5, 10, 0.05, seed=4)
    assert in_error(rate, POWER)
    assert rejected(delta, spread / np.sqrt(needed / 2), 5, 10, 0.05, seed=5) < 0.6


@pytest.mark.parametrize("n", [100, 400])
def test_the_standard_error_of_a_correlation_shrinks_with_the_root_of_the_patients(n):
    """What `n_to_decide` assumes, in differences of fold-wise correlations of two predictors."""
    spreads = []
    for size in (n, 4 * n):
        rng = np.random.default_rng(size)
        signal = rng.normal(size=(600, size))
        truth, one, other = (signal + rng.normal(size=(600, size)) for _ in range(3))
        r = [_pearson(truth, predicted, folds=5) for predicted in (one, other)]
        spreads.append(float(np.std(r[1] - r[0])))
    assert spreads[0] / spreads[1] == pytest.approx(2, rel=0.15)


def _pearson(a, b, folds):
    """Return the mean over folds of the correlation in each, of (studies, n) values."""
    a, b = (x.reshape(len(x), folds, -1) for x in (a, b))
    a, b = (x - x.mean(axis=2, keepdims=True) for x in (a, b))
    return ((a * b).sum(2) / np.sqrt((a**2).sum(2) * (b**2).sum(2))).mean(axis=1)


@given(st.integers(9, 500), st.floats(0.002, 0.2), st.floats(0.5, 0.95))
def test_the_detectable_difference_is_statsmodels(df, level, power):
    ours = float(detectable_difference(1.0, df, level, power)) / np.sqrt(df + 1)
    reached = TTestPower().power(ours, df + 1, level, alternative="two-sided")
    # Rejections on the other side, which are left out, count a little.
    assert power - 1e-3 <= reached <= power + 0.01


def test_a_decided_difference_needs_no_more_patients_and_a_smaller_one_needs_more():
    se, df = 0.01, 249
    edge = float(detectable_difference(se, df, 0.05))
    assert n_to_decide(430, edge, se, df, 0.05) == pytest.approx(430, abs=1)
    assert n_to_decide(430, edge / 2, se, df, 0.05) == pytest.approx(4 * 430, abs=1)
    assert n_to_decide(430, -edge, se, df, 0.05) == n_to_decide(430, edge, se, df, 0.05)


def test_nothing_decides_no_difference_and_nothing_is_known_of_a_missing_one():
    assert np.isinf(n_to_decide(430, 0.0, 0.01, 249, 0.05))
    assert np.isnan(n_to_decide(430, np.nan, 0.01, 249, 0.05))
    assert np.isnan(detectable_difference(np.nan, 249, 0.05))
