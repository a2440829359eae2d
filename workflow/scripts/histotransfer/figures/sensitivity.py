"""The differences of each task under the study's alternatives."""

from __future__ import annotations

from textwrap import shorten

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..results.rows import extractors
from ..results.sensitivity import sides
from ..results.tables import Tables
from ..results.words import UNITS
from . import style

ROW_MM, LINE_MM, REST_MM = 3.6, 3.2, 14.0
"""Height of a row, of a line above a panel, and of what else is above and below the rows."""
BAND = "#EDEDED"
LONGEST = 62


def by_task(tables: Tables, alpha: float) -> Figure:
    """Draw a panel per task: a row per analysis, in it the difference of each extractor."""
    rows = tables["robustness"]
    if rows["delta"].dropna().empty:
        raise style.NothingToDraw("No analysis could compare the extractors.")
    names = extractors(rows)
    marks = {name: look for name, look in style.looks(names).items() if name != names[0]}
    said: dict[str, list[str]] = {}
    for task, extractor, _, text in sides(rows):
        said.setdefault(task, []).append(f"{extractor}: {text}")
    row_mm = ROW_MM + 1.4 * (len(marks) - 1)
    parts = {task: rows[rows["task"] == task] for task in said}
    heights = [
        REST_MM + LINE_MM * len(lines) + row_mm * parts[task]["analysis"].nunique()
        for task, lines in said.items()
    ]
    figure = style.page(20 + sum(heights))
    panels = figure.subplots(
        len(said), 2, squeeze=False, sharey="row", height_ratios=heights, width_ratios=[1, 0.6]
    )
    for (axes, words), (task, lines) in zip(panels, said.items(), strict=True):
        own = parts[task]
        _panel(axes, own, marks, alpha)
        axes.set_title("\n".join([task, *lines]), fontsize=7)
        for at, (_, row) in enumerate(own.drop_duplicates("analysis").iterrows()):
            text = row["differs"] if pd.notna(row["differs"]) else ""
            words.text(
                0, at, shorten(text, LONGEST, placeholder=" …"),
                va="center", color=style.GREY, fontsize=6,
            )  # fmt: skip
        words.set_axis_off()
    handles = [
        panels[0, 0].plot([], [], marker, color=colour, label=name)[0]
        for name, (colour, marker) in marks.items()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    style.headline(
        figure,
        f"The study and its alternatives: the difference from {names[0]}\n"
        f"right of 0: ahead   filled: decided (q ≤ {alpha:g})   dotted: the study   "
        "grey: too small to matter",
    )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, marks: dict[str, tuple[str, str]], alpha: float) -> None:
    metric = rows["metric"].iloc[0]
    unit = 100 if metric == "accuracy" else 1
    analyses = list(dict.fromkeys(rows["analysis"]))
    place = {name: at for at, name in enumerate(analyses)}
    rope = unit * rows["rope"].iloc[0]
    axes.axvspan(-rope, rope, color=BAND, linewidth=0, zorder=0)
    axes.axvline(0, color=style.INK, linewidth=0.8, zorder=1)
    for number, (name, look) in enumerate(marks.items()):
        own = rows[rows["extractor"] == name]
        at = own["analysis"].map(place) + style.beside(number, len(marks), 0.75)
        style.changes(axes, own.assign(at=at), look, alpha, unit=unit)
        if len(marks) == 1:
            axes.axvline(unit * own["delta"].iloc[0], color=look[0], linewidth=0.8, linestyle=":")
    for name in rows.loc[rows["ci_low"].isna(), "analysis"]:
        axes.text(
            0, place[name], "not tested ", ha="center", va="center", color=style.GREY, fontsize=6
        )
    style.rows(axes, analyses)
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"difference ({UNITS[metric].removeprefix('in ')}), 95 % interval")
    style.grid(axes)
