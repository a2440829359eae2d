"""Padding, borders, ink and dirt change neither the fitted stain nor the tissue area."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.hdf5 import open_store
from histotransfer.imaging.artefacts import stained
from histotransfer.imaging.codecs import encode
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.patches.stain_reference import fit_reference
from histotransfer.patches.store import append_images, create_patch_store
from histotransfer.slides.tiles import tile_slide
from support.artefacts import drawn_over, padded, section
from support.parameters import PATCHES, TILING
from support.slides import Pixels, tissue, write_slide
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


@given(st.floats(0, 0.8), st.floats(0, 1))
def test_a_stain_is_fitted_to_stained_pixels(haematoxylin: float, eosin: float):
    colour = mixed([haematoxylin], [eosin])
    assert len(stained(colour)) == 1


def test_the_densest_pixels_are_left_out():
    pixels = np.array([[0, 0, 2], [0, 0, 0], [25, 5, 40], [60, 60, 64], [20, 60, 160]], np.uint8)
    assert not len(stained(pixels))
