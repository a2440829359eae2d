"""The tissue patches in two dimensions under each extractor."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ..results.tables import Tables
from . import style
from .tissue import NAMES

MARKS = "osD^vP"


def layout(tables: Tables, alpha: float) -> Figure:
    """Draw one panel per extractor: a dot per patch, coloured and named by its class."""
    table = tables["embedding"].dropna(subset=["x", "y"])
    if table.empty:
        raise style.NothingToDraw("There are too few tissue patches to lay out in two dimensions.")
    panels_of = [key for key, _ in table.groupby(["task", "extractor"], sort=False)]
    several = table["task"].nunique() > 1
    columns = min(3, max(2, len(panels_of)))
    lines = math.ceil(len(panels_of) / columns)
    looks = _looks(sorted(table["tissue"].unique()))
    legend_mm = 4 * math.ceil(len(looks) / 4)
    figure = style.page(lines * (style.PAGE_MM / columns + 8) + 22 + legend_mm)
    panels = figure.subplots(lines, columns, squeeze=False)
    for axes, (task, extractor) in zip(panels.flat, panels_of, strict=False):
        own = table[(table["task"] == task) & (table["extractor"] == extractor)]
        _dots(axes, own, looks)
        pure = 100 * own["neighbours_of_class"].mean()
        name = f"{task}, {extractor}" if several else extractor
        axes.set_title(f"{name}\n{pure:.1f} % same-class neighbours")
        axes.set(xlabel=f"t-SNE 1, n = {len(own):,} patches", ylabel="t-SNE 2")
    for axes in panels.flat[len(panels_of) :]:
        axes.set_axis_off()
    handles = [
        panels.flat[0].plot([], [], marker, color=colour, label=_full(name))[0]
        for name, (colour, marker) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=4, handletextpad=0.2)
    style.headline(figure, "Tissue patches by their features: similar patches lie close together")
    return figure


def _looks(classes: list[str]) -> dict[str, tuple[str, str]]:
    colours = [style.OKABE_ITO[name] for name in style.OKABE_ITO if name != "yellow"]
    return {
        name: (colours[i % len(colours)], MARKS[(i // len(colours) + i) % len(MARKS)])
        for i, name in enumerate(classes)
    }


def _dots(axes: Axes, own: pd.DataFrame, looks: dict[str, tuple[str, str]]) -> None:
    size = max(1.2, min(3.5, 60 / math.sqrt(len(own))))
    look: style.Look = {"markersize": size, "alpha": 0.7, "markeredgewidth": 0}
    bold: style.Look = {"ha": "center", "va": "center", "fontsize": 6, "weight": "bold"}
    bold["path_effects"] = [withStroke(linewidth=2, foreground="white")]
    for name, (colour, marker) in looks.items():
        dots = own[own["tissue"] == name]
        axes.plot(dots["x"], dots["y"], marker, color=colour, rasterized=len(own) > 2000, **look)
        if len(dots):
            axes.text(dots["x"].median(), dots["y"].median(), name, **bold)
    axes.set(xticks=[], yticks=[])


def _full(name: str) -> str:
    return f"{name} {NAMES[name]}" if name in NAMES else name
