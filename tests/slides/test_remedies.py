"""The commands that our errors print, run as they stand, give slides that we read."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from histotransfer.core.exclusions import Reason
from histotransfer.core.hdf5 import open_store
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.tiles import tile_slide
from support.parameters import TILING
from support.slides import Pixels, block_means, on_glass

pytestmark = pytest.mark.skipif(
    not (shutil.which("vips") and shutil.which("tiffset")),
    reason="libvips' and libtiff's tools are not installed",
)

SLIDE = on_glass(512, 100, 100, 300, 300)
GREY = SLIDE.mean(axis=2).astype(np.uint8)
HIGH = SLIDE.reshape(256, 2, 512, 3).mean(axis=1).astype(np.uint8)
APERIO = {"description": "Aperio Image Library v0|AppMag = 20|MPP = 0.5"}
ALLOWED = 6.0
"""Mean difference in grey levels that JPEG makes of painted noise, once or twice, at most."""


def pages(*options: dict[str, Any]) -> Callable[[Path], None]:
    """Return what writes a TIFF of these pages, each like the slide but for its options."""
    common: dict[str, Any] = {
        "data": SLIDE, "photometric": "rgb", "tile": (128, 128), "compression": "zlib",
        "metadata": None, "resolution": (20000, 20000), "resolutionunit": "CENTIMETER",
    }  # fmt: skip

    def write(path: Path) -> None:
        with tifffile.TiffWriter(path) as tiff:
            for option in options:
                tiff.write(**common | option)

    return write


def called(photometric: int) -> Callable[[Path], None]:
    """Return what writes a slide whose tag calls its colours something else."""

    def write(path: Path) -> None:
        pages({})(path)
        with tifffile.TiffFile(path, mode="r+b") as tiff:
            tiff.pages[0].tags["PhotometricInterpretation"].overwrite(photometric)

    return write


def picture(image: Pixels) -> Callable[[Path], None]:
    """Return what writes a plain picture."""
    return lambda path: Image.fromarray(image).save(path)


TURNED = {"extratags": [(274, 3, 1, 3, True)]}
KINDS: dict[str, tuple[str, Callable[[Path], None], Pixels]] = {
    "turned": ("a.tif", pages(TURNED), np.rot90(SLIDE, 2)),
    "behind an overview": ("a b.tif", pages({"data": block_means(SLIDE, 4)}, {}), SLIDE),
    "behind an ordinary picture": (
        "a.svs", pages(APERIO | {"data": block_means(SLIDE, 4), "tile": None}, APERIO), SLIDE,
    ),
    "strips": ("a.tif", pages({"tile": None}), SLIDE),
    "WebP": ("a.tif", pages({"compression": "webp"}), SLIDE),
    "16 bits in strips": (
        "a.tif", pages({"data": SLIDE.astype(np.uint16) * 257, "tile": None}), SLIDE,
    ),
    "12 of 16 bits": ("a.tif", pages({"data": SLIDE.astype(np.uint16) * 16}), SLIDE),
    "called CIELAB": ("a.tif", called(8), SLIDE),
    "called grey": ("a.tif", called(1), SLIDE),
    "called inverted grey": ("a b.tif", called(0), SLIDE),
    "three pages": (
        "it's a.tif",
        pages(*({"data": SLIDE[..., i], "photometric": "minisblack"} for i in range(3))),
        SLIDE,
    ),
    "a fourth channel": (
        "a.tif",
        pages({"data": np.dstack([SLIDE, 0 * GREY + 128]), "extrasamples": ["unassalpha"]}),
        SLIDE,
    ),
    "pixels twice as high": (
        "a.tif", pages({"data": HIGH, "resolution": (20000, 10000)}), block_means(SLIDE, 2),
    ),
    "PNG": ("a.png", picture(SLIDE), SLIDE),
    "JPEG": ("a.jpg", picture(SLIDE), SLIDE),
    "JPEG 2000": ("a.jp2", picture(SLIDE), SLIDE),
}  # fmt: skip


def refused(slide: Path) -> Reason:
    """Tile a slide that cannot be used; return why."""
    tile_slide(slide, slide.with_suffix(".h5"), slide="a", sheet_mpp=None, parameters=TILING)
    with open_store(slide.with_suffix(".h5"), "tiles/1", slide="a") as store:
        reason = Reason.of(dict(store.attrs))
    assert reason is not None
    return reason


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_that_is_printed_makes_a_slide(tmp_path: Path, kind: str):
    name, write, expected = KINDS[kind]
    write(tmp_path / name)
    command, *_ = re.findall("`(.*?)`", refused(tmp_path / name).remedy)
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    with SlideReader(tmp_path / "OUT.tif", 0.5) as reader:
        assert (reader.width, reader.height) == expected.shape[1::-1]
        found = np.asarray(reader.read(0, 0, 0, *expected.shape[1::-1]))
    assert np.abs(found.astype(float) - expected).mean() < ALLOWED
