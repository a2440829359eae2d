"""Mutations: the AUROC of each gene, and the difference between extractors."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..results.rows import extractors, of_kind, unique
from ..results.tables import Tables
from ..results.words import count
from . import style
from .nothing import NothingToDraw


def auroc(tables: Tables, alpha: float) -> Figure:
    """Draw each repeat's AUROC per gene, and beside it the corrected interval of the difference."""
    table, comparison = tables["mutation"], of_kind(tables["comparison"], "mutation")
    if table.empty:
        raise NothingToDraw("No mutation was predicted.")
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
        own = scores[(scores["extractor"] == name) & scores["target"].isin(genes)]
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
    right.set_xlabel(f"ΔAUROC vs {names[0]}, 95 % interval")
    right.xaxis.set_major_locator(MaxNLocator(5))
    for axes in (left, right):
        style.grid(axes, "x")
        for row in range(1, len(genes)):
            axes.axhline(row - 0.5, color="#EFEFEF", linewidth=0.6, zorder=0)
    style.key(left, marks)
    style.headline(figure, _gist(comparison))
    return figure


def roc(tables: Tables, alpha: float) -> Figure:
    """Draw each gene's ROC curve under every extractor; the band is the interval over patients."""
    curves, table = tables["roc"], tables["mutation"]
    if curves.empty:
        raise NothingToDraw("No mutation can be estimated, so there is no ROC curve.")
    names = unique(table["extractor"])
    marks = style.looks(names)
    estimated = table[table["target"].isin(unique(curves["target"]))]
    genes = (
        estimated.groupby("target")["mean"].max().sort_values(ascending=False, kind="stable")
    ).index.tolist()
    columns = min(4, max(2, len(genes)))
    lines = math.ceil(len(genes) / columns)
    figure = style.page(lines * (style.PAGE_MM / columns + 4) + 26)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, gene in zip(panels.flat, genes, strict=False):
        axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=0.8)
        for number, name in enumerate(names):
            colour = marks[name][0]
            own = curves[(curves["target"] == gene) & (curves["extractor"] == name)]
            # More than two overlapping bands cannot be told apart.
            if len(names) == 2:
                axes.fill_between(
                    own["fpr"], own["ci_low"], own["ci_high"], color=colour, alpha=0.18, linewidth=0
                )
            axes.plot(own["fpr"], own["tpr"], color=colour)
            score = estimated.loc[
                (estimated["target"] == gene) & (estimated["extractor"] == name), "mean"
            ]
            axes.text(
                0.97,
                0.03 + 0.075 * (len(names) - 1 - number),
                f"{score.iloc[0]:.2f}",
                transform=axes.transAxes,
                ha="right",
                color=colour,
            )
        first = table[table["target"] == gene].iloc[0]
        axes.set_title(f"{gene}  {first['n_positive']:.0f} of {first['n']:.0f}", fontsize=7)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    style.label_edges(panels, len(genes), "false positive rate", "true positive rate")
    figure.legend(
        handles=[Line2D([], [], color=colour, label=name) for name, (colour, _) in marks.items()],
        loc="outside lower left",
        ncols=3,
    )
    band = "band: 95 % interval over patients" if len(names) == 2 else "intervals: tables/roc.tsv"
    style.headline(
        figure,
        f"ROC curves of {count(len(genes), 'gene')} (mutated of all patients)\n"
        f"numbers: AUROC; {band}",
    )
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
        return f"Of {len(tested)} differences in AUROC, {up} above zero and {down} below"
    name = tested["extractor"].iloc[0]
    rest = len(tested) - up - down
    return f"{name}: better for {count(up, 'gene')}, worse for {down}, undecided for {rest}"
