"""Conversion by ICC profiles agrees with their definition, and happens where it is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from histotransfer.core.hdf5 import open_store
from histotransfer.imaging.icc import UnusableProfile, describe, to_srgb
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.patches.store import read_images
from histotransfer.slides.tiles import tile_slide
from support.icc import expected_srgb, scanner_profile
from support.parameters import PATCHES, TILING
from support.slides import on_glass


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_the_conversion_is_that_of_the_profiles_definition(gamma: float):
    image = np.random.default_rng(0).integers(40, 250, (64, 64, 3), np.uint8)
    difference = to_srgb(scanner_profile(gamma))(image) - expected_srgb(image, gamma)
    assert abs(difference).max() < 2.5
    assert abs(difference).mean() < 0.6


@pytest.mark.parametrize("profile", [b"", b"nonsense", scanner_profile(2.2)[:200]])
def test_a_damaged_profile_is_named(profile: bytes):
    assert describe(profile) == "unreadable"
    with pytest.raises(UnusableProfile):
        to_srgb(profile)


@pytest.mark.parametrize(
    ("profile", "how", "status", "name"),
    [
        (None, "apply", "none", ""),
        (scanner_profile(1.8), "ignore", "ignored", "Scanner of the tests"),
        (scanner_profile(1.8), "apply", "applied", "Scanner of the tests"),
        (b"nonsense", "apply", "unusable", "unreadable"),
        (b"nonsense", "ignore", "ignored", "unreadable"),
    ],
)
def test_patches_are_converted_where_the_config_says_so(tmp_path: Path, profile, how, status, name):
    image = on_glass(512, 128, 128, 256, 256)
    slide = tmp_path / "s.tif"
    tifffile.imwrite(
        slide, image, photometric="rgb", tile=(128, 128), compression="zlib", metadata=None,
        resolution=(20000, 20000), resolutionunit="CENTIMETER", iccprofile=profile,
    )  # fmt: skip
    files = [tmp_path / file for file in ("t.h5", "m.h5", "p.h5")]
    tile_slide(slide, files[0], slide="S", sheet_mpp=None, parameters=TILING)
    parameters = replace(PATCHES, icc=how)
    extract_patches(slide, *files, slide="S", reference_path=None, parameters=parameters)
    with open_store(files[2], "patches/1") as store:
        patches, corners = read_images(store, 0, 99), store["coords"][:].tolist()
    with open_store(files[1], "metrics/1") as store:
        assert store.attrs["icc_status"] == status
        assert store.attrs["icc_profile"] == name
    for patch, (x, y) in zip(patches, corners, strict=True):
        scanned = image[y : y + 64, x : x + 64]
        if status == "applied":
            assert abs(patch - expected_srgb(scanned, 1.8)).mean() < 0.6
        else:
            assert np.array_equal(patch, scanned)
