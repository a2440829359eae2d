"""Kept tiles as QuPath takes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import openslide
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.qc.qupath import FRAME, write_geojson
from histotransfer.qc.verdicts import REASONS, judge_slide
from histotransfer.slides.tiles import tile_slide
from support.parameters import PATCHES, QC, TILING
from support.qc import write_qc
from support.slides import tissue, write_scn


@pytest.mark.parametrize("reasons", [["kept", "pen", "kept"], ["blurred"] * 3, []])
def test_every_kept_tile_is_a_closed_square_in_level0_pixels(tmp_path: Path, reasons: list[str]):
    coords = np.array([[10, 20], [458, 20], [10, 468]], np.int32)[: len(reasons)]
    with create_store(tmp_path / "q.h5", "qc/1", {"slide": "S", "patch_size_level0": 448}) as store:
        store["coords"] = coords.reshape(-1, 2)
        values = np.array([REASONS[reason] for reason in reasons], np.uint8)
        store.create_dataset("reason", data=values, dtype=h5py.enum_dtype(REASONS, np.uint8))
    write_geojson(tmp_path / "q.h5", tmp_path / "q.geojson", slide="S")
    collection = json.loads((tmp_path / "q.geojson").read_text())
    assert collection["type"] == "FeatureCollection"
    assert len(collection["features"]) == reasons.count("kept")
    for feature, (x, y) in zip(
        collection["features"], coords[[r == "kept" for r in reasons]].tolist(), strict=True
    ):
        assert feature["geometry"] == {
            "type": "Polygon",
            "coordinates": [[[x, y], [x + 448, y], [x + 448, y + 448], [x, y + 448], [x, y]]],
        }
        # QuPath refuses a classification that has a name and no colour.
        assert feature["properties"] == {
            "objectType": "tile",
            "classification": {"name": "kept", "color": [0, 158, 115]},
        }


@pytest.mark.parametrize(
    "areas",
    [
        {(1024, 640): (512, 512)},
        {(300, 200): (256, 192), (900, 700): (320, 256)},  # two pieces of tissue, glass between
        {(0, 0): (1024, 512)},  # as wide as level 0: QuPath shifts by the bounds all the same
        {(700, 0): (324, 1024)},
    ],
)
def test_polygons_lie_where_qupath_shows_the_tissue(
    tmp_path: Path, areas: dict[tuple[int, int], tuple[int, int]]
):
    painted = {corner: tissue(height, width) for corner, (width, height) in areas.items()}
    slide = write_scn(tmp_path / "s.scn", (2048, 1536), painted)
    files = [tmp_path / name for name in ("t.h5", "m.h5", "p.h5", "q.h5", "q.geojson")]
    tile_slide(slide, files[0], slide="S", sheet_mpp=None, parameters=TILING)
    extract_patches(slide, *files[:3], slide="S", reference_path=None, parameters=PATCHES)
    judge_slide(files[0], files[1], files[3], slide="S", parameters=replace(QC, min_sharpness=0))
    write_geojson(files[3], files[4], slide="S")
    collection = json.loads(files[4].read_text())
    with openslide.OpenSlide(slide) as opened:
        left, top, width, height = (
            int(opened.properties[f"openslide.bounds-{name}"])
            for name in ("x", "y", "width", "height")
        )
    assert collection["frame"] == {"name": FRAME, "origin_level0_px": [left, top]}
    shown = np.zeros((height, width), bool)
    for (x, y), (across, down) in areas.items():
        shown[y - top : y - top + down, x - left : x - left + across] = True
    assert len(collection["features"]) > 10
    for feature in collection["features"]:
        (x0, y0), _, (x1, y1), *_ = feature["geometry"]["coordinates"][0]
        assert shown[y0:y1, x0:x1].mean() > 0.45


def test_verdicts_of_another_slide_are_refused(tmp_path: Path):
    write_qc(tmp_path, "S", ["kept"])
    with pytest.raises(HistotransferError, match="is of slide S, expected T"):
        write_geojson(tmp_path / "S.h5", tmp_path / "q.geojson", slide="T")
