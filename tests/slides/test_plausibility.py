"""A scale that cannot be true is doubted, a true one is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histotransfer.core.hdf5 import open_store
from histotransfer.imaging.structure import structure_radius
from histotransfer.simulate.slides import write_slide as write_simulated
from histotransfer.slides.plausibility import _of_the_objective, scale_doubts
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.tiles import tile_slide
from support.parameters import TILING
from support.slides import Pixels, stained, write_slide


def nuclei(size: int, radius: float) -> Pixels:
    """Paint round nuclei of about a radius (px), scattered over eosin."""
    random = np.random.default_rng(1)
    haematoxylin = np.full((size, size), 0.05)
    for _ in range(int((size / radius) ** 2 / 15)):
        centre = random.uniform(0, size, 2)
        own = radius * random.uniform(0.8, 1.2)
        left, top = np.maximum(centre - own, 0).astype(int)
        right, bottom = np.ceil(centre + own).astype(int) + 1
        around = haematoxylin[top:bottom, left:right]
        y, x = np.indices(around.shape)
        inside = (x + left - centre[0]) ** 2 + (y + top - centre[1]) ** 2 < own**2
        around[inside] = 0.6
    return stained(haematoxylin, random.uniform(0.15, 0.25, (size, size)))


@pytest.mark.parametrize("radius", [4, 8, 16])
def test_the_radius_of_painted_nuclei_is_found(radius: int):
    assert structure_radius([nuclei(512, radius)]) == pytest.approx(radius, rel=0.35)


def test_what_shows_too_little_has_no_radius():
    assert structure_radius([]) is None
    assert structure_radius([np.full((64, 64, 3), 243, np.uint8)]) is None
    assert structure_radius([np.full((64, 64, 3), 9, np.uint8)]) is None


@pytest.mark.parametrize(
    ("mpp", "power", "vendor", "doubted"),
    [
        (0.5, "20", "aperio", False),
        (0.2525, "40", "aperio", False),
        (0.465, "20", "ventana", False),
        (0.2428, "20", "mirax", False),
        (0.22, "20", "zeiss", False),
        (0.05, "20", "aperio", True),
        (0.05, "20", "mirax", True),
        (0.5, "40", "aperio", True),
        (0.25, "20", "aperio", True),
        (0.252, "20", "aperio", True),
        (2.5, "40", "", True),
        (0.05, "", "", False),
        (0.05, "0", "", False),
        (0.05, "nan", "", False),
        (0.05, "twenty", "", False),
    ],
)
def test_the_objective_speaks_against_a_scale_that_is_twice_its_own(mpp, power, vendor, doubted):
    assert bool(_of_the_objective(mpp, power, vendor)) == doubted


def doubts_of(tmp_path: Path, header_mpp: float, sheet_mpp: float | None = None) -> str:
    slide = write_slide(tmp_path / "s.svs", nuclei(1024, 6), mpp=header_mpp)
    tile_slide(slide, tmp_path / "t.h5", slide="S", sheet_mpp=sheet_mpp, parameters=TILING)
    with open_store(tmp_path / "t.h5", "tiles/1") as store:
        return str(store.attrs["scale_doubts"])


def test_a_doubtful_scale_is_recorded_whoever_gives_it(tmp_path: Path):
    assert doubts_of(tmp_path, 0.5) == ""
    doubts = doubts_of(tmp_path, 0.05)
    assert "a 20× objective gives about 0.5 µm/px, not 0.05" in doubts
    assert "smaller than nuclei" in doubts
    assert "not 0.25" in doubts_of(tmp_path, 0.5, sheet_mpp=0.25)


def test_a_scale_that_leaves_no_tile_is_named(tmp_path: Path):
    image = np.full((2400, 2400, 3), 243, np.uint8)
    image[400:2000, 400:2000] = nuclei(1600, 6)
    tags = (200_000, 200_000), "CENTIMETER"  # 0.05 µm/px
    slides = {
        "no_tissue": write_slide(tmp_path / "a.tif", image, mpp=None, tags=tags),
        "too_coarse": write_slide(tmp_path / "a.svs", image, mpp=5.0),
    }
    for code, slide in slides.items():
        tile_slide(slide, tmp_path / "t.h5", slide="S", sheet_mpp=None, parameters=TILING)
        with open_store(tmp_path / "t.h5", "tiles/1") as store:
            assert store.attrs["code"] == code
            assert "scale" in store.attrs["remedy"]
            assert store.attrs["scale_doubts"]


@pytest.mark.parametrize("colour", [(0, 0, 2), (30, 30, 60)])
def test_padding_is_not_taken_for_a_structure(tmp_path: Path, colour: tuple[int, int, int]):
    image = nuclei(1024, 6)
    image[:, :400] = image[:200] = colour
    slide = write_slide(tmp_path / "s.svs", image)
    tile_slide(slide, tmp_path / "t.h5", slide="S", sheet_mpp=None, parameters=TILING)
    with open_store(tmp_path / "t.h5", "tiles/1") as store:
        assert store.attrs["scale_doubts"] == ""


@pytest.mark.parametrize("number", [3, 35])
def test_a_pen_is_not_taken_for_a_structure(tmp_path: Path, number: int):
    """A simulated slide with marks, all over which its tiles are looked at."""
    path = tmp_path / "s.svs"
    write_simulated(
        path, slide=f"SIM-01-{number:04d}-01Z-00-DX1", seed=20220112, slide_px=1728, mpp=0.5
    )
    tile_slide(path, tmp_path / "t.h5", slide="S", sheet_mpp=None, parameters=TILING)
    with open_store(tmp_path / "t.h5", "tiles/1", slide="S") as tiles:
        assert len(tiles["coords"]) > 20
        assert tiles.attrs["scale_doubts"] == ""


@pytest.mark.parametrize(
    ("name", "mpp"), [("CMU-1-Small-Region.svs", 0.499), ("TCGA-CR-7395-01A-01-TS1.svs", 0.5)]
)
@pytest.mark.parametrize("factor", [1, 2])
def test_real_slides_are_not_doubted_at_their_own_scale(
    realdata: Path, tmp_path: Path, name: str, mpp: float, factor: int
):
    with SlideReader(realdata / "slides" / name, mpp) as reader:
        region = reader.read(0, 0, 0, 2048, 2048)
    image = np.asarray(region.reduce(factor) if factor > 1 else region)
    slide = write_slide(tmp_path / "s.tif", image, mpp=None, tags=((2e4, 2e4), "CENTIMETER"))
    steps = np.arange(0, len(image) - 256, 300)
    corners = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2).astype(np.int32)
    with SlideReader(slide, factor * mpp) as reader:
        assert scale_doubts(reader, corners) == ""
    with SlideReader(slide, factor * mpp / 8) as reader:
        assert "smaller" in scale_doubts(reader, corners)
