"""How many of many targets are truly improved: planted shares, correlated targets."""

from __future__ import annotations

import numpy as np
import pytest

from histotransfer.evaluation import shares
from histotransfer.evaluation.fold_scores import FoldScores

TARGETS, FOLDS = 40, (10, 5)


def study(rng, share, effect, correlation):
    """Return t of planted differences ± effect, and the null that is drawn from their folds."""
    better = np.arange(TARGETS) < round(share * TARGETS)
    common, own = np.sqrt(correlation), np.sqrt(1 - correlation)
    error = common * rng.standard_normal() + own * rng.standard_normal(TARGETS)
    folds = common * rng.standard_normal((*FOLDS, 1)) + own * rng.standard_normal((*FOLDS, TARGETS))
    scores = FoldScores(folds, np.full((1, 5, 5, TARGETS), np.nan))
    t = (np.where(better, effect, -effect) + error) / np.sqrt(rng.chisquare(24) / 24)
    return t, shares.null_statistics(scores, rng)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(shares, "DRAWS", 500)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
@pytest.mark.parametrize(("share", "effect"), [(0.3, 2), (0.5, 0), (0.8, 3), (1, 1), (1, 4)])
def test_the_bounds_hold_the_planted_share(share, effect, correlation):
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(40):
        t, null = study(rng, share, effect, correlation)
        low = shares.at_least(t, null, 0.025) / TARGETS
        high = 1 - shares.at_least(-t, null, 0.025) / TARGETS
        held += low <= share <= high
        # Where nothing differs, the bounds leave one half open.
        held -= effect == 0 and not low <= 0.5 <= high
    assert held >= 36


def test_large_differences_leave_narrow_bounds():
    t, null = study(np.random.default_rng(2), 0.8, 8, 0.3)
    low, high = shares.at_least(t, null, 0.025), TARGETS - shares.at_least(-t, null, 0.025)
    assert 30 <= low <= 32 <= high <= 34


def test_targets_without_any_difference_count_as_improved_for_neither():
    _, null = study(np.random.default_rng(5), 0.5, 0, 0.0)
    assert shares.at_least(np.zeros(TARGETS), null, 0.025) == 0


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 1.0])
def test_the_estimate_is_the_planted_share(share):
    rng = np.random.default_rng(3)
    estimates = []
    for _ in range(20):
        t, _ = study(rng, share, 2, 0.2)
        estimates.append(shares.truly_positive(t, np.ones(TARGETS)))
    assert np.mean(estimates) == pytest.approx(share, abs=0.05)


def test_drawn_nulls_have_the_correlation_of_the_folds():
    rng = np.random.default_rng(4)
    folds = rng.standard_normal((*FOLDS, 3))
    folds[..., 1] = folds[..., 0]
    folds[..., 2] = -folds[..., 0]
    null = shares.null_statistics(FoldScores(folds, np.full((1, 5, 5, 3), np.nan)), rng)
    np.testing.assert_allclose(null[:, 1], null[:, 0])
    np.testing.assert_allclose(null[:, 2], -null[:, 0])
    assert null[:, 0].std() == pytest.approx(1.04, abs=0.12)


@pytest.mark.parametrize(("factor", "shift"), [(1, 3), (0.001, 0), (0.001, -0.02)])
def test_drawn_nulls_depend_on_neither_size_nor_unit_of_the_differences(factor, shift):
    folds = np.random.default_rng(6).standard_normal((*FOLDS, 3))
    drawn = [
        shares.null_statistics(
            FoldScores(values, np.full((1, 5, 5, 3), np.nan)), np.random.default_rng(7)
        )
        for values in (folds, folds * factor + shift)
    ]
    np.testing.assert_allclose(*drawn, atol=1e-9)


def test_a_target_without_variance_has_a_null_of_zero():
    folds = np.random.default_rng(8).standard_normal((*FOLDS, 3))
    folds[..., 1] = 0.25
    scores = FoldScores(folds, np.full((1, 5, 5, 3), np.nan))
    null = shares.null_statistics(scores, np.random.default_rng(9))
    assert (null[:, 1] == 0).all()
    assert (null[:, [0, 2]] != 0).all()


@pytest.mark.parametrize("error", [0.05, 0.2])
def test_the_bound_is_too_high_about_as_often_as_it_may_be(error):
    """Targets that do not differ, drawn from the null itself."""
    rng = np.random.default_rng(10)
    common = rng.standard_normal((2000, 1))
    null = 0.5**0.5 * (common + rng.standard_normal((2000, TARGETS)))
    too_high = [shares.at_least(t, null[:1500], error) > 0 for t in null[1500:]]
    assert 0.5 * error <= np.mean(too_high) <= 1.25 * error
