"""Tiles decoded directly are OpenSlide's pixels, and what cannot be decoded is left to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from histotransfer.core.errors import SlideError
from histotransfer.slides import thumbnail as thumbnail_module
from histotransfer.slides import tiff
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.thumbnail import render, render_all, shows_the_same
from histotransfer.slides.tiff import TiffTiles, Undecodable
from histotransfer.slides.tissue import find_tissue
from support.slides import block_means, damage, on_glass, tissue, write_levels, write_slide

COMPRESSIONS = ["none", "zlib", "lzw", "jpeg"]
WIDTH, HEIGHT = 704, 448


@pytest.fixture(scope="module", params=COMPRESSIONS)
def slide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a slide whose last tiles are cut by its edges."""
    path = tmp_path_factory.mktemp("tiff") / "a.svs"
    return write_slide(path, tissue(HEIGHT, WIDTH), compression=request.param)


def openslide_pixels(slide: openslide.OpenSlide, x: int, y: int, level: int, w: int, h: int):
    region = slide.read_region((x, y), level, (w, h))
    pixels = np.asarray(region.convert("RGB")).copy()
    pixels[np.asarray(region)[..., 3] == 0] = 255
    return pixels


@given(
    x=st.integers(-300, WIDTH), y=st.integers(-300, HEIGHT),
    width=st.integers(1, 400), height=st.integers(1, 400), level=st.integers(0, 1),
)  # fmt: skip
@settings(max_examples=60)
def test_any_rectangle_has_openslides_very_pixels(slide: Path, x, y, width, height, level):
    with openslide.OpenSlide(slide) as reference:
        tiles = TiffTiles(slide, reference.level_dimensions)
        found = tiles.read(x, y, level, width, height)
        tiles.close()
        expected = openslide_pixels(reference, 4**level * x, 4**level * y, level, width, height)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "mpp", "tolerance"),
    [
        ("CMU-1-Small-Region.svs", None, 0),
        ("CPTAC_C3L-00601-26_5x_pyramid.tif", 0.5, 0),
        ("TCGA-CR-7395-01A-01-TS1.svs", 0.5, 1),
        ("luna_1065626_IHC.svs", None, 1),
    ],
)
def test_patches_of_real_slides_are_openslides(realdata: Path, name: str, mpp, tolerance: int):
    path = realdata / "slides" / name
    with SlideReader(path, mpp) as direct, SlideReader(path, mpp) as reference:
        reference.pixel_source = "openslide"
        scale = direct.scale(target_mpp=0.5, tolerance=0.05, patch_px=224)
        for x, y in np.random.default_rng(0).integers(0, 2500, (12, 2)).tolist():
            expected = reference.read_patch(x, y, scale).astype(int)
            assert np.abs(direct.read_patch(x, y, scale) - expected).max() <= tolerance
        assert direct.pixel_source == "tiff tiles"


def test_between_whole_pixels_of_a_level_nothing_is_blurred(tmp_path: Path):
    image = tissue(1024, 1024)
    with SlideReader(write_slide(tmp_path / "a.svs", image, mpp=0.25)) as reader:
        scale = reader.scale(target_mpp=1.0, tolerance=0.05, patch_px=64)
        patch = reader.read_patch(257, 129, scale)  # 64.25, 32.25 on level 1
    np.testing.assert_array_equal(patch, block_means(image, 4)[32:96, 64:128])


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_an_eighth_of_jpeg_is_its_means(tmp_path: Path, photometric: str):
    image = np.repeat(np.repeat(tissue(HEIGHT // 4, WIDTH // 4), 4, 0), 4, 1)
    if photometric == "ycbcr":
        image = np.asarray(Image.fromarray(image).convert("YCbCr"))
    path = write_levels(tmp_path / "a.tif", image, compression="jpeg", photometric=photometric)
    tiles = TiffTiles(path, [(WIDTH, HEIGHT)])
    expected = block_means(tiles.read(0, 0, 0, WIDTH, HEIGHT), 8)[5:45, 3:67]
    difference = np.abs(tiles.read(3, 5, 0, 64, 40, tiff.EIGHTH).astype(int) - expected)
    tiles.close()
    assert difference.mean() < 2
    assert difference.max() <= 12


@pytest.mark.parametrize("compression", ["jpeg", "aperio_jp2000_rgb", "zlib"])
def test_thumbnail_of_an_eighth_gives_the_same_mask(tmp_path: Path, compression: str):
    slide = on_glass(2000, 300, 500, 900, 700)
    slide[1700:1800, 100:150] = tissue(100, 50)
    path = write_slide(tmp_path / "a.svs", slide, factors=(1,), compression=compression)
    assert_masks_agree(path, None, 0.99)


@pytest.mark.parametrize(
    ("name", "mpp", "least"),
    [
        ("CMU-1-Small-Region.svs", None, 0.99),
        ("CPTAC_C3L-00601-26_5x_pyramid.tif", 0.5, 0.99),
        ("TCGA-CR-7395-01A-01-TS1.svs", 0.5, 0.99),
        ("luna_1065626_IHC.svs", None, 0.9),  # of 0.2 % tissue
    ],
)
def test_thumbnail_of_an_eighth_of_real_slides(realdata: Path, name: str, mpp, least: float):
    assert_masks_agree(realdata / "slides" / name, mpp, least)


def assert_masks_agree(path: Path, mpp: float | None, least: float) -> None:
    """Hold the mask from an eighth of level 0 to that from all its pixels."""
    with SlideReader(path, mpp) as reader:
        downsample = reader.thumbnail_downsample(8.0)
        size = int(reader.width / downsample), int(reader.height / downsample)
        eighth, _ = render(reader, 0, downsample, size)
        whole, _ = render_all(reader, 0, downsample, size)
        first, second = (
            find_tissue(picture, downsample * reader.mpp).mask for picture in (eighth, whole)
        )
    assert (first & second).sum() >= least * (first | second).sum()


def test_damaged_tile_leaves_the_thumbnail_to_openslide(tmp_path: Path, monkeypatch):
    path = write_slide(tmp_path / "a.svs", tissue(1024, 1024), factors=(1,), compression="jpeg")
    damage(path, column=6, row=0)
    monkeypatch.setattr(thumbnail_module, "BLOCK_PX", 128)
    with SlideReader(path) as reader:
        thumbnail, readable = reader.thumbnail(8.0)
    expected = np.ones((64, 64), bool)
    expected[:8, 48:56] = False
    np.testing.assert_array_equal(readable, expected)
    assert thumbnail[readable].mean() < 200


def test_wrong_colours_of_an_eighth_are_not_used(tmp_path: Path, monkeypatch):
    path = write_slide(tmp_path / "a.svs", tissue(512, 512), factors=(1,), compression="jpeg")
    decode = tiff._an_eighth
    tiles = TiffTiles(path, [(512, 512)])
    with SlideReader(path) as reader:
        expected, _ = reader.thumbnail(8.0)
        assert shows_the_same(tiles, reader, 0)
    monkeypatch.setattr(tiff, "_an_eighth", lambda *args: decode(*args)[..., ::-1])
    tiles = TiffTiles(path, [(512, 512)])
    with SlideReader(path) as reader:
        assert not shows_the_same(tiles, reader, 0)
        found, _ = reader.thumbnail(8.0)
    assert np.abs(found.astype(int) - expected).max() <= 4


def test_tiles_that_decode_differently_are_not_used(tmp_path: Path, monkeypatch):
    image = tissue(512, 512)
    decode = TiffTiles._decode
    monkeypatch.setattr(TiffTiles, "_decode", lambda *args: decode(*args) ^ 2)
    with SlideReader(write_slide(tmp_path / "a.svs", image)) as reader:
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=128)
        np.testing.assert_array_equal(reader.read_patch(0, 0, scale), image[:128, :128])
        assert reader.pixel_source == "openslide"


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_cut_short_file_gives_an_error_and_never_made_up_pixels(tmp_path: Path, compression: str):
    image = tissue(512, 512)
    path = write_slide(tmp_path / "a.svs", image, factors=(1,), compression=compression)
    with SlideReader(path) as reader:
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=128)
        intact = reader.read_patch(0, 0, scale)
        with path.open("r+b") as file:  # while it is being read
            file.truncate(path.stat().st_size // 2)
        reader.read_patch(128, 0, scale)
        with pytest.raises(SlideError, match=r"cannot be (read|opened)"):
            reader.read_patch(384, 384, scale)
        np.testing.assert_array_equal(reader.read_patch(0, 0, scale), intact)


def test_damaged_tile_is_openslides_error_and_leaves_the_others(tmp_path: Path):
    image = tissue(512, 512)
    path = write_slide(tmp_path / "a.svs", image)
    damage(path, column=1, row=1)
    with SlideReader(path) as reader:
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=128)
        # The first patch decides who decodes; a damaged one decides nothing.
        with pytest.raises(SlideError, match="cannot be read"):
            reader.read_patch(128, 128, scale)
        assert reader.pixel_source == ""
        np.testing.assert_array_equal(reader.read_patch(384, 0, scale), image[:128, 384:])
        assert reader.pixel_source == "tiff tiles"
        with pytest.raises(SlideError, match="cannot be read"):
            reader.read_patch(130, 130, scale)


def test_tile_that_is_in_no_list_is_left_to_openslide(tmp_path: Path):
    path = write_slide(tmp_path / "a.svs", tissue(256, 256), factors=(1,))
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("TileOffsets", "TileByteCounts"):
            tag = file.pages[0].tags[name]
            tag.overwrite(tag.value[:3])
    tiles = TiffTiles(path, [(256, 256)])
    with pytest.raises(Undecodable, match="tile 3: "):
        tiles.read(128, 128, 0, 128, 128)
    tiles.close()
    with SlideReader(path) as reader:
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=64)
        assert reader.read_patch(0, 0, scale).mean() < 200
        assert (reader.read_patch(128, 128, scale) == 255).all()  # where nothing was scanned
        assert reader.pixel_source == "openslide"


def test_patch_beside_the_slide_is_white_and_decides_nothing(tmp_path: Path):
    image = tissue(512, 512)
    with SlideReader(write_slide(tmp_path / "a.svs", image)) as reader:
        scale = reader.scale(target_mpp=0.5, tolerance=0.05, patch_px=128)
        for x, y in ((512, 0), (0, 512)):
            assert (reader.read_patch(x, y, scale) == 255).all()
        assert reader.pixel_source == ""
        np.testing.assert_array_equal(reader.read_patch(0, 0, scale), image[:128, :128])
        assert reader.pixel_source == "tiff tiles"


def test_cache_is_bounded(tmp_path: Path, monkeypatch):
    path = write_slide(tmp_path / "a.svs", tissue(1024, 1024), factors=(1,))
    monkeypatch.setattr(tiff, "CACHE_BYTES", 5 * 128 * 128 * 3)
    tiles = TiffTiles(path, [(1024, 1024)])
    for x, y in np.random.default_rng(0).integers(0, 900, (50, 2)).tolist():
        tiles.read(x, y, 0, 100, 100)
        assert len(tiles._cache) <= 5
        assert tiles._cached_bytes == sum(tile.nbytes for tile in tiles._cache.values())
    tiles.close()


def test_levels_that_are_not_pages_are_refused(tmp_path: Path):
    path = write_slide(tmp_path / "a.svs", tissue(256, 256))
    with pytest.raises(Undecodable, match="no single page"):
        TiffTiles(path, [(256, 256), (128, 128)])
    with pytest.raises(Undecodable):
        TiffTiles(write_text(tmp_path / "b.svs"), [(256, 256)])


def write_text(path: Path) -> Path:
    path.write_text("no slide")
    return path
