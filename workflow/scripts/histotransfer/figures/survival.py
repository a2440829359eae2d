"""How patients of high and of low predicted risk fared, under each extractor."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation.tables_of_kinds import HIGH, LOW
from ..results.rows import extractors, of_kind
from ..results.tables import Tables
from . import style

LOOKS = {HIGH: (style.OKABE_ITO["vermillion"], "-"), LOW: (style.OKABE_ITO["blue"], "--")}
"""Colour and line of each group."""


def curves(tables: Tables, alpha: float) -> Figure:
    """Draw the Kaplan–Meier curves of both groups: a row per task, a column per extractor."""
    table, comparison = tables["risk_groups"], of_kind(tables["comparison"], "survival")
    if table.empty:
        raise style.NothingToDraw("No survival was predicted.")
    names = extractors(comparison) or table["extractor"].unique().tolist()
    tasks = table["task"].unique().tolist()
    figure = style.page(24 + 52 * len(tasks))
    panels = figure.subplots(len(tasks), len(names), sharex="row", sharey=True, squeeze=False)
    means = _means(comparison)
    for row, task in zip(panels, tasks, strict=True):
        for axes, name in zip(row, names, strict=True):
            own = table[(table["task"] == task) & (table["extractor"] == name)]
            for group, rows in own.groupby("group"):
                _curve(axes, str(group), rows)
            score = f": C = {means[task, name]:.2f}" if (task, name) in means else ""
            axes.set_title(f"{task}, {name}{score}", fontsize=7)
            axes.set(ylim=(0, 1.02), xlabel="time, as in the table of labels")
            axes.set_xlim(left=0)
            axes.legend(loc="upper right", handlelength=1.6)
        row[0].set_ylabel("share without the event")
    style.grid(*panels.flat, axis="y")
    style.headline(
        figure,
        "Survival of patients above and below the median predicted risk\n"
        "groups by models that have not seen the patient; ticks: end of follow-up",
    )
    return figure


def _curve(axes: Axes, group: str, rows: pd.DataFrame) -> None:
    colour, line = LOOKS[group]
    n = int(rows["at_risk"].iloc[0])
    time, survival = [0.0, *rows["time"]], [1.0, *rows["survival"]]
    axes.step(time, survival, line, where="post", color=colour, label=f"{group} risk, n = {n}")
    ended = rows[~rows["event"]]
    axes.plot(ended["time"], ended["survival"], "|", color=colour, markersize=3)


def _means(comparison: pd.DataFrame) -> dict[tuple[str, str], float]:
    own = {(r["task"], r["extractor"]): r["extractor_mean"] for r in comparison.to_dict("records")}
    base = {(r["task"], r["baseline"]): r["baseline_mean"] for r in comparison.to_dict("records")}
    return base | own
