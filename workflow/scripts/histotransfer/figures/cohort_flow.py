"""The cohort's flow: boxes of what is still there, and beside them what was left out and why."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from ..core.exclusions import CODES
from ..results.cohort_flow import COMPARED, IN, NOT_STORED, OUT, POOLED, SHEET, TILES, USED
from ..results.tables import Tables
from ..results.words import count
from . import style

REASONS_SHOWN = 5
"""How many reasons a box lists; the others are summed in its last line."""
WORDS = {
    **CODES,
    "unreadable": "cannot be read",
    "background": "background",
    "pen": "pen",
    "dark": "too dark",
    "blurred": "blurred",
    "faint": "too faint",
    "grey": "too dark or light a grey",
    "stain": "stain not estimable",
    NOT_STORED: "not stored",
}
"""What the codes of the table say, verdicts on patches included."""
LINE_MM, GAP_MM, WIDE = 3.6, 6.0, 46
"""Height of a line of text, space between boxes, and letters of a line."""


def chart(tables: Tables, alpha: float) -> Figure:
    """Draw the way from the slide sheet to each task's comparison."""
    table = tables["cohort_flow"]
    table = table.assign(task=table["task"].fillna(""))
    if table.empty or not table.loc[table["task"] == "", "n"].any():
        raise style.NothingToDraw("The study has no slide.")
    common = table[(table["task"] == "")]
    boxes = [
        ("Slide sheet", _still(common, SHEET), _left_out(common, "slide")),
        ("Used", _still(common, USED), []),
        ("Tiles with tissue", _still(common, TILES), _left_out(common, "patch")),
        ("Patches pooled", _still(common, POOLED), []),
    ]
    # A dataset's patches are not the cohort's: they stand aside, and no arrow leads to them.
    ends = _there(table, COMPARED)
    ends = ends[ends["unit"] != "target"]
    tasks = ends.sort_values("unit", key=lambda unit: unit == "patch", kind="stable")["task"]
    aside = set(ends.loc[ends["unit"] == "patch", "task"])
    last = [_task(table[table["task"] == task], task) for task in tasks]

    heights = [max(len(inside) + 1, len(out)) for _, inside, out in boxes]
    foot = max((len(lines) for lines in last), default=0)
    tall = sum(heights) * LINE_MM + len(boxes) * GAP_MM + (foot + 1) * LINE_MM + 12
    figure = style.page(tall)
    axes = figure.add_subplot()
    axes.set(xlim=(0, style.PAGE_MM), ylim=(tall - 8, -2))
    axes.set_axis_off()
    top = 0.0
    for (title, inside, out), lines in zip(boxes, heights, strict=True):
        middle = top + (len(inside) + 1) * LINE_MM / 2
        _box(axes, 48, top, [title, *inside])
        if out:
            _box(axes, 132, top, out, 76, faint=True)
            _arrow(axes, (77, middle), (93, middle))
        bottom = top + (len(inside) + 1) * LINE_MM
        top += lines * LINE_MM + GAP_MM
        if title != boxes[-1][0]:
            _arrow(axes, (48, bottom + 1), (48, top - 1))
    wide = style.PAGE_MM / max(3, len(last))
    for number, (task, text) in enumerate(zip(tasks, last, strict=True)):
        at = (number + 0.5) * wide
        _box(axes, at, top, text, wide - 4)
        if task not in aside:
            _arrow(axes, (48, bottom + 1), (at, top - 1))
    style.headline(figure, _gist(common))
    return figure


def _there(rows: pd.DataFrame, step: str) -> pd.DataFrame:
    return rows[(rows["step"] == step) & (rows["kind"] == IN)]


def _still(rows: pd.DataFrame, step: str) -> list[str]:
    found = _there(rows, step)
    return [count(n, unit) for n, unit in zip(found["n"], found["unit"], strict=True)]


def _left_out(rows: pd.DataFrame, unit: str) -> list[str]:
    found = rows[(rows["kind"] == OUT) & (rows["unit"] == unit)]
    if found.empty:
        return []
    found = found.sort_values("n", ascending=False, kind="stable")
    lines = [f"left out: {count(int(found['n'].sum()), unit)}"]
    for _, row in found.head(REASONS_SHOWN).iterrows():
        text = f"{WORDS[row['code']]}: {row['n']:,.0f}"
        lines += textwrap.wrap(text, WIDE, subsequent_indent="    ")
    more = found.iloc[REASONS_SHOWN:]
    if len(more):
        lines.append(f"{count(len(more), 'further reason')}: {more['n'].sum():,.0f}")
    return lines


def _task(rows: pd.DataFrame, task: str) -> list[str]:
    compared = _there(rows, COMPARED).set_index("unit")["n"]
    unit = compared.index[0]
    if unit == "patch":
        return [task, f"{count(compared[unit], unit)} of a dataset"]
    lines = [task, *(count(n, str(name)) for name, n in compared.items())]
    for line in _left_out(rows, unit):
        lines += textwrap.wrap(line, 36, subsequent_indent="    ")
    return lines


def _box(
    axes: Axes, x: float, top: float, lines: list[str], wide: float = 56, *, faint: bool = False
) -> None:
    """Put lines of text in a box below `top` and centred on `x`: the first bold, or all faint."""
    tall = len(lines) * LINE_MM
    edge, ink = (style.FAINT, style.GREY) if faint else (style.INK, style.INK)
    look: style.Look = {"facecolor": "white", "edgecolor": edge, "linewidth": 0.7}
    corner, shape = (x - wide / 2, top), "round,pad=1,rounding_size=1"
    axes.add_patch(FancyBboxPatch(corner, wide, tall, boxstyle=shape, **look))
    for number, line in enumerate(lines):
        weight = "bold" if number == 0 and not faint else "normal"
        place = x - wide / 2 + 1, top + (number + 0.5) * LINE_MM
        axes.text(*place, line, va="center", weight=weight, color=ink, fontsize=6.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {"arrowstyle": "-|>", "color": style.INK, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=look)


def _gist(common: pd.DataFrame) -> str:
    here = common[common["kind"] == IN].groupby(["step", "unit"])["n"].sum()
    slides, patients = (
        f"{here.get((USED, unit), 0):,} of {count(here.get((SHEET, unit), 0), unit)}"
        for unit in ("slide", "patient")
    )
    return f"{slides} and {patients} are used"
