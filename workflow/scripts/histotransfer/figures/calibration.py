"""Two values: whether a predicted probability is the share of patients who are positive."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..results.tables import Tables
from ..results.words import count
from . import style

MOST = 12
"""Targets that are drawn: those that are predicted best."""
STRIP = 0.2
"""Share of a panel's height that the numbers of patients take."""


def reliability(tables: Tables, alpha: float) -> Figure:
    """Draw observed against predicted probability per target, and below it the patients per bin."""
    table, scores = tables["calibration"], tables["mutation"]
    if table.empty:
        raise style.NothingToDraw(
            "No target of two values can be estimated, so there is no calibration."
        )
    marks = style.looks(table["extractor"].unique().tolist())
    best = scores.groupby("target")["mean"].max().sort_values(ascending=False, kind="stable")
    known = set(table["target"])
    targets = [str(target) for target in best.index if target in known][:MOST]
    columns = min(4, max(2, len(targets)))
    lines = math.ceil(len(targets) / columns)
    figure = style.page(lines * (style.PAGE_MM / columns + 8) + 26)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, target in zip(panels.flat, targets, strict=False):
        _panel(axes, table[table["target"] == target], marks)
        axes.set_title(target, fontsize=7)
    style.label_edges(panels, len(targets), "predicted probability", "share of positives")
    handles = [
        Line2D([], [], color=colour, marker=marker, label=name)
        for name, (colour, marker) in marks.items()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    left = len(known) - len(targets)
    title = f"Calibration of {count(len(targets), 'target')}, predicted best"
    title = title if left else title.removesuffix(", predicted best")
    style.headline(
        figure,
        f"{title}\non the diagonal: as often positive as predicted   lines: 95 % intervals   "
        "bars: patients per bin",
    )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, marks: dict[str, tuple[str, str]]) -> None:
    axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=0.8)
    strip = axes.inset_axes((0, 0, 1, STRIP), sharex=axes)
    strip.set_axis_off()
    most = rows["n"].max()
    for number, (name, (colour, marker)) in enumerate(marks.items()):
        own = rows[rows["extractor"] == name]
        aside = style.beside(number, len(marks), 0.05)
        x = own["predicted"]
        axes.vlines(x, own["ci_low"], own["ci_high"], color=colour, linewidth=0.7, alpha=0.7)
        axes.plot(x, own["observed"], color=colour, marker=marker, markersize=3, linewidth=1)
        middle = (own["lower"] + own["upper"]) / 2 + aside
        strip.bar(middle, own["n"], width=0.05 / len(marks), color=colour, alpha=0.6)
    strip.set_ylim(0, most * 1.1)
    place: style.Look = {"ha": "center", "va": "top", "fontsize": 5.5, "color": style.GREY}
    axes.text(0.5, -0.02, f"n ≤ {most:.0f}", **place)
    axes.set(xlim=(0, 1), ylim=(-STRIP / (1 - STRIP), 1.02), yticks=[0, 0.5, 1])
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.axhline(0, color=style.FAINT, linewidth=0.6)
