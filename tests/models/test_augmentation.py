"""Augmentation: symmetries of the square, small changes of the stain, draws that repeat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.models.augmentation import (
    _TO_OD,
    Augmentation,
    apply_symmetry,
    change_stain,
)
from histotransfer.study.parameters import AugmentationParameters

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), dtype=np.uint8)


def test_the_eight_symmetries_are_a_group_of_different_pictures():
    image = IMAGES[0]
    shown = [apply_symmetry(image, symmetry) for symmetry in range(8)]
    assert np.array_equal(shown[0], image)
    assert len({picture.tobytes() for picture in shown}) == 8
    again = {apply_symmetry(picture, s).tobytes() for picture in shown for s in range(8)}
    assert again == {picture.tobytes() for picture in shown}


@given(st.integers(0, 2**32), st.integers(0, 99), st.integers(0, 7))
def test_a_version_depends_on_seed_row_and_number_alone(seed, row, number):
    parameters = AugmentationParameters(True, stain_jitter=0.15)
    first, again = (Augmentation(parameters, seed).version(IMAGES[0], row, number) for _ in "ab")
    assert np.array_equal(first, again)
    assert first.shape == IMAGES[0].shape
    if number == 0:
        assert np.array_equal(first, IMAGES[0])
    else:
        other = Augmentation(parameters, seed).version(IMAGES[0], row + 1, number)
        assert not np.array_equal(first, other)


def test_the_versions_are_the_eight_symmetries():
    augmentation = Augmentation(AugmentationParameters(True, stain_jitter=0.0), 5)
    shown = [augmentation.version(IMAGES[0], 3, number) for number in range(8)]
    assert np.array_equal(shown, [apply_symmetry(IMAGES[0], number) for number in range(8)])
    drawn = [augmentation.shown(row, (2, 1)) for row in range(4000)]
    assert np.bincount(drawn, minlength=8).min() > 400  # 500 expected


def test_another_training_shows_the_same_versions_at_other_moments():
    first, second = (Augmentation(AugmentationParameters(True, 0.1), 5, seed) for seed in (1, 2))
    for number in range(8):
        assert np.array_equal(*(one.version(IMAGES[0], 3, number) for one in (first, second)))
    drawn = [[one.shown(row, (2, 1)) for row in range(50)] for one in (first, second)]
    assert drawn[0] != drawn[1]


def test_without_flips_nothing_turns_and_without_both_nothing_changes():
    jittered = Augmentation(AugmentationParameters(False, stain_jitter=0.1), 5)
    flat = np.broadcast_to(np.arange(60, 200, 20, dtype=np.uint8)[:, None, None], (7, 7, 3))
    for number in range(8):
        version = jittered.version(flat, 0, number)
        assert np.array_equal(version, np.broadcast_to(version[:, :1], flat.shape))
    unchanged = Augmentation(AugmentationParameters(False, stain_jitter=0.0), 5)
    assert unchanged.versions == 1
    assert {unchanged.shown(row, (1, 1)) for row in range(50)} == {0}


def test_an_unchanged_stain_is_the_image_and_glass_stays_glass():
    image = IMAGES[0]
    same = change_stain(image, np.ones(3), np.zeros(3))
    assert np.abs(same.astype(int) - image).max() <= 1
    glass = np.full((4, 4, 3), 255, np.uint8)
    shifted = change_stain(glass, np.full(3, 1.05), np.full(3, 0.005))
    assert np.array_equal(shifted, glass)


@pytest.mark.parametrize("which", [0, 1])
def test_a_stains_scale_changes_that_stain_alone(which):
    """A pixel made of two stains, one of them scaled, is the pixel with more of that stain."""
    amounts = np.array([0.5, 0.3, 0.0])
    scale = np.ones(3)
    scale[which] = 1.2

    def mix(a):
        return np.rint(256 * 10 ** -(a @ _TO_OD) - 1).astype(np.uint8)

    pixel, expected = mix(amounts), mix(amounts * scale)
    found = change_stain(pixel[None, None], scale, np.zeros(3))[0, 0]
    assert np.abs(found.astype(int) - expected).max() <= 2
