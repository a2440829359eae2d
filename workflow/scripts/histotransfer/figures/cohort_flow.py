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
from . import style
from .nothing import NothingToDraw

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
        raise NothingToDraw("The study has no slide.")
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
        _box(axes, 48, top, [title, *inside], bold=True)
        if out:
            _box(axes, 132, top, out, faint=True)
            _arrow(axes, (77, middle), (93, middle))
        bottom = top + (len(inside) + 1) * LINE_MM
        top += lines * LINE_MM + GAP_MM
        if title != boxes[-1][0]:
            _arrow(axes, (48, bottom + 1), (48, top - 1))
    wide = style.PAGE_MM / max(3, len(last))
    for number, (task, text) in enumerate(zip(tasks, last, strict=True)):
        at = (number + 0.5) * wide
        _box(axes, at, top, text, bold=True, wide=wide - 4)
        if task not in aside:
            _arrow(axes, (48, bottom + 1), (at, top - 1))
    style.headline(figure, _gist(common))
    return figure


def _there(rows: pd.DataFrame, step: str) -> pd.DataFrame:
    return rows[(rows["step"] == step) & (rows["kind"] == IN)]


def _still(rows: pd.DataFrame, step: str) -> list[str]:
    found = _there(rows, step)
    return [_counted(n, unit) for n, unit in zip(found["n"], found["unit"], strict=True)]


def _left_out(rows: pd.DataFrame, unit: str) -> list[str]:
    found = rows[(rows["kind"] == OUT) & (rows["unit"] == unit)]
    if found.empty:
        return []
    found = found.sort_values("n", ascending=False, kind="stable")
    lines = [f"left out: {_counted(found['n'].sum(), unit)}"]
    for _, row in found.head(REASONS_SHOWN).iterrows():
        text = f"{WORDS[row['code']]}: {row['n']:,.0f}"
        lines += textwrap.wrap(text, WIDE, subsequent_indent="    ")
    more = found.iloc[REASONS_SHOWN:]
    if len(more):
        lines.append(f"{_counted(len(more), 'further reason')}: {more['n'].sum():,.0f}")
    return lines


def _task(rows: pd.DataFrame, task: str) -> list[str]:
    compared = _there(rows, COMPARED).set_index("unit")["n"]
    unit = compared.index[0]
    if unit == "patch":
        return [task, f"{_counted(compared[unit], unit)} of a dataset"]
    lines = [task, *(_counted(n, str(name)) for name, n in compared.items())]
    for line in _left_out(rows, unit):
        lines += textwrap.wrap(line, 36, subsequent_indent="    ")
    return lines


def _counted(n: float, unit: str) -> str:
    ending = "" if n == 1 else "es" if unit == "patch" else "s"
    return f"{n:,.0f} {unit}{ending}"


def _box(
    axes: Axes,
    x: float,
    top: float,
    lines: list[str],
    *,
    bold: bool = False,
    faint: bool = False,
    wide: float = 56,
) -> None:
    """Put lines of text, the first one bold, in a box below `top` that is centred on `x`."""
    wide = 76 if faint else wide
    tall = len(lines) * LINE_MM
    edge = style.FAINT if faint else style.INK
    axes.add_patch(
        FancyBboxPatch(
            (x - wide / 2, top),
            wide,
            tall,
            boxstyle="round,pad=1,rounding_size=1",
            facecolor="white",
            edgecolor=edge,
            linewidth=0.7,
        )
    )
    for number, line in enumerate(lines):
        axes.text(
            x - wide / 2 + 1,
            top + (number + 0.5) * LINE_MM,
            line,
            va="center",
            weight="bold" if bold and number == 0 else "normal",
            color=style.GREY if faint else style.INK,
            fontsize=6.5,
        )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": style.INK,
            "linewidth": 0.7,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )


def _gist(common: pd.DataFrame) -> str:
    def count(step: str, unit: str) -> int:
        found = _there(common, step)
        return int(found.loc[found["unit"] == unit, "n"].sum())

    slides, patients = (
        f"{count(USED, unit):,} of {_counted(count(SHEET, unit), unit)}"
        for unit in ("slide", "patient")
    )
    return f"{slides} and {patients} are used"
