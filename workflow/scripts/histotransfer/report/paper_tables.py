"""The comparison as tables for a paper: Excel, Markdown and LaTeX."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd
import xlsxwriter
from tabulate import tabulate

from ..core.files import written_whole
from ..evaluation.statistics import OK, UNTESTED
from ..evaluation.tables_of_kinds import IMPROVED
from ..results.rows import against_baseline, with_controls_marked
from ..results.table1 import printed
from ..results.tables import Paths, Tables, read_tables

SHOWN = 25
"""How many targets of a task a printed table lists; the workbook lists all."""
NAMES = {"accuracy": "Accuracy", "pearson": "Pearson r", "auroc": "AUROC"}
NOTE = (
    "Differences with p and 95 % interval from the corrected t-test, in which the covariance of "
    "folds is estimated; q from Benjamini-Hochberg over the targets of the task."
)
HEADS = {
    **{"target": "Target", "n": "n", "baseline_mean": "", "extractor_mean": ""},
    **{"delta": "Difference", "ci_low": "low", "ci_high": "high"},
    **{"p_corrected": "p", "q_bh": "q", "status": "status"},
}
"""The columns of a table, in order; the scores are headed by the names of their extractors."""
WHOLE = {
    "answers": "What this study says of each task and each target.",
    "ranks": "The mean rank of each extractor over targets, and over tasks.",
    "pairs": "The difference of every pair of extractors in each task.",
    "claims": "The claims of the published abstract, and what this study found.",
    "table1": "The patients: median (quartiles) or n (%), and how many values are missing.",
}
"""Tables that the workbook holds as they are, with their titles."""
FORMATS = {
    "head": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"},
    "percent": {"num_format": "0.0%"},
    "number": {"num_format": "0.000"},
    "p": {"num_format": "[<0.001]0.0E+00;0.000"},
    "plain": {},
}
"""How the cells of the workbook look."""

Table = tuple[str, str, pd.DataFrame]
"""Of one task and compared extractor: title, metric, and numbers with one row per target."""


def write_paper_tables(
    paths: Paths,
    markdown: str | Path,
    latex: str | Path,
    workbook: str | Path,
    *,
    study: str,
    controls: Collection[str] = (),
) -> None:
    """Write the comparison with the baseline for a paper, one table per task and extractor.

    Parameters
    ----------
    paths : mapping
        Where the tables `comparison`, `answers` and, of numbers, `improved` are; of three or more
        extractors `ranks` and `pairs`, of the published study `claims`, with clinical covariates
        `table1`.
    markdown, latex : str or Path
        Rounded, with at most 25 targets; the LaTeX needs the package booktabs.
    workbook : str or Path
        All targets and all digits, one sheet per table, and the others of these tables.
    study : str
        The study's name; every title says so if the data are ``simulated``.
    controls : collection of str
        Extractors that are marked as controls.
    """
    tables = with_controls_marked(read_tables(paths), controls)
    if "table1" in tables:
        tables["table1"] = printed(tables["table1"])
    # A study without numbers has no table `improved`.
    improved = against_baseline(tables.get("improved", IMPROVED.empty()))
    comparison = against_baseline(tables["comparison"])
    parts = list(_tables(comparison, improved, study))
    for path, kind in ((markdown, "pipe"), (latex, "latex_booktabs")):
        text = "\n".join(_printed(*part, kind) for part in parts) or "No target was compared.\n"
        with written_whole(path) as partial:
            partial.write_text(text, encoding="utf-8")
    with written_whole(workbook) as partial:
        _write_workbook(partial, parts, tables)


def _tables(comparison: pd.DataFrame, improved: pd.DataFrame, study: str) -> Iterator[Table]:
    mark = "Simulated data. " if study == "simulated" else ""
    keys = ["task", "extractor", "baseline", "metric"]
    for (task, extractor, baseline, metric), rows in comparison.groupby(keys, sort=False):
        title = f"{mark}{task}: {extractor} against {baseline}."
        shares = improved[(improved["task"] == task) & (improved["extractor"] == extractor)]
        for _, row in shares[shares["status"] == OK].iterrows():
            title += (
                f" Of the {row['n_related']} genes related to the image features, {extractor} "
                f"predicts {row['n_improved']} better; an estimated "
                f"{100 * row['share_truly']:.0f} % are truly better (95 % "
                f"interval {100 * row['ci_low']:.0f} to {100 * row['ci_high']:.0f})."
            )
        heads = HEADS | {"baseline_mean": baseline, "extractor_mean": extractor}
        yield title, str(metric), rows[list(heads)].rename(columns=heads)


def _printed(title: str, metric: str, rows: pd.DataFrame, kind: str) -> str:
    which = ""
    if len(rows) > SHOWN:
        which = f" The {SHOWN} targets with the smallest q, of {len(rows)}."
        rows = rows.loc[rows["q"].sort_values(kind="stable").index[:SHOWN]]
    percent = metric == "accuracy"
    body = []
    for target, n, *scores, p, q, status in rows.itertuples(index=False, name=None):
        before, after, change, low, high = (_number(score, percent) for score in scores)
        change = _number(scores[2], percent, "+")
        said = f"{change} ({low} to {high})"
        if status != OK:
            said = f"{status} ({change})" if status == UNTESTED else status
        body.append([target, f"{n:.0f}", before, after, said, _p(p), _p(q)])
    head = [*rows.columns[:4], "Difference (95 % interval)", "p", "q"]
    align = ("left", *["right"] * 6)
    lines = tabulate(body, head, tablefmt=kind, disable_numparse=True, colalign=align)
    unit = " in %, differences in points" if percent else ""
    caption = f"{title} {NAMES.get(metric, metric)}{unit}. {NOTE}{which}"
    if kind == "pipe":
        return f"{caption}\n\n{lines}\n"
    caption = caption.replace("%", r"\%").replace("&", r"\&").replace("_", r"\_")
    return f"\\begin{{table}}\n\\caption{{{caption}}}\n{lines}\n\\end{{table}}\n"


def _number(value: float, percent: bool, sign: str = "") -> str:
    if pd.isna(value):
        return ""
    return f"{100 * value:{sign}.1f}" if percent else f"{value:{sign}.3f}"


def _p(value: float) -> str:
    if pd.isna(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _write_workbook(path: Path, parts: list[Table], tables: Tables) -> None:
    sheets = []
    for number, (title, metric, rows) in enumerate(parts, start=1):
        score = "percent" if metric == "accuracy" else "number"
        looks = ["plain", "plain", *[score] * 5, "p", "p", "plain"]
        sheets.append((f"Table {number}", f"{title} {NOTE}", rows, looks))
    for name, title in WHOLE.items():
        if name in tables:
            plain = ["plain"] * len(tables[name].columns)
            sheets.append((name.capitalize(), title, tables[name], plain))
    with xlsxwriter.Workbook(path) as book:
        # XlsxWriter takes the time from here alone: the same tables give the same bytes.
        book.set_properties({"created": datetime.datetime(2022, 1, 1, tzinfo=datetime.UTC)})
        formats = {name: book.add_format(look) for name, look in FORMATS.items()}
        for name, title, rows, looks in sheets:
            sheet = book.add_worksheet(name)
            sheet.write_string(0, 0, title)
            sheet.freeze_panes(3, 1)
            for column, (header, look) in enumerate(zip(rows.columns, looks, strict=True)):
                sheet.write_string(2, column, str(header), formats["head"])
                values = rows[header].tolist()
                wide = max((len(value) for value in values if isinstance(value, str)), default=8)
                sheet.set_column(column, column, min(60, max(10, wide)))
                for line, value in enumerate(values, start=3):
                    if isinstance(value, str):
                        sheet.write_string(line, column, value)
                    elif pd.notna(value):
                        sheet.write_number(line, column, value, formats[look])
