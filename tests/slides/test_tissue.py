"""The tissue mask, on pictures whose tissue is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from histotransfer.slides.reader import SlideReader
from histotransfer.slides.tissue import area_mm2, covered_fraction, find_tissue, otsu
from support.slides import GLASS, stained


def glass(size: int, noise: float = 2.0) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.clip(random.normal(GLASS, noise, (size, size, 3)), 0, 255).astype(np.uint8)


def disc(size: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    return np.hypot(x, y) < radius


@pytest.mark.parametrize("strength", [0.1, 0.3, 1.0])
def test_planted_tissue_is_found_whatever_its_stain(strength: float):
    picture, truth = glass(200), disc(200, 60)
    random = np.random.default_rng(1)
    amounts = strength * random.uniform(0.5, 1.5, (2, truth.sum()))
    picture[truth] = stained(*amounts)
    mask, *_ = find_tissue(picture, 8.0)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95


def test_glass_dust_and_shadow_are_not_tissue():
    picture = glass(200)
    picture[50:90, 40:120] = 190  # a shadow: grey
    picture[150, 150] = (60, 20, 90)  # a coloured speck of 8 µm
    mask, threshold, _ = find_tissue(picture, 8.0)
    assert not mask.any()
    assert threshold == 0.04


@pytest.mark.parametrize("colour", [(30, 30, 60), (180, 140, 180), (255, 255, 0), (0, 0, 2)])
def test_padding_is_not_tissue_and_its_colour_is_told(colour: tuple[int, int, int]):
    picture, truth = glass(200), disc(200, 40)
    picture[truth] = stained(*np.random.default_rng(1).uniform(0.2, 0.5, (2, truth.sum())))
    clean, _, none = find_tissue(picture, 8.0)
    assert not len(none)
    picture[:, :60] = picture[:20] = colour
    mask, _, padding = find_tissue(picture, 8.0)
    assert padding.tolist() == [list(colour)]
    assert (mask != clean).mean() < 0.002


def test_tissue_over_the_whole_picture_is_all_tissue():
    random = np.random.default_rng(2)
    picture = stained(*random.uniform(0.2, 0.5, (2, 100, 100)))
    assert find_tissue(picture, 8.0).mask.all()


def test_small_holes_are_filled_and_large_ones_are_not():
    picture, truth = glass(200), disc(200, 80)
    picture[truth] = stained(*np.random.default_rng(1).uniform(0.25, 0.35, (2, truth.sum())))
    picture[60:66, 100:106] = GLASS  # 48 µm
    picture[100:140, 90:130] = GLASS  # 320 µm
    mask, *_ = find_tissue(picture, 8.0)
    assert mask[62, 102]
    assert not mask[120, 110]


def test_unreadable_parts_count_as_tissue():
    readable = np.ones((50, 50), bool)
    readable[:10] = False
    mask, *_ = find_tissue(glass(50), 8.0, readable)
    np.testing.assert_array_equal(mask, ~readable)


@given(hnp.arrays(np.int16, st.integers(2, 60), elements=st.integers(0, 40)))
def test_otsu_minimises_the_variance_within_classes(values: np.ndarray):
    def within(threshold: int) -> float:
        classes = values[values <= threshold], values[values > threshold]
        return float(sum(len(part) * part.var() for part in classes if len(part)))

    best = min(within(threshold) for threshold in range(41))
    assert within(otsu(values)) == pytest.approx(best, abs=1e-6)


@given(
    mask=hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))),
    x=st.integers(-30, 130),
    y=st.integers(-30, 130),
    size=st.integers(1, 90),
)
@settings(max_examples=200)
def test_covered_fraction_is_exact(mask: np.ndarray, x: int, y: int, size: int):
    # In tenths of a mask pixel, so that counting fine pixels gives the exact answer.
    fine = np.pad(np.kron(mask, np.ones((10, 10), bool)), 130)
    expected = fine[130 + y : 130 + y + size, 130 + x : 130 + x + size].sum() / size**2
    found = covered_fraction(mask, np.array([x / 10]), np.array([y / 10]), size / 10)
    assert found[0] == pytest.approx(expected, abs=1e-5)


def test_area():
    assert area_mm2(np.ones((100, 50), bool), 8.0) == 0.32


@pytest.mark.parametrize(
    ("name", "mpp", "low", "high"),
    [
        # Limits by eye from the overviews; the IHC slide is stated to be 0.2 % tissue.
        ("CMU-1-Small-Region.svs", None, 0.30, 0.45),
        ("TCGA-CR-7395-01A-01-TS1.svs", 0.5, 0.58, 0.72),
        ("CPTAC_C3L-00601-26_5x_pyramid.tif", 2.0, 0.28, 0.36),
        ("luna_1065626_IHC.svs", None, 0.001, 0.01),
    ],
)
def test_share_of_tissue_on_real_slides(realdata: Path, name, mpp, low, high):
    with SlideReader(realdata / "slides" / name, mpp) as reader:
        thumbnail, readable = reader.thumbnail(8.0)
        mask, *_ = find_tissue(thumbnail, reader.thumbnail_downsample(8.0) * reader.mpp, readable)
    assert low < mask.mean() < high
