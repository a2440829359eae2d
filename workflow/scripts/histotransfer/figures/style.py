"""The one style of all figures: sizes, type, colours, marks, and how a figure is saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from ..core.files import written_whole
from ..results.rows import CONTROL

MM = 1 / 25.4
COLUMN_MM, PAGE_MM = 85.0, 180.0
"""Width of one column and of the page of a journal: figures are drawn at the size they are read."""

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}
"""Okabe & Ito, Color Universal Design, 2008: told apart with any colour vision."""

INK, GREY, FAINT = "#222222", "#767676", "#D9D9D9"
BASELINE = GREY
COMPARED = [OKABE_ITO[name] for name in ("blue", "vermillion", "green", "purple", "orange")]
PALE = "#B5A58C"
"""Of controls."""
MARKERS = ["o", "s", "D", "^", "v", "P"]

Look = dict[str, Any]
ABOVE: Look = {"loc": "lower left", "bbox_to_anchor": (0, 1)}
"""Where a legend stands above its panel, at the left."""

RC: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COMPARED),
    "figure.titlesize": 9,
    "figure.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.05,
    "figure.constrained_layout.w_pad": 0.05,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "pdf.fonttype": 42,  # text stays text, which journals ask for
    "savefig.dpi": 300,
}


class NothingToDraw(Exception):
    """An empty or degenerate result; the message is what the figure says instead."""


def page(height_mm: float, width_mm: float = PAGE_MM) -> Figure:
    """Return an empty figure of a given printed size."""
    return Figure(figsize=(width_mm * MM, height_mm * MM), layout="constrained")


def headline(figure: Figure, text: str) -> None:
    """Say above the panels, at the left, what the figure shows."""
    figure.suptitle(text, x=0.01, horizontalalignment="left")


def looks(extractors: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Give each extractor its colour and marker; the first, the baseline, is grey.

    Controls are pale.
    """
    colours = [BASELINE, *COMPARED]
    controls = [name for name in extractors if name.endswith(CONTROL)]
    compared = [name for name in extractors if name not in controls]
    found = {
        name: (colours[i % len(colours)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(compared)
    }
    found |= {name: (PALE, MARKERS[-1 - i % len(MARKERS)]) for i, name in enumerate(controls)}
    return {name: found[name] for name in extractors}


def grid(*panels: Axes, axis: Literal["x", "y"] = "x") -> None:
    """Draw a faint grid along one axis."""
    for axes in panels:
        axes.grid(axis=axis)
        axes.tick_params(axis="y" if axis == "x" else "x", length=0)


def rows(axes: Axes, labels: Sequence[str]) -> None:
    """Label the rows of a panel, the first at the top; what is drawn at 0 is in the first."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def beside(number: int, count: int, wide: float) -> float:
    """Return how far from its row's middle one of several marks lies; they share `wide`."""
    return (number - (count - 1) / 2) * wide / count


def key(axes: Axes, marks: Mapping[str, tuple[str, str]]) -> None:
    """Put the names of the extractors in one row above the panel."""
    for name, (colour, marker) in marks.items():
        axes.plot([], [], marker=marker, color=colour, linestyle="", label=name)
    spaces: Look = {"borderpad": 0.1, "columnspacing": 1.2, "labelspacing": 0.3}
    axes.legend(**ABOVE, ncols=3, borderaxespad=0.3, handlelength=0.8, **spaces)


def changes(
    axes: Axes,
    rows: pd.DataFrame,
    look: tuple[str, str],
    alpha: float,
    unit: float = 1,
    by: str = "q_bh",
) -> None:
    """Draw differences with their intervals: filled where the direction is decided, else open.

    Parameters
    ----------
    rows : pandas.DataFrame
        delta, ci_low, ci_high, `by`, and `at`, where on the vertical axis each is drawn.
    look : tuple of str
        Colour and marker.
    alpha : float
        Level of significance.
    unit : float
        What the axis counts one as.
    by : str
        The column of adjusted p that decides.
    """
    colour, marker = look
    axes.hlines(rows["at"], unit * rows["ci_low"], unit * rows["ci_high"], color=colour)
    decided = rows[by] <= alpha
    for chosen, fill in ((rows[decided], colour), (rows[~decided], "white")):
        shown: Look = {"markeredgecolor": colour, "markerfacecolor": fill}
        axes.plot(unit * chosen["delta"], chosen["at"], marker, **shown)


def label_edges(panels: npt.NDArray[Any], used: int, xlabel: str, ylabel: str) -> None:
    """Label the outer panels of a grid with shared axes, and leave out those beyond `used`."""
    columns = panels.shape[1]
    for axes in panels.flat[used:]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylabel(ylabel)
    for axes in panels.flat[max(0, used - columns) : used]:
        axes.set_xlabel(xlabel)
        axes.tick_params(labelbottom=True)


def in_words(text: str) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    figure = page(40, COLUMN_MM)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", wrap=True, color=GREY, fontsize=8)
    return figure


def mark_simulated(figure: Figure) -> None:
    """Say on the figure that the data are simulated."""
    figure.supxlabel(
        "simulated data", x=0.99, ha="right", fontsize=7, weight="bold", color="#D55E00"
    )


def save(figure: Figure, outputs: Iterable[str | Path]) -> None:
    """Save a figure as ``.pdf`` or ``.png``, by the suffix of each name, without dates."""
    undated: dict[str, dict[str, None]] = {".pdf": {"CreationDate": None}, ".png": {}}
    for output in outputs:
        suffix = Path(output).suffix
        with written_whole(output) as partial:
            figure.savefig(partial, format=suffix[1:], metadata=undated[suffix])
