"""Padding, borders, ink and dirt change neither the fitted stain nor the tissue area."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histotransfer.core.hdf5 import open_store
from histotransfer.imaging.artefacts import has_colour, padding_colours, stained
from histotransfer.imaging.codecs import encode
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.patches.stain_reference import fit_reference
from histotransfer.patches.store import append_images, create_patch_store
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.tiles import tile_slide
from support.artefacts import LEFT, drawn_over, padded, section
from support.parameters import PATCHES, TILING
from support.slides import GLASS, Pixels, tissue, write_slide
from support.slides import stained as mixed


def fitted(folder: Path, image: Pixels) -> tuple[np.ndarray, float]:
    """Return the stain's transform and the tissue area of a slide."""
    slide = write_slide(folder / "s.svs", image)
    files = [folder / name for name in ("t.h5", "m.h5", "p.h5")]
    tile_slide(slide, files[0], slide="S", sheet_mpp=None, parameters=TILING)
    parameters = replace(PATCHES, stain_method="slide")
    reference = folder / "stain.json"
    if not reference.exists():
        with create_patch_store(folder / "d.h5", {"dataset": "D", "patch_px": 64}) as store:
            append_images(store, [encode(tissue(64, 64, seed), "png", 0) for seed in range(20)])
        fit_reference(folder / "d.h5", reference, seed=1)
    extract_patches(slide, *files, slide="S", reference_path=reference, parameters=parameters)
    with open_store(files[0], "tiles/1") as tiles, open_store(files[1], "metrics/1") as metrics:
        assert metrics.attrs["stain_status"] == "fitted"
        return metrics.attrs["stain_transform"], float(tiles.attrs["tissue_mm2"])


CASES = {
    "near-black padding": padded((0, 0, 2)),
    "noisy black padding": padded((12, 8, 20)),
    "dark grey padding": padded((40, 42, 38)),
    "blue padding": padded((30, 30, 60)),
    "grey padding": padded((128, 128, 128)),
    "padding in the colour of tissue": padded((180, 140, 180)),
    "padding in the colour of a nucleus": padded((60, 30, 90)),
    "yellow padding": padded((255, 255, 0)),
    "a dirt line": drawn_over((20, 20, 24)),
    "black ink": drawn_over((70, 65, 75)),
    "blue ink": drawn_over((30, 60, 200)),
    "green ink": drawn_over((5, 90, 40)),
}


def test_what_is_no_tissue_does_not_change_the_stain(tmp_path: Path):
    clean, area = fitted(tmp_path, section())
    for name, image in CASES.items():
        transform, found = fitted(tmp_path, image)
        np.testing.assert_allclose(transform, clean, atol=0.02, err_msg=name)
        assert found == pytest.approx(area, rel=0.1), name


@pytest.mark.parametrize("colour", [(0, 0, 2), (30, 30, 60), (180, 140, 180)])
def test_padding_that_cuts_the_section_is_left_out_of_the_stain(tmp_path: Path, colour):
    cut, padding = section(), section()
    cut[:, : LEFT + 200] = GLASS
    padding[:, : LEFT + 200] = colour
    clean, area = fitted(tmp_path, cut)
    transform, found = fitted(tmp_path, padding)
    np.testing.assert_allclose(transform, clean, atol=0.05)
    assert found == pytest.approx(area, rel=0.05)


@given(
    st.tuples(*[st.integers(0, 211)] * 3), st.integers(0, 95), st.integers(32, 96),
    st.integers(0, 3),
)  # fmt: skip
def test_padding_twice_as_wide_as_the_distance_is_found(colour, place, width, turns):
    image = np.ascontiguousarray(np.rot90(tissue(192, 192), turns))
    np.rot90(image, turns)[:width, place : place + width] = colour
    assert padding_colours(image, 16).tolist() == [list(colour)]
    assert has_colour(image, padding_colours(image, 16)).sum() == width**2


def test_what_is_even_but_does_not_reach_the_border_may_be_drawn_tissue(tmp_path: Path):
    image = np.full((1200, 1200, 3), 245, np.uint8)
    image[300:900, 300:900] = (200, 110, 170)
    tile_slide(
        write_slide(tmp_path / "s.svs", image), tmp_path / "t.h5",
        slide="S", sheet_mpp=None, parameters=TILING,
    )  # fmt: skip
    with open_store(tmp_path / "t.h5", "tiles/1", slide="S") as tiles:
        assert len(tiles["coords"]) > 10
        assert not len(tiles.attrs["padding_colours"])


def test_real_tissue_has_no_padding(realdata: Path):
    folders = [realdata / "patches" / name for name in ("colorectal5_224", "lc25000_lung")]
    paths = [path for folder in folders for path in sorted(folder.glob("*/*.jp*g"))[::10]]
    assert len(paths) > 100
    for path in paths:
        image = np.asarray(Image.open(path).convert("RGB"))
        assert not len(padding_colours(image, 16)), path
    for path in (realdata / "slides").glob("*.*"):
        if path.suffix != ".csv":
            with SlideReader(path, 0.5) as reader:
                assert not len(padding_colours(reader.thumbnail(8.0)[0], 4)), path


@given(st.floats(0, 0.8), st.floats(0, 1))
def test_a_stain_is_fitted_to_stained_pixels(haematoxylin: float, eosin: float):
    colour = mixed([haematoxylin], [eosin])
    assert len(stained(colour)) == 1


def test_the_densest_pixels_are_left_out():
    pixels = np.array([[0, 0, 2], [0, 0, 0], [25, 5, 40], [60, 60, 64], [20, 60, 160]], np.uint8)
    assert not len(stained(pixels))
