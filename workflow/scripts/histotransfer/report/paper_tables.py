"""The comparison as tables for a paper: Excel, Markdown and LaTeX."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import xlsxwriter
from tabulate import tabulate

from ..core.files import written_whole
from ..results.claims import CLAIMS
from ..results.tables import Paths, read_tables

SHOWN = 25
"""How many targets of a task a printed table lists; the workbook lists all."""
NAMES = {"accuracy": "Accuracy", "pearson": "Pearson r", "auroc": "AUROC"}
NOTE = (
    "Differences with p and 95 % interval from the corrected resampled t-test (Nadeau & Bengio "
    "2003); q from Benjamini-Hochberg over the targets of the task."
)


@dataclass(frozen=True)
class Table:
    """One task and compared extractor: a title, and numbers with one row per target."""

    title: str
    metric: str
    rows: pd.DataFrame

    def printed(self) -> tuple[pd.DataFrame, str]:
        """Return the rows of a printed table, and a sentence on which they are."""
        if len(self.rows) <= SHOWN:
            return self.rows, ""
        order = self.rows["q"].sort_values(kind="stable").index[:SHOWN]
        which = f" The {SHOWN} targets with the smallest q, of {len(self.rows)}."
        return self.rows.loc[order], which


def write_paper_tables(
    paths: Paths, markdown: str | Path, latex: str | Path, workbook: str | Path, *, study: str
) -> None:
    """Write the comparison for a paper.

    Parameters
    ----------
    paths : mapping
        Where the tables `comparison`, `improved` and `claims` are.
    markdown, latex : str or Path
        One table per task and compared extractor, rounded, with at most 25 targets; the LaTeX needs
        the package booktabs.
    workbook : str or Path
        The same tables with all targets and all digits, one sheet each, and the claims.
    study : str
        The study's name; every title says so if the data are ``simulated``.
    """
    tables = read_tables(paths)
    parts = list(_tables(tables["comparison"], tables["improved"], study))
    for path, kind in ((markdown, "pipe"), (latex, "latex_booktabs")):
        text = "\n".join(_printed(part, kind) for part in parts) or "No target was compared.\n"
        with written_whole(path) as partial:
            partial.write_text(text, encoding="utf-8")
    with written_whole(workbook) as partial:
        _write_workbook(partial, parts, tables["claims"])


def _tables(comparison: pd.DataFrame, improved: pd.DataFrame, study: str) -> Iterator[Table]:
    mark = "Simulated data. " if study == "simulated" else ""
    keys = ["task", "extractor", "baseline", "metric"]
    for key, rows in comparison.groupby(keys, sort=False):
        task, extractor, baseline, metric = map(str, key)
        title = f"{mark}{task}: {extractor} against {baseline}."
        share = improved[(improved["task"] == task) & (improved["extractor"] == extractor)]
        for _, row in share.dropna(subset=["fraction"]).iterrows():
            title += (
                f" Of the {row['n_related']} genes related to the image features, {extractor} "
                f"predicts {row['n_improved']} better ({100 * row['fraction']:.0f} %, 95 % "
                f"interval {100 * row['ci_low']:.0f} to {100 * row['ci_high']:.0f})."
            )
        columns = {
            "target": "Target",
            "n": "n",
            "baseline_mean": baseline,
            "extractor_mean": extractor,
            "delta": "Difference",
            "ci_low": "low",
            "ci_high": "high",
            "p_corrected": "p",
            "q_bh": "q",
            "status": "status",
        }
        yield Table(title, metric, rows[list(columns)].rename(columns=columns))


def _printed(table: Table, kind: str) -> str:
    rows, which = table.printed()
    percent = table.metric == "accuracy"
    before, after = rows.columns[2:4]
    name = NAMES.get(table.metric, table.metric)
    head = ["Target", "n", before, after, "Difference (95 % interval)", "p", "q"]
    body = []
    for _, row in rows.iterrows():
        if pd.isna(row["Difference"]):
            body.append([row["Target"], f"{row['n']:.0f}", "", "", row["status"], "", ""])
            continue
        low, high = _number(row["low"], percent), _number(row["high"], percent)
        body.append(
            [
                row["Target"],
                f"{row['n']:.0f}",
                _number(row[before], percent),
                _number(row[after], percent),
                f"{_number(row['Difference'], percent, sign=True)} ({low} to {high})",
                _p(row["p"]),
                _p(row["q"]),
            ]
        )
    unit = " in %, differences in points" if percent else ""
    lines = tabulate(
        body, head, tablefmt=kind, disable_numparse=True, colalign=("left", *["right"] * 6)
    )
    caption = f"{table.title} {name}{unit}. {NOTE}{which}"
    if kind == "pipe":
        return f"{caption}\n\n{lines}\n"
    caption = caption.replace("%", r"\%").replace("&", r"\&").replace("_", r"\_")
    return f"\\begin{{table}}\n\\caption{{{caption}}}\n{lines}\n\\end{{table}}\n"


def _number(value: float, percent: bool, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{100 * value:{plus}.1f}" if percent else f"{value:{plus}.3f}"


def _p(value: float) -> str:
    if pd.isna(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _write_workbook(path: Path, parts: list[Table], claims: pd.DataFrame) -> None:
    # XlsxWriter takes the time of writing from here alone: the same tables give the same bytes.
    undated = {"created": datetime.datetime(2022, 1, 1, tzinfo=datetime.UTC)}
    with xlsxwriter.Workbook(path) as book:
        book.set_properties(undated)
        styles = {
            name: book.add_format(look)
            for name, look in {
                "head": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"},
                "percent": {"num_format": "0.0%"},
                "number": {"num_format": "0.000"},
                "p": {"num_format": "[<0.001]0.0E+00;0.000"},
                "plain": {},
            }.items()
        }
        for number, part in enumerate(parts, start=1):
            looks = dict.fromkeys(part.rows.columns, styles["plain"])
            score = styles["percent" if part.metric == "accuracy" else "number"]
            looks |= dict.fromkeys([*part.rows.columns[2:4], "Difference", "low", "high"], score)
            looks |= {"p": styles["p"], "q": styles["p"]}
            name = f"Table {number}"
            _sheet(book, name, f"{part.title} {NOTE}", part.rows, looks, styles)
        looks = dict.fromkeys(CLAIMS.columns, styles["plain"])
        title = "The claims of the published abstract, and what this study found."
        _sheet(book, "Claims", title, claims, looks, styles)


def _sheet(
    book: xlsxwriter.Workbook,
    name: str,
    title: str,
    rows: pd.DataFrame,
    looks: dict[str, object],
    styles: dict[str, object],
) -> None:
    sheet = book.add_worksheet(name)
    sheet.write_string(0, 0, title)
    sheet.freeze_panes(3, 1)
    for column, header in enumerate(rows.columns):
        sheet.write_string(2, column, str(header), styles["head"])
        values = rows[header].tolist()
        wide = max((len(str(value)) for value in values if isinstance(value, str)), default=8)
        sheet.set_column(column, column, min(60, max(10, wide)))
        for line, value in enumerate(values, start=3):
            if isinstance(value, str):
                sheet.write_string(line, column, value)
            elif pd.notna(value):
                sheet.write_number(line, column, value, looks[str(header)])
