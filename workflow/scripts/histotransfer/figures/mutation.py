"""Mutations: the AUROC of each gene, and the difference between extractors."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .. import style
from ..tables import Tables, extractors, of_kind, unique
from .nothing import NothingToDraw


def auroc(tables: Tables, alpha: float) -> Figure:
    """Draw each repeat's AUROC per gene, and beside it the corrected interval of the difference."""
    table, comparison = tables["mutation"], of_kind(tables["comparison"], "mutation")
    if table.empty:
        raise NothingToDraw("No mutation was to be predicted.")
    names = extractors(comparison) or unique(table["extractor"])
    marks = style.looks(names)
    genes = (
        table.groupby("target")["mean"].max().sort_values(ascending=False, kind="stable").index
    ).tolist()
    scores = tables["scores"]
    scores = scores[(scores["metric"] == "auroc") & (scores["fold"] == -1)]
    place = {gene: i for i, gene in enumerate(genes)}

    figure = style.page(28 + max(6.0, 3.2 * len(names)) * len(genes))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.35, 1])
    for k, name in enumerate(names):
        shift = (k - (len(names) - 1) / 2) * 0.72 / len(names)
        colour, marker = marks[name]
        own = scores[(scores["source"] == name) & scores["target"].isin(genes)]
        left.plot(
            own["value"],
            own["target"].map(place) + shift,
            "o",
            color=colour,
            alpha=0.3,
            markersize=2.2,
            markeredgewidth=0,
        )
        means = table[table["extractor"] == name].dropna(subset=["mean"])
        left.plot(
            means["mean"],
            means["target"].map(place) + shift,
            marker,
            color=colour,
            markeredgecolor="white",
            markersize=5,
        )
        change = comparison[comparison["extractor"] == name].dropna(subset=["delta"])
        at = change["target"].map(place) + shift
        right.hlines(at, change["ci_low"], change["ci_high"], color=colour)
        right.plot(change["delta"], at, marker, color=colour)
    _say_not_estimable(left, table, place)

    first = table.drop_duplicates("target").set_index("target")
    left.set_yticks(range(len(genes)), [_label(gene, first.loc[gene]) for gene in genes])
    left.set_ylim(len(genes) - 0.4, -0.6)
    left.axvline(0.5, color=style.INK, linewidth=0.8)
    left.set_xlabel("AUROC (small: each repeat; large: mean; line: chance)")
    right.axvline(0, color=style.INK, linewidth=0.8)
    right.set_xlabel(f"ΔAUROC to {names[0]}, 95 % interval")
    right.xaxis.set_major_locator(MaxNLocator(5))
    for axes in (left, right):
        style.grid(axes, "x")
        for row in range(1, len(genes)):
            axes.axhline(row - 0.5, color="#EFEFEF", linewidth=0.6, zorder=0)
    style.key(left, marks)
    style.headline(figure, _gist(comparison))
    return figure


def _say_not_estimable(axes: Axes, table: pd.DataFrame, place: dict[str, int]) -> None:
    for gene, rows in table.groupby("target"):
        if rows["mean"].isna().all():
            axes.text(0.5, place[str(gene)], "  not estimable", va="center", color=style.GREY)


def _label(gene: str, row: pd.Series) -> str:
    return f"{gene}  {row['n_positive']:.0f} of {row['n']:.0f} mutated"


def _gist(comparison: pd.DataFrame) -> str:
    tested = comparison.dropna(subset=["delta", "ci_low"])
    up, down = int((tested["ci_low"] > 0).sum()), int((tested["ci_high"] < 0).sum())
    if tested.empty:
        return "How well each gene's mutation is predicted"
    if tested["extractor"].nunique() > 1:
        return f"Of {len(tested)} differences in AUROC, {up} are above zero and {down} below"
    name = tested["extractor"].iloc[0]
    rest = len(tested) - up - down
    return f"{name} is better for {up}, worse for {down} and undecided for {rest} genes"
