"""Tests and intervals against baycomp, SciPy, statsmodels, formulas and simulation."""

from __future__ import annotations

import baycomp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hyp
from scipy import stats
from sklearn.metrics import roc_curve
from statsmodels.stats.multitest import multipletests

from histotransfer.evaluation import statistics as st
from histotransfer.evaluation.metrics import auroc, pearson
from histotransfer.evaluation.predictors.rotation import Rotation


def test_corrected_resampled_t_test_is_its_formula():
    d = np.random.default_rng(1).normal(0.01, 0.03, 50)
    result = st.compare(d, folds=5, rope=0.01)
    # Nadeau & Bengio 2003 with n_test / n_train = 1/4, r x k = 50.
    t = d.mean() / np.sqrt((1 / 50 + 1 / 4) * d.var(ddof=1))
    assert result.p_corrected == pytest.approx(2 * stats.t.sf(abs(t), 49))
    half = stats.t.ppf(0.975, 49) * np.sqrt((1 / 50 + 1 / 4) * d.var(ddof=1))
    assert (result.ci_low, result.ci_high) == pytest.approx((d.mean() - half, d.mean() + half))
    # The interval excludes zero exactly when p is below 0.05.
    shifted = st.compare(d - d.mean() + half, folds=5, rope=0.01)
    assert shifted.p_corrected == pytest.approx(0.05)
    assert shifted.ci_low == pytest.approx(0)


def test_where_training_sets_do_not_overlap_it_is_the_plain_t_test():
    d = np.random.default_rng(2).normal(0.3, 1, 400)
    result = st.compare(d, folds=10**9, rope=0.0)
    assert result.p_corrected == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=1e-5)


@given(hyp.integers(0, 10**6), hyp.integers(2, 10), hyp.integers(2, 10))
@settings(max_examples=50)
def test_bayesian_correlated_t_test_is_baycomps(seed, runs, folds):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.7, 0.05, runs * folds), rng.normal(0.72, 0.05, runs * folds)
    ours = st.compare(b - a, folds=folds, rope=0.01)
    theirs = baycomp.two_on_single(a, b, rope=0.01, runs=runs)
    assert (ours.prob_worse, ours.prob_equivalent, ours.prob_better) == pytest.approx(theirs)


def test_degenerate_differences_have_a_stated_result():
    nothing = st.compare([np.nan, np.nan, 0.1], folds=5, rope=0.01)
    assert nothing.status == "not estimable"
    assert np.isnan(nothing.p_corrected)
    same = st.compare(np.zeros(10), folds=5, rope=0.01)
    assert (same.status, same.p_corrected, same.prob_equivalent) == ("no difference", 1.0, 1.0)
    assert (same.delta, same.ci_low, same.ci_high) == (0, 0, 0)
    constant = st.compare(np.full(10, 0.1), folds=5, rope=0.01)
    assert constant.status == "constant difference"
    assert (constant.delta, constant.ci_low, constant.prob_better) == (0.1, 0.1, 1.0)
    assert np.isnan(constant.p_corrected)
    gaps = st.compare([0.1, np.nan, 0.3, 0.2], folds=5, rope=0.01)
    assert gaps == st.compare([0.1, 0.3, 0.2], folds=5, rope=0.01)


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


def test_pearson_p_is_scipys():
    rng = np.random.default_rng(4)
    for n in (3, 10, 200):
        x, y = rng.standard_normal((2, n))
        expected = stats.pearsonr(x, y, alternative="greater")
        assert st.pearson_p(expected.statistic, n) == pytest.approx(expected.pvalue, rel=1e-6)
    assert st.pearson_p(1.0, 10) == 0
    assert np.isnan(st.pearson_p(np.nan, 10))
    assert np.isnan(st.pearson_p(0.5, 2))


@pytest.fixture
def resampled():
    """Resamples of 30 patients, some with two samples, and the samples that each one holds."""
    rng = np.random.default_rng(5)
    groups = np.array([f"P{i}" for i in range(30)] + ["P1", "P2", "P2"])
    weights = st.resamples(groups, 40, rng)
    return rng, weights, [np.repeat(np.arange(33), w.astype(int)) for w in weights]


def test_resamples_draw_whole_patients(resampled):
    _, weights, _ = resampled
    assert (weights[:, 1] == weights[:, 30]).all()
    assert (weights[:, 2] == weights[:, [31, 32]].T).all()
    assert (weights[:, :30].sum(axis=1) == 30).all()
    assert weights[:, 0].var() == pytest.approx(1, abs=0.6)


def test_resampled_scores_are_those_of_the_resampled_patients(resampled):
    rng, weights, members = resampled
    truth = rng.normal(100, 1, 33)
    truth[7] = np.nan
    predicted = truth + rng.normal(0, 1, (4, 33)) + np.array([[0], [5], [0], [0]])
    predicted[:, 7] = 0.0
    expected = [
        np.mean([pearson(truth[m][:, None], p[m][:, None])[0] for p in predicted]) for m in members
    ]
    np.testing.assert_allclose(st.resampled_pearson(weights, truth, predicted), expected, rtol=1e-7)

    mutated = np.where(np.isnan(truth), np.nan, truth > 100)
    predicted = np.round(predicted)  # ties
    known = [m[np.isfinite(mutated[m])] for m in members]
    expected = [np.mean([auroc(mutated[m] == 1, p[m]) for p in predicted]) for m in known]
    np.testing.assert_allclose(st.resampled_auroc(weights, mutated, predicted), expected)

    hits = rng.uniform(size=33)
    expected = [hits[m].mean() for m in members]
    np.testing.assert_allclose(st.resampled_accuracy(weights, hits), expected)


def test_resamples_without_variance_or_class_are_missing_not_wrong():
    weights = np.array([[3.0, 0, 0], [1, 1, 1]])
    truth, predicted = np.array([1.0, 2, 4]), np.array([[1.0, 3, 2]])
    assert np.isnan(st.resampled_pearson(weights, truth, predicted)).tolist() == [True, False]
    auc = st.resampled_auroc(weights, np.array([1.0, 0, 0]), predicted)
    assert np.isnan(auc).tolist() == [True, False]
    assert st.percentile_interval([np.nan, *np.linspace(0, 1, 1001)]) == pytest.approx(
        (0.025, 0.975)
    )
    assert np.isnan(st.percentile_interval([np.nan])).all()


def fold_scores(rng, effect, n=60, d=20, folds=5, repeats=4):
    """AUROC differences of two ridge-like scores on two noisy views of the same truth."""
    truth = rng.standard_normal(n)
    labels = truth + rng.normal(0, 0.5, n) > 0
    views = [
        truth[:, None] * strength + rng.standard_normal((n, d)) * 2
        for strength in (0.6, 0.6 + effect)
    ]
    differences = []
    for _ in range(repeats):
        fold = rng.permutation(np.arange(n) % folds)
        for k in range(folds):
            train, test = fold != k, fold == k
            scores = []
            for view in views:
                f = Rotation.of(view[train])
                y = labels[train] - labels[train].mean()
                scores.append(f.apply(view[test]) @ (f.train.T @ y / (f.power + 50)))
            differences.append(auroc(labels[test], scores[1]) - auroc(labels[test], scores[0]))
    return np.array(differences)


def test_the_corrected_test_keeps_its_level_where_the_uncorrected_does_not():
    """200 studies of two exchangeable feature sets: at 0.05 about ten may be called different."""
    rng = np.random.default_rng(6)
    corrected, wilcoxon, plain = 0, 0, 0
    for _ in range(200):
        d = fold_scores(rng, effect=0)
        corrected += st.compare(d, folds=5, rope=0.01).p_corrected < 0.05
        wilcoxon += st.wilcoxon(d) < 0.05
        plain += stats.ttest_1samp(d[np.isfinite(d)], 0).pvalue < 0.05
    assert corrected <= stats.binom.ppf(0.995, 200, 0.05)
    assert plain > 2 * stats.binom.ppf(0.995, 200, 0.05)
    assert wilcoxon > 2 * stats.binom.ppf(0.995, 200, 0.05)


def test_the_corrected_test_finds_a_planted_difference():
    rng = np.random.default_rng(7)
    studies = [fold_scores(rng, effect=1.5, n=150) for _ in range(40)]
    results = [st.compare(d, folds=5, rope=0.01) for d in studies]
    assert sum(result.p_corrected < 0.05 and result.delta > 0 for result in results) >= 32
    assert not any(result.p_corrected < 0.05 and result.delta < 0 for result in results)


@given(seed=hyp.integers(0, 10_000), ties=hyp.booleans())
def test_a_roc_curve_is_that_of_scikit_learn_in_every_resample(seed, ties):
    rng = np.random.default_rng(seed)
    truth = np.append([0.0, 1.0], rng.integers(0, 2, 28))
    predicted = rng.normal(size=(1, 30)) + truth
    if ties:
        predicted = predicted.round()
    weights = st.resamples(np.arange(30), 4, rng)
    at = np.array([0, 0.15, 0.35, 0.55, 0.85, 1])
    for w, curve in zip(weights, st.resampled_roc(weights, truth, predicted, at), strict=True):
        if not 0 < w @ truth < w.sum():
            assert np.isnan(curve).all()
            continue
        fpr, tpr, _ = roc_curve(truth, predicted[0], sample_weight=w, drop_intermediate=False)
        inner = np.isin(at[1:-1], fpr, invert=True)  # a vertical step has no single height
        assert curve[1:-1][inner] == pytest.approx(np.interp(at, fpr, tpr)[1:-1][inner])
        assert curve[-1] == 1


def test_roc_curves_of_repeats_are_averaged_and_their_area_is_the_auroc():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 400).astype(float)
    predicted = rng.normal(size=(3, 400)) + truth
    once, at = np.ones((1, 400)), np.linspace(0, 1, 201)
    curve = st.resampled_roc(once, truth, predicted, at)[0]
    assert np.trapezoid(curve, at) == pytest.approx(
        st.resampled_auroc(once, truth, predicted)[0], abs=0.005
    )
