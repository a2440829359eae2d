"""The verdict on each patch, from its measures alone: no slide is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..core.hdf5 import create_store, open_store
from ..patches import metrics

REASONS = {
    "kept": 0,
    "unreadable": 1,
    "background": 2,
    "pen": 3,
    "dark": 4,
    "blurred": 5,
    "faint": 6,
    "stain": 7,
}
"""The verdicts. `stain`: left out because its stain fit was degenerate and the config says to
exclude such."""


def judge(
    measured: Mapping[str, npt.NDArray[Any]],
    thresholds: Mapping[str, float],
    *,
    max_background_fraction: float,
) -> npt.NDArray[np.uint8]:
    """Give each patch the first reason that applies.

    Parameters
    ----------
    measured : mapping of str to ndarray, (n,)
        The measures by name (`metrics.NAMES`), `unreadable` and `stored`.
    thresholds : mapping
        `max_pen_fraction`, `max_dark_fraction`, `min_sharpness`, `min_od_mean`.
    max_background_fraction : float
        The limit with which the patches were cut.

    Returns
    -------
    ndarray, (n,), uint8
        Values of `REASONS`.
    """
    rules = {
        "unreadable": measured["unreadable"] == 1,
        "background": measured["background_fraction"] > max_background_fraction,
        "stain": measured["stored"] == 0,
        "pen": measured["pen_fraction"] > thresholds["max_pen_fraction"],
        "dark": measured["dark_fraction"] > thresholds["max_dark_fraction"],
        "blurred": measured["sharpness"] < thresholds["min_sharpness"],
        "faint": measured["od_mean"] < thresholds["min_od_mean"],
    }
    return np.select(list(rules.values()), [np.uint8(REASONS[name]) for name in rules], np.uint8(0))


def judge_slide(
    tiles_path: str | Path,
    metrics_path: str | Path,
    qc_path: str | Path,
    *,
    thresholds: Mapping[str, float],
) -> None:
    """Judge a slide's patches and write the verdicts (`qc/1`).

    Parameters
    ----------
    tiles_path, metrics_path : str or Path
        The slide's `tiles/1` and `measures/1`.
    qc_path : str or Path
        The file to write.
    thresholds : mapping
        Those of `judge`.
    """
    names = (*metrics.NAMES, "unreadable", "stored")
    with (
        open_store(tiles_path, "tiles/1") as tiles,
        open_store(metrics_path, "measures/1") as store,
    ):
        tissue_mm2, attrs = tiles.attrs.get("tissue_mm2", ""), dict(store.attrs)
        measured = {name: store[name][:] for name in names}
        # A slide that failed after tiling has tiles and no metrics: it keeps its picture alone.
        coords = tiles["coords"][: len(measured["stored"])]
    reason = judge(
        measured, thresholds, max_background_fraction=float(attrs["max_background_fraction"])
    )
    own = ("schema", "histotransfer_version")
    kept_attrs = {name: value for name, value in attrs.items() if name not in own}
    kept_attrs |= {name: float(value) for name, value in sorted(thresholds.items())}
    kept_attrs |= {"tissue_mm2": tissue_mm2}
    with create_store(qc_path, "qc/1", kept_attrs) as store:
        store["coords"] = coords
        for name, values in measured.items():
            store[name] = values
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
