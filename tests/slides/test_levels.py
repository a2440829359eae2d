"""Levels that are not reduced copies of level 0 are not used, and those that are, are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histotransfer.core.hdf5 import open_store
from histotransfer.slides import levels
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.tiles import tile_slide
from support.parameters import TILING
from support.slides import GLASS, block_means, tissue, write_levels, write_scn

WIDTH, HEIGHT = 2048, 1536
SECTION = (1152, 704, 640, 512)
"""Left, top, width and height of the tissue."""


def section(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    slide = np.full((height, width, 3), GLASS, np.uint8)
    left, top, across, down = SECTION
    slide[top : top + down, left : left + across] = tissue(down, across)
    return slide


def padded(picture: np.ndarray, width: int, height: int, value: int = GLASS) -> np.ndarray:
    bottom, right = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((0, bottom), (0, right), (0, 0)), constant_values=value)


def resized(picture: np.ndarray, width: int, height: int, kind: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((width, height), kind))


def macro(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Take the slide from farther away: everything is smaller and elsewhere."""
    small = resized(picture, width // 2, height // 2, Image.Resampling.BOX)
    out = np.full((height, width, 3), 210, np.uint8)
    out[height // 3 : height // 3 + height // 2, 20 : 20 + width // 2] = small
    return out


def lost(part: tuple[slice, slice]) -> np.ndarray:
    """Reduce the slide, and turn a part white."""
    level = block_means(SLIDE, 4)
    level[part] = 255
    return level


SLIDE = section()
WRONG: dict[str, Callable[[], np.ndarray]] = {
    "padded with glass": lambda: padded(block_means(SLIDE, 4), 640, 480),
    "padded with black": lambda: padded(block_means(SLIDE, 4), 640, 480, 0),
    "padded with white": lambda: padded(block_means(SLIDE, 4), 640, 480, 255),
    "padded a little": lambda: padded(block_means(SLIDE, 4), 528, 396),
    "padded on one side": lambda: padded(block_means(SLIDE, 4), 640, 384),
    "stretched": lambda: resized(SLIDE, 512, 512, Image.Resampling.BOX),
    "macro": lambda: macro(SLIDE, 512, 384),
    "macro of another shape": lambda: macro(SLIDE, 600, 200),
    "mirrored": lambda: block_means(SLIDE, 4)[:, ::-1],
    "upside down": lambda: block_means(SLIDE, 4)[::-1],
    "lost": lambda: np.full((384, 512, 3), GLASS, np.uint8),
    "lost in the right half": lambda: lost(np.s_[:, 340:]),
    "lost in one tile of the section": lambda: lost(np.s_[192:256, 320:384]),
    "black": lambda: np.zeros((384, 512, 3), np.uint8),
    "shifted": lambda: np.roll(block_means(SLIDE, 4), (12, 20), (0, 1)),
    "of another slide": lambda: block_means(
        np.roll(SLIDE, (-600, -900), (0, 1)), 4
    ),
    "tiles flipped in themselves": lambda: np.concatenate(
        [part[::-1] for part in np.split(block_means(SLIDE, 4), 3)]
    ),
}  # fmt: skip


def tiles_of(slide: Path, target_mpp: float) -> tuple[np.ndarray, dict]:
    out = slide.with_suffix(".h5")
    parameters = replace(TILING, target_mpp=target_mpp)
    tile_slide(slide, out, slide="a", sheet_mpp=None, parameters=parameters)
    with open_store(out, "tiles/1", slide="a") as store:
        return store["coords"][:], dict(store.attrs)


def assert_tiles_lie_on_the_section(coords: np.ndarray, side: int) -> None:
    """Hold the tiles to those half covered by the section, give or take the mask's smoothing."""
    left, top, width, height = SECTION
    x, y = coords.T
    across = np.minimum(x + side, left + width) - np.maximum(x, left)
    down = np.minimum(y + side, top + height) - np.maximum(y, top)
    covered = np.clip(across, 0, side) * np.clip(down, 0, side)
    assert (covered > 0.3 * side**2).all()
    assert covered.sum() > 0.7 * width * height


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("target_mpp", [0.5, 2.0])
def test_level_that_differs_is_passed_over_and_named(tmp_path: Path, kind: str, target_mpp: float):
    level = WRONG[kind]()
    slide = write_levels(tmp_path / "a.tif", SLIDE, level)
    coords, attrs = tiles_of(slide, target_mpp)
    assert attrs["code"] == ""
    assert attrs["read_level"] == 0
    assert attrs["effective_mpp"] == target_mpp
    assert_tiles_lie_on_the_section(coords, attrs["patch_size_level0"])
    assert f"level 1 ({level.shape[1]} × {level.shape[0]} px)" in attrs["levels_passed_over"]


def test_levels_are_judged_one_by_one(tmp_path: Path):
    pictures = [SLIDE, block_means(SLIDE, 2), padded(block_means(SLIDE, 4), 640, 480)]
    slide = write_levels(tmp_path / "a.tif", *pictures, block_means(SLIDE, 8))
    coords, attrs = tiles_of(slide, 2.0)
    assert attrs["read_level"] == 1
    assert attrs["levels_passed_over"].startswith("level 2 (640 × 480 px): ")
    assert "level 3" not in attrs["levels_passed_over"]
    assert_tiles_lie_on_the_section(coords, attrs["patch_size_level0"])


RIGHT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "means": lambda slide: block_means(slide, 4),
    "single pixels": lambda slide: slide[::4, ::4],
    "other single pixels": lambda slide: slide[3::4, 3::4],
    "rounded up": lambda slide: resized(
        slide, -(-slide.shape[1] // 4), -(-slide.shape[0] // 4), Image.Resampling.BOX
    ),
    "bicubic": lambda slide: resized(
        slide, slide.shape[1] // 4, slide.shape[0] // 4, Image.Resampling.BICUBIC
    ),
    "halved twice": lambda slide: block_means(block_means(slide, 2), 2),
    "a little darker": lambda slide: (block_means(slide, 4) * 0.95).astype(np.uint8),
}


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize(
    ("size", "compression"),
    [((2048, 1536), "jpeg"), ((2047, 1533), "zlib"), ((1801, 1299), "zlib")],
)
def test_level_that_is_a_reduced_copy_is_used(tmp_path: Path, kind: str, size, compression: str):
    slide = section(*size)
    path = write_levels(tmp_path / "a.tif", slide, RIGHT[kind](slide), compression=compression)
    coords, attrs = tiles_of(path, 2.0)
    assert attrs["levels_passed_over"] == ""
    assert attrs["read_level"] == 1
    assert attrs["effective_mpp"] == pytest.approx(2.0, rel=0.01)
    assert_tiles_lie_on_the_section(coords, attrs["patch_size_level0"])


def test_levels_of_glass_and_of_separate_areas_are_used(tmp_path: Path):
    glass = np.full((512, 512, 3), GLASS, np.uint8)
    with SlideReader(write_levels(tmp_path / "a.tif", glass, block_means(glass, 4))) as reader:
        reader.thumbnail(8.0)
        assert reader.passed_over == {}
    slide = write_scn(tmp_path / "a.scn", (1024, 768), {(300, 200): tissue(256, 256)})
    with SlideReader(slide) as reader:
        reader.thumbnail(8.0)
        assert reader.passed_over == {}


@pytest.mark.parametrize(
    "name",
    [
        "CMU-1-Small-Region.svs",
        "TCGA-CR-7395-01A-01-TS1.svs",
        "luna_1065626_IHC.svs",
        "CPTAC_C3L-00601-26_5x_pyramid.tif",
    ],
)
def test_every_level_of_real_slides_is_used(realdata: Path, name: str):
    with SlideReader(realdata / "slides" / name, 0.5) as reader:
        for level, downsample in enumerate(reader.downsamples):
            scale = reader.scale(target_mpp=0.5 * downsample, tolerance=0.01, patch_px=224)
            assert scale.read_level == level
        assert reader.passed_over == {}


@given(
    width=st.integers(300, 200_000),
    height=st.integers(300, 200_000),
    halvings=st.lists(st.sampled_from([np.floor, np.ceil, np.rint]), min_size=1, max_size=7),
)
def test_rounding_at_each_step_of_a_pyramid_is_no_disagreement(width, height, halvings):
    w, h = width, height
    for rounded in halvings:
        w, h = int(rounded(w / 2)), int(rounded(h / 2))
    assert levels.sizes_agree((width, height), (w, h))


@given(
    width=st.integers(2000, 200_000),
    height=st.integers(2000, 200_000),
    factor=st.floats(1.5, 32),
    padding=st.integers(3, 500),
)
def test_padding_of_one_side_is_a_disagreement(width, height, factor, padding):
    # The wider side hides least.
    w, h = round(width / factor), round(height / factor)
    assert not levels.sizes_agree((width, height), (w + max(padding, 3 * w // h + 3), h))
