"""The verdict on each patch, from its metrics alone: no slide is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..core.hdf5 import create_store, open_store
from ..patches import metrics
from ..study.parameters import QcParameters

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
"""The verdicts. `stain`: its stain could not be estimated, and the config excludes such patches."""


def judge(
    measured: Mapping[str, npt.NDArray[Any]],
    parameters: QcParameters,
    *,
    max_background_fraction: float,
) -> npt.NDArray[np.uint8]:
    """Give each patch the first reason that applies.

    Parameters
    ----------
    measured : mapping of str to ndarray, (n,)
        The metrics by name (`metrics.NAMES`), `unreadable` and `stored`.
    parameters : QcParameters
    max_background_fraction : float
        The limit with which the patches were extracted.

    Returns
    -------
    ndarray, (n,), uint8
        Values of `REASONS`.
    """
    rules = {
        "unreadable": measured["unreadable"] == 1,
        "background": measured["background_fraction"] > max_background_fraction,
        "stain": measured["stored"] == 0,
        "pen": measured["pen_fraction"] > parameters.max_pen_fraction,
        "dark": measured["dark_fraction"] > parameters.max_dark_fraction,
        "blurred": measured["sharpness"] < parameters.min_sharpness,
        "faint": measured["od_mean"] < parameters.min_od_mean,
    }
    return np.select(list(rules.values()), [np.uint8(REASONS[name]) for name in rules], np.uint8(0))


def judge_slide(
    tiles_path: str | Path,
    metrics_path: str | Path,
    qc_path: str | Path,
    *,
    slide: str,
    parameters: QcParameters,
) -> None:
    """Judge a slide's patches and write the verdicts (`qc/1`).

    Parameters
    ----------
    tiles_path, metrics_path : str or Path
        The slide's `tiles/1` and `metrics/1`.
    qc_path : str or Path
        The file to write.
    slide : str
        The slide's id.
    parameters : QcParameters
    """
    names = (*metrics.NAMES, "unreadable", "stored")
    with (
        open_store(tiles_path, "tiles/1", slide=slide) as tiles,
        open_store(metrics_path, "metrics/1", slide=slide) as store,
    ):
        tissue_mm2, attrs = tiles.attrs.get("tissue_mm2", ""), dict(store.attrs)
        measured = {name: store[name][:] for name in names}
        # A slide that failed after tiling has tiles and no metrics; its overview shows no verdicts.
        coords = tiles["coords"][: len(measured["stored"])]
    reason = judge(
        measured, parameters, max_background_fraction=float(attrs["max_background_fraction"])
    )
    own = ("schema", "histotransfer_version")
    kept_attrs = {name: value for name, value in attrs.items() if name not in own}
    kept_attrs |= {**parameters.as_params(), "tissue_mm2": tissue_mm2}
    with create_store(qc_path, "qc/1", kept_attrs) as store:
        store["coords"] = coords
        for name, values in measured.items():
            store[name] = values
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
