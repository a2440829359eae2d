"""Cox regression against statsmodels, a naive likelihood, a published example and planted risks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from statsmodels.duration.hazard_regression import PHReg

from histotransfer.evaluation.concordance import harrell
from histotransfer.evaluation.cross_validation import Drawn, out_of_fold
from histotransfer.evaluation.predictors.by_pattern import ByPattern
from histotransfer.evaluation.predictors.cox import Cox
from histotransfer.evaluation.predictors.partial_likelihood import PartialLikelihood
from histotransfer.evaluation.predictors.predictor import Draws
from histotransfer.labels.survival_times import encode
from support.survival import REMISSION, remission

DRAWS = Draws(seed=1, repeat=0, fold=0)
ALPHAS = [1e-1, 1e0, 1e1, 1e2, 1e3]
SHAPES = pytest.mark.parametrize(("n", "d"), [(15, 20), (60, 8)], ids=["wide", "tall"])


def survival(rng, risk, months=20):
    """Draw (n, 1) signed times that follow a risk, in whole months, so that many are tied."""
    event = rng.exponential(np.exp(-risk))
    followed = rng.exponential(1.5 * np.median(event), len(risk))
    time = np.ceil(np.minimum(event, followed) * months)
    return encode(time, (event <= followed).astype(float))[:, None]


def drawn(rng, n, d, strength=1.0):
    """Draw correlated features of unequal scales, one of them constant, and times."""
    x = rng.standard_normal((n, 4)) @ rng.standard_normal((4, d)) + rng.standard_normal((n, d))
    y = survival(rng, strength * (x[:, 1] - x[:, 2]) / np.sqrt(10))
    x = 5 + x * np.geomspace(0.01, 10, d)
    x[:, 0] = 0.1
    return x, y


def coefficients(model, d):
    return (model.predict(np.eye(d)) - model.predict(np.zeros((1, d))))[:, 0]


def naive_log_likelihood(time, event, risk):
    """Add up Efron's partial log-likelihood, time by time and event by event."""
    total = 0.0
    for when in sorted(set(time[event])):
        dying = np.flatnonzero(event & (time == when))
        hazards = sum(np.exp(risk[i]) for i in range(len(time)) if time[i] >= when)
        dying_hazards = sum(np.exp(risk[i]) for i in dying)
        for k, i in enumerate(dying):
            total += risk[i] - np.log(hazards - k / len(dying) * dying_hazards)
    return total


def naive_fit(z, time, event, alpha):
    """Minimise the penalised likelihood numerically, without its gradient."""

    def loss(beta):
        return alpha / 2 * beta @ beta - naive_log_likelihood(time, event, z @ beta)

    # Differences from both sides are exact enough for 1e-6 at so flat a minimum.
    options = {"gtol": 1e-7}
    return minimize(loss, np.zeros(z.shape[1]), method="BFGS", jac="3-point", options=options).x


def test_coefficients_without_penalty_are_statsmodels_on_tied_times():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((150, 5)) * [0.01, 1, 3, 100, 1]
    y = survival(rng, x[:, 1] - x[:, 2] / 3)
    time, event = np.abs(y[:, 0]), y[:, 0] > 0
    assert len(set(time[event])) < event.sum() / 2
    theirs = PHReg(time, x, event.astype(int), ties="efron").fit(disp=0)
    ours = coefficients(Cox([1e-9]).fit(x, y, DRAWS), 5)
    np.testing.assert_allclose(ours, theirs.params, rtol=1e-5, atol=1e-7)


def test_the_effect_of_a_drug_is_the_published_one():
    time, event, placebo = remission()
    model = Cox([1e-9]).fit(placebo[:, None], encode(time, event)[:, None], DRAWS)
    assert coefficients(model, 1)[0] == pytest.approx(REMISSION["coefficient"], abs=5e-4)


@SHAPES
@pytest.mark.parametrize("alpha", [0.5, 20.0])
def test_risks_with_a_penalty_are_those_of_a_direct_minimisation(n, d, alpha):
    rng = np.random.default_rng(2)
    x, y = drawn(rng, n, d)
    z = (x[:, 1:] - x[:, 1:].mean(axis=0)) / x[:, 1:].std(axis=0)
    beta = naive_fit(z, np.abs(y[:, 0]), y[:, 0] > 0, alpha)
    model = Cox([alpha]).fit(x, y, DRAWS)
    np.testing.assert_allclose(model.predict(x)[:, 0], z @ beta, atol=1e-5)
    np.testing.assert_allclose(coefficients(model, d)[1:] * x[:, 1:].std(axis=0), beta, atol=1e-5)
    np.testing.assert_array_equal(model.chosen, [alpha])


def test_the_penalty_is_that_of_the_greatest_cross_validated_likelihood():
    rng = np.random.default_rng(3)
    chosen = []
    for strength in (0.2, 1, 3):
        x, y = drawn(rng, 30, 5, strength)
        time, event = np.abs(y[:, 0]), y[:, 0] > 0
        z = (x[:, 1:] - x[:, 1:].mean(axis=0)) / x[:, 1:].std(axis=0)
        chosen.append(float(Cox(ALPHAS).fit(x, y, DRAWS).chosen[0]))
        inner = DRAWS.inner_folds(event)
        gained = dict.fromkeys(sorted({*ALPHAS, chosen[-1]}), 0.0)
        for alpha in gained:
            for rest in (inner != fold for fold in range(5)):
                risk = z @ naive_fit(z[rest], time[rest], event[rest], alpha)
                gained[alpha] += naive_log_likelihood(time, event, risk)
                gained[alpha] -= naive_log_likelihood(time[rest], event[rest], risk[rest])
        assert max(gained, key=gained.__getitem__) == chosen[-1]
    assert len(set(chosen)) > 1


@given(
    seed=st.integers(0, 10**6), n=st.integers(6, 25), d=st.integers(2, 30), shift=st.floats(-9, 9)
)
@settings(max_examples=40, deadline=None)
def test_risks_do_not_depend_on_units_or_on_any_order(seed, n, d, shift):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    y = survival(rng, x[:, 0])
    y[:2] = np.abs(y[:2])
    model = Cox([1.0]).fit(x, y, DRAWS)
    rows, columns = rng.permutation(n), rng.permutation(d)
    units = rng.choice([-1, 1], d) * np.exp(rng.uniform(-5, 5, d))
    changed = (shift + x * units)[:, columns]
    # Only the order of the times counts.
    later = np.sign(y) * np.exp(np.abs(y) / 40)
    again = Cox([1.0]).fit(changed[rows], later[rows], DRAWS)
    np.testing.assert_allclose(again.predict(changed), model.predict(x), atol=1e-5)


def test_each_target_is_fitted_as_if_it_were_the_only_one():
    rng = np.random.default_rng(4)
    x, first = drawn(rng, 60, 20)
    y = np.column_stack([first, survival(rng, 3 * x[:, 5] / x[:, 5].std())])
    both = Cox(ALPHAS).fit(x, y, DRAWS)
    for target in range(2):
        alone = Cox(ALPHAS).fit(x, y[:, [target]], DRAWS)
        np.testing.assert_array_equal(both.chosen[target], alone.chosen[0])
        np.testing.assert_allclose(both.predict(x)[:, target], alone.predict(x)[:, 0], atol=1e-9)


def test_a_planted_risk_is_found_and_a_high_risk_means_an_early_event():
    rng = np.random.default_rng(5)
    x, y = drawn(rng, 200, 60, 2.0)
    fold_of = rng.permutation(200) % 5
    risk, _ = out_of_fold(Cox(ALPHAS), x, y, Drawn(fold_of, 5, 0, 0))
    scores = [harrell(y[fold_of == fold], risk[fold_of == fold])[0] for fold in range(5)]
    assert min(scores) > 0.7
    event = y[:, 0] > 0
    assert np.corrcoef(risk[event, 0], y[event, 0])[0, 1] < -0.3


def test_without_any_risk_the_concordance_is_one_half():
    rng = np.random.default_rng(6)
    scores = []
    for repeat in range(10):
        x, y = drawn(rng, 60, 80, 0.0)
        fold_of = rng.permutation(60) % 3
        risk, _ = out_of_fold(Cox([1e1, 1e3]), x, y, Drawn(fold_of, 3, 0, repeat))
        scores += [harrell(y[fold_of == fold], risk[fold_of == fold])[0] for fold in range(3)]
    error = np.std(scores) / np.sqrt(len(scores))
    assert error < 0.03
    assert abs(np.mean(scores) - 0.5) < 3 * error


def test_patients_without_a_time_are_left_out():
    rng = np.random.default_rng(7)
    x, y = drawn(rng, 60, 10)
    y[::4] = np.nan
    rare = np.where(np.arange(60) == 1, 5.0, -9.0)[:, None]
    predictor = ByPattern(Cox(ALPHAS), lambda truth: (truth > 0).sum(axis=0) >= 2)
    risk = predictor.fit(x, np.hstack([y, rare]), DRAWS).predict(x)
    known = np.isfinite(y[:, 0])
    expected = Cox(ALPHAS).fit(x[known], y[known], DRAWS).predict(x)
    np.testing.assert_array_equal(risk[:, [0]], expected)
    assert np.isnan(risk[:, 1]).all()


@pytest.mark.parametrize(
    "signed",
    [[3.0, 3.0], [1.0, 2.0], [4.0] * 30, [-1.0] * 28 + [5.0] * 2, [2.0, 2.0] + [-3.0] * 28],
    ids=["two at once", "two", "all at once", "the last two", "the first two"],
)
def test_events_that_say_little_or_nothing_leave_finite_risks(signed):
    x = np.random.default_rng(8).standard_normal((len(signed), 40))
    risk = Cox(ALPHAS).fit(x, np.array(signed)[:, None], DRAWS).predict(x)
    assert np.isfinite(risk).all()


def test_constant_features_tell_no_risk():
    y = survival(np.random.default_rng(9), np.zeros(30))
    model = Cox(ALPHAS).fit(np.ones((30, 4)), y, DRAWS)
    np.testing.assert_array_equal(model.predict(np.eye(4)), 0)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 15))
@settings(max_examples=60)
def test_the_likelihood_of_some_of_the_samples_is_the_naive_one_and_has_its_slope(seed, n):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(1, 6, n).astype(float))[::-1]
    event, used = rng.random(n) < 0.6, rng.random((n, 3)) < 0.7
    used[0] = True
    scores = rng.standard_normal((n, 3)) * 3
    likelihood = PartialLikelihood.of(time, event, used)
    value, slope = likelihood.value_and_slope(scores)
    for column, some in enumerate(used.T):
        expected = naive_log_likelihood(time[some], event[some], scores[some, column])
        assert value[column] == pytest.approx(expected, abs=1e-9)
    step = rng.standard_normal((n, 3)) * 1e-6
    rise = (
        likelihood.value_and_slope(scores + step)[0] - likelihood.value_and_slope(scores - step)[0]
    )
    np.testing.assert_allclose((slope * step).sum(axis=0) * 2, rise, atol=1e-12)


def test_scores_far_apart_give_a_finite_likelihood():
    time, event = np.arange(5.0, 0, -1), np.ones(5, dtype=bool)
    likelihood = PartialLikelihood.of(time, event, np.ones((5, 1), dtype=bool))
    value, slope = likelihood.value_and_slope(np.array([-2e3, 0, 800, 1e3, 2e3])[:, None])
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
