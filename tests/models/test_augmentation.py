"""Augmentation: symmetries of the square, small changes of the stain, draws that repeat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.models.augmentation import (
    _TO_OD,
    SYMMETRIES,
    Augmentation,
    apply_symmetry,
    change_stain,
)
from histotransfer.study.parameters import AugmentationParameters

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), dtype=np.uint8)


def test_the_eight_symmetries_are_a_group_of_different_pictures():
    image = IMAGES[0]
    shown = [apply_symmetry(image, symmetry) for symmetry in range(SYMMETRIES)]
    assert np.array_equal(shown[0], image)
    assert len({picture.tobytes() for picture in shown}) == 8
    again = {apply_symmetry(picture, s).tobytes() for picture in shown for s in range(8)}
    assert again == {picture.tobytes() for picture in shown}


@given(st.integers(0, 2**32), st.tuples(st.integers(1, 2), st.integers(1, 99)))
def test_a_draw_depends_on_seed_moment_and_row_alone(seed, moment):
    augmentation = Augmentation(AugmentationParameters(True, stain_jitter=0.05), seed)
    rows = np.array([7, 3, 11, 0, 4])
    together = augmentation.apply(IMAGES, rows, moment)
    alone = [augmentation.apply(IMAGES[i : i + 1], rows[i : i + 1], moment)[0] for i in range(5)]
    assert np.array_equal(together, alone)


def test_the_cache_shows_what_the_plain_way_would():
    augmentation = Augmentation(AugmentationParameters(True, stain_jitter=0.0), 5)
    rows = np.arange(5)
    symmetries = [augmentation.symmetry(row, (1, 2)) for row in rows.tolist()]
    shown = augmentation.apply(IMAGES, rows, (1, 2))
    assert np.array_equal(
        shown, [apply_symmetry(image, s) for image, s in zip(IMAGES, symmetries, strict=True)]
    )
    drawn = [augmentation.symmetry(row, (2, 1)) for row in range(4000)]
    assert np.bincount(drawn, minlength=8).min() > 400  # 500 expected


def test_without_flips_nothing_turns():
    augmentation = Augmentation(AugmentationParameters(False, stain_jitter=0.0), 5)
    assert not augmentation
    assert augmentation.symmetries == 1
    assert np.array_equal(augmentation.apply(IMAGES, np.arange(5), (1, 1)), IMAGES)


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
