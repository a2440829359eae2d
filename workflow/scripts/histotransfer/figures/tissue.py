"""Classes, of tissue or of patients: accuracy by class, and which one is called which."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..evaluation.decisions import BETTER, EQUIVALENT, WORSE
from ..evaluation.statistics import NOT_ESTIMABLE, wilson
from ..results.answers import PATIENT, TASK
from ..results.rows import against_baseline, extractors, of_kind
from ..results.tables import Tables
from . import style

NAMES = {
    "ADI": "adipose",
    "BACK": "background",
    "DEB": "debris",
    "LYM": "lymphocytes",
    "MUC": "mucus",
    "MUS": "muscle",
    "NORM": "normal mucosa",
    "STR": "stroma",
    "TUM": "tumour",
    "all": "all classes",
}
"""What the abbreviations of NCT-CRC-HE-100K mean."""


def accuracy(tables: Tables, alpha: float) -> Figure:
    """Draw each extractor's accuracy by class, and beside it the difference to the baseline."""
    rows = against_baseline(of_kind(tables["comparison"], "tissue"))
    rows = rows.dropna(subset=["extractor_mean"])
    if rows.empty:
        raise style.NothingToDraw("No class could be evaluated.")
    names = extractors(rows)
    marks = style.looks(names)
    targets = sorted(rows["target"].unique().tolist(), key=_task_and_class)
    lines = max(5.5, 2.6 * len(names))
    figure = style.page(26 + lines * len(targets))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.25, 1])

    counts = rows.drop_duplicates("target").set_index("target")["n"]
    base = rows.drop_duplicates("target").assign(
        extractor=rows["baseline"], extractor_mean=rows["baseline_mean"]
    )
    place = {name: i for i, name in enumerate(targets)}
    for k, name in enumerate(names):
        colour, marker = marks[name]
        shift = style.beside(k, len(names), 0.7)
        own = pd.concat([base, rows]).query("extractor == @name")
        at = own["target"].map(place).to_numpy(dtype=float) + shift
        value = own["extractor_mean"].to_numpy(dtype=float)
        low, high = wilson(value, own["n"].to_numpy(dtype=float))
        left.hlines(at, 100 * low, 100 * high, color=colour)
        left.plot(100 * value, at, marker, color=colour)
        change = rows[(rows["extractor"] == name) & (rows["status"] != NOT_ESTIMABLE)]
        change = change.assign(at=change["target"].map(place) + shift)
        style.changes(right, change, marks[name], alpha, unit=100)

    style.rows(left, [_label(name, counts.get(name)) for name in targets])
    if targets[0] == "all" and len(targets) > 1:
        for axes in (left, right):
            axes.axhline(0.5, color=style.FAINT, linewidth=0.8)
    left.set_xlabel("accuracy (%), 95 % interval")
    right.set_xlabel(f"difference vs {names[0]} (points), 95 % interval")
    right.axvline(0, color=style.INK, linewidth=0.8)
    style.grid(left, right)
    style.key(left, marks)
    filled = f"right: filled if decided (q ≤ {alpha:g})"
    style.headline(figure, f"{_gist(rows, tables['answers'])}\n{filled}")
    return figure


def confusion(tables: Tables, alpha: float) -> Figure:
    """Draw one matrix per extractor: of each true class, the share called each class."""
    rows = tables["confusion"].dropna(subset=["fraction"])
    if rows.empty:
        raise style.NothingToDraw("No class was predicted, so there is nothing to mistake.")
    return _matrices(rows, "What each class is called (%)")


def roc(tables: Tables, alpha: float) -> Figure:
    """Draw each class's ROC curve against all others, under every extractor."""
    curves = tables["class_roc"]
    if curves.empty:
        raise style.NothingToDraw("No class could be told from the others in any fold.")
    marks = style.looks(curves["extractor"].unique().tolist())
    # Extractors of several tasks are told apart; each task has classes of its own.
    panels_of = list(dict.fromkeys(zip(curves["task"], curves["target"], strict=True)))
    several = curves["task"].nunique() > 1
    columns = min(5, max(2, len(panels_of)))
    lines = math.ceil(len(panels_of) / columns)
    figure = style.page(lines * (style.PAGE_MM / columns + 4) + 26)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (task, target) in zip(panels.flat, panels_of, strict=False):
        of_class = curves[(curves["task"] == task) & (curves["target"] == target)]
        axes.plot([0, 1], [0, 1], color=style.FAINT, linewidth=0.8)
        shown = [name for name in marks if (of_class["extractor"] == name).any()]
        for number, name in enumerate(shown):
            own, colour = of_class[of_class["extractor"] == name], marks[name][0]
            axes.plot(own["fpr"], own["tpr"], color=colour)
            y = 0.04 + 0.09 * (len(shown) - 1 - number)
            area = f"{np.trapezoid(own['tpr'], own['fpr']):.3f}"
            axes.text(0.97, y, area, transform=axes.transAxes, ha="right", color=colour, fontsize=6)
        name = str(target).removeprefix(f"{task}: ")
        axes.set_title(f"{task}: {name}" if several else name, fontsize=7)
        axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
        for side in (axes.xaxis, axes.yaxis):
            side.set_ticks([0, 0.5, 1], ["0", "0.5", "1"])
    style.label_edges(panels, len(panels_of), "false positive rate", "true positive rate")
    handles = [Line2D([], [], color=colour, label=name) for name, (colour, _) in marks.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    style.headline(figure, "Each class against all others\nnumbers: area below the mean curve")
    return figure


def classifier(tables: Tables, alpha: float) -> Figure:
    """Draw one matrix per fine-tuned classifier and dataset."""
    rows = tables["classifier"]
    if rows.empty:
        raise style.NothingToDraw("No fine-tuned network was tried on another dataset.")
    right = rows[rows["true"] == rows["predicted"]]
    count = float((right["fraction"] * right["n"]).sum())
    total = rows.drop_duplicates(["dataset", "extractor", "true"])["n"].sum()
    panels = rows.assign(extractor=rows["extractor"] + "\non " + rows["dataset"])
    return _matrices(panels, f"Fine-tuned classifier: {100 * count / total:.1f} % correct")


def _matrices(rows: pd.DataFrame, headline: str) -> Figure:
    """Draw one matrix per extractor."""
    names = rows["extractor"].unique().tolist()
    classes = sorted({*rows["true"], *rows["predicted"]})
    n = rows.groupby("true")["n"].unique().map(sorted)
    columns = min(len(names), 3)
    lines = math.ceil(len(names) / columns)
    side = (style.PAGE_MM - 22) / max(columns, 2)
    figure = style.page(lines * (side + 6) + 28, 24 + columns * side)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, name in zip(panels.flat, names, strict=False):
        _matrix(axes, rows[rows["extractor"] == name], classes)
        # Datasets may have different numbers of patches of a class.
        counts = [" or ".join(f"{count:,}" for count in n.get(of, [])) or "0" for of in classes]
        axes.set_yticks(range(len(classes)), map(" ".join, zip(classes, counts, strict=True)))
        axes.set_title(name)
    style.label_edges(panels, len(names), "predicted class", "true class, n")
    style.headline(figure, headline)
    return figure


def _matrix(axes: Axes, rows: pd.DataFrame, classes: list[str]) -> None:
    share = (
        rows.pivot_table(index="true", columns="predicted", values="fraction", aggfunc="mean")
        .reindex(index=classes, columns=classes)
        .fillna(0)
        .to_numpy(dtype=float)
    )
    # A root scale, since the errors worth seeing are a few per cent.
    axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 1), aspect="equal")
    for i, j in np.argwhere(share >= 0.0005):
        percent, colour = 100 * share[i, j], "white" if share[i, j] > 0.3 else style.INK
        text = f"{percent:.0f}" if percent >= 9.95 else f"{percent:.1f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=5.5, color=colour)
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _task_and_class(target: str) -> tuple[str, bool, str]:
    """Sort by task, where targets name it, then all classes, then each."""
    task, _, name = target.rpartition(": ")
    return task, name != "all", name


def _label(name: str, n: float | None) -> str:
    full = NAMES.get(name)
    text = name if full is None else full if name == "all" else f"{full} {name}"
    return text if n is None or pd.isna(n) else f"{text}  n = {int(n):,}"


def _gist(rows: pd.DataFrame, answers: pd.DataFrame) -> str:
    overall = rows[rows["target"] == "all"]
    if len(overall) != 1:
        return "Accuracy by class"
    row = overall.iloc[0]
    whole = answers[(answers["metric"] == row["metric"]) & (answers["scope"] == TASK)]
    said = f" ({_decided(whole.iloc[0])})" if len(whole) else ""
    samples = "patients" if len(whole) and whole["unit"].iloc[0] == PATIENT else "patches"
    return (
        f"{row['extractor']} classifies {100 * row['extractor_mean']:.1f} % of the {samples} "
        f"correctly, {row['baseline']} {100 * row['baseline_mean']:.1f} %{said}"
    )


def _decided(answer: pd.Series) -> str:
    if answer["relevance"] == EQUIVALENT:
        return EQUIVALENT
    return "decided" if answer["direction"] in (BETTER, WORSE) else str(answer["direction"])
