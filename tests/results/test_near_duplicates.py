"""Patches of both training and evaluation: refused where equal, counted where nearly so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table
from histotransfer.patches.from_folders import pack_dataset
from histotransfer.results.near_duplicates import NEAR_DUPLICATES, write_near_duplicates
from support.parameters import ENCODING
from support.slides import tissue


def store(folder: Path, name: str, images: dict[str, np.ndarray], codec: str = "png") -> Path:
    """Pack pictures, by class and file name."""
    for place, image in images.items():
        path = folder / name / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    encoding = replace(ENCODING, codec=codec)
    out = folder / f"{name}.h5"
    pack_dataset(folder / name, out, dataset=name, patch_px=64, encoding=encoding)
    return out


def painted(first: int, count: int = 4, suffix: str = "png") -> dict[str, np.ndarray]:
    return {f"{'AB'[i % 2]}/{i}.{suffix}": tissue(64, 64, i) for i in range(first, first + count)}


def compared(folder: Path, training: Path, evaluated: Path):
    write_near_duplicates("T", training, {"E": evaluated}, folder / "table.tsv")
    return read_table(folder / "table.tsv", NEAR_DUPLICATES)


def test_other_patches_pass(tmp_path: Path):
    table = compared(tmp_path, store(tmp_path, "T", painted(0)), store(tmp_path, "E", painted(9)))
    (row,) = table.to_dict("records")
    assert (row["dataset"], row["trained_on"]) == ("E", "T")
    assert (row["n"], row["n_blank"], row["n_trained_on"], row["n_near"]) == (4, 0, 4, 0)
    assert 0 <= row["agreement"] < 0.8


def test_near_duplicates_are_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    training = store(tmp_path, "T", painted(0, 20))
    copies = {
        "A/turned.png": np.rot90(tissue(64, 64, 3)),
        "B/paler.png": (tissue(64, 64, 8) * 0.9 + 20).astype(np.uint8),
    }
    table = compared(tmp_path, training, store(tmp_path, "E", {**painted(30), **copies}))
    (row,) = table.to_dict("records")
    assert (row["n"], row["n_near"]) == (6, 2)
    pairs = {"A/turned.png": "B/3.png", "B/paler.png": "A/8.png"}
    assert pairs[row["example"]] == row["example_trained_on"]
    assert row["agreement"] > 0.95
    assert "A/turned.png of E looks like B/3.png of T" in caplog.text
    assert "B/paler.png of E looks like A/8.png of T" in caplog.text


@pytest.mark.parametrize("shared", [1, 4])
def test_equal_patches_are_refused_whatever_their_names_and_formats(tmp_path: Path, shared: int):
    training = store(tmp_path, "T", painted(0), codec="jpeg")
    again = {f"B/other{i}.tif": tissue(64, 64, i) for i in range(shared)}
    evaluated = store(tmp_path, "E", {"A/9.png": tissue(64, 64, 9), **again})
    message = (
        rf"E.h5: {shared} of the {shared + 1} patches of E are also in T, .*; "
        r"B/other0.tif is A/0.png there"
    )
    with pytest.raises(HistotransferError, match=message):
        compared(tmp_path, training, evaluated)
    assert not (tmp_path / "table.tsv").exists()


def test_white_patches_do_not_count(tmp_path: Path):
    white = {"A/white.png": np.full((64, 64, 3), 255, np.uint8)}
    training = store(tmp_path, "T", {**painted(0), **white})
    table = compared(tmp_path, training, store(tmp_path, "E", {**painted(9), **white}))
    assert table[["n_near", "n_blank"]].to_numpy().tolist() == [[0, 1]]
