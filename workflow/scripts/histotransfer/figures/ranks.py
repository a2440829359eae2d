"""Three or more extractors: the mean rank of each, and the difference of every pair."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..results.ranks import ALL_TASKS
from ..results.tables import Tables
from ..results.words import UNITS, count
from . import style

ROW_MM, HEAD_MM = 4.2, 15.0
"""Height of a row, and of what is above and below the rows of a panel."""
BAND = "#E3E3E3"


def chart(tables: Tables, alpha: float) -> Figure:
    """Draw the mean ranks in each task, and beside them the differences of all pairs."""
    ranks, pairs = tables["ranks"].dropna(subset=["mean_rank"]), tables["pairs"]
    if ranks.empty:
        raise style.NothingToDraw("No target was tested under any pair of extractors.")
    marks = style.looks(list(dict.fromkeys(ranks["extractor"])))
    tasks = {task: pairs[pairs["task"] == task] for task in dict.fromkeys(ranks["task"])}
    own = {task: ranks[ranks["task"] == task] for task in tasks}
    heights = [HEAD_MM + ROW_MM * max(len(own[task]), len(rows)) for task, rows in tasks.items()]
    figure = style.page(22 + sum(heights))
    cells = figure.add_gridspec(len(tasks), 2, height_ratios=heights, width_ratios=[1, 1.15])
    for number, (task, rows) in enumerate(tasks.items()):
        _ranks(figure.add_subplot(cells[number, 0]), own[task], marks)
        if len(rows):
            _pairs(figure.add_subplot(cells[number, 1]), rows, alpha)
    style.headline(
        figure,
        f"Mean ranks of {len(marks)} extractors, and the differences of all pairs\n"
        f"right: filled if p ≤ {alpha:g}, adjusted by Holm over the pairs of a task",
    )
    label = (
        "not apart from the best by Nemenyi’s critical difference. Like Friedman’s p, it takes\n"
        "targets as independent, which those of one cohort are not: read both as a reference"
    )
    figure.legend(handles=[Patch(color=BAND, label=label)], loc="outside lower left")
    return figure


def _ranks(axes: Axes, rows: pd.DataFrame, marks: dict[str, tuple[str, str]]) -> None:
    names, k, first = rows["extractor"].tolist(), len(rows), rows.iloc[0]
    best, least = rows["mean_rank"].min(), first["critical_difference"]
    if pd.notna(least):
        axes.axvspan(best, min(best + least, k + 0.25), color=BAND, linewidth=0, zorder=0)
    for at, (name, rank) in enumerate(zip(names, rows["mean_rank"], strict=True)):
        colour, marker = marks[name]
        axes.plot(rank, at, marker, color=colour, markersize=5)
    style.rows(axes, names)
    axes.set(xlim=(0.75, k + 0.25), xticks=range(1, k + 1), xlabel="mean rank (1: best)")
    n, over = int(first["n"]), "task" if first["task"] == ALL_TASKS else "target"
    p = first["friedman_p"]
    friedman = f", Friedman p {_p(p)}" if pd.notna(p) else ""
    axes.set_title(f"{first['task']}: {count(n, over)}{friedman}", fontsize=7)
    style.grid(axes)


def _pairs(axes: Axes, rows: pd.DataFrame, alpha: float) -> None:
    rows = rows.assign(at=range(len(rows)))
    metric = rows["metric"].iloc[0]
    unit = 100 if metric == "accuracy" else 1
    style.changes(axes, rows, (style.INK, "o"), alpha, unit=unit, by="p_holm")
    for at in rows.loc[rows["delta"].isna() | rows["ci_low"].isna(), "at"]:
        axes.text(0, at, "not tested ", ha="center", va="center", color=style.GREY, fontsize=6)
    style.rows(axes, [f"{row['extractor']} − {row['baseline']}" for _, row in rows.iterrows()])
    axes.axvline(0, color=style.INK, linewidth=0.8, zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"difference ({UNITS[metric].removeprefix('in ')}), 95 % interval")
    if (most := int(rows["n_targets"].max())) > 1:
        axes.set_title(f"mean of up to {most} tested targets", fontsize=7)
    style.grid(axes)


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"
