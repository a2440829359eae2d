"""From a slide to the coordinates of its candidate tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.hdf5 import open_store
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.resolution import Scale
from histotransfer.slides.tiles import STRIP_TILES, grid, tile_slide
from support.parameters import TILING
from support.slides import GLASS, on_glass, tissue, write_scn, write_slide


def tiles_of(slide: Path, out: Path, **changes: Any) -> tuple[np.ndarray, dict[str, Any]]:
    tile_slide(slide, out, slide="a", sheet_mpp=None, parameters=replace(TILING, **changes))
    with open_store(out, "tiles/1", slide="a") as store:
        assert len(store["coords"]) == len(store["tissue_fraction"])
        return store["coords"][:], dict(store.attrs)


@given(
    left=st.integers(0, 50),
    top=st.integers(0, 50),
    width=st.integers(1, 900),
    height=st.integers(1, 900),
    stride=st.floats(7, 300),
    downsample=st.sampled_from([1.0, 2.0005, 4.0, 16.01]),
)
def test_grid_leaves_no_part_of_the_bounds_out(left, top, width, height, stride, downsample):
    coords = grid((left, top, width, height), stride, downsample)
    x, y = np.unique(coords[:, 0]), np.unique(coords[:, 1])
    assert len(coords) == -(-width // stride) * -(-height // stride)
    off = (downsample + 1) / 2  # to the nearest pixel of the level, then of level 0
    for positions, start, extent in ((x, left, width), (y, top, height)):
        assert positions[-1] + stride + off >= start + extent
        ideal = start + stride * np.arange(-(-extent // stride))
        assert np.abs(ideal[:, None] - positions).min(axis=1).max() <= off


@given(st.integers(1, 9000), st.integers(1, 3000), st.sampled_from([1.0, 2.0005, 4.0]))
def test_tiles_lie_on_whole_pixels_of_the_level(width: int, height: int, downsample: float):
    coords = grid((0, 0, width, height), 448, downsample)
    on_level = coords / downsample
    assert np.abs(on_level - np.rint(on_level)).max() <= 0.5 / downsample


@given(columns=st.integers(1, 70), rows=st.integers(1, 20))
def test_tiles_are_listed_in_strips_from_top_to_bottom(columns: int, rows: int):
    coords = grid((0, 0, 10 * columns, 10 * rows), 10)
    assert len(np.unique(coords, axis=0)) == columns * rows
    strip = coords[:, 0] // (10 * STRIP_TILES)
    order = np.lexsort((coords[:, 0], coords[:, 1], strip))
    np.testing.assert_array_equal(order, np.arange(len(coords)))


def test_candidates_are_the_tiles_on_the_planted_tissue(tmp_path: Path):
    slide = write_slide(tmp_path / "a.svs", on_glass(1024, 256, 320, 384, 448))
    coords, attrs = tiles_of(slide, tmp_path / "a.h5")
    x, y = np.meshgrid(np.arange(256, 640, 64), np.arange(320, 768, 64))
    np.testing.assert_array_equal(coords, np.stack([x, y], -1).reshape(-1, 2))
    assert (attrs["code"], attrs["detail"], attrs["remedy"]) == ("", "", "")
    assert attrs["mpp_source"] == "header"
    assert (attrs["level0_width"], attrs["level0_height"]) == (1024, 1024)
    # To the pixel of the mask (8 µm), by which smoothing may widen it.
    assert round(0.192 * 0.224, 4) <= attrs["tissue_mm2"] <= 0.208 * 0.240


def test_overlap_and_scale_move_the_grid(tmp_path: Path):
    slide = write_slide(tmp_path / "a.svs", on_glass(1024, 256, 256, 512, 512), mpp=0.25)
    coords, attrs = tiles_of(slide, tmp_path / "a.h5", stride_px=32)
    assert attrs["patch_size_level0"] == 128
    assert set(np.diff(np.unique(coords[:, 0]))) == {64}


@pytest.mark.parametrize(
    ("target_mpp", "level"), [(0.25, 0), (0.5, 0), (0.6, 0), (1.0, 1), (1.3, 1)]
)
def test_clam_and_trident_find_the_same_squares(tmp_path: Path, target_mpp: float, level: int):
    slide = write_slide(tmp_path / "a.svs", on_glass(2048, 256, 256, 1024, 1024), mpp=0.25)
    tiles_of(slide, tmp_path / "a.h5", target_mpp=target_mpp, stride_px=48)
    with open_store(tmp_path / "a.h5", "tiles/1") as store:
        ours, coords = dict(store.attrs), store["coords"]
        theirs = dict(coords.attrs)
        assert coords.dtype == np.int32
    assert theirs["name"] == "a"
    # CLAM: read_region(coord, patch_level, (patch_size, patch_size))
    assert (theirs["patch_level"], theirs["patch_size"]) == (level, ours["read_px"])
    side_level0 = theirs["patch_size"] * theirs["downsample"][0]
    assert round(side_level0) == ours["patch_size_level0"] == theirs["patch_size_level0"]
    # TRIDENT: patch_size px at target_magnification, of which it takes the ratio to level 0's
    ratio = theirs["level0_magnification"] / theirs["target_magnification"]
    assert round(theirs["patch_size"] * ratio) == ours["patch_size_level0"]
    step = (theirs["patch_size"] - theirs["overlap"]) * ratio
    assert abs(step - 48 * target_mpp / 0.25) <= 4


def test_tissue_at_the_edge_and_slides_below_one_patch_give_tiles(tmp_path: Path):
    slide = write_slide(tmp_path / "a.svs", tissue(160, 200), factors=(1,))
    coords, _ = tiles_of(slide, tmp_path / "a.h5", patch_px=128, stride_px=128)
    # The second column holds 72 of 128 px, the second row 32 of 128.
    np.testing.assert_array_equal(coords, [[0, 0], [128, 0]])
    coords, _ = tiles_of(slide, tmp_path / "b.h5", patch_px=224, stride_px=224)
    np.testing.assert_array_equal(coords, [[0, 0]])


def test_only_what_was_scanned_is_tiled(tmp_path: Path):
    areas = {(300, 200): tissue(384, 512), (1000, 704): tissue(256, 384, seed=1)}
    slide = write_scn(tmp_path / "a.scn", (2000, 1504), areas)
    coords, attrs = tiles_of(slide, tmp_path / "a.h5")
    assert attrs["bounds"].tolist() == [300, 200, 1084, 760]
    x, y = (coords - [300, 200]).T
    assert (x % 64 == 0).all()
    assert (y % 64 == 0).all()
    first = (x < 512) & (y < 384)
    assert first.sum() == 8 * 6
    # The second area lies between tiles, so that those at its edges overhang what was scanned.
    assert ((x[~first] >= 640) & (y[~first] >= 448)).all()
    assert 5 * 3 <= (~first).sum() <= 7 * 5


def test_a_scale_survives_the_attributes_of_a_store(tmp_path: Path):
    slide = write_slide(tmp_path / "a.svs", on_glass(512, 128, 128, 256, 256), mpp=0.25)
    _, attrs = tiles_of(slide, tmp_path / "a.h5")
    with SlideReader(slide) as reader:
        expected = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=64)
    assert Scale.from_attrs(attrs) == expected
    assert "patch_size" not in attrs  # the word of CLAM and TRIDENT, who mean what is read


def test_same_slide_same_bytes(tmp_path: Path):
    slide = write_slide(tmp_path / "a.svs", on_glass(512, 128, 128, 256, 256))
    tiles_of(slide, tmp_path / "a.h5")
    tiles_of(slide, tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_slide_without_tissue_keeps_its_picture_and_says_so(tmp_path: Path):
    slide = write_slide(tmp_path / "a.svs", np.full((512, 512, 3), GLASS, np.uint8))
    coords, attrs = tiles_of(slide, tmp_path / "a.h5")
    assert len(coords) == 0
    assert attrs["code"] == "no_tissue"
    assert attrs["detail"] == "50% needed; 0 mm² on the slide"
    assert "tiling: min_tissue_fraction" in attrs["remedy"]
    with open_store(tmp_path / "a.h5", "tiles/1") as store:
        assert store["thumbnail"].shape == (32, 32, 3)


def test_slide_that_cannot_be_read_gives_a_valid_empty_file(tmp_path: Path):
    slide = tmp_path / "folder" / "a.svs"
    slide.parent.mkdir()
    slide.write_text("no slide")
    coords, attrs = tiles_of(slide, tmp_path / "a.h5")
    assert coords.shape == (0, 2)
    assert attrs["code"] == "slide_unreadable"
    assert str(tmp_path) not in attrs["detail"] + attrs["remedy"]


def test_unreadable_real_slide(realdata: Path, tmp_path: Path):
    slide = realdata / "slides" / "negative" / "unreadable.svs"
    coords, attrs = tiles_of(slide, tmp_path / "a.h5")
    assert len(coords) == 0
    assert attrs["code"] == "slide_region_unreadable"


def test_nearly_empty_real_slide_gives_almost_nothing(realdata: Path, tmp_path: Path):
    slide = realdata / "slides" / "luna_1065626_IHC.svs"
    coords, _ = tiles_of(slide, tmp_path / "a.h5", patch_px=224, stride_px=224)
    assert 0 < len(coords) < 20
