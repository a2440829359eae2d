"""Area means, held against counting equal parts of pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from histotransfer.imaging.resampling import area_mean, area_mean_planes


def by_counting(region: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """Cut each pixel into equal parts, so that every area holds whole ones, and take means."""
    height, width = region.shape[:2]
    parts = np.repeat(np.repeat(region.astype(float), rows, axis=0), columns, axis=1)
    return parts.reshape(rows, height, columns, width, 3).mean(axis=(1, 3))


def noise(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@given(data=st.data(), seed=st.integers(0, 1000))
@settings(max_examples=50)
def test_each_pixel_is_the_mean_of_its_area(data: st.DataObject, seed: int):
    columns, rows = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    width, height = data.draw(st.integers(columns, 40)), data.draw(st.integers(rows, 40))
    region = noise(height, width, seed)
    found = area_mean(region, (columns, rows))
    expected = by_counting(region, columns, rows)
    assert np.abs(found - expected).max() <= 0.501
    planes = np.ascontiguousarray(region.transpose(2, 0, 1), np.float32)
    means = area_mean_planes(planes, (columns, rows))
    np.testing.assert_allclose(means.transpose(1, 2, 0), expected, rtol=1e-5, atol=1e-3)


@given(left=st.integers(0, 9), top=st.integers(0, 9), seed=st.integers(0, 1000))
def test_a_box_may_begin_and_end_within_pixels(left: int, top: int, seed: int):
    region = noise(12, 12, seed)
    box = (left / 10, top / 10, left / 10 + 9.9, top / 10 + 8.8)
    found = area_mean(region, (3, 2), box)
    tenths = np.repeat(np.repeat(region, 10, axis=0), 10, axis=1)
    expected = by_counting(tenths[top : top + 88, left : left + 99], 3, 2)
    assert np.abs(found - expected).max() <= 0.501


def test_what_has_the_size_is_left_as_it_is():
    region = noise(5, 4, 0)
    assert area_mean(region, (4, 5)) is region
