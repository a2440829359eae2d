"""Fine-tuning: loss and accuracy over the epochs of both steps."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results.tables import Tables
from . import style


def curves(tables: Tables, alpha: float) -> Figure:
    """Draw the curves of each fine-tuned extractor, one row of panels each."""
    table = tables["training"]
    if table.empty:
        raise style.NothingToDraw("No network was fine-tuned.")
    names = table["extractor"].unique().tolist()
    figure = style.page(14 + 58 * len(names))
    panels = figure.subplots(len(names), 2, squeeze=False)
    kinds = (("loss", "cross-entropy", 1.0), ("accuracy", "accuracy (%)", 100.0))
    for row, name in zip(panels, names, strict=True):
        history = table[table["extractor"] == name].reset_index(drop=True)
        best = _best(history)
        for axes, (column, label, scale) in zip(row, kinds, strict=True):
            for step, part in history.groupby("step"):
                first = step == history["step"].iloc[0]
                _step(axes, part, column, scale, int(best[step]), first)
                middle, above = part.index.to_numpy().mean(), axes.get_xaxis_transform()
                title = {"transform": above, "ha": "center", "color": style.GREY}
                axes.text(middle, 1.01, f"step {step}", **title)
            if len(names) > 1:
                axes.set_title(name, pad=14)
            ticks = history.index[history["epoch"] % math.ceil(len(history) / 16) == 0]
            axes.set_xticks(ticks, history["epoch"][ticks].astype(str))
            axes.set(xlabel="epoch (0: before the step)", ylabel=label)
            axes.set(xlim=(-0.5, len(history) - 0.5))
            style.grid(axes, axis="y")
        row[0].legend(loc="best")
    style.headline(figure, _gist(table, names))
    return figure


def _step(
    axes: Axes, part: pd.DataFrame, column: str, scale: float, best: int, first: bool
) -> None:
    """Draw one step over the rows of the history, labelled if it is the first."""
    held_out = scale * part[f"val_{column}"]
    if not first:
        axes.axvline(part.index[0] - 0.5, color=style.FAINT)
    ring = {"markersize": 7, "fillstyle": "none", "linestyle": ""}
    for values, colour, marker, look, label in (
        (scale * part[column], style.GREY, ".", {}, "training"),
        (held_out, style.COMPARED[0], "o", {"markersize": 2.5}, "validation"),
        (held_out[[best]], style.COMPARED[1], "o", ring, "kept: lowest validation loss"),
    ):
        shown = label if first else None
        axes.plot(values.index, values, color=colour, marker=marker, label=shown, **look)


def _best(history: pd.DataFrame) -> pd.Series:
    """Return, by step, the row of the lowest validation loss, whose weights are kept."""
    return history["val_loss"].dropna().groupby(history["step"]).idxmin()


def _gist(table: pd.DataFrame, names: list[str]) -> str:
    if len(names) > 1:
        return "Fine-tuning in two steps"
    history = table.reset_index(drop=True)
    steps = [
        f"{100 * history['val_accuracy'][i]:.1f} % after step {step}"
        for step, i in _best(history).items()
    ]
    return f"{names[0]}, validation accuracy: " + ", ".join(steps)
