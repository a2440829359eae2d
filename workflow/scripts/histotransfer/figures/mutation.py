"""Targets of two values: the AUROC of each, and the difference between extractors."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..evaluation.decisions import BETTER, EQUIVALENT, UNDECIDED, WORSE
from ..evaluation.scores import NO_OTHER
from ..results.answers import TARGET
from ..results.rows import against_baseline, extractors, of_kind
from ..results.tables import Tables
from ..results.words import count
from . import style


def auroc(tables: Tables, alpha: float) -> Figure:
    """Draw each repeat's AUROC per target, and beside it the interval of the difference."""
    table = tables["mutation"]
    comparison = against_baseline(of_kind(tables["comparison"], "mutation"))
    if table.empty:
        raise style.NothingToDraw("No target of two values was predicted.")
    names = extractors(comparison) or table["extractor"].unique().tolist()
    marks = style.looks(names)
    targets = _best_first(table)
    scores = tables["scores"]
    scores = scores[(scores["metric"] == "auroc") & (scores["without"] == NO_OTHER)]
    by_repeat = scores.groupby(["extractor", "target", "repeat"], observed=True)["value"].mean()
    scores = by_repeat.reset_index()
    place = {target: i for i, target in enumerate(targets)}

    figure = style.page(28 + max(6.0, 3.2 * len(names)) * len(targets))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.35, 1])
    for k, name in enumerate(names):
        shift = style.beside(k, len(names), 0.72)
        colour, marker = marks[name]
        own = scores[(scores["extractor"] == name) & scores["target"].isin(targets)]
        small: style.Look = {"alpha": 0.3, "markersize": 2.2, "markeredgewidth": 0}
        left.plot(own["value"], own["target"].map(place) + shift, "o", color=colour, **small)
        means = table[table["extractor"] == name].dropna(subset=["mean"])
        large: style.Look = {"markeredgecolor": "white", "markersize": 5}
        left.plot(means["mean"], means["target"].map(place) + shift, marker, color=colour, **large)
        change = comparison[comparison["extractor"] == name].dropna(subset=["delta"])
        change = change.assign(at=change["target"].map(place) + shift)
        style.changes(right, change, marks[name], alpha)
    for target, rows in table.groupby("target"):
        if rows["mean"].isna().all():
            left.text(0.5, place[str(target)], "  not estimable", va="center", color=style.GREY)

    positive = _positive(table)
    style.rows(left, [f"{target}  {positive[target]} positive" for target in targets])
    left.axvline(0.5, color=style.INK, linewidth=0.8)
    left.set_xlabel("AUROC (small: each repeat; large: mean; line: chance)")
    right.axvline(0, color=style.INK, linewidth=0.8)
    right.set_xlabel(f"ΔAUROC vs {names[0]}, 95 % interval")
    right.xaxis.set_major_locator(MaxNLocator(5))
    style.grid(left, right)
    for axes in (left, right):
        for row in range(1, len(targets)):
            axes.axhline(row - 0.5, color="#EFEFEF", linewidth=0.6, zorder=0)
    style.key(left, marks)
    style.headline(figure, _gist(of_kind(tables["answers"], "mutation"), alpha))
    return figure


def roc(tables: Tables, alpha: float) -> Figure:
    """Draw each target's ROC curve under every extractor, the mean of the folds' curves."""
    curves, table = tables["roc"], tables["mutation"]
    if curves.empty:
        raise style.NothingToDraw(
            "No target of two values can be estimated, so there is no ROC curve."
        )
    names = table["extractor"].unique().tolist()
    marks = style.looks(names)
    estimated = table[table["target"].isin(curves["target"].unique().tolist())]
    targets = _best_first(estimated)
    positive = _positive(estimated)
    columns = min(4, max(2, len(targets)))
    lines = math.ceil(len(targets) / columns)
    figure = style.page(lines * (style.PAGE_MM / columns + 4) + 26)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, target in zip(panels.flat, targets, strict=False):
        of_target = estimated[estimated["target"] == target]
        axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=0.8)
        for number, name in enumerate(names):
            look: style.Look = {"color": marks[name][0]}
            own = curves[(curves["target"] == target) & (curves["extractor"] == name)]
            axes.plot(own["fpr"], own["tpr"], **look)
            row = of_target[of_target["extractor"] == name].iloc[0]
            score = f"{row['mean']:.2f} ({row['ci_low']:.2f}–{row['ci_high']:.2f})"
            y = 0.03 + 0.075 * (len(names) - 1 - number)
            axes.text(0.97, y, score, transform=axes.transAxes, ha="right", **look)
        axes.set_title(f"{target}  {positive[target]}", fontsize=7)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        for side in (axes.xaxis, axes.yaxis):
            side.set_ticks([0, 0.5, 1], ["0", "0.5", "1"])
    style.label_edges(panels, len(targets), "false positive rate", "true positive rate")
    handles = [Line2D([], [], color=colour, label=name) for name, (colour, _) in marks.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    title = f"ROC curves of {count(len(targets), 'target')} (positive of all patients)"
    style.headline(figure, f"{title}\nnumbers: mean AUROC of the folds, 95 % interval")
    return figure


def _best_first(table: pd.DataFrame) -> list[str]:
    best = table.groupby("target")["mean"].max()
    return best.sort_values(ascending=False, kind="stable").index.tolist()


def _positive(table: pd.DataFrame) -> dict[str, str]:
    rows = table.drop_duplicates("target").to_dict("records")
    return {row["target"]: f"{row['n_positive']:.0f} of {row['n']:.0f}" for row in rows}


def _gist(answers: pd.DataFrame, alpha: float) -> str:
    tested = answers[(answers["scope"] == TARGET) & answers["relevance"].notna()]
    if tested.empty:
        return "How well each target of two values is predicted"
    up, down = (int((tested["direction"] == way).sum()) for way in (BETTER, WORSE))
    filled = f"right: filled if decided (q ≤ {alpha:g})"
    if tested["extractor"].nunique() > 1:
        return f"Of {len(tested)} differences in AUROC, {up} better and {down} worse\n{filled}"
    name, rest = tested["extractor"].iloc[0], tested["direction"] == UNDECIDED
    alike = int((rest & (tested["relevance"] == EQUIVALENT)).sum())
    no_matter = f", no relevant difference for {alike}" if alike else ""
    return (
        f"{name}: better for {count(up, 'target')}, worse for {down}{no_matter}, undecided for "
        f"{int(rest.sum()) - alike}\n{filled}"
    )
