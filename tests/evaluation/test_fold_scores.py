"""The variance of a mean score: planted components, and what enters."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from histotransfer.evaluation.cross_validation import Drawn, out_of_fold, without_pairs
from histotransfer.evaluation.fold_scores import FoldScores
from histotransfer.evaluation.kinds import KINDS
from histotransfer.evaluation.metrics import pearson
from histotransfer.evaluation.predictors.ridge import Ridge

R, K, STUDIES = 10, 5, 400


def round_robin(rng, *, test=0.0, train=0.0, pair=0.0, mirrored=0.0, noise=0.0):
    """Scores of many targets, made of what each fold adds as a test fold and as a training fold.

    Every repeat has new folds of the same patients; a fold's part is the mean of its patients'.
    """
    patients = 40
    of_test, of_train = rng.normal(0, (test, train), (STUDIES, patients, 2)).transpose(2, 1, 0)
    pairs = rng.normal(0, pair, (patients, patients, STUDIES))
    both = rng.normal(0, mirrored, (patients, patients, STUDIES))
    pairs += np.triu(both.transpose(2, 0, 1), 1).transpose(1, 2, 0)
    pairs += np.triu(both.transpose(2, 0, 1), 1).transpose(2, 1, 0)
    folds, without = np.empty((R, K, STUDIES)), np.full((R, K, K, STUDIES), np.nan)
    for r in range(R):
        fold = rng.permutation(np.arange(patients) % K)
        mean = (fold == np.arange(K)[:, None]) * K / patients
        a, b = mean @ of_test, mean @ of_train
        c = np.einsum("ip,pqs,jq->ijs", mean, pairs, mean, optimize=True)
        for i in range(K):
            others = [j for j in range(K) if j != i]
            folds[r, i] = a[i] + (b[others] + c[i, others]).mean(axis=0)
            for j in others:
                left = [m for m in others if m != j]
                without[r, i, j] = a[i] + (b[left] + c[i, left]).mean(axis=0)
    return FoldScores(folds + rng.normal(0, noise, folds.shape), without)


@pytest.mark.parametrize(
    ("parts", "close"),
    [
        ({"test": 1.0}, 0.1),
        ({"mirrored": 1.0}, 0.25),
        ({"test": 1.0, "mirrored": 3.0}, 0.2),
        ({"test": 1.0, "pair": 3.0}, 0.2),
        ({"test": 1.0, "noise": 0.2}, 0.1),
    ],
)
def test_planted_components_give_the_variance_of_the_mean(parts, close):
    """The truth is the spread of the means of many studies; the estimate is made in each alone."""
    scores = round_robin(np.random.default_rng(1), **parts)
    assert scores.variance().mean() / scores.mean.var() == pytest.approx(1, abs=close)


def test_a_single_repeat_has_no_spread_between_repeats():
    scores = round_robin(np.random.default_rng(1), test=1.0)
    alone = FoldScores(scores.folds[:1], scores.pairs[:1])
    assert alone.variance().mean() / scores.mean.var() == pytest.approx(1, abs=0.1)


def test_where_folds_train_for_each_other_nadeau_and_bengio_fall_short():
    scores = round_robin(np.random.default_rng(2), mirrored=1.0)
    assert scores.nadeau_bengio().mean() / scores.mean.var() < 0.8


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_the_variance_is_never_below_half_of_nadeau_and_bengios(seed):
    rng = np.random.default_rng(seed)
    pairs = rng.normal(0, rng.exponential(), (3, 4, 4, 6))
    scores = FoldScores(rng.normal(size=(3, 4, 6)), pairs)
    assert (scores.variance() >= scores.nadeau_bengio() / 2).all()


@given(st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=20, deadline=None)
def test_scale_and_shift_pass_through(scale, shift):
    rng = np.random.default_rng(3)
    scores = FoldScores(rng.normal(size=(3, 5, 6)), rng.normal(size=(3, 5, 5, 6)))
    moved = FoldScores(scale * scores.folds + shift, scale * scores.pairs + shift)
    np.testing.assert_allclose(moved.variance(), scale**2 * scores.variance(), rtol=1e-6)


@pytest.mark.parametrize(("shared", "reciprocal"), [(2.0, 1.0), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("gap", [False, True], ids=["whole", "with a gap"])
def test_each_part_of_the_round_robin_is_estimated_without_bias(shared, reciprocal, gap):
    rng = np.random.default_rng(8)
    studies = 40_000
    mirrored = np.triu(rng.normal(0, reciprocal**0.5, (studies, K, K)), 1)
    pairs = mirrored + mirrored.transpose(0, 2, 1)
    pairs += rng.normal(0, shared**0.5, (studies, 1, K)) + rng.normal(0, 3, (studies, K, 1))
    pairs[:, np.arange(K), np.arange(K)] = np.nan
    pairs = np.moveaxis(pairs, 0, -1)[None]
    if gap:  # in another repeat, a fold has no score
        pairs = np.concatenate([pairs, np.where(np.arange(K)[:, None, None] == 2, np.nan, pairs)])
    scores = FoldScores(np.zeros((2, K, studies)), pairs)
    found = [part.mean() for part in scores._shared_and_reciprocal()]
    assert found == pytest.approx([shared, reciprocal], abs=0.05)


def test_a_negative_shared_part_counts_only_where_every_sample_is_a_patient():
    """B is negative where what a fold teaches about one fold it unteaches about the others."""
    rng = np.random.default_rng(6)
    pairs = np.full((4, 5, 5, 60), np.nan)
    for i, j in zip(*np.nonzero(~np.eye(5, dtype=bool)), strict=True):
        pairs[:, i, j] = rng.normal(size=(4, 60))
    scores = FoldScores(rng.normal(0, 0.1, (4, 5, 60)), pairs)
    grouped = replace(scores, grouped=True)
    negative = scores._shared_and_reciprocal()[0] < 0
    assert 10 < negative.sum() < 50
    assert np.array_equal(grouped.variance()[~negative], scores.variance()[~negative])
    assert (grouped.variance() >= scores.variance()).all()
    assert (grouped.variance()[negative] > scores.variance()[negative]).any()


def test_what_is_made_of_scores_of_patches_stays_such():
    scores = FoldScores(np.ones((2, 5, 3)), np.ones((1, 5, 5, 3)), grouped=True, correlation=True)
    made = [scores - scores, scores.of_targets([2, 0]), scores.where_defined(scores)]
    made.append(FoldScores.mean_of(made[:1]))
    assert {(one.grouped, one.correlation) for one in made} == {(True, True)}
    assert KINDS["tissue"].grouped
    assert not KINDS["multiclass"].grouped


def scores_that_grow(rng, fewer, more):
    """Correlations of targets whose mean is `fewer` without two folds, and `more` without one."""
    pairs = rng.normal(0, 0.02, (4, K, K, len(fewer)))
    pairs[:, np.arange(K), np.arange(K)] = np.nan
    folds = rng.normal(0, 0.02, (4, K, len(more)))
    pairs += np.array(fewer) - np.nanmean(pairs, axis=(0, 1, 2))
    folds += np.array(more) - folds.mean(axis=(0, 1))
    return FoldScores(folds, pairs, correlation=True)


def test_a_difference_knows_how_much_its_two_correlations_grow():
    """As the mean of both grows, within the limits of signal alone (1) and noise alone (4/3)."""
    rng, fewer = np.random.default_rng(10), [0.2, 0.2, 0.2, -0.1, 0.1]
    first = scores_that_grow(rng, fewer, [0.21, 0.3, 0.1, 0.2, -0.1])
    second = scores_that_grow(rng, fewer, [0.23, 0.3, 0.2, 0.2, -0.1])
    difference = first - second
    expected = [1.1**2, 4 / 3, 1, 4 / 3, 4 / 3]
    assert difference.growth == pytest.approx(expected)
    assert difference.of_targets([2, 0]).growth == pytest.approx([expected[2], expected[0]])
    assert first.growth is None
    longer = replace(first, folds=np.concatenate([first.folds, first.folds + 0.02]))
    assert (longer - longer).growth == pytest.approx((first - first).growth)
    assert (replace(first, correlation=False) - replace(second, correlation=False)).growth is None


def test_a_score_near_chance_does_not_tell_how_it_grows():
    rng = np.random.default_rng(13)
    one = scores_that_grow(rng, [0.2] * 40, [0.21] * 40)
    for p in (0.0009, 0.0011):
        height = stats.t.isf(p, one.df) * np.sqrt(one.variance()) - 0.21
        moved = replace(one, folds=one.folds + height, pairs=one.pairs + height)
        expected = np.full(40, 4 / 3) if p > 0.001 else ((0.21 + height) / (0.2 + height)) ** 2
        assert (moved - moved).growth == pytest.approx(np.clip(expected, 1, 4 / 3))


def test_growth_shifts_the_weight_from_the_reciprocal_part_to_the_shared_one():
    scores = round_robin(np.random.default_rng(11), test=1.0, mirrored=3.0)
    shared, reciprocal = scores._shared_and_reciprocal()
    for growth in (1.0, 1.2, 4 / 3):
        own = replace(scores, growth=np.full(STUDIES, growth))
        gap = scores.variance() - own.variance()
        kept = own.variance() > own.nadeau_bengio() / 2
        kept &= scores.variance() > scores.nadeau_bengio() / 2
        expected = (4 / 3 - growth) * reciprocal + 3 * (3 / 4 - 1 / growth) * shared
        assert gap[kept] == pytest.approx((3 / 4) ** 2 * expected[kept], abs=1e-12)
        assert kept.mean() > 0.8


def correlations(rng, signal, *, studies=3000, n=60, d=8):
    """Cross-validate two noisy views of what drives a number; the weights are sums of x times y."""
    known = rng.standard_normal((studies, n, d))
    y = signal * known[..., 0] + rng.standard_normal((studies, n))
    y -= y.mean(axis=1, keepdims=True)
    folds_of = [rng.permutation(np.arange(n) % K) for _ in range(4)]
    for _ in range(2):
        x = known + rng.standard_normal(known.shape)
        x -= x.mean(axis=1, keepdims=True)
        folds, pairs = np.empty((4, K, studies)), np.full((4, K, K, studies), np.nan)
        for r, fold_of in enumerate(folds_of):
            tested = [fold_of == i for i in range(K)]
            parts = np.array([np.einsum("snd,sn->sd", x[:, t], y[:, t]) for t in tested])
            for i, j in np.ndindex(K, K):
                weights = parts.sum(axis=0) - parts[i] - (i != j) * parts[j]
                predicted = (x[:, tested[i]] @ weights[..., None])[..., 0]
                score = pearson(y[:, tested[i]].T, predicted.T)
                if i == j:
                    folds[r, i] = score
                else:
                    pairs[r, i, j] = score
        yield FoldScores(folds, pairs, correlation=True)


@pytest.mark.parametrize("signal", [0.0, 0.3, 1.0, 2.0])
def test_the_variance_of_a_difference_of_correlations_is_right_on_average(signal):
    """From noise alone to strong signals; the usual correction is, at some of them, far off."""
    first, second = correlations(np.random.default_rng(1), signal)
    difference = second - first
    spread = difference.mean.var()
    assert difference.variance().mean() / spread == pytest.approx(1, abs=0.08)
    if signal <= 0.3:
        assert difference.nadeau_bengio().mean() / spread < 0.75


def test_targets_do_not_depend_on_each_other_and_gaps_are_left_out():
    scores = round_robin(np.random.default_rng(4), test=1.0, mirrored=1.0)
    folds, pairs = scores.folds[..., :3].copy(), scores.pairs[..., :3].copy()
    folds[2, 1, 1], pairs[3, 1, :, 1] = np.nan, np.nan
    folds[:, :, 2] = np.nan
    some = FoldScores(folds, pairs)
    assert some.variance()[0] == pytest.approx(scores.variance()[0])
    assert some.variance()[1] == pytest.approx(scores.variance()[1], rel=0.5)
    assert np.isnan(some.variance()[2])
    assert some.n.tolist() == [50, 49, 0]
    assert some.constant.tolist() == [False, False, True]


def test_models_without_pairs_are_those_of_the_other_samples():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((40, 6)), rng.standard_normal((40, 2))
    fold_of = rng.permutation(np.arange(40) % 5)
    drawn = Drawn(fold_of, 5, 0, 0)
    ridge = Ridge([1.0, 10.0])
    without = without_pairs(ridge, x, y, drawn)
    assert without.shape == (5, 40, 2)
    for a, b in combinations(range(5), 2):
        train = (fold_of != a) & (fold_of != b)
        model = ridge.fit(x[train], y[train], drawn.draws(0, 1)[0])
        np.testing.assert_allclose(without[b, fold_of == a], model.predict(x[fold_of == a]))
        np.testing.assert_allclose(without[a, fold_of == b], model.predict(x[fold_of == b]))
    own = without[fold_of, np.arange(40)]
    assert np.isnan(own).all()
    predicted, _ = out_of_fold(ridge, x, y, drawn)
    assert np.isfinite(predicted).all()
