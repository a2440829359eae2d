"""Tests and intervals against baycomp, SciPy, statsmodels and formulas."""

from __future__ import annotations

from itertools import combinations
from unittest import mock

import baycomp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hyp
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from histotransfer.evaluation import statistics as st
from histotransfer.evaluation.fold_scores import FoldScores

ROPE = {"rope": 0.01, "alpha": 0.05}


def drawn(rng, difference, *, repeats=10, folds=5, targets=1, pairs=0.03):
    """Draw a baseline of about 0.6 and an extractor that differs from it by so much."""
    base = rng.normal(0.6, 0.01, (repeats, folds, targets))
    around = rng.normal(0.6, 0.01, (repeats, folds, folds, targets))
    around[:, np.arange(folds), np.arange(folds)] = np.nan
    other = around + rng.normal(0, pairs, around.shape)
    return FoldScores(base, around), FoldScores(base + difference, other)


def test_the_test_is_students_t_of_the_variance():
    rng = np.random.default_rng(1)
    d = rng.normal(0.01, 0.03, (10, 5, 3))
    baseline, compared = drawn(rng, d, targets=3)
    table = st.compare(baseline, compared, np.zeros(3), **ROPE)
    se = np.sqrt((compared - baseline).variance())
    np.testing.assert_allclose(table["delta"], d.mean(axis=(0, 1)))
    np.testing.assert_allclose(table["se"], se)
    assert (table["df"] == 24).all()
    expected = 2 * stats.t.sf(np.abs(table["delta"]) / se, 24)
    np.testing.assert_allclose(table["p_corrected"], expected)
    half = stats.t.ppf(0.975, 24) * se
    np.testing.assert_allclose(table["ci_low"], table["delta"] - half)
    np.testing.assert_allclose(table["ci_high"], table["delta"] + half)
    assert (table["status"] == "ok").all()


@given(hyp.integers(0, 10**6), hyp.integers(4, 8), hyp.integers(2, 10))
@settings(max_examples=50, deadline=None)
def test_the_posterior_is_baycomps_where_the_variance_is_nadeau_and_bengios(seed, folds, runs):
    rng = np.random.default_rng(seed)
    baseline, compared = drawn(
        rng, rng.normal(0, 0.05, (runs, folds, 1)), repeats=runs, folds=folds
    )
    plain = {"variance": FoldScores.nadeau_bengio, "df": property(lambda self: self.n - 1)}
    with mock.patch.multiple(FoldScores, **plain):
        table = st.compare(baseline, compared, np.zeros(1), **ROPE)
    ours = table[["prob_worse", "prob_equivalent", "prob_better"]].iloc[0].tolist()
    scores = (some.folds.ravel() for some in (baseline, compared))
    assert ours == pytest.approx(baycomp.two_on_single(*scores, rope=0.01, runs=runs))


def test_nadeau_and_bengios_variance_is_its_formula():
    d = np.random.default_rng(1).normal(0.01, 0.03, (10, 5, 1))
    scores = FoldScores(d, np.zeros((0, 5, 5, 1)))
    expected = (1 / 50 + 1 / 4) * d.var(ddof=1)  # n_test / n_train = 1/4, r × k = 50
    assert scores.nadeau_bengio() == pytest.approx(expected)


def test_what_is_not_predicted_is_not_tested():
    rng = np.random.default_rng(2)
    baseline, compared = drawn(rng, rng.normal(0, 0.03, (10, 5, 1)))
    table = st.compare(baseline, compared, np.array([0.65]), **ROPE).iloc[0]
    assert table["status"] == "untested"
    assert table[["ci_low", "ci_high", "p_corrected", "prob_equivalent"]].isna().all()
    assert np.isfinite(table[["delta", "se", "df"]].astype(float)).all()


def test_degenerate_differences_are_not_estimable():
    rng = np.random.default_rng(3)
    d = rng.normal(0, 0.03, (10, 5, 4))
    d[:, :, 0] = np.nan
    d[0, 0, 0] = 0.1
    d[:, :, 1], d[:, :, 2] = 0.0, 0.1
    table = st.compare(*drawn(rng, d, targets=4), np.zeros(4), **ROPE)
    assert table["status"].tolist() == ["not estimable"] * 3 + ["ok"]
    assert table["delta"].tolist()[:3] == pytest.approx([0.1, 0.0, 0.1])
    nothing = table.loc[:2, ["se", "ci_low", "ci_high", "p_corrected", "prob_equivalent"]]
    assert nothing.isna().all(axis=None)


def test_a_score_at_the_ceiling_counts_as_predicted():
    rng = np.random.default_rng(4)
    baseline, compared = drawn(rng, rng.normal(-0.1, 0.03, (10, 5, 1)))
    perfect = FoldScores(np.ones_like(baseline.folds), baseline.pairs)
    assert st.compare(perfect, compared, np.array([0.5]), **ROPE)["status"].item() == "ok"


def test_the_interval_of_a_score_ends_where_the_score_does():
    rng = np.random.default_rng(6)
    folds = rng.normal([0.01, 0.5, 0.99], 0.1, (10, 5, 3))
    scores = FoldScores(folds, drawn(rng, folds, targets=3)[0].pairs)
    free, bounded = (st.above(scores, np.zeros(3), *bounds) for bounds in ((), ((0.0, 1.0),)))
    assert free["ci_low"].min() < 0
    assert free["ci_high"].max() > 1
    assert bounded["ci_low"].tolist() == pytest.approx(free["ci_low"].clip(lower=0).tolist())
    assert bounded["ci_high"].tolist() == pytest.approx(free["ci_high"].clip(upper=1).tolist())
    assert bounded.drop(columns=["ci_low", "ci_high"]).equals(
        free.drop(columns=["ci_low", "ci_high"])
    )


def test_a_score_that_is_always_chance_does_not_count_as_predicted():
    rng = np.random.default_rng(7)
    baseline, _ = drawn(rng, rng.normal(0, 0.03, (10, 5, 1)))
    chance = FoldScores(np.full_like(baseline.folds, 0.5), baseline.pairs)
    other = FoldScores(rng.normal(0.48, 0.05, baseline.folds.shape), baseline.pairs)
    for pair in ((chance, other), (other, chance)):
        assert st.compare(*pair, np.array([0.5]), **ROPE)["status"].item() == "untested"


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 10), (10, 10), (381, 421)])
def test_wilsons_interval_is_statsmodels(count, n):
    theirs = proportion_confint(count, n, method="wilson")
    assert [float(bound) for bound in st.wilson(count / n, n)] == pytest.approx(theirs)


def test_folds_without_a_score_are_left_out():
    rng = np.random.default_rng(5)
    d = rng.normal(0.05, 0.03, (10, 5, 1))
    d[2, 3] = d[7, 0] = np.nan
    baseline, compared = drawn(rng, d)
    table = st.compare(baseline, compared, np.zeros(1), **ROPE).iloc[0]
    assert table["delta"] == pytest.approx(np.nanmean(d))
    assert table["status"] == "ok"


def test_wilcoxon_and_sign_test():
    d = np.random.default_rng(3).normal(0.2, 1, 50)
    assert st.wilcoxon(d) == stats.wilcoxon(d).pvalue
    assert st.wilcoxon([np.nan, *d]) == st.wilcoxon(d)
    assert st.wilcoxon(np.zeros(50)) == 1.0
    assert np.isnan(st.wilcoxon([np.nan]))
    # The abstract's 139 of 171 genes.
    assert st.sign_test(139, 171) == pytest.approx(2 * stats.binom.sf(138, 171, 0.5))
    assert np.isnan(st.sign_test(0, 0))


@given(hyp.lists(hyp.floats(0, 1) | hyp.just(float("nan")), max_size=30))
def test_benjamini_hochberg_is_statsmodels_without_the_missing(p_values):
    p = np.array(p_values)
    q = st.benjamini_hochberg(p)
    given_p = np.isfinite(p)
    assert np.isnan(q[~given_p]).all()
    if given_p.any():
        expected = multipletests(p[given_p], method="fdr_bh")[1]
        np.testing.assert_allclose(q[given_p], expected, rtol=1e-12, atol=1e-300)


@given(hyp.lists(hyp.one_of(hyp.just(np.nan), hyp.floats(0, 1)), max_size=7))
def test_holm_is_the_closed_test_of_bonferroni(p_values):
    """Adjusted is the largest Bonferroni p of all the families that a test belongs to."""
    p = np.array(p_values, dtype=float)
    found, given = st.holm(p), np.flatnonzero(np.isfinite(p))
    families = [
        np.array(members) for m in range(len(given)) for members in combinations(given, m + 1)
    ]
    for i in given:
        of_families = [min(1, len(own) * p[own].min()) for own in families if i in own]
        assert found[i] == pytest.approx(max(of_families))
    assert np.isnan(found[np.isnan(p)]).all()


@settings(max_examples=20)  # statsmodels takes 50 ms each time
@given(hyp.lists(hyp.floats(0, 1), min_size=1, max_size=40))
def test_holm_is_statsmodels_monotone_and_no_less_than_benjamini_hochberg(p_values):
    p = np.array(p_values)
    found = st.holm(p)
    np.testing.assert_allclose(found, multipletests(p, method="holm")[1], atol=1e-12)
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= 0).all()
    assert (found >= st.benjamini_hochberg(p) - 1e-12).all()
    assert (found >= p).all()
    assert st.holm(p[:1]) == p[:1]
