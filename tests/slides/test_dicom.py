"""A slide in DICOM is a folder; any of its files stands for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotransfer.core.errors import SlideError
from histotransfer.core.hdf5 import open_store
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.tiles import tile_slide
from histotransfer.study.file_states import slide_state
from support.dicom import write_dicom, write_dicom_slide
from support.parameters import TILING
from support.slides import block_means, on_glass, write_slide

PICTURE = on_glass(1024, 256, 320, 384, 448)


def coords_of(path: Path, out: Path) -> np.ndarray:
    tile_slide(path, out, slide="a", sheet_mpp=None, parameters=TILING)
    with open_store(out, "tiles/1", slide="a") as store:
        assert store.attrs["code"] == ""
        assert store.attrs["vendor"] == "dicom"
        return store["coords"][:]


def test_folder_and_each_of_its_files_are_the_same_slide(tmp_path: Path):
    folder = write_dicom_slide(tmp_path / "slide.dir", PICTURE)
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / "notes.txt").write_text("no slide")
    paths = [folder, folder / "1_0.dcm", folder / "1_1.dcm"]
    found = [coords_of(path, tmp_path / f"{i}.h5") for i, path in enumerate(paths)]
    x, y = np.meshgrid(np.arange(256, 640, 64), np.arange(320, 768, 64))
    for coords in found:
        np.testing.assert_array_equal(coords, np.stack([x, y], -1).reshape(-1, 2))
    with SlideReader(folder) as reader:
        assert (reader.mpp, reader.mpp_source, reader.downsamples) == (0.5, "header", (1.0, 4.0))


def test_level_that_was_padded_to_whole_tiles_is_passed_over(tmp_path: Path):
    level = np.pad(block_means(PICTURE, 4), ((0, 64), (0, 64), (0, 0)), constant_values=255)
    write_dicom(tmp_path / "0.dcm", PICTURE, mpp=0.5)
    write_dicom(tmp_path / "1.dcm", level, instance=2, level=1, mpp=2.0)
    with SlideReader(tmp_path) as reader:
        scale = reader.scale(target_mpp=1.6, tolerance=0.05, patch_px=64)
        assert (scale.read_level, list(reader.passed_over)) == (0, [1])


def test_files_of_another_slide_are_left_alone_or_named(tmp_path: Path):
    folder = write_dicom_slide(tmp_path, PICTURE, series=1)
    write_dicom_slide(tmp_path, PICTURE[::-1], series=12)  # whose number begins with the first's
    with SlideReader(folder / "12_0.dcm") as reader:
        np.testing.assert_array_equal(reader.read(0, 0, 0, 1024, 1024), PICTURE[::-1])
    with pytest.raises(
        SlideError, match=r"12_0\.dcm and 1_0\.dcm|1_0\.dcm and 12_0\.dcm"
    ) as caught:
        SlideReader(folder)
    assert caught.value.reason.code == "several_slides"


GREY = PICTURE[..., 1:2]
MISREAD: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "one channel": (
        {"picture": GREY, "photometric": "MONOCHROME2"},
        "slide_grey", "0.dcm: one channel, MONOCHROME2", "in colours",
    ),
    "one channel of 16 bits": (
        {"picture": GREY.astype(np.uint16) * 257, "photometric": "MONOCHROME2"},
        "slide_grey", "0.dcm: one channel", "in colours",
    ),
    "16 bits": (
        {"picture": PICTURE.astype(np.uint16) * 257}, "slide_unsupported", "16 != 8", "bfconvert",
    ),
    "YCbCr without compression": (
        {"photometric": "YBR_FULL"}, "slide_unsupported", "YBR_FULL", "bfconvert",
    ),
    "JPEG-LS": (
        {"syntax": "1.2.840.10008.1.2.4.80"}, "slide_unsupported", "transfer syntax", "bfconvert",
    ),
    "a radiograph": (
        {"sop_class": "1.2.840.10008.5.1.4.1.1.2"},
        "slide_unsupported", "0.dcm: DICOM, but no whole-slide image", "path of the slide",
    ),
    "a label alone": (
        {"kind": "ORIGINAL\\PRIMARY\\LABEL\\NONE"}, "slide_incomplete", "label", "other files",
    ),
    "without rows": ({"without": [(0x28, 0x10)]}, "slide_unreadable", "00280010", "again"),
    "without a series": ({"without": [(0x20, 0x0E)]}, "slide_unreadable", "Series", "again"),
    "without a scale": ({"without": [(0x5200, 0x9229)]}, "no_mpp", "header", "column `mpp`"),
}  # fmt: skip


@pytest.mark.parametrize("by_folder", [True, False])
@pytest.mark.parametrize("kind", MISREAD)
def test_what_openslide_does_not_read_says_what_it_is(tmp_path: Path, kind: str, by_folder: bool):
    options, code, detail, remedy = MISREAD[kind]
    file = write_dicom(tmp_path / "0.dcm", **{"picture": PICTURE, "mpp": 0.5} | options)
    with pytest.raises(SlideError) as caught:
        SlideReader(tmp_path if by_folder else file)
    reason = caught.value.reason
    assert reason.code == code
    assert detail in reason.detail
    assert remedy in reason.remedy


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [("", "in colours"), ("ORIGINAL\\PRIMARY\\LABEL\\NONE", "Move 1.dcm out")],
)
def test_one_file_that_spoils_the_slide_is_named(tmp_path: Path, kind: str, remedy: str):
    whole = write_dicom(tmp_path / "0.dcm", PICTURE, mpp=0.5)
    write_dicom(
        tmp_path / "1.dcm", GREY[::4, ::4], mpp=2, instance=2, level=1, kind=kind,
        photometric="MONOCHROME2",
    )  # fmt: skip
    write_dicom(tmp_path / "2.dcm", GREY, mpp=2, series=2, photometric="MONOCHROME2")
    with pytest.raises(SlideError) as caught:
        SlideReader(whole)
    assert caught.value.reason.detail == "1.dcm: one channel, MONOCHROME2"
    assert remedy in caught.value.reason.remedy


@pytest.mark.parametrize("by_folder", [True, False])
def test_two_pictures_of_one_level_are_not_one_slide(tmp_path: Path, by_folder: bool):
    file = write_dicom(tmp_path / "0.dcm", PICTURE, mpp=0.5)
    write_dicom(tmp_path / "1.dcm", PICTURE[::-1], mpp=0.5, instance=2)
    with pytest.raises(SlideError) as caught:
        SlideReader(tmp_path if by_folder else file)
    assert caught.value.reason.code == "several_slides"
    assert "1.dcm" in caught.value.reason.detail


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "slide_not_a_file"), (bytes(128) + b"DICM" + bytes(99), "slide_unreadable")],
)
def test_folder_without_a_slide_says_so(tmp_path: Path, content: bytes | None, code: str):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_slide(folder / "a.svs", PICTURE)
    if content:
        (folder / "a.dcm").write_bytes(content)
    with pytest.raises(SlideError) as caught:
        SlideReader(folder)
    assert caught.value.reason.code == code
    assert caught.value.subject == str(folder)


def test_state_of_a_folder_sees_every_file(tmp_path: Path):
    folder = write_dicom_slide(tmp_path / "slide", PICTURE)
    states = [slide_state(folder)]
    last = folder / "1_1.dcm"
    before = last.stat()
    os.utime(last, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    states.append(slide_state(folder))
    last.write_bytes(last.read_bytes() + b"\0")
    os.utime(last, ns=(before.st_atime_ns, before.st_mtime_ns))
    states.append(slide_state(folder))
    last.rename(folder / "1_2.dcm")
    states.append(slide_state(folder))
    assert len(set(states)) == 4
    assert slide_state(folder) == states[-1]


def test_state_of_a_mirax_slide_sees_its_folder(tmp_path: Path):
    slide, part = tmp_path / "a.mrxs", tmp_path / "a/Data0000.dat"
    slide.write_bytes(b"index")
    alone = slide_state(slide)
    part.parent.mkdir()
    part.write_bytes(b"pixels")
    whole = slide_state(slide)
    part.write_bytes(b"other pixels")
    assert len({alone, whole, slide_state(slide)}) == 3
    assert alone.startswith("5 bytes, ")
