"""The external cohort beside the cross-validation: each task's score under each extractor."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation.statistics import OK
from ..results.rows import CHANCE
from ..results.tables import Tables
from ..results.validation import of_tasks
from ..results.words import METRICS
from . import style

DASHED: style.Look = {"linewidth": 0.8, "linestyle": (0, (2, 1.5))}


def forest(tables: Tables, alpha: float) -> Figure:
    """Draw a panel per score: a row per task, in it each extractor in both cohorts."""
    table = tables["validation"]
    rows = table[table["metric"].isin([*METRICS])]
    names = [
        "" if pd.isna(target) else str(target).removeprefix(f"{task}: ")
        for task, target in zip(rows["task"], rows["target"], strict=True)
    ]
    rows = of_tasks(rows.assign(target=names))
    rows = rows[rows["status"] == OK]
    if rows.empty:
        raise style.NothingToDraw("No score is estimable in the external cohort.")
    extractors = list(dict.fromkeys(rows["extractor"]))
    marks = style.looks(extractors)
    metrics = [metric for metric in METRICS if (rows["metric"] == metric).any()]
    counts = [rows.loc[rows["metric"] == metric, "task"].nunique() for metric in metrics]
    tall = max(7.0, 3.4 * len(extractors))
    figure = style.page(24 + 11 * len(metrics) + tall * sum(counts))
    panels = figure.subplots(len(metrics), 1, height_ratios=counts, squeeze=False)[:, 0]
    for axes, metric in zip(panels, metrics, strict=True):
        _panel(axes, rows[rows["metric"] == metric], metric, marks)
    style.grid(*panels)
    style.key(panels[0], marks)
    first = rows.iloc[0]
    style.headline(
        figure,
        f"Trained in {first['trained_on']}, tested in {first['tested_on']}\n"
        f"filled: external score   open: cross-validated in {first['trained_on']}   "
        "lines: 95 % intervals",
    )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, metric: str, marks: dict[str, tuple[str, str]]) -> None:
    tasks = list(dict.fromkeys(rows["task"]))
    unit = 100 if metric == "accuracy" else 1
    for number, (name, (colour, marker)) in enumerate(marks.items()):
        own = rows[rows["extractor"] == name]
        at = own["task"].map(tasks.index) + style.beside(number, len(marks), 0.75)
        apart = 0.18 / len(marks)
        for score, bounds, shift, fill, line in (
            ("crossval", ("crossval_low", "crossval_high"), -apart, "white", DASHED),
            ("value", ("ci_low", "ci_high"), apart, colour, {}),
        ):
            low, high = (unit * own[bound] for bound in bounds)
            axes.hlines(at + shift, low, high, color=colour, **line)
            look: style.Look = {"markeredgecolor": colour, "markerfacecolor": fill}
            axes.plot(unit * own[score], at + shift, marker, **look)
    n = rows.drop_duplicates("task").set_index("task")["n"]
    style.rows(axes, [f"{task}  n = {int(n[task]):,}" for task in tasks])
    axes.set_xlabel(f"{METRICS[metric]} (%)" if metric == "accuracy" else METRICS[metric])
    if metric in CHANCE:
        axes.axvline(CHANCE[metric], color=style.INK, linewidth=0.8)
