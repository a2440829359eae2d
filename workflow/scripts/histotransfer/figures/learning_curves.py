"""Learning curves: each task's score, and its difference, by the number of training samples."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ..evaluation.curve_tables import PER_CLASS, WHOLE
from ..results.rows import CHANCE
from ..results.tables import Tables
from ..results.words import METRICS
from . import style

ROW_MM = 48.0


def by_task(tables: Tables, _: float) -> Figure:
    """Draw a row per task: the extractors' scores, and their differences from the first one."""
    curves, permuted = (
        table[(table["scope"] == WHOLE) & table["mean"].notna()]
        for table in (tables["learning_curves"], tables["permuted"])
    )
    if curves.empty:
        raise style.NothingToDraw("No score is estimable at any number of training samples.")
    tasks = list(dict.fromkeys(curves["task"]))
    marks = style.looks(list(dict.fromkeys(curves["extractor"])))
    # The key has three names a row.
    figure = style.page(16 + 4 * (len(marks) // 3 + 1) + ROW_MM * len(tasks))
    panels = figure.subplots(len(tasks), 2, squeeze=False)
    for (left, right), task in zip(panels, tasks, strict=True):
        rows = curves[curves["task"] == task]
        unit = 100 if rows["metric"].iloc[0] == "accuracy" else 1
        _scores(left, rows, marks, unit)
        _chance(left, permuted[permuted["task"] == task], unit)
        _differences(right, rows, marks, unit)
        left.set_title(task)
        score = METRICS[rows["metric"].iloc[0]] + (" (%)" if unit == 100 else "")
        left.set_ylabel(score)
        right.set_ylabel(f"difference, {'points' if unit == 100 else score}")
        for axes in (left, right):
            _axis(axes, rows)
    style.grid(*panels.flat, axis="y")
    style.key(panels[0, 1], marks)
    style.headline(
        figure,
        "Scores and differences by the number of training samples\n"
        f"lines: 95 % intervals   dashed: chance   grey: {_shuffles(permuted)}   last: all samples",
    )
    return figure


def _shuffles(permuted: pd.DataFrame) -> str:
    count = 0 if permuted.empty else int(permuted["shuffles"].max())
    return f"range of {count} shuffles of the labels"


def _scores(axes: Axes, rows: pd.DataFrame, marks: dict[str, tuple[str, str]], unit: float) -> None:
    for number, name in enumerate(marks):
        own = _beside(rows, number, len(marks))[rows["extractor"] == name]
        _line(axes, own, ("mean", "ci_low", "ci_high"), marks[name], unit)


def _differences(
    axes: Axes, rows: pd.DataFrame, marks: dict[str, tuple[str, str]], unit: float
) -> None:
    axes.axhline(0, color=style.INK, linewidth=0.8)
    for number, name in enumerate(marks):
        own = _beside(rows, number, len(marks))[rows["extractor"] == name]
        _line(axes, own, ("delta", "delta_low", "delta_high"), marks[name], unit)


def _beside(rows: pd.DataFrame, number: int, count: int) -> pd.DataFrame:
    """Add where each row is drawn: beside the other extractors of its size."""
    n, shift = rows["n_train"], style.beside(number, count, 0.03)
    at = n * (1 + 2 * shift) if _is_log(rows) else n + shift * (n.max() - n.min())
    return rows.assign(at=at)


def _is_log(rows: pd.DataFrame) -> bool:
    """Whether sizes are labels per class, few and many of which fit on no linear axis."""
    return bool(rows["unit"].iloc[0] == PER_CLASS)


def _line(
    axes: Axes,
    rows: pd.DataFrame,
    columns: tuple[str, str, str],
    look: tuple[str, str],
    unit: float,
) -> None:
    rows = rows[rows[columns[0]].notna()].sort_values("n_train")
    middle, low, high = (unit * rows[column] for column in columns)
    axes.plot(rows["at"], middle, color=look[0], marker=look[1])
    axes.vlines(rows["at"], low, high, color=look[0], linewidth=0.8)


def _chance(axes: Axes, rows: pd.DataFrame, unit: float) -> None:
    """Draw the score by chance where it is known, and the range of those on shuffled labels."""
    if rows.empty:
        return
    low, high = unit * rows["lowest"].min(), unit * rows["highest"].max()
    axes.axhspan(low, high, color=style.FAINT, zorder=0)
    if (by_chance := CHANCE.get(rows["metric"].iloc[0])) is not None:
        axes.axhline(by_chance, color=style.INK, linewidth=0.8, linestyle="dashed")


def _axis(axes: Axes, rows: pd.DataFrame) -> None:
    """Label the sizes."""
    per_class = _is_log(rows)
    at = rows.drop_duplicates("size").sort_values("n_train")
    axes.set_xlabel("training patches (labels per class)" if per_class else "training patients")
    labels = [
        f"{n:,.0f}" + ("" if not per_class else "\n(all)" if pd.isna(size) else f"\n({size:g})")
        for n, size in zip(at["n_train"], at["size"], strict=True)
    ]
    if per_class:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(at["n_train"].tolist(), labels)
