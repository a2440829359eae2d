"""Slides: scale, pixels, and files that are not slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import SlideError
from histotransfer.slides import thumbnail as thumbnail_module
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.resolution import choose_level, resolve_mpp
from support.slides import block_means, damage, on_glass, tissue, write_scn, write_slide

HEADER = {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.252", "openslide.vendor": "aperio"}
TAGS = {
    "tiff.ResolutionUnit": "centimeter",
    "tiff.XResolution": "20000",
    "tiff.YResolution": "20000",
}


@pytest.mark.parametrize(
    ("sheet", "properties", "expected"),
    [
        (0.4, HEADER | TAGS, (0.4, "sheet")),
        (None, HEADER | TAGS, (0.251, "header")),
        (float("nan"), TAGS, (0.5, "tiff resolution")),
        (None, TAGS | {"tiff.ResolutionUnit": "inch"}, (1.27, "tiff resolution")),
    ],
)
def test_scale_comes_from_sheet_then_header_then_tags(sheet, properties, expected):
    mpp, source = resolve_mpp("a.svs", sheet, properties)
    assert (pytest.approx(mpp), source) == expected


def test_pixels_that_are_not_square_are_not_mended_by_one_scale():
    for properties in (
        HEADER | {"openslide.mpp-y": "0.27"},
        HEADER | {"openslide.mpp-x": "0.5"},
        TAGS | {"tiff.YResolution": "10000"},
    ):
        for sheet in (None, 0.25):
            with pytest.raises(SlideError, match="vips resize a") as caught:
                resolve_mpp("there/a.svs", sheet, properties)
            assert caught.value.reason.code == "pixels_not_square"
            assert "`mpp`" not in caught.value.remedy
    # A value that is not a scale does not speak against the sheet.
    for properties in (
        TAGS | {"tiff.XResolution": "72", "tiff.YResolution": "96"},
        HEADER | {"openslide.mpp-x": "a quarter"},
    ):
        assert resolve_mpp("a.svs", 0.25, properties) == (0.25, "sheet")


@pytest.mark.parametrize(
    ("sheet", "properties", "code"),
    [
        (None, {}, "no_mpp"),
        (None, TAGS | {"tiff.ResolutionUnit": "none"}, "no_mpp"),
        (None, TAGS | {"tiff.XResolution": "72", "tiff.YResolution": "72"}, "mpp_implausible"),
        (None, TAGS | {"tiff.XResolution": "0"}, "mpp_implausible"),
        (0.01, HEADER, "mpp_implausible"),
        (None, HEADER | {"openslide.mpp-x": "nan"}, "mpp_implausible"),
        (None, HEADER | {"openslide.mpp-x": "a quarter"}, "mpp_implausible"),
    ],
)
def test_scale_that_is_absent_or_implausible_is_refused(sheet, properties, code):
    with pytest.raises(SlideError, match="column `mpp`") as caught:
        resolve_mpp("a.svs", sheet, properties)
    assert caught.value.reason.code == code


@given(
    steps=st.lists(st.floats(1.5, 4.1), max_size=4),
    needed=st.floats(0.3, 200),
    tolerance=st.floats(0, 0.1),
)
def test_level_is_within_tolerance_or_the_coarsest_that_is_finer(steps, needed, tolerance):
    downsamples = np.cumprod([1.0, *steps]).tolist()
    level = choose_level(dict(enumerate(downsamples)), needed, tolerance)
    near = [d for d in downsamples if abs(d / needed - 1) <= tolerance]
    finer = [d for d in downsamples if d <= needed]
    if near:
        assert downsamples[level] in near
    elif finer:
        assert downsamples[level] == max(finer)
    else:
        assert level is None


def test_patch_at_a_level_has_openslides_very_pixels(realdata: Path):
    path = realdata / "slides" / "CMU-1-Small-Region.svs"
    with SlideReader(path) as reader, openslide.OpenSlide(path) as slide:
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=224)
        assert (scale.read_level, scale.read_px, scale.effective_mpp) == (0, 224, 0.499)
        expected = np.asarray(slide.read_region((700, 1300), 0, (224, 224)).convert("RGB"))
        np.testing.assert_array_equal(reader.read_patch(700, 1300, scale), expected)


def test_patch_between_levels_is_the_mean_of_its_area(tmp_path: Path):
    image = tissue(512, 512)
    with SlideReader(write_slide(tmp_path / "a.svs", image, mpp=0.25)) as reader:
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=64)
        assert (scale.read_level, scale.read_px, scale.patch_size_level0) == (0, 128, 128)
        patch = reader.read_patch(30, 41, scale)
    expected = block_means(image[41 : 41 + 128, 30 : 30 + 128], 2)
    assert np.abs(patch.astype(int) - expected).max() <= 1


def test_patch_of_a_coarser_scale_is_read_from_the_coarser_level(tmp_path: Path):
    image = tissue(1024, 1024)
    with SlideReader(write_slide(tmp_path / "a.svs", image, mpp=0.25)) as reader:
        scale = reader.scale(target_mpp=1.02, tolerance=0.05, patch_px=64)
        patch = reader.read_patch(256, 128, scale)
    assert (scale.read_level, scale.patch_size_level0, scale.effective_mpp) == (1, 256, 1.0)
    np.testing.assert_array_equal(patch, block_means(image, 4)[32:96, 64:128])


def test_what_lies_outside_the_slide_is_white(tmp_path: Path):
    image = tissue(256, 256)
    with SlideReader(write_slide(tmp_path / "a.svs", image)) as reader:
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=64)
        patch = reader.read_patch(230, -10, scale)
    np.testing.assert_array_equal(patch[10:, :26], image[:54, 230:])
    assert (patch[:10] == 255).all()
    assert (patch[:, 26:] == 255).all()


def test_what_was_not_scanned_is_white(tmp_path: Path):
    image = tissue(256, 256)
    slide = write_scn(tmp_path / "a.scn", (1024, 768), {(300, 200): image})
    with SlideReader(slide) as reader:
        assert (reader.mpp, reader.mpp_source) == (0.5, "header")
        assert reader.bounds == (300, 200, 256, 256)
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=128)
        patch = reader.read_patch(236, 136, scale)
        thumbnail, _ = reader.thumbnail(0.5)
        assert reader.pixel_source == "openslide"
    np.testing.assert_array_equal(patch[64:, 64:], image[:64, :64])
    assert (patch[:64] == 255).all()
    assert (patch[:, :64] == 255).all()
    np.testing.assert_array_equal(thumbnail, image)


def test_detail_that_is_not_there_is_not_invented(tmp_path: Path):
    with (
        SlideReader(write_slide(tmp_path / "a.svs", tissue(256, 256), mpp=1.0)) as reader,
        pytest.raises(SlideError, match=r"coarser scale .*target 0\.5"),
    ):
        reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=64)


def test_tags_of_a_plain_tiff_give_its_scale(tmp_path: Path):
    tags = ((20000.0, 20000.0), "CENTIMETER")
    path = write_slide(tmp_path / "a.tif", tissue(256, 256), mpp=None, factors=(1,), tags=tags)
    with SlideReader(path) as reader:
        assert (reader.mpp, reader.mpp_source) == (0.5, "tiff resolution")


def test_slide_without_scale_asks_for_the_sheets_column(realdata: Path):
    path = realdata / "slides" / "TCGA-CR-7395-01A-01-TS1.svs"
    with pytest.raises(SlideError, match="column `mpp`"):
        SlideReader(path)
    with SlideReader(path, 0.5) as reader:
        assert (reader.mpp, reader.mpp_source) == (0.5, "sheet")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("missing", "slide_missing"),
        ("folder", "slide_not_a_file"),
        ("empty", "slide_empty"),
        ("text", "slide_unreadable"),
        ("cut short", "slide_unreadable"),
    ],
)
def test_what_is_not_a_slide_is_named_with_code_and_remedy(tmp_path: Path, kind: str, code: str):
    path = tmp_path / "slide.svs"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("this is a slide, honestly")
    elif kind == "cut short":
        write_slide(path, tissue(256, 256))
        path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SlideError) as caught:
        SlideReader(path)
    assert caught.value.subject == str(path)
    assert caught.value.reason.code == code
    assert "slide sheet" in caught.value.remedy


@pytest.mark.parametrize("name", ["broken.svs", "unopenable.tiff"])
def test_real_files_that_do_not_open(realdata: Path, name: str):
    with pytest.raises(SlideError, match="cannot be opened as a slide"):
        SlideReader(realdata / "slides" / "negative" / name, 0.5)


def test_reader_survives_an_unreadable_region(tmp_path: Path):
    image = tissue(512, 512)
    path = write_slide(tmp_path / "a.svs", image)
    damage(path, column=1, row=1)
    with SlideReader(path) as reader:
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=128)
        for _ in range(2):
            with pytest.raises(SlideError, match=r"\(128, 128\) on level 0"):
                reader.read_patch(128, 128, scale)
            np.testing.assert_array_equal(reader.read_patch(256, 0, scale), image[:128, 256:384])


def test_thumbnail_is_the_area_mean_whatever_its_blocks(tmp_path: Path, monkeypatch):
    image = on_glass(1024, 300, 200, 400, 500)
    with SlideReader(write_slide(tmp_path / "a.svs", image)) as reader:
        whole, readable = reader.thumbnail(8.0)
        monkeypatch.setattr(thumbnail_module, "BLOCK_PX", 100)
        in_blocks, _ = reader.thumbnail(8.0)
        fractional, _ = reader.thumbnail(7.3)
    assert readable.all()
    np.testing.assert_array_equal(whole, in_blocks)
    assert np.abs(whole.astype(int) - block_means(image, 16)).max() <= 1
    assert fractional.shape == (int(1024 / 14.6), int(1024 / 14.6), 3)
    assert fractional.mean() == pytest.approx(image.mean(), abs=1)


def test_thumbnail_says_where_the_slide_is_unreadable(tmp_path: Path, monkeypatch):
    path = write_slide(tmp_path / "a.svs", tissue(512, 512), factors=(1,))
    damage(path, column=3, row=0)
    monkeypatch.setattr(thumbnail_module, "BLOCK_PX", 128)
    with SlideReader(path) as reader:
        thumbnail, readable = reader.thumbnail(4.0)
    expected = np.ones((64, 64), bool)
    expected[:16, 48:] = False
    np.testing.assert_array_equal(readable, expected)
    assert (thumbnail[~readable] == 255).all()
    assert thumbnail[readable].mean() < 200
