"""Mutations: the AUROC of each gene, and the difference between extractors."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..evaluation.decisions import BETTER, EQUIVALENT, UNDECIDED, WORSE
from ..evaluation.scores import NO_OTHER
from ..results.answers import TARGET
from ..results.rows import extractors, of_kind
from ..results.tables import Tables
from ..results.words import count
from . import style


def auroc(tables: Tables, alpha: float) -> Figure:
    """Draw each repeat's AUROC per gene, and beside it the corrected interval of the difference."""
    table, comparison = tables["mutation"], of_kind(tables["comparison"], "mutation")
    if table.empty:
        raise style.NothingToDraw("No mutation was predicted.")
    names = extractors(comparison) or table["extractor"].unique().tolist()
    marks = style.looks(names)
    genes = _best_first(table)
    scores = tables["scores"]
    scores = scores[(scores["metric"] == "auroc") & (scores["without"] == NO_OTHER)]
    by_repeat = scores.groupby(["extractor", "target", "repeat"], observed=True)["value"].mean()
    scores = by_repeat.reset_index()
    place = {gene: i for i, gene in enumerate(genes)}

    figure = style.page(28 + max(6.0, 3.2 * len(names)) * len(genes))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.35, 1])
    for k, name in enumerate(names):
        shift = style.beside(k, len(names), 0.72)
        colour, marker = marks[name]
        own = scores[(scores["extractor"] == name) & scores["target"].isin(genes)]
        small: style.Look = {"alpha": 0.3, "markersize": 2.2, "markeredgewidth": 0}
        left.plot(own["value"], own["target"].map(place) + shift, "o", color=colour, **small)
        means = table[table["extractor"] == name].dropna(subset=["mean"])
        large: style.Look = {"markeredgecolor": "white", "markersize": 5}
        left.plot(means["mean"], means["target"].map(place) + shift, marker, color=colour, **large)
        change = comparison[comparison["extractor"] == name].dropna(subset=["delta"])
        change = change.assign(at=change["target"].map(place) + shift)
        style.changes(right, change, marks[name], alpha)
    for gene, rows in table.groupby("target"):
        if rows["mean"].isna().all():
            left.text(0.5, place[str(gene)], "  not estimable", va="center", color=style.GREY)

    mutated = _mutated(table)
    style.rows(left, [f"{gene}  {mutated[gene]} mutated" for gene in genes])
    left.axvline(0.5, color=style.INK, linewidth=0.8)
    left.set_xlabel("AUROC (small: each repeat; large: mean; line: chance)")
    right.axvline(0, color=style.INK, linewidth=0.8)
    right.set_xlabel(f"ΔAUROC vs {names[0]}, 95 % interval")
    right.xaxis.set_major_locator(MaxNLocator(5))
    style.grid(left, right)
    for axes in (left, right):
        for row in range(1, len(genes)):
            axes.axhline(row - 0.5, color="#EFEFEF", linewidth=0.6, zorder=0)
    style.key(left, marks)
    style.headline(figure, _gist(of_kind(tables["answers"], "mutation"), alpha))
    return figure


def roc(tables: Tables, alpha: float) -> Figure:
    """Draw each gene's ROC curve under every extractor, the mean of the folds' curves."""
    curves, table = tables["roc"], tables["mutation"]
    if curves.empty:
        raise style.NothingToDraw("No mutation can be estimated, so there is no ROC curve.")
    names = table["extractor"].unique().tolist()
    marks = style.looks(names)
    estimated = table[table["target"].isin(curves["target"].unique().tolist())]
    genes = _best_first(estimated)
    mutated = _mutated(estimated)
    columns = min(4, max(2, len(genes)))
    lines = math.ceil(len(genes) / columns)
    figure = style.page(lines * (style.PAGE_MM / columns + 4) + 26)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, gene in zip(panels.flat, genes, strict=False):
        of_gene = estimated[estimated["target"] == gene]
        axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=0.8)
        for number, name in enumerate(names):
            look: style.Look = {"color": marks[name][0]}
            own = curves[(curves["target"] == gene) & (curves["extractor"] == name)]
            axes.plot(own["fpr"], own["tpr"], **look)
            row = of_gene[of_gene["extractor"] == name].iloc[0]
            low, high = max(0, row["ci_low"]), min(1, row["ci_high"])
            score = f"{row['mean']:.2f} ({low:.2f}–{high:.2f})"
            y = 0.03 + 0.075 * (len(names) - 1 - number)
            axes.text(0.97, y, score, transform=axes.transAxes, ha="right", **look)
        axes.set_title(f"{gene}  {mutated[gene]}", fontsize=7)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        for side in (axes.xaxis, axes.yaxis):
            side.set_ticks([0, 0.5, 1], ["0", "0.5", "1"])
    style.label_edges(panels, len(genes), "false positive rate", "true positive rate")
    handles = [Line2D([], [], color=colour, label=name) for name, (colour, _) in marks.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    title = f"ROC curves of {count(len(genes), 'gene')} (mutated of all patients)"
    style.headline(figure, f"{title}\nnumbers: mean AUROC of the folds, 95 % interval")
    return figure


def _best_first(table: pd.DataFrame) -> list[str]:
    best = table.groupby("target")["mean"].max()
    return best.sort_values(ascending=False, kind="stable").index.tolist()


def _mutated(table: pd.DataFrame) -> dict[str, str]:
    rows = table.drop_duplicates("target").to_dict("records")
    return {row["target"]: f"{row['n_positive']:.0f} of {row['n']:.0f}" for row in rows}


def _gist(answers: pd.DataFrame, alpha: float) -> str:
    tested = answers[(answers["scope"] == TARGET) & answers["relevance"].notna()]
    if tested.empty:
        return "How well each gene's mutation is predicted"
    up, down = (int((tested["direction"] == way).sum()) for way in (BETTER, WORSE))
    filled = f"right: filled if decided (q ≤ {alpha:g})"
    if tested["extractor"].nunique() > 1:
        return f"Of {len(tested)} differences in AUROC, {up} better and {down} worse\n{filled}"
    name, rest = tested["extractor"].iloc[0], tested["direction"] == UNDECIDED
    alike = int((rest & (tested["relevance"] == EQUIVALENT)).sum())
    no_matter = f", no relevant difference for {alike}" if alike else ""
    return (
        f"{name}: better for {count(up, 'gene')}, worse for {down}{no_matter}, undecided for "
        f"{int(rest.sum()) - alike}\n{filled}"
    )
