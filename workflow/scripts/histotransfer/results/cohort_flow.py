"""The way of slides, patients and patches through the study: how many go on, and who is left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from ..core.tables import read_table, write_table
from ..qc.verdicts import REASONS

COLUMNS = ["task", "step", "unit", "n", "kind"]
IN, OUT = "in", "out"


def write_flow(
    qc_table: str | Path,
    excluded_table: str | Path,
    cohort_table: str | Path,
    labels_flow: Mapping[str, str | Path],
    kinds: Mapping[str, str],
    out_path: str | Path,
    *,
    apply_qc: bool,
) -> None:
    """Write how many slides, patients and patches enter, are left out and why, and are compared.

    Parameters
    ----------
    qc_table, excluded_table, cohort_table : str or Path
        ``tables/qc.tsv``, ``tables/excluded_slides.tsv`` and ``tables/cohort.tsv``.
    labels_flow : mapping of task to path
        ``labels/{task}.flow.tsv``.
    kinds : mapping of task to {"tissue", "expression", "mutation"}
    out_path : str or Path
        ``tables/cohort_flow.tsv``: task (empty: all of them), step, unit (slides, patients,
        patches), n, and kind: ``in`` counts what is still there, ``out`` what is left at that step.
    apply_qc : bool
        Whether quality control's verdicts leave patches out.
    """
    text = {"slide": "str", "patient": "str", "reason": "str"}
    qc, excluded = read_table(qc_table, **text), read_table(excluded_table, **text)
    cohort = read_table(cohort_table, **text)
    rows = [("", *row) for row in (*_slides(qc, excluded, cohort), *_patches(qc, apply_qc))]
    for task, path in labels_flow.items():
        steps = read_table(path, step="str").set_index("step")["n"]
        rows += [(task, *row) for row in _samples(steps, kinds[task])]
    write_table(pd.DataFrame(rows, columns=COLUMNS), out_path)


def cause(reason: str) -> str:
    """Reduce the reason of a slide's exclusion to what slides have in common.

    Examples
    --------
    >>> cause("a.svs: cannot be opened as a slide (Unsupported). Copy the slide again.")
    'cannot be opened as a slide'
    >>> cause("none of its 40 tiles is used: 30 blurred, 10 pen")
    'none of its tiles is used'
    """
    # The file's name comes first and has no space; details and the remedy come last.
    said = re.sub(r"^\S+: ", "", reason)
    said = re.split(r" \(|\. |: |\.$", said, maxsplit=1)[0]
    return re.sub(r"\b\d[\d,.]* (?!%)", "", said)


Row = tuple[str, str, int, str]


def _slides(qc: pd.DataFrame, excluded: pd.DataFrame, cohort: pd.DataFrame) -> Iterator[Row]:
    yield "in the slide sheet", "slides", len(qc), IN
    yield "in the slide sheet", "patients", len(cohort), IN
    causes = excluded["reason"].map(cause).value_counts()
    for name, n in sorted(causes.items(), key=lambda item: (-item[1], item[0])):
        yield str(name), "slides", int(n), OUT
    used = cohort["n_patches"] > 0
    if not used.all():
        yield "no usable slide", "patients", int((~used).sum()), OUT
    yield "with patches that count", "slides", len(qc) - len(excluded), IN
    yield "with patches that count", "patients", int(used.sum()), IN


def _patches(qc: pd.DataFrame, apply_qc: bool) -> Iterator[Row]:
    yield "tiles with tissue", "patches", int(qc["n_tiles"].sum()), IN
    left_out = {name: int(qc[name].sum()) for name in REASONS if name != "kept"}
    if not apply_qc:
        left_out = {"cannot be stored": int(qc["n_tiles"].sum() - qc["n_patches"].sum())}
    for name, n in left_out.items():
        if n:
            yield name, "patches", n, OUT
    yield "patches that count", "patches", int(qc["n_patches"].sum()), IN


def _samples(steps: pd.Series, kind: str) -> Iterator[Row]:
    unit = "patches" if kind == "tissue" else "patients"
    for step, n in steps.items():
        what, _, reason = str(step).partition(": ")
        if step == "patients of the cohort":
            yield "in the slide sheet", unit, int(n), IN
        elif what == "sample" and reason:
            yield reason, unit, int(n), OUT
    yield "compared", unit, int(steps["samples with labels"]), IN
    yield "compared", "targets", int(steps["targets"]), IN
