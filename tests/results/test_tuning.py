"""Choices at the edges of grids are counted, whichever predictor made them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import read_table
from histotransfer.results.tuning import TUNING, write_tuning


def block(path, hyper, *, task, predictor, settings=()):
    attrs = {"task": task, "extractor": "X", "predictor": predictor}
    with create_store(
        path, "cv/2", {**attrs, "grid": json.dumps(settings) if settings else ""}
    ) as s:
        s["hyper"] = np.array(hyper, dtype=np.float32)[:, None, :]  # repeats, folds, targets
    return path


def counted(folder, blocks, grid):
    write_tuning({"t": {"X": blocks}}, {"t": grid}, folder / "tuning.tsv")
    return read_table(folder / "tuning.tsv", TUNING).to_dict("records")


def test_a_widened_grid_tells_its_ends_what_lies_beyond_and_its_limits(tmp_path):
    chosen = [[0.1, 1.0, 0.01, np.nan], [1e-3, 3e-5, 2.4, 10.0], [0.02, 0.1, 1.0, 100.0]]
    blocks = [
        block(tmp_path / f"{i}.h5", part, task="t", predictor="ridge")
        for i, part in enumerate((chosen[:2], chosen[2:]))
    ]
    (row,) = counted(tmp_path, blocks, {"alpha": [1.0, 0.01, 0.1]})
    assert (row["parameter"], row["lowest"], row["highest"], row["n"]) == ("alpha", 0.01, 1.0, 11)
    assert (row["n_lowest"], row["n_highest"]) == (1, 2)
    assert (row["n_lower"], row["n_higher"]) == (2, 3)  # 1e-3, 3e-5; 2.4, 10, 100
    assert (row["n_lower_limit"], row["n_higher_limit"]) == (1, 1)  # 3e-5; 2.4


def test_scikit_learns_grids_are_told_parameter_by_parameter(tmp_path):
    settings = [
        {"alpha": a, "l1_ratio": r, "kind": k} for a in (1, 2, 3) for r in (0.5,) for k in "ab"
    ]
    chosen = [[0, 1, 2, 3, 4, 5, 5, 5]]
    path = block(tmp_path / "a.h5", chosen, task="t", predictor="elastic_net", settings=settings)
    grid = {"alpha": [1, 2, 3], "l1_ratio": [0.5], "kind": ["a", "b"]}
    (row,) = counted(tmp_path, [path], grid)
    assert (row["parameter"], row["n"], row["n_lowest"], row["n_highest"]) == ("alpha", 8, 2, 4)
    assert all(pd.isna(row[name]) for name in ("n_lower", "n_higher", "n_lower_limit"))


def test_one_value_is_no_grid(tmp_path):
    path = block(tmp_path / "a.h5", [[1.0, 1.0]], task="t", predictor="logistic")
    assert counted(tmp_path, [path], {"C": [1.0]}) == []
