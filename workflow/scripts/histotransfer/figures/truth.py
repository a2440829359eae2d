"""Simulated studies only: which planted effects were found, and which noise looks like one."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ..results.rows import flag
from ..results.tables import Tables
from . import style

UNITS = {"expression": "Pearson r", "mutation": "AUROC"}


def recovery(tables: Tables, alpha: float) -> Figure:
    """Draw the score of each target under each extractor: filled where it passed the test."""
    table = tables["truth"]
    if table.empty:
        raise style.NothingToDraw("No truth was planted.")
    names = table["extractor"].dropna().unique().tolist()
    marks = style.looks(names)
    flags = ("expected", "recovered", "agrees")
    table = table.assign(**{name: flag(table[name]) for name in flags})
    tasks = table["task"].unique().tolist()
    rows = {
        task: table[table["task"] == task]
        .sort_values(["expected", "target"], ascending=[False, True])
        .drop_duplicates("target")
        for task in tasks
    }
    tallest = max(map(len, rows.values()))
    figure = style.page(30 + max(3.6, 1.9 * len(names)) * tallest)
    columns = figure.add_gridspec(1, len(tasks))
    for column, task in enumerate(tasks):
        targets = rows[task]["target"].tolist()
        # The same height per target in every panel, whatever their number.
        spare = tallest - len(targets)
        cell = columns[column]
        if spare:
            cell = cell.subgridspec(2, 1, height_ratios=[len(targets), spare])[0]
        axes = figure.add_subplot(cell)
        place = {target: i for i, target in enumerate(targets)}
        for k, name in enumerate(names):
            colour, marker = marks[name]
            own = table[(table["task"] == task) & (table["extractor"] == name)]
            at = own["target"].map(place) + style.beside(k, len(names), 0.6)
            for passed, fill in ((True, colour), (False, "white")):
                chosen = own["recovered"] == passed
                look: style.Look = {"markeredgecolor": colour, "markerfacecolor": fill}
                axes.plot(own.loc[chosen, "value"], at[chosen], marker, **look)
            wrong = ~own["agrees"] & own["value"].notna()
            red = style.OKABE_ITO["vermillion"]
            axes.plot(own.loc[wrong, "value"], at[wrong], "x", color=red, markersize=8, zorder=5)
        planted = int(rows[task]["expected"].sum())
        axes.axhspan(-0.6, planted - 0.5, color="#F3F3F3", zorder=0)
        axes.axvline(0.5 if task == "mutation" else 0, color=style.INK, linewidth=0.8)
        style.rows(axes, [_label(row) for _, row in rows[task].iterrows()])
        axes.set_xlabel(UNITS.get(task, "score"))
        axes.set_title(f"{task}, n = {len(targets)} targets", pad=22)
        style.grid(axes)
        if column == 0:
            style.key(axes, marks)
    agree = int(table["agrees"].sum())
    style.headline(
        figure,
        f"{agree} of {len(table)} results agree with what was planted\n"
        f"filled: q ≤ {alpha:g}   open: not significant   cross: contradicts what was planted",
    )
    return figure


def _label(row: pd.Series) -> str:
    return f"{row['target']}  {row['follows']}" if row["expected"] else f"{row['target']}  noise"
