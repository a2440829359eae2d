"""Costs: hours and memory of each rule, by stage."""

from __future__ import annotations

from itertools import cycle

from matplotlib.figure import Figure

from ..results.tables import Tables
from . import style

UNITS = {"h": 1.0, "min": 60.0, "s": 3600.0}
"""How many of a unit make an hour."""
SHOWN = 16
"""How many rules have a row of their own; the last row sums the others."""


def by_rule(tables: Tables, alpha: float) -> Figure:
    """Draw CPU time and peak memory of each rule, in the order of the data."""
    table = tables["costs"]
    if table.empty:
        raise style.NothingToDraw("No job was timed.")
    largest = table["cpu_hours"].nlargest(SHOWN).index
    rest = table.drop(largest)
    rows = table.loc[sorted(largest)]
    labels = [f"{row['rule'].replace('_', ' ')}  n = {row['jobs']:,}" for _, row in rows.iterrows()]
    hours, memory = rows["cpu_hours"].tolist(), (rows["max_rss_mb"] / 1024).tolist()
    # Neighbouring stages have different colours.
    shades = dict(zip(table["stage"].unique(), cycle(style.COMPARED[:4]), strict=False))
    stages, colours = rows["stage"].tolist(), [shades[stage] for stage in rows["stage"]]
    if len(rest):
        labels.append(f"{len(rest)} other rules  n = {rest['jobs'].sum():,}")
        hours.append(rest["cpu_hours"].sum())
        memory.append(rest["max_rss_mb"].max() / 1024)
        stages.append("")
        colours.append(style.FAINT)
    unit, total = _unit(max(hours)), sum(hours) or 1.0

    figure = style.page(24 + 5 * len(labels))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.6, 1])
    place = range(len(labels))
    left.barh(place, [UNITS[unit] * value for value in hours], color=colours)
    right.barh(place, memory, color=colours)
    for number, value in enumerate(hours):
        share = "< 1 %" if value < 0.01 * total else f"{100 * value / total:.0f} %"
        left.text(UNITS[unit] * value, number, f" {share}", va="center", fontsize=6)
    for number, stage in enumerate(stages):
        if stage and stage not in stages[:number]:
            look = {"va": "center", "color": shades[stage], "weight": "bold"}
            right.text(1.01, number, stage, transform=right.get_yaxis_transform(), **look)
        if number and stage != stages[number - 1]:
            for axes in (left, right):
                axes.axhline(number - 0.5, color=style.FAINT, linewidth=0.6)
    style.rows(left, labels)
    left.margins(x=0.12)
    left.set_xlabel(f"CPU time of all jobs ({unit}), and share of the total")
    right.set_xlabel("peak memory of a job (GB)")
    style.grid(left, right)
    style.headline(figure, _gist(table["cpu_hours"].sum(), table["gpu_hours"].sum()))
    return figure


def _unit(hours: float) -> str:
    """Choose the largest unit of which there is at least one."""
    return next((unit for unit, many in UNITS.items() if many * hours >= 1), "s")


def _amount(hours: float) -> str:
    unit = _unit(hours)
    return f"{UNITS[unit] * hours:,.1f} {unit}"


def _gist(cpu_hours: float, gpu_hours: float) -> str:
    gpu = f"held a GPU for {_amount(gpu_hours)}" if gpu_hours else "used no GPU"
    return f"The jobs took {_amount(cpu_hours)} of CPU time and {gpu}"
