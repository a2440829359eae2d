"""Forest plots: the differences of the tasks, and of every target under each extractor."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..results.answers import TARGET, TASK
from ..results.rows import extractors
from ..results.sentences import verdict
from ..results.tables import Tables
from ..results.words import METRICS, UNITS, difference, joined
from . import style

MOST = 30
"""Targets of a task that are drawn: those of the smallest q. The table `answers` has all."""
BAND = "#EDEDED"


def tasks(tables: Tables, alpha: float) -> Figure:
    """Draw a row per task and extractor: the difference, its interval and the verdict."""
    answers = tables["answers"]
    rows = answers[answers["scope"] == TASK]
    if rows["delta"].dropna().empty:
        raise style.NothingToDraw("No task could be answered.")
    marks = style.looks(extractors(rows))
    rows = rows.assign(at=range(len(rows)))
    figure = style.page(24 + 7.5 * len(rows))
    axes, words = figure.subplots(1, 2, sharey=True, width_ratios=[1, 0.62])
    _band(axes, rows, 100)
    for name, own in rows.groupby("extractor", sort=False):
        style.changes(axes, own, marks[str(name)], alpha, unit=100)
    for row in rows.to_dict("records"):
        said = verdict(row)
        if pd.notna(row["ci_low"]):
            shown, _, interval = difference(row)
            said = f"{said}\n{shown} ({interval})"
        words.text(0, row["at"], said, va="center", linespacing=1.3)
    words.set_axis_off()
    several = rows["extractor"].nunique() > 1
    names = [
        f"{row['task']}, {METRICS[row['metric']]}" + (f"\n{row['extractor']}" if several else "")
        for row in rows.to_dict("records")
    ]
    style.rows(axes, names)
    axes.set_xlabel("difference in hundredths: points, 0.01 AUROC, r or C; 95 % interval")
    style.grid(axes)
    style.headline(
        figure,
        f"{_whose(rows)}\nright of 0: better   filled: direction decided   "
        "grey: too small to matter",
    )
    return figure


def targets(tables: Tables, alpha: float) -> Figure:
    """Draw a panel per task: a row per target, in it the difference under each extractor."""
    answers = tables["answers"]
    rows = answers[(answers["scope"] == TARGET) & answers["ci_low"].notna()]
    if rows.empty:
        raise style.NothingToDraw("No target's difference could be tested.")
    marks = style.looks(extractors(rows))
    panels = {str(task): _first(of_task) for task, of_task in rows.groupby("task", sort=False)}
    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    lie = 1 + max(0, len(marks) - 2)  # the baseline has no mark of its own
    longest = [
        max(of_task["target"].nunique() for of_task in group)
        for group in _in_lines(list(panels.values()), columns)
    ]
    tall = [14 + max(3.6, 2.2 * lie) * count for count in longest]
    figure = style.page(24 + sum(tall), style.PAGE_MM if columns > 1 else 120)
    grid = figure.subplots(lines, columns, squeeze=False, height_ratios=tall)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for number, (axes, (task, of_task)) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        _panel(axes, task, of_task, marks, alpha)
        axes.set_ylim(longest[number // columns] - 0.4, -0.6)  # rows as high as those beside
        left_out = rows[rows["task"] == task]["target"].nunique() - of_task["target"].nunique()
        if left_out:
            axes.set_title(f"{task}\n{left_out} more of a larger q")
    compared = {name: look for name, look in marks.items() if name in set(rows["extractor"])}
    handles = [
        axes.plot([], [], marker, color=colour, label=name)[0]
        for name, (colour, marker) in compared.items()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    style.headline(
        figure,
        f"{_whose(rows)}, target by target\nfilled: decided (q ≤ {alpha:g})   "
        "grey: too small to matter",
    )
    return figure


def _panel(
    axes: Axes, task: str, rows: pd.DataFrame, marks: dict[str, tuple[str, str]], alpha: float
) -> None:
    names = rows.groupby("target")["delta"].max().sort_values(ascending=False, kind="stable").index
    place = {name: at for at, name in enumerate(names)}
    metric = rows["metric"].iloc[0]
    unit = 100 if metric == "accuracy" else 1
    compared = list(dict.fromkeys(rows["extractor"]))
    _band(axes, rows, unit)
    for number, name in enumerate(compared):
        own = rows[rows["extractor"] == name]
        at = own["target"].map(place) + style.beside(number, len(compared), 0.75)
        style.changes(axes, own.assign(at=at), marks[name], alpha, unit=unit)
    style.rows(axes, [str(name).removeprefix(f"{task}: ") for name in names])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel(f"difference ({UNITS[metric].removeprefix('in ')}), 95 % interval")
    axes.set_title(task)
    style.grid(axes)


def _band(axes: Axes, rows: pd.DataFrame, unit: float) -> None:
    """Shade what is too small to matter, and mark no difference."""
    rope = unit * rows["rope"].iloc[0]
    axes.axvspan(-rope, rope, color=BAND, linewidth=0, zorder=0)
    axes.axvline(0, color=style.INK, linewidth=0.8, zorder=1)


def _first(rows: pd.DataFrame) -> pd.DataFrame:
    surest = rows.groupby("target")["q_bh"].min().sort_values(kind="stable").index[:MOST]
    return rows[rows["target"].isin(surest)]


def _in_lines(panels: list[pd.DataFrame], columns: int) -> list[list[pd.DataFrame]]:
    return [panels[start : start + columns] for start in range(0, len(panels), columns)]


def _whose(rows: pd.DataFrame) -> str:
    baseline, *others = extractors(rows)
    compared = joined(others) if len(others) <= 3 else f"{len(others)} extractors"
    return f"{compared} against {baseline}"
