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

COLOURS = {
    "kept": "#009E73",
    "unreadable": "#D55E00",
    "background": "#BBBBBB",
    "pen": "#0072B2",
    "dark": "#000000",
    "blurred": "#E69F00",
    "faint": "#F0E442",
    "stain": "#CC79A7",
    "grey": "#56B4E9",
}
"""The verdicts in Okabe and Ito's colours, which the colour-blind can tell apart. `stain`: a
patch's stain could not be estimated, and the config excludes such patches."""

REASONS = {name: value for value, name in enumerate(COLOURS)}
"""The number that stands for each verdict in a file: its place in `COLOURS`."""

OF_THE_SLIDE = (
    "tissue_mm2",
    "bounds",
    "level0_width",
    "level0_height",
    "stride_px",
    "scale_doubts",
    "levels_passed_over",
    "other_pictures",
)
"""Attributes of the tiles that the verdicts keep: the frame and grid in which their tiles lie."""


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
        "grey": (measured["grey_mean"] < parameters.min_grey)
        | (measured["grey_mean"] > parameters.max_grey),
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
    """Judge a slide's patches by its `tiles/1` and `metrics/1`; write the verdicts (`qc/1`)."""
    with (
        open_store(tiles_path, "tiles/1", slide=slide) as tiles,
        open_store(metrics_path, "metrics/1", slide=slide) as store,
    ):
        attrs = dict(store.attrs) | {name: tiles.attrs.get(name, "") for name in OF_THE_SLIDE}
        measured = {name: store[name][:] for name in (*metrics.NAMES, "unreadable", "stored")}
        # A slide that failed after tiling has tiles and no metrics; its overview shows no verdicts.
        coords = tiles["coords"][: len(measured["stored"])]
    reason = judge(
        measured, parameters, max_background_fraction=float(attrs["max_background_fraction"])
    )
    for name in ("schema", "histotransfer_version"):  # of the metrics; the verdicts get their own
        del attrs[name]
    attrs |= parameters.as_params()
    if len(coords):
        scale = float(attrs["effective_mpp"]) / float(attrs["mpp"])
        attrs["stride_level0"] = attrs["stride_px"] * scale
    with create_store(qc_path, "qc/1", attrs) as store:
        store["coords"] = coords
        for name, values in measured.items():
            store[name] = values
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
