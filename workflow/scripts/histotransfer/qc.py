"""The verdict on each patch, from its measures alone: no slide is read."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt

from . import measures
from .store import create_store, open_store, written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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

COLOURS = {
    "kept": "#009E73",
    "unreadable": "#D55E00",
    "background": "#BBBBBB",
    "pen": "#0072B2",
    "dark": "#000000",
    "blurred": "#E69F00",
    "faint": "#F0E442",
    "stain": "#CC79A7",
}
"""Okabe and Ito's colours, which differ for the colour-blind too."""

PANEL_INCHES = 6.0
OVERVIEW_PX = 1600
"""The longer side of the thumbnail in the overview is reduced to this."""


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
        The measures by name (`measures.NAMES`), `unreadable` and `stored`.
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
    measures_path: str | Path,
    qc_path: str | Path,
    overview_path: str | Path,
    *,
    thresholds: Mapping[str, float],
) -> None:
    """Judge a slide's patches and write verdicts (`qc/1`) and overview (PNG).

    Parameters
    ----------
    tiles_path, measures_path : str or Path
        The slide's `tiles/1` and `measures/1`.
    qc_path, overview_path : str or Path
        The files to write.
    thresholds : mapping
        Those of `judge`.
    """
    names = (*measures.NAMES, "unreadable", "stored")
    with (
        open_store(tiles_path, "tiles/1") as tiles,
        open_store(measures_path, "measures/1") as store,
    ):
        tile_attrs, attrs = dict(tiles.attrs), dict(store.attrs)
        measured = {name: store[name][:] for name in names}
        # A slide that failed after tiling has tiles and no measures: it keeps its picture alone.
        coords = tiles["coords"][: len(measured["stored"])]
        thumbnail, mask = tiles["thumbnail"][:], tiles["tissue_mask"][:]
    reason = judge(
        measured, thresholds, max_background_fraction=float(attrs["max_background_fraction"])
    )
    counts = {name: int((reason == value).sum()) for name, value in REASONS.items()}
    own = ("schema", "histotransfer_version")
    kept_attrs = {name: value for name, value in attrs.items() if name not in own}
    kept_attrs |= {name: float(value) for name, value in sorted(thresholds.items())}
    kept_attrs |= {"tissue_mm2": tile_attrs.get("tissue_mm2", "")}
    with create_store(qc_path, "qc/1", kept_attrs) as store:
        store["coords"] = coords
        for name, values in measured.items():
            store[name] = values
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
    _draw_overview(overview_path, thumbnail, mask, coords, reason, counts, tile_attrs | attrs)


def _draw_overview(
    path: str | Path,
    thumbnail: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.uint8],
    coords: npt.NDArray[np.int32],
    reason: npt.NDArray[np.uint8],
    counts: Mapping[str, int],
    attrs: Mapping[str, Any],
) -> None:
    # Imported here because cohort tables need this module and no drawing.
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    title = str(attrs["slide"])
    if attrs.get("mpp", "") != "":
        title += f"   {float(attrs['mpp']):.4g} µm/px ({attrs['mpp_source']})"
    if not thumbnail.size:
        figure = Figure(figsize=(7, 2), dpi=100)
        figure.text(0.5, 0.7, title, ha="center", weight="bold")
        figure.text(0.5, 0.35, textwrap.fill(attrs["error"], 80), ha="center", va="center", size=9)
    else:
        height, width = thumbnail.shape[:2]
        inches = PANEL_INCHES / max(height, width)
        size = (2 * max(inches * width, 2.5) + 0.4, inches * height + 1.2)
        figure = Figure(figsize=size, dpi=120, layout="constrained")
        left, right = figure.subplots(1, 2)
        step = max(1, -(-max(height, width) // OVERVIEW_PX))
        for axes in (left, right):
            axes.imshow(thumbnail[::step, ::step], extent=(0, width, height, 0))
            axes.set_axis_off()
        mpp = float(attrs["thumbnail_downsample"]) * float(attrs["mpp"])
        _outline(left, mask, step)
        _scale_bar(left, width, height, mpp)
        _squares(right, coords, reason, attrs)
        right.set(xlim=(0, width), ylim=(height, 0))
        note = attrs["error"] or f"tissue (outlined) {float(attrs['tissue_mm2']):.3g} mm²"
        figure.suptitle(f"{title}\n{textwrap.fill(note, int(14 * size[0]))}", size=9)
        legend = [
            Patch(facecolor=COLOURS[name], alpha=0.7, label=f"{name} {count}")
            for name, count in counts.items()
            if count
        ]
        if legend:
            figure.legend(
                handles=legend, loc="outside lower center", ncols=4, fontsize=8, frameon=False
            )
    with written_whole(path) as partial:
        figure.savefig(partial, metadata={"Software": None})


def _outline(axes: Axes, mask: npt.NDArray[np.uint8], step: int) -> None:
    if mask.min() < mask.max() and min(mask.shape) > step:
        rows, columns = (np.arange(0, size, step) + 0.5 for size in mask.shape)
        axes.contour(
            columns, rows, mask[::step, ::step], levels=[0.5], colors="#0072B2", linewidths=0.8
        )


def _squares(
    axes: Axes,
    coords: npt.NDArray[np.int32],
    reason: npt.NDArray[np.uint8],
    attrs: Mapping[str, Any],
) -> None:
    from matplotlib.collections import PolyCollection

    side = float(attrs["patch_size_level0"]) * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    corners = (coords[:, None] - attrs["bounds"][:2] + side) / float(attrs["thumbnail_downsample"])
    for name, value in REASONS.items():
        axes.add_collection(
            PolyCollection(
                corners[reason == value],
                facecolor=COLOURS[name],
                edgecolor=COLOURS[name],
                # What is kept shows its tissue, what is not shows its reason.
                alpha=0.25 if name == "kept" else 0.6,
                linewidth=0.4,
            )
        )


def _scale_bar(axes: Axes, width: int, height: int, mpp: float) -> None:
    """Draw a bar of a round length, at most a third of the picture's width."""
    longest_mm = width * mpp / 3000
    power = 10.0 ** np.floor(np.log10(longest_mm))
    length_mm = power * max(step for step in (1, 2, 5) if step * power <= longest_mm)
    length = length_mm * 1000 / mpp
    x, y = 0.03 * width, 0.97 * height
    axes.plot([x, x + length], [y, y], color="black", linewidth=3, solid_capstyle="butt")
    axes.text(
        x + length / 2, y - 0.01 * height, f"{length_mm:g} mm", ha="center", va="bottom", size=8
    )
