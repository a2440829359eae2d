"""Where other tools' patches lie: units and sizes are read, whole squares are compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.features.coordinates import Judged, place, verdict

TILE = 128


def judged(side=12, tile=TILE, stride=None, mpp=0.5, **attrs):
    """Lay out a grid of tiles; those of the right half are blurred."""
    stride = stride or tile
    corners = stride * np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    attrs = {"mpp": mpp, "patch_size_level0": tile, "stride_level0": float(stride), **attrs}
    kept = corners[:, 0] < stride * side // 2
    return Judged(corners.astype(float), kept, np.ones(len(corners), bool), attrs)


def squares(width, count, left=0.0, top=0.0):
    steps = np.arange(count) * width
    return np.stack(np.meshgrid(left + steps, top + steps), -1).reshape(-1, 2).astype(float)


def kept_of(coords, attrs, tiles=None):
    tiles = tiles or judged()
    mask, qc = verdict(place(coords, {"dataset": "features", **attrs}, tiles), tiles, len(coords))
    return int(mask.sum()), qc


STAMP = {"dataset": "feats", "unit": "um"}
SAME_SQUARES = {
    "STAMP 2.1": (64, {**STAMP, "tile_size_um": 64.0, "tile_size_px": 224}),
    "STAMP 2.0": (64, {**STAMP, "tile_size": 64.0}),
    "a unit in the plural": (64, {**STAMP, "unit": "Micrometres", "tile_size_um": 64.0}),
    "a unit in bytes": (64, {**STAMP, "unit": b"um", "tile_size_um": 64.0}),
    "TRIDENT": (128, {"patch_size": 256, "patch_size_level0": 128}),
    "TRIDENT, by magnification": (
        128,
        {"patch_size": 64, "level0_magnification": 40, "target_magnification": 20},
    ),
    "CLAM": (128, {"patch_size": 32, "patch_level": 1, "downsample": np.array([4.0, 4.0])}),
    "CLAM, level 0": (128, {"patch_size": 128, "patch_level": 0}),
    "no attributes": (128, {}),
}


@pytest.mark.parametrize("case", SAME_SQUARES)
def test_the_same_squares_get_their_own_verdict(case):
    step, attrs = SAME_SQUARES[case]
    assert kept_of(squares(step, 12), attrs) == (72, "applied")


def test_micrometres_whose_numbers_are_corners_of_other_tiles_are_converted():
    # 6 × 6 patches of 128 µm = 256 px cover all tiles, the right half of which is blurred.
    attrs = {**STAMP, "tile_size_um": 128.0}
    assert kept_of(squares(128, 6), attrs) == (18, "applied by area")


OTHER_PATCHES = {
    "µm without a size": (squares(128, 6), {"unit": "um"}),
    "no attributes, some of the corners": (squares(128, 6), {}),
    "an unknown unit": (squares(128, 6), {"unit": "furlong", "patch_size_level0": 128}),
    "an unknown level": (squares(128, 6), {"patch_size": 128, "patch_level": 1}),
    "a further downsample": (
        squares(128, 6),
        {"patch_size": 128, "patch_level": 0, "downsample": (1, 1), "custom_downsample": 2},
    ),
    "of another level 0": (squares(128, 6), {"patch_size_level0": 128, "level0_width": 999}),
    "beyond the tiles": (squares(128, 6, 9000), {"patch_size_level0": 128}),
    "a size that is not a number": (squares(128, 6), {"patch_size_level0": "None"}),
    "a negative size": (squares(128, 6), {"patch_size_level0": -128}),
}


@pytest.mark.parametrize("case", OTHER_PATCHES)
def test_where_the_squares_are_unknown_every_patch_counts(case):
    coords, attrs = OTHER_PATCHES[case]
    tiles = judged(level0_width=1536, level0_height=1536)
    assert kept_of(coords, attrs, tiles) == (len(coords), "other patches")


def test_larger_patches_with_the_corners_of_tiles_are_judged_by_area():
    # One column of patches of 512 px lies half in the blurred tiles.
    coords = squares(512, 3)
    assert kept_of(coords, {"patch_size_level0": 512}) == (6, "applied by area")
    for left, kept in ((257, 2), (512, 2), (513, 0)):
        shifted = squares(512, 2, left)
        assert kept_of(shifted, {"patch_size_level0": 512}) == (kept, "applied by area")


def test_stamp_before_version_2_is_read_as_stamp_reads_it():
    tiles = judged(tile=256, mpp=1.0)  # one patch is 256 µm
    assert kept_of(squares(224, 12), {"dataset": "feats"}, tiles) == (72, "applied")


@given(
    width=st.sampled_from([40, 128, 200, 333, 640]),
    left=st.integers(-100, 900),
    top=st.integers(-100, 900),
    stride=st.sampled_from([64, 128, 160]),
)
def test_the_verdict_by_area_equals_counting_pixels(width, left, top, stride):
    tiles = judged(side=8, stride=stride)
    canvas = np.zeros((3000, 3000))
    for (x, y), kept in zip(tiles.corners.astype(int).tolist(), tiles.kept, strict=True):
        canvas[1000 + y : 1000 + y + TILE, 1000 + x : 1000 + x + TILE] += kept
    coords = np.array([[left, top], [0.0, 0.0]])
    placed = place(coords, {"patch_size_level0": width}, tiles)
    mask, qc = verdict(placed, tiles, 2)
    covered = canvas[1000 + top : 1000 + top + width, 1000 + left : 1000 + left + width].sum()
    share = covered / (width * TILE / stride) ** 2
    if qc == "applied by area" and not (width == TILE and (coords[0] % stride == 0).all()):
        assert mask[0] == (share >= 0.5 * (1 - 1e-6))


@given(st.integers(0, 11), st.integers(0, 11), st.sampled_from([64, 128]))
def test_a_tile_itself_keeps_its_verdict_whatever_its_neighbours(column, row, stride):
    tiles = judged(stride=stride)
    coords = stride * np.array([[column, row]], float)
    mask, qc = verdict(place(coords, {"patch_size_level0": TILE}, tiles), tiles, 1)
    assert qc == "applied"
    assert mask[0] == tiles.kept[12 * row + column]
