"""Heatmaps: which parts of a slide raise or lower a prediction, under each extractor."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ..qc.overview import on_thumbnail, scale_bar_mm
from ..results.tables import Tables
from . import style

COLOURS = "RdBu_r"
"""Diverges from white; told apart with any colour vision."""
WIDE_MM, BAR_MM, GAP_MM = 168.0, 8.0, 2.0
TOP_MM, WORDS_MM, LEAST_MM, MOST_MM = 16.0, 12.0, 14.0, 52.0
"""Space above the maps and above each row of them; a row's height."""
FAINTEST = 0.55
"""How far the grey picture under the squares is faded towards white."""

KEYS = ["task", "target", "slide"]


def maps(tables: Tables, alpha: float) -> Figure:
    """Draw a row per slide: its picture, a map per extractor, and the difference of the first two.

    Squares are patches. Red ones raise the prediction above that of the mean training patient, blue
    ones lower it; a target has one scale for all of its slides and extractors.
    """
    table, images = tables["heatmaps"], tables["heatmap_images"]
    if table.empty:
        raise style.NothingToDraw(
            "No target is predicted better than chance, so no slide is mapped."
        )
    extractors = list(images["extractors"].iloc[0])
    titles = ["slide", *extractors]
    if len(extractors) > 1:
        titles.append(f"{extractors[1]} − {extractors[0]}")
    width = (WIDE_MM - BAR_MM - GAP_MM * len(titles)) / len(titles)
    heights = [_height(image, width) for _, image in images.iterrows()]
    tall = TOP_MM + sum(heights) + WORDS_MM * len(heights) + 6
    figure = style.page(tall)
    figure.set_layout_engine("none")  # every map has its place
    rows = dict(iter(table.groupby(KEYS, sort=False)))
    limits = {
        key: _limit(of_target["contributions"])
        for key, of_target in images.groupby(KEYS[:2], sort=False)
    }
    top = TOP_MM
    for height, (_, image) in zip(heights, images.iterrows(), strict=True):
        of_map, limit = rows[tuple(image[KEYS])], limits[tuple(image[KEYS[:2]])]
        place = 2 / style.PAGE_MM, 1 - (top + 4) / tall
        figure.text(*place, _words(of_map.iloc[0]), va="top", weight="bold")
        top += WORDS_MM - 2
        bottom, high = 1 - (top + height) / tall, height / tall
        for column, title in enumerate(titles):
            left = (2 + column * (width + GAP_MM)) / style.PAGE_MM
            axes = figure.add_axes((left, bottom, width / style.PAGE_MM, high))
            _draw(axes, column, title, image, of_map["slide_score"].tolist(), limit)
        _bar(figure, bottom, high, limit, of_map["unit"].iloc[0])
        top += height + 2
    style.headline(figure, "Where on a slide the prediction comes from")
    figure.text(2 / style.PAGE_MM, 1 - 11 / tall, _reading(table), color=style.GREY, va="top")
    return figure


def _draw(
    axes: Axes, column: int, title: str, image: pd.Series, scores: list[float], limit: float
) -> None:
    """Draw the slide (column 0), an extractor's map, or the difference, which is the last."""
    _picture(axes, image, faded=column > 0)
    if column == 0:
        rows_px, columns_px = image["thumbnail"].shape[:2]
        mpp = float(image["mpp"]) * float(image["downsample"])
        _scale_bar(axes, columns_px, rows_px, mpp)
    else:
        _squares(axes, image, _columns(image["contributions"])[:, column - 1], limit)
    if 0 < column <= len(scores):
        title += f": {scores[column - 1]:+.2f}".replace("-", "−")
    look: style.Look = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 6}
    axes.annotate(title, (0, 1), (0, 2), color=style.GREY, **look)


def _scale_bar(axes: Axes, width: int, height: int, mpp: float) -> None:
    length_mm = scale_bar_mm(width * mpp / 1000)
    length = length_mm * 1000 / mpp
    x, y = 0.03 * width, 0.97 * height
    (bar,) = axes.plot([x, x + length], [y, y], color="black", linewidth=2, solid_capstyle="butt")
    middle, above = x + length / 2, y - 0.01 * height
    words = axes.text(middle, above, f"{length_mm:g} mm", ha="center", va="bottom", size=6)
    # With a light rim, it can be read on dark tissue, too.
    for part, rim in ((bar, 4), (words, 2)):
        part.set_path_effects([withStroke(linewidth=rim, foreground="white")])


def _height(image: pd.Series, width: float) -> float:
    rows, columns = image["thumbnail"].shape[:2]
    return float(np.clip(width * rows / columns, LEAST_MM, MOST_MM))


def _limit(contributions: pd.Series) -> float:
    """Return the end of a target's scale: only one patch in fifty is beyond."""
    everything = np.concatenate([np.abs(values).ravel() for values in contributions])
    return float(np.quantile(everything, 0.98)) or 1.0


def _columns(contributions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Put the difference of the first two extractors beside all of them."""
    if contributions.shape[1] < 2:
        return contributions
    return np.column_stack([contributions, contributions[:, 1] - contributions[:, 0]])


def _words(row: pd.Series) -> str:
    if pd.isna(row["label"]):
        label = "not measured"
    elif row["unit"] in ("log-odds", "probability"):
        label = "positive" if row["label"] == 1 else "negative"
    elif row["unit"] == "log hazard":
        label = f"{'event' if row['label'] > 0 else 'no event'} by {abs(row['label']):.3g}"
    else:
        label = f"measured {row['label']:.3g}"
    why = f", {row['why']}" if row["why"] else ""
    return f"{row['target']}{why}: {row['slide']} ({label}, {row['n_patches']} patches)"


def _reading(table: pd.DataFrame) -> str:
    readings = set(table["reading"])
    if readings == {"exact"}:
        return "Exact: the mean of the squares is the slide's score, which stands above each map."
    causes = " and ".join(sorted(text.partition(": ")[2] for text in readings - {"exact"}))
    return (
        f"Approximate because of the {causes}: each patch is predicted as though it were the "
        "patient's only one."
    )


def _picture(axes: Axes, image: pd.Series, *, faded: bool) -> None:
    thumbnail = image["thumbnail"]
    if faded:
        grey = thumbnail.mean(axis=2)
        thumbnail = np.repeat((255 - (255 - grey) * (1 - FAINTEST))[..., None], 3, axis=2)
        thumbnail = thumbnail.astype(np.uint8)
    axes.imshow(thumbnail, extent=(0, thumbnail.shape[1], thumbnail.shape[0], 0))
    axes.autoscale(False)  # patches that reach beyond the slide do not shrink it
    axes.set_anchor("NW")
    axes.set_axis_off()


def _squares(axes: Axes, image: pd.Series, values: npt.NDArray[Any], limit: float) -> None:
    place = image["origin_px"], image["patch_size_level0"], image["downsample"]
    corners = on_thumbnail(image["coords"], *place)
    squares = PolyCollection(
        list(corners),
        array=values,
        cmap=COLOURS,
        norm=Normalize(-limit, limit),
        alpha=0.75,
        linewidth=0,
    )
    squares.set_rasterized(True)  # thousands of squares make a slow PDF
    axes.add_collection(squares)


def _bar(figure: Figure, bottom: float, height: float, limit: float, unit: str) -> None:
    """Draw the colour scale at the right of a row."""
    axes = figure.add_axes(
        ((style.PAGE_MM - 10) / style.PAGE_MM, bottom, 2 / style.PAGE_MM, height)
    )
    bar = figure.colorbar(ScalarMappable(Normalize(-limit, limit), COLOURS), cax=axes)
    bar.set_ticks([-limit, 0, limit], labels=[f"−{limit:.2g}", "0", f"+{limit:.2g}"])
    bar.ax.tick_params(labelsize=5, length=1.5)
    bar.outline.set_visible(False)
    axes.set_title(unit, fontsize=5, weight="normal", loc="right", color=style.GREY)
