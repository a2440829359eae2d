"""The picture of a slide with its tissue and the verdict on each tile."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from ..core.exclusions import Reason
from ..core.files import written_whole
from ..core.hdf5 import open_store
from .verdicts import COLOURS, REASONS

PANEL_INCHES = 6.0
OVERVIEW_PX = 1600
"""The longer side of the thumbnail in the overview is reduced to this."""


def draw_overview(
    tiles_path: str | Path, qc_path: str | Path, overview_path: str | Path, *, slide: str
) -> None:
    """Draw a slide twice, with the outline of its tissue and with the verdict on each tile (PNG).

    Of a slide without a thumbnail, the picture holds the reason in words.
    """
    with (
        open_store(tiles_path, "tiles/1", slide=slide) as tiles,
        open_store(qc_path, "qc/1", slide=slide) as verdicts,
    ):
        attrs = dict(tiles.attrs) | dict(verdicts.attrs)
        thumbnail, mask = tiles["thumbnail"][:], tiles["tissue_mask"][:]
        coords, reason = verdicts["coords"][:], verdicts["reason"][:]
    excluded = Reason.of(attrs)
    note = f"This slide {excluded.sentence()}" if excluded else ""
    title = slide
    if attrs.get("mpp", "") != "":
        title += f"   {float(attrs['mpp']):.4g} µm/px ({attrs['mpp_source']})"
    if not thumbnail.size:
        figure = Figure(figsize=(7, 2), dpi=100)
        figure.text(0.5, 0.7, title, ha="center", weight="bold")
        figure.text(0.5, 0.35, textwrap.fill(note, 80), ha="center", va="center", size=9)
    else:
        height, width = mask.shape
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
        scale_bar(left, width, height, mpp)
        _squares(right, coords, reason, attrs)
        right.set(xlim=(0, width), ylim=(height, 0))
        note = note or f"tissue (outlined) {float(attrs['tissue_mm2']):.3g} mm²"
        figure.suptitle(f"{title}\n{textwrap.fill(note, int(14 * size[0]))}", size=9)
        if legend := [
            Patch(facecolor=COLOURS[name], alpha=0.7, label=f"{name} {count}")
            for name, value in REASONS.items()
            if (count := np.count_nonzero(reason == value))
        ]:
            figure.legend(
                handles=legend, loc="outside lower center", ncols=4, fontsize=8, frameon=False
            )
    with written_whole(overview_path) as partial:
        figure.savefig(partial, metadata={"Software": None})


def _outline(axes: Axes, mask: npt.NDArray[np.uint8], step: int) -> None:
    if mask.min() < mask.max() and min(mask.shape) > step:
        rows, columns = (np.arange(0, size, step) + 0.5 for size in mask.shape)
        reduced = mask[::step, ::step]
        axes.contour(columns, rows, reduced, levels=[0.5], colors="#0072B2", linewidths=0.8)


def _squares(
    axes: Axes,
    coords: npt.NDArray[np.int32],
    reason: npt.NDArray[np.uint8],
    attrs: Mapping[str, Any],
) -> None:
    corners = on_thumbnail(
        coords, attrs["bounds"][:2], attrs["patch_size_level0"], attrs["thumbnail_downsample"]
    )
    for name, value in REASONS.items():
        alpha = 0.25 if name == "kept" else 0.6  # show its tissue, or the reason
        squares = corners[reason == value]
        axes.add_collection(
            PolyCollection(squares, color=COLOURS[name], alpha=alpha, linewidth=0.4)
        )


def on_thumbnail(
    coords: npt.NDArray[np.int32],
    origin_px: npt.ArrayLike,
    side_px: float,
    downsample: float,
) -> npt.NDArray[np.float64]:
    """Return the corners (n, 4, 2) of squares on a thumbnail, in its px.

    Of the squares, `coords` (n, 2) are the top left corners and `side_px` the width, in level-0 px;
    the thumbnail begins at `origin_px` of level 0.
    """
    side = float(side_px) * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    return np.asarray((coords[:, None] - np.asarray(origin_px) + side) / float(downsample))


def scale_bar(
    axes: Axes, width: int, height: int, mpp: float, *, font_size: float = 8, line_width: float = 3
) -> None:
    """Draw a bar of a round length, at most a third of the picture's width."""
    longest_mm = width * mpp / 3000
    power = 10.0 ** np.floor(np.log10(longest_mm))
    length_mm = power * max(step for step in (1, 2, 5) if step * power <= longest_mm)
    length = length_mm * 1000 / mpp
    x, y = 0.03 * width, 0.97 * height
    # With a light rim, it can be read on dark tissue, too.
    (bar,) = axes.plot(
        [x, x + length], [y, y], color="black", linewidth=line_width, solid_capstyle="butt"
    )
    words = axes.text(
        x + length / 2,
        y - 0.01 * height,
        f"{length_mm:g} mm",
        ha="center",
        va="bottom",
        size=font_size,
    )
    for part, rim in ((bar, line_width + 2), (words, 2)):
        part.set_path_effects([withStroke(linewidth=rim, foreground="white")])
