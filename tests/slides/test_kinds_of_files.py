"""Files that OpenSlide does not read as slides say what they are, and how to mend them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from histotransfer.core.errors import SlideError
from histotransfer.core.exclusions import Reason
from histotransfer.core.hdf5 import open_store
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.qc.overview import draw_overview
from histotransfer.qc.verdicts import judge_slide
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.tiles import tile_slide
from support.parameters import PATCHES, QC, TILING
from support.slides import (
    GLASS,
    block_means,
    damage,
    on_glass,
    tissue,
    write_levels,
    write_scn,
    write_slide,
)

SLIDE = on_glass(512, 100, 100, 300, 300)


def reason_of(slide: Path) -> tuple[Reason | None, dict[str, Any]]:
    """Tile a slide; return why it yields nothing, and the attributes of its tiles."""
    out = slide.with_suffix(".h5")
    tile_slide(slide, out, slide="a", sheet_mpp=None, parameters=TILING)
    with open_store(out, "tiles/1", slide="a") as store:
        attrs = dict(store.attrs)
        assert len(store["coords"]) == 0 or not attrs["code"]
    return Reason.of(attrs), attrs


def refused(slide: Path) -> Reason:
    reason, _ = reason_of(slide)
    assert reason is not None
    return reason


def write_pages(path: Path, *pages: dict[str, Any]) -> Path:
    """Write pages of a TIFF, each with its pixels as `data` and options of tifffile."""
    common: dict[str, Any] = {
        "photometric": "rgb", "tile": (128, 128), "compression": "zlib", "metadata": None,
        "resolution": (20000, 20000), "resolutionunit": "CENTIMETER",
    }  # fmt: skip
    with tifffile.TiffWriter(path) as tiff:
        for page in pages:
            tiff.write(**common | page)
    return path


def oriented(value: int) -> dict[str, Any]:
    return {"extratags": [(274, 3, 1, value, True)]}


@pytest.mark.parametrize("value", range(2, 9))
@pytest.mark.parametrize("compression", ["zlib", "lzw", None])
def test_orientation_that_is_applied_tile_by_tile_is_refused(tmp_path: Path, value, compression):
    slide = write_levels(tmp_path / "a.tif", SLIDE, **oriented(value), compression=compression)
    reason = refused(slide)
    assert (reason.code, reason.detail) == ("orientation_misread", f"orientation {value}")
    assert "vips autorot a.tif" in reason.remedy
    with pytest.raises(SlideError, match="orientation"):
        SlideReader(slide)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("compression", ["jpeg", "aperio_jp2000_rgb"])
def test_jpeg_is_read_as_stored_whatever_its_orientation(tmp_path: Path, value, compression):
    page = {
        "data": SLIDE,
        "compression": compression,
        "description": "Aperio Image Library v0|AppMag = 20|MPP = 0.5",
    }
    plain = write_pages(tmp_path / "a.svs", page)
    slide = write_pages(tmp_path / "b.svs", page | oriented(value))
    np.testing.assert_array_equal(pixels_of(slide), pixels_of(plain))


def pixels_of(path: Path) -> np.ndarray:
    with SlideReader(path) as reader:
        return np.asarray(reader.read(0, 0, 0, 512, 512))


def test_upright_orientation_is_no_matter(tmp_path: Path):
    slide = write_levels(tmp_path / "a.tif", SLIDE, block_means(SLIDE, 4), **oriented(1))
    np.testing.assert_array_equal(pixels_of(slide), SLIDE)


@pytest.mark.parametrize(
    ("second", "named"),
    [
        (on_glass(512, 50, 50, 200, 300), "page 2 (512 × 512 px)"),
        (on_glass(512, 50, 50, 200, 300)[:, :400], "page 2 (400 × 512 px)"),
        (block_means(SLIDE, 2), ""),  # a level without its mark
        (SLIDE[:64, :64], ""),
    ],
)
def test_picture_that_is_ignored_is_named(tmp_path: Path, second: np.ndarray, named: str):
    slide = write_pages(tmp_path / "a.tif", {"data": SLIDE}, {"data": second})
    reason, attrs = reason_of(slide)
    assert reason is None
    assert attrs["other_pictures"] == named


def test_every_ignored_picture_is_named(tmp_path: Path):
    focus = [{"data": np.roll(SLIDE, shift, 0)} for shift in range(4)]
    slide = write_pages(
        tmp_path / "a.tif", *focus, {"data": block_means(SLIDE, 4), "subfiletype": 1}
    )
    _, attrs = reason_of(slide)
    pages = [f"page {page} (512 × 512 px)" for page in (2, 3, 4)]
    assert attrs["other_pictures"] == ", ".join(pages)


def test_layers_that_openslide_takes_for_levels_are_named(tmp_path: Path):
    header = {"description": "Aperio Image Library v0|AppMag = 20|MPP = 0.5"}
    focus = [header | {"data": np.roll(SLIDE, shift, 0)} for shift in range(3)]
    slide = write_pages(tmp_path / "a.svs", *focus, header | {"data": block_means(SLIDE, 4)})
    _, attrs = reason_of(slide)
    assert attrs["vendor"] == "aperio"
    assert attrs["other_pictures"] == "page 2 (512 × 512 px), page 3 (512 × 512 px)"


def test_levels_labels_and_scanned_areas_are_no_other_pictures(tmp_path: Path, realdata: Path):
    areas = {(0, 0): tissue(512, 512), (512, 0): tissue(512, 512, seed=1)}
    slides = [
        (write_slide(tmp_path / "a.svs", SLIDE, factors=(1, 2, 4)), None),
        (write_scn(tmp_path / "a.scn", (1024, 512), areas), None),
        *((path, 0.5) for path in (realdata / "slides").glob("*.*") if path.suffix != ".csv"),
    ]
    for path, mpp in slides:
        with SlideReader(path, mpp) as reader:
            assert reader.other_pictures == ""


@pytest.mark.parametrize("tiled", [True, False])
def test_larger_picture_behind_an_overview_is_refused(tmp_path: Path, tiled: bool):
    whole = {"data": SLIDE} | ({} if tiled else {"tile": None})
    slide = write_pages(tmp_path / "a b.tif", {"data": block_means(SLIDE, 4)}, whole)
    reason = refused(slide)
    assert reason.code == "larger_picture_ignored"
    assert reason.detail == "page 2 (512 × 512 px); OpenSlide reads page 1 (128 × 128 px)"
    assert "vips copy 'a b.tif[page=1]'" in reason.remedy


UNSUPPORTED: dict[str, tuple[dict[str, Any], str, str]] = {
    "strips": ({"tile": None}, "stored in strips", "vips copy"),
    "strips of JPEG": ({"tile": None, "compression": "jpeg"}, "stored in strips", "vips copy"),
    "WebP": ({"compression": "webp"}, "compressed as WEBP", "vips copy"),
    "Aperio's JPEG 2000": (
        {"compression": "aperio_jp2000_rgb"}, "compressed as APERIO_JP2000_RGB", "bfconvert",
    ),
    "JPEG 2000": ({"compression": "jpeg2000"}, "compressed as JPEG2000", "bfconvert"),
    "JPEG 2000 in 16 bits": (
        {"data": SLIDE.astype(np.uint16) * 257, "compression": "jpeg2000"}, "16 bits", "bfconvert",
    ),
    "JPEG XL": ({"compression": "jpegxl"}, "compressed as JPEGXL", "gdal_translate"),
    "JPEG XR": ({"compression": "jpegxr"}, "compressed as JPEGXR", "8 bits per colour"),
    "JPEG XR of NDPI": ({"compression": "jpegxr_ndpi"}, "compressed as JPEGXR_NDPI", "bfconvert"),
    "PNG": ({"compression": "png"}, "compressed as PNG", "8 bits per colour"),
    "LERC": ({"compression": "lerc"}, "compressed as LERC", "vips copy"),
    "16 bits in strips": (
        {"data": SLIDE.astype(np.uint16) * 257, "tile": None}, "16 bits per colour", "vips cast",
    ),
    "floating point": (
        {"data": (SLIDE / 255).astype(np.float32)}, "32 bits per colour", "8 bits per colour",
    ),
    "grey in strips": (
        {"data": SLIDE[..., 0], "tile": None, "photometric": "minisblack"}, "one colour",
        "in colours",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_intact_tiff_that_openslide_does_not_read_says_what_it_is(tmp_path: Path, kind: str):
    options, detail, remedy = UNSUPPORTED[kind]
    reason = refused(write_pages(tmp_path / "a.tif", {"data": SLIDE} | options))
    assert reason.code == "slide_unsupported"
    assert detail in reason.detail
    assert remedy in reason.remedy
    assert "again" not in reason.remedy


APERIO = {"description": "Aperio Image Library v0|AppMag = 20|MPP = 0.5"}


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_jpeg_2000_of_more_than_8_bits_is_not_shown_by_its_lower_ones(tmp_path: Path, bits: int):
    values = (SLIDE.astype(np.uint16) << (bits - 8)) + 1
    page = APERIO | {"data": values, "compression": "aperio_jp2000_rgb"}
    reason = refused(write_pages(tmp_path / "a.svs", page))
    assert reason.code == "slide_unsupported"
    assert "JPEG 2000" in reason.detail
    assert "bfconvert" in reason.remedy


@pytest.mark.parametrize("photometric", tifffile.PHOTOMETRIC)
def test_three_channels_that_are_not_said_to_be_colours_are_refused(tmp_path: Path, photometric):
    if photometric.name in ("RGB", "YCBCR", "PALETTE"):
        return
    slide = write_pages(tmp_path / "a.tif", {"data": SLIDE})
    with tifffile.TiffFile(slide, mode="r+b") as tiff:
        tiff.pages[0].tags["PhotometricInterpretation"].overwrite(int(photometric))
    reason = refused(slide)
    assert reason.code == "slide_unsupported"
    assert photometric.name in reason.detail


@pytest.mark.parametrize("name", ["a.svs", "a.tif"])
def test_larger_picture_behind_one_that_openslide_cannot_use_is_named(tmp_path: Path, name: str):
    header = APERIO if name == "a.svs" else {}
    first = {"data": block_means(SLIDE, 4)} | ({} if header else {"tile": None})
    slide = write_pages(tmp_path / name, header | first, header | {"data": SLIDE})
    reason = refused(slide)
    assert reason.code == "slide_unsupported"
    assert reason.detail == "page 2 (512 × 512 px): the first page is another picture"
    assert f"vips copy '{name}[page=1]'" in reason.remedy


@pytest.mark.parametrize("compression", ["zlib", "jpeg", "aperio_jp2000_rgb"])
def test_what_is_damaged_is_not_called_unsupported(tmp_path: Path, compression: str):
    slide = write_slide(tmp_path / "a.svs", tissue(128, 128), factors=(1,), compression=compression)
    damage(slide, 0, 0)
    reason = refused(slide)
    assert reason.code == "slide_region_unreadable"
    assert "again" in reason.remedy


@pytest.mark.parametrize("options", [{"tile": None}, {"compression": "webp"}])
def test_what_is_cut_short_is_not_called_intact(tmp_path: Path, options: dict[str, Any]):
    slide = write_pages(tmp_path / "a.tif", {"data": tissue(512, 512)} | options)
    with slide.open("r+b") as file:
        file.truncate(slide.stat().st_size - 2000)
    reason = refused(slide)
    assert reason.code == "slide_unreadable"
    assert "again" in reason.remedy


@pytest.mark.parametrize(
    ("name", "content", "detail", "remedy"),
    [
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "vips copy a.jp2"),
        ("a.svs", b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000", "vips copy"),
        ("a.jxl", b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", "vips copy"),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG", "vips copy"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "PNG", "vips copy"),
        ("a.czi", b"ZISRAWFILE\0\0", "CZI", "bfconvert"),
        ("a.nd2", b"\xda\xce\xbe\x0a", "ND2", "bfconvert"),
        ("a.lif", b"\x70\0\0\0", "LIF", "bfconvert"),
        ("a.ets", b"SIS\0", "ETS", "bfconvert"),
        ("a.vsi", b"II*\0", "VSI", "bfconvert"),
        ("a.zvi", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ZVI", "bfconvert"),
        ("a.isyntax", b'<DataObject ObjectType="DPUfsImport">', "iSyntax", "libisyntax"),
        ("a.isyntax", b'<?xml version="1.0"?>\n<DataObject>', "iSyntax", "libisyntax"),
        ("a.isyntax", b"\0" * 300, "iSyntax", "libisyntax"),
        ("a.kfb", b"\0" * 300, "maker", "scanner's software"),
        ("a.svs", b"PK\x03\x04", "ZIP", "Unpack"),
        ("a.svs", b"\x1f\x8b\x08", "gzip", "Unpack"),
        ("a.svs", b"\0" * 257 + b"ustar\0", "tar", "Unpack"),
        ("a.mrxs", b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "vips copy a.mrxs"),
        ("a.svs", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
    ],
)
def test_file_of_another_kind_says_what_it_is(tmp_path: Path, name, content, detail, remedy):
    slide = tmp_path / name
    slide.write_bytes(content + b"\0" * 100)
    reason = refused(slide)
    assert reason.code == "slide_unsupported"
    assert detail in reason.detail
    assert remedy in reason.remedy


def test_web_page_in_a_slides_place_is_named(tmp_path: Path):
    slide = tmp_path / "a.svs"
    slide.write_text("<!DOCTYPE html><html>please log in</html>")
    assert refused(slide).detail == "a web page"


def test_slide_without_the_files_that_belong_to_it_names_them(tmp_path: Path):
    slide = tmp_path / "a.mrxs"
    slide.write_bytes(b"\xff\xd8\xff\xe0")
    reason = refused(slide)
    assert reason.code == "slide_incomplete"
    assert reason.remedy == "Copy the folder a with its Slidedat.ini beside it"
    slide = tmp_path / "a.vms"
    slide.write_text("[Virtual Microscope Specimen]\nNoLayers=1\nImageFile=a.jpg\nMapFile=m.jpg\n")
    (tmp_path / "a.jpg").touch()
    assert refused(slide).remedy == "Copy m.jpg beside it"


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_values_that_do_not_fill_their_bits_are_refused(tmp_path: Path, bits: int):
    values = SLIDE.astype(np.uint16) * 257 >> (16 - bits)
    reason = refused(write_levels(tmp_path / "a.tif", values))
    assert reason.code == "values_not_8_bit"
    assert reason.detail == f"16 bits per colour, of which the values use {bits}"
    factor = float(reason.remedy.split("' ")[1].split()[0])
    scaled = np.clip(values * factor, 0, 255)
    assert np.abs(scaled - SLIDE).max() <= 2


def test_values_that_fill_16_bits_are_read(tmp_path: Path):
    slide = write_levels(tmp_path / "a.tif", SLIDE.astype(np.uint16) * 257)
    np.testing.assert_array_equal(pixels_of(slide), SLIDE)


OPAQUE = np.full((512, 512), 255, np.uint8)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": None},
        {"compression": "lzw"},
        {"compression": "packbits"},
        {"compression": "zlib", "predictor": True},
        {"data": np.moveaxis(SLIDE, 2, 0).copy(), "planarconfig": "separate"},
        {"data": np.dstack([SLIDE, OPAQUE]), "extrasamples": ["unassalpha"]},
    ],
)
def test_tiled_tiff_of_these_kinds_is_read(tmp_path: Path, options: dict[str, Any]):
    slide = write_pages(tmp_path / "a.tif", {"data": SLIDE} | options)
    np.testing.assert_array_equal(pixels_of(slide), SLIDE)


GREY = SLIDE.mean(axis=2).astype(np.uint8)
BLANKS: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "one channel": ([{"data": GREY, "photometric": "minisblack"}], "slide_grey", "1 page"),
    "three channels": (
        [{"data": SLIDE[..., i], "photometric": "minisblack"} for i in range(3)],
        "slide_grey", "3 pages",
    ),
    "16 bits": (
        [{"data": GREY.astype(np.uint16) * 257, "photometric": "minisblack"}], "slide_grey", "1 p",
    ),
    "12 of 16 bits": (
        [{"data": GREY.astype(np.uint16) * 16, "photometric": "minisblack"}], "slide_grey", "1 p",
    ),
    "fluorescence in channels": (
        [{"data": GREY // 10, "photometric": "minisblack"}] * 5, "slide_grey", "5 pages",
    ),
    "grey in colours": ([{"data": np.stack([GREY] * 3, axis=-1)}], "slide_grey", "grey"),
    "black": ([{"data": np.zeros_like(SLIDE)}], "slide_black", "0 of 255"),
    "nearly black": ([{"data": np.full_like(SLIDE, (0, 0, 2))}], "slide_black", "2 of 255"),
    "fluorescence": ([{"data": SLIDE // 20}], "slide_black", "12 of 255"),
    "fluorescence in blue": (
        [{"data": (255 - SLIDE) * np.uint8([0, 0, 1])}], "slide_black", "fluorescence",
    ),
    "fluorescence in red": (
        [{"data": (255 - SLIDE) // 2 * np.uint8([1, 0, 0]) + np.uint8(2)}],
        "slide_black", "2 of 255 in all",
    ),
    "transparent": (
        [{"data": np.dstack([SLIDE, 0 * GREY]), "extrasamples": ["unassalpha"]}],
        "slide_transparent", "alpha",
    ),
    "translucent": (
        [{"data": np.dstack([SLIDE, 0 * GREY + 128]), "extrasamples": ["unassalpha"]}],
        "slide_transparent", "translucent",
    ),
    "a fourth channel that is not alpha": (
        [{"data": np.dstack([SLIDE, GREY]), "extrasamples": ["unspecified"]}],
        "slide_transparent", "fourth channel",
    ),
    "white": ([{"data": np.full_like(SLIDE, 255)}], "no_tissue", "0 mm²"),
    "glass": ([{"data": np.full_like(SLIDE, GLASS)}], "no_tissue", "0 mm²"),
}  # fmt: skip


def test_pages_that_may_be_red_green_and_blue_are_joined_by_a_command(tmp_path: Path):
    pages = [{"data": SLIDE[..., i], "photometric": "minisblack"} for i in range(3)]
    for name in ("tiles", "strips"):
        options = {"tile": None} if name == "strips" else {}
        slide = write_pages(tmp_path / f"a {name}.tif", *[page | options for page in pages])
        remedy = refused(slide).remedy
        # libvips takes the list apart at the spaces.
        assert rf"vips bandjoin 'a\ {name}.tif[page=0] a\ {name}.tif[page=1] " in remedy
        assert remedy.endswith("--interpretation srgb`")


@pytest.mark.parametrize("kind", BLANKS)
def test_slide_that_shows_no_section_says_what_it_is(tmp_path: Path, kind: str):
    pages, code, detail = BLANKS[kind]
    slide = write_pages(tmp_path / "a.tif", *pages)
    reason = refused(slide)
    assert reason.code == code
    assert detail in reason.detail
    # The later steps go on, and the overview shows what was seen.
    tiles, metrics, verdicts = (tmp_path / f"{name}.h5" for name in ("a", "metrics", "qc"))
    extract_patches(
        slide, tiles, metrics, tmp_path / "patches.h5", slide="a", reference_path=None,
        parameters=PATCHES,
    )  # fmt: skip
    judge_slide(tiles, metrics, verdicts, slide="a", parameters=QC)
    draw_overview(tiles, verdicts, tmp_path / "a.png", slide="a")
    assert (tmp_path / "a.png").stat().st_size
