"""Grids of penalties: widened where the best lies at the edge, for that target alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotransfer.evaluation.predictors.binary_logistic import BinaryLogistic
from histotransfer.evaluation.predictors.grid import choose, penalty_limits
from histotransfer.evaluation.predictors.predictor import Draws
from histotransfer.evaluation.predictors.ridge import Ridge

DRAWS = Draws(seed=1, repeat=0, fold=0)
EVERYWHERE = (1e-9, 1e9)


def bowls(best):
    """Return losses that are least at these values, and the list of the values that were tried."""
    best, tried = np.log10(best), []

    def losses(value, targets):
        tried.append((value, len(targets)))
        return (np.log10(value) - best[targets]) ** 2

    return losses, tried


def test_the_grid_goes_on_by_its_own_ratio_until_the_best_is_inside():
    losses, tried = bowls([1e1, 1e5, 1e-3, 1e2])
    chosen = choose([1e2, 1e0, 1e1], losses, 4, EVERYWHERE)
    np.testing.assert_allclose(chosen, [1e1, 1e5, 1e-3, 1e2])
    values = [value for value, _ in tried]
    np.testing.assert_allclose(values, [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e-1, 1e-2, 1e-3, 1e-4])
    assert [count for _, count in tried] == [4, 4, 4, 2, 1, 1, 1, 1, 1, 1, 1]


def test_the_last_step_is_the_limit():
    losses, tried = bowls([1e20, 1e-20])
    np.testing.assert_allclose(choose([1, 100], losses, 2, (3e-3, 5e4)), [5e4, 3e-3])
    np.testing.assert_allclose([v for v, _ in tried], [1, 100, 1e4, 5e4, 1e-2, 3e-3])


def test_an_edge_beyond_the_limit_and_a_single_value_stay():
    losses, _ = bowls([1e20, 1e-20])
    assert choose([1, 100], losses, 2, (1.0, 50.0)).tolist() == [100, 1]
    assert choose([7.0], losses, 2, EVERYWHERE).tolist() == [7, 7]
    assert choose([1, 100], losses, 2, penalty_limits(np.empty(0))).tolist() == [100, 1]


def test_losses_that_no_longer_fall_end_the_search():
    assert (
        choose([1, 10], lambda _, targets: np.ones(len(targets)), 3, EVERYWHERE).tolist() == [1] * 3
    )


@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["ridge", "logistic"]))
@settings(max_examples=20, deadline=None)
def test_what_is_chosen_does_not_depend_on_the_other_targets(seed, kind):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, int(rng.choice([8, 60]))))
    signal = x[:, :6] * [0, 0, 0.2, 1, 5, 20] + rng.standard_normal((40, 6))
    y = signal if kind == "ridge" else (signal > 0).astype(float)
    predictor = Ridge([1.0, 10.0]) if kind == "ridge" else BinaryLogistic([0.1, 1.0])
    together = predictor.fit(x, y, DRAWS)
    for j in range(6):
        alone = predictor.fit(x, y[:, [j]], DRAWS)
        assert alone.chosen[0] == pytest.approx(together.chosen[j])
        np.testing.assert_allclose(alone.predict(x)[:, 0], together.predict(x)[:, j], rtol=1e-6)


def test_strong_and_absent_signals_lie_beyond_a_narrow_grid():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((200, 20))
    y = np.column_stack([x @ rng.standard_normal(20), rng.standard_normal(200)])
    weak, strong = penalty_limits(np.linalg.eigvalsh(np.cov(x.T, bias=True) * 200))
    chosen = Ridge([50.0, 100.0]).fit(x, y, DRAWS).chosen
    assert chosen[0] < 10
    assert chosen[1] > 100
    assert (weak * 0.8 < chosen).all()
    assert (chosen < strong * 1.2).all()
    noise = Ridge([50.0, 100.0]).fit(x, y, DRAWS).predict(x)[:, 1]
    assert noise.std() > 0  # nearly constant, but a correlation is still defined
