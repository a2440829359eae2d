"""Ranks against the worked example of the paper that they come from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as hyp
from hypothesis.extra.numpy import arrays

from histotransfer.evaluation.ranks import critical_difference, friedman, mean_ranks

# Demšar 2006, table 6: AUC of four classifiers on 14 data sets.
EXAMPLE = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.9749],  # printed as .975, with ranks 2 and 3
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_the_worked_example() -> None:
    found = mean_ranks(EXAMPLE)
    np.testing.assert_allclose(found, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    n, k = EXAMPLE.shape
    assert critical_difference(n, k, 0.05) == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(n, k, 0.10) == pytest.approx(1.12, abs=5e-3)
    # Its 9.28 is without a correction for ties, which makes p smaller.
    assert 0.01 < friedman(EXAMPLE) < 0.0258


@pytest.mark.parametrize(
    ("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949), (10, 3.164)]
)
def test_the_critical_values_are_the_published_ones(k: int, q: float) -> None:
    n = 20
    expected = q * np.sqrt(k * (k + 1) / (6 * n))
    assert critical_difference(n, k, 0.05) == pytest.approx(expected, rel=5e-4)


@given(arrays(float, (5, 4), elements=hyp.floats(0, 1)))
def test_ranks_add_up_and_need_only_the_order(scores) -> None:
    found = mean_ranks(scores)
    assert found.sum() == pytest.approx(4 * 5 / 2)
    assert ((found >= 1) & (found <= 4)).all()
    np.testing.assert_allclose(mean_ranks(2 * scores), found)
    np.testing.assert_allclose(mean_ranks(scores[:, ::-1]), found[::-1])


def test_what_has_no_test_is_missing() -> None:
    one, two = EXAMPLE[:1], EXAMPLE[:, :2]
    assert np.isnan([friedman(one), friedman(two), friedman(np.ones((5, 3)))]).all()
    assert np.isnan([critical_difference(1, 4, 0.05), critical_difference(9, 1, 0.05)]).all()
    assert np.isfinite(critical_difference(14, 2, 0.05))
