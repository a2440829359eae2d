"""The glass tells the colour model: grey in every right slide, coloured in every wrong one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histotransfer.core.hdf5 import open_store
from histotransfer.imaging.glass import coloured_glass
from histotransfer.slides.tiles import tile_slide
from support.artefacts import section
from support.parameters import TILING
from support.slides import GLASS, Pixels, block_means, tissue, write_slide

SMALL = block_means(section(), 16)


def as_ycc(image: Pixels) -> Pixels:
    """Show YCbCr values as if they were RGB."""
    return np.asarray(Image.fromarray(image).convert("YCbCr"))


def ycc_of_rgb(image: Pixels) -> Pixels:
    """Take RGB values for YCbCr."""
    size = image.shape[1], image.shape[0]
    return np.asarray(Image.frombytes("YCbCr", size, image.tobytes()).convert("RGB"))


def found(image: Pixels) -> tuple[int, int, int] | None:
    return coloured_glass(image, np.ones(image.shape[:2], bool))


def thumbnail(glass: tuple[int, int, int] = (GLASS, GLASS, GLASS)) -> Pixels:
    """Render a section on glass of a colour at 8 µm/px, with the noise of a camera."""
    small = SMALL * (np.array(glass) / GLASS)
    noise = np.random.default_rng(0).normal(0, 0.7, small.shape)
    return np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)


@given(st.integers(185, 253), st.integers(-15, 5), st.integers(-40, 15))
def test_glass_of_any_right_slide_passes_and_of_a_wrong_one_does_not(grey, green, blue):
    right = thumbnail((grey, min(grey + green, 255), min(grey + blue, 255)))
    assert found(right) is None
    if grey >= 225:
        assert found(as_ycc(right)) is not None
        assert found(ycc_of_rgb(right)) is not None


@pytest.mark.parametrize("padding", [0, 60, 128, 255])
def test_padding_does_not_count_as_glass(padding):
    padded = np.full((160, 160, 3), padding, np.uint8)
    padded[:100, :100] = thumbnail()[:100, :100]
    assert found(padded) is None
    padded[:100, :100] = as_ycc(thumbnail()[:100, :100])
    assert found(padded) == (GLASS, 128, 128)


@pytest.mark.parametrize("ink", [(30, 60, 200), (20, 160, 60), (200, 30, 40)])
def test_ink_over_much_of_the_glass_is_not_taken_for_it(ink):
    slide = thumbnail()
    slide[:, :80] = ink
    assert found(slide) is None


def test_tissue_all_over_passes():
    assert found(block_means(tissue(2048, 2048), 16)) is None
    assert found(np.full((9, 9, 3), (240, 130, 130), np.uint8)) is None  # too small to say


@pytest.mark.parametrize("wrong", [as_ycc, ycc_of_rgb])
def test_the_slide_is_excluded_with_the_colour_of_its_glass(tmp_path: Path, wrong):
    for image, code in ((section(), ""), (wrong(section()), "glass_not_grey")):
        slide = write_slide(tmp_path / "s.svs", image)
        tile_slide(slide, tmp_path / "t.h5", slide="S", sheet_mpp=None, parameters=TILING)
        with open_store(tmp_path / "t.h5", "tiles/1") as store:
            assert store.attrs["code"] == code
            assert bool(len(store["coords"])) == (not code)
            assert store["thumbnail"].size  # for the overview
