"""Kept tiles as QuPath takes them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store
from histotransfer.qc.qupath import write_geojson
from histotransfer.qc.verdicts import REASONS
from support.qc import write_qc


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


def test_verdicts_of_another_slide_are_refused(tmp_path: Path):
    write_qc(tmp_path, "S", ["kept"])
    with pytest.raises(HistotransferError, match="is of slide S, expected T"):
        write_geojson(tmp_path / "S.h5", tmp_path / "q.geojson", slide="T")
