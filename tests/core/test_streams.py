"""Random streams: the draws that results were made with, and no two purposes' draws the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.streams import PURPOSES, derived_seed, stream

PLACES = st.tuples(st.integers(0, 50), st.integers(0, 4))


@pytest.mark.parametrize(
    ("purpose", "place", "entropy"),
    [
        ("stain reference", (), [7, 0]),
        ("stain of a slide", (), [7, 1]),
        ("folds of mutation", (3,), [7, 2, 3]),
        ("inner folds", (3, 1), [7, 3, 3, 1]),
        ("order of patches", (2, 5), [7, 2, 5]),
        ("random weights", (), [7]),
    ],
)
def test_the_draws_of_a_seed_never_change(purpose, place, entropy):
    expected = np.random.default_rng(entropy).integers(2**62, size=8)
    assert (stream(7, purpose, *place).integers(2**62, size=8) == expected).all()


def test_names_are_places_too_and_their_order_counts():
    first = stream(7, "simulation", "slide", "A").integers(2**62)
    assert first == stream(7, "simulation", "slide", "A").integers(2**62)
    assert first != stream(7, "simulation", "A", "slide").integers(2**62)
    assert first != stream(8, "simulation", "slide", "A").integers(2**62)


@given(PLACES, PLACES)
def test_each_place_has_draws_of_its_own(first, second):
    draws = {tuple(stream(1, "inner folds", *place).integers(2**62, size=2).tolist())
             for place in (first, second)}  # fmt: skip
    assert len(draws) == len({first, second})
    seeds = {derived_seed(1, "predictor", *place) for place in (first, second)}
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_purposes_of_the_evaluation_are_all_different():
    shared = [numbers for name, numbers in PURPOSES.items() if name.startswith("folds of")]
    shared += [
        PURPOSES[name] for name in ("inner folds", "gene differences", "predictor", "embedding")
    ]
    assert len(set(shared)) == len(shared)


def test_an_unknown_purpose_is_an_error():
    with pytest.raises(KeyError):
        stream(1, "whim")
