"""Numbers, such as expression: how well each is predicted, and by how much extractors differ."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..evaluation.statistics import OK
from ..results.rows import against_baseline, extractors, flag, of_kind
from ..results.tables import Tables
from ..results.words import count
from . import style

LABELLED = 6
"""How many genes a panel names."""


def scatter(tables: Tables, alpha: float) -> Figure:
    """Draw r under the baseline against r under each other extractor, one dot per target."""
    table = tables["related_genes"]
    names = table["extractor"].unique().tolist()
    r = table.pivot_table(index="target", columns="extractor", values="r").reindex(columns=names)
    r = r.dropna()
    if r.empty or len(names) < 2:
        raise style.NothingToDraw(
            "No target was predicted by two extractors, so there is nothing to compare."
        )
    related = flag(table["related"]).groupby(table["target"]).any().reindex(r.index)
    low, high = np.floor(10 * r.to_numpy().min()) / 10, np.ceil(10 * r.to_numpy().max()) / 10
    panels, figure = _panels(len(names) - 1)
    for axes, name in zip(panels, names[1:], strict=True):
        axes.axline((low, low), slope=1, color=style.INK, linewidth=0.8)
        axes.axhline(0, color=style.FAINT, linewidth=0.6)
        axes.axvline(0, color=style.FAINT, linewidth=0.6)
        colour, inside = style.looks(names)[name][0], axes.transAxes
        x, y = r[names[0]], r[name]
        _dots(axes, x, y, related, colour, ("not related", "related to the features"))
        better, worse = (int((related & sign).sum()) for sign in (y > x, y < x))
        axes.text(0.03, 0.97, f"{better} better", transform=inside, va="top", color=colour)
        axes.text(0.97, 0.03, f"{worse} worse", transform=inside, ha="right", color=style.GREY)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        _name_genes(axes, x[related], y[related])
        axes.set(xlabel=f"Pearson r, {names[0]}", ylabel=f"Pearson r, {name}")
    improved = against_baseline(tables["improved"])
    style.headline(figure, _gist(improved, _patients(tables["comparison"])))
    return figure


def volcano(tables: Tables, alpha: float) -> Figure:
    """Draw the difference in r of each target against the p of the corrected t-test."""
    rows = against_baseline(of_kind(tables["comparison"], "expression"))
    rows = rows.dropna(subset=["delta", "p_corrected"])
    if rows.empty:
        raise style.NothingToDraw("No target's difference could be tested.")
    names = extractors(rows)
    panels, figure = _panels(len(names) - 1)
    rows = rows.assign(
        height=-np.log10(rows["p_corrected"].clip(lower=np.finfo(float).tiny)),
        significant=rows["q_bh"] <= alpha,
    )
    widest = 1.15 * rows["delta"].abs().max() or 0.1
    line = -math.log10(alpha)
    highest = 1.12 * max(rows["height"].max(), line)
    for axes, name in zip(panels, names[1:], strict=True):
        own = rows[rows["extractor"] == name].set_index("target")
        colour = style.looks(names)[name][0]
        axes.axvline(0, color=style.INK, linewidth=0.8)
        axes.axhline(line, color=style.GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        x, y, significant = own["delta"], own["height"], own["significant"]
        labels = (f"q > {alpha:g}", f"q ≤ {alpha:g}, Benjamini–Hochberg")
        _dots(axes, x, y, significant, colour, labels)
        axes.set(xlim=(-widest, widest), ylim=(0, highest))
        axes.xaxis.set_major_locator(MaxNLocator(6, symmetric=True))
        _name_genes(axes, x[significant], y[significant])
        level = f" p = {alpha:g}"
        axes.text(-widest, line, level, va="bottom", color=style.GREY, fontsize=6)
        axes.set(xlabel=f"Δr, {name} − {names[0]}", ylabel="−log₁₀ p, corrected t-test")
    changed = rows.loc[rows["significant"], "delta"]
    up, down = int((changed > 0).sum()), int((changed < 0).sum())
    style.headline(
        figure,
        f"{count(up, 'significant gain')} and {count(down, 'significant loss')}\n"
        f"among {count(len(rows), 'difference')}{_patients(rows)}",
    )
    return figure


def _panels(count: int) -> tuple[list[Axes], Figure]:
    columns = min(count, 2)
    lines = math.ceil(count / columns)
    figure = style.page(lines * 94 + 14, 100 if columns == 1 else style.PAGE_MM)
    panels = figure.subplots(lines, columns, squeeze=False).flatten().tolist()
    for axes in panels[count:]:
        axes.set_axis_off()
    return panels[:count], figure


def _dots(
    axes: Axes, x: pd.Series, y: pd.Series, chosen: pd.Series, colour: str, labels: tuple[str, str]
) -> None:
    """Draw one dot per gene, grey where it is not chosen, and count both in the legend."""
    for shown, shade, label in ((~chosen, "#BDBDBD", labels[0]), (chosen, colour, labels[1])):
        counted = f"{label} (n = {int(shown.sum())})"
        look: style.Look = {"color": shade, "alpha": 0.75, "markeredgewidth": 0}
        axes.plot(x[shown], y[shown], "o", label=counted, **look)
    axes.legend(**style.ABOVE, borderaxespad=0.2, handlelength=0.8)


def _name_genes(axes: Axes, x: pd.Series, y: pd.Series) -> None:
    """Name the highest dots, except where a name would lie on another."""
    left, right = axes.get_xlim()
    wide, high = right - left, float(np.ptp(axes.get_ylim()))
    named: list[tuple[float, float]] = []
    for gene in y.sort_values(ascending=False, kind="stable").index:
        at = float(x[gene]), float(y[gene])
        near = (
            abs(at[0] - u) < 0.035 * len(gene) * wide and abs(at[1] - v) < 0.05 * high
            for u, v in named
        )
        if len(named) < LABELLED and not any(near):
            named.append(at)
            inward = "right" if at[0] > left + 0.3 * wide else "left"
            shift = -3 if inward == "right" else 3
            axes.annotate(gene, at, (shift, 2), textcoords="offset points", fontsize=6, ha=inward)


def _patients(comparison: pd.DataFrame) -> str:
    n = of_kind(comparison, "expression")["n"].dropna()
    if n.empty:
        return ""
    low, high = int(n.min()), int(n.max())
    return f", n = {low} patients" if low == high else f", n = {low}–{high} patients"


def _gist(improved: pd.DataFrame, patients: str) -> str:
    if len(improved) != 1 or improved["status"].iloc[0] != OK:
        return f"How well each target is predicted{patients}"
    row = improved.iloc[0]
    return (
        f"{row['extractor']}: higher r for {row['n_improved']} of {row['n_related']} related "
        f"targets\ntruly better: {100 * row['share_truly']:.0f} % ({100 * row['ci_low']:.0f}–"
        f"{100 * row['ci_high']:.0f} %){patients}"
    )
