"""The way of slides, patients and patches through the study: how many go on, and who is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from ..core.tables import TableSchema, read_table, write_table
from ..labels.exclusions import CAME_IN, FLOW, LABELLED, LEFT_OUT
from ..qc.cohort import COHORT, EXCLUDED_SLIDES, QC
from ..qc.verdicts import REASONS

COHORT_FLOW = TableSchema.of("cohort_flow", "text: task step code unit", "integer: n", "text: kind")
SHEET, USED, TILES, POOLED, COMPARED = "sheet", "used", "tiles", "pooled", "compared"
IN, OUT = "in", "out"
NOT_STORED = "not_stored"

Row = tuple[str, str, str, int, str]


def write_flow(
    qc_table: str | Path,
    excluded_table: str | Path,
    cohort_table: str | Path,
    labels_flow: Mapping[str, str | Path],
    out_path: str | Path,
    *,
    apply_qc: bool,
) -> None:
    """Write how many slides, patients and patches enter, are left out and why, and are compared.

    In `COHORT_FLOW`, `task` is empty where a row is of the whole cohort. A row of kind ``in``
    counts who is there at the step; one of kind ``out`` who does not reach it, and `code` says why:
    one of `core.exclusions.CODES`, a verdict of quality control, or ``not_stored``. `unit` is
    ``slide``, ``patient``, ``patch`` or ``target``.

    Parameters
    ----------
    qc_table, excluded_table, cohort_table, out_path : str or Path
        ``qc.tsv``, ``excluded_slides.tsv`` and ``cohort.tsv``, and the table to write.
    labels_flow : mapping of str to path
        ``labels/{task}.flow.tsv`` of each task.
    apply_qc : bool
        Whether quality control's verdicts leave patches out.
    """
    qc, excluded = read_table(qc_table, QC), read_table(excluded_table, EXCLUDED_SLIDES)
    cohort = read_table(cohort_table, COHORT)
    rows = [("", *row) for row in (*_slides(qc, excluded, cohort), *_patches(qc, apply_qc))]
    for task, path in labels_flow.items():
        rows += [(task, *row) for row in _samples(read_table(path, FLOW))]
    write_table(pd.DataFrame(rows, columns=list(COHORT_FLOW.columns)), out_path, COHORT_FLOW)


def _slides(qc: pd.DataFrame, excluded: pd.DataFrame, cohort: pd.DataFrame) -> Iterator[Row]:
    yield SHEET, "", "slide", len(qc), IN
    yield SHEET, "", "patient", len(cohort), IN
    codes = excluded["code"].value_counts()
    for code, n in sorted(codes.items(), key=lambda item: (-item[1], item[0])):
        yield USED, str(code), "slide", int(n), OUT
    used = cohort["n_patches"] > 0
    if not used.all():
        yield USED, "no_usable_patch", "patient", int((~used).sum()), OUT
    yield USED, "", "slide", len(qc) - len(excluded), IN
    yield USED, "", "patient", int(used.sum()), IN


def _patches(qc: pd.DataFrame, apply_qc: bool) -> Iterator[Row]:
    yield TILES, "", "patch", int(qc["n_tiles"].sum()), IN
    left_out = {name: int(qc[name].sum()) for name in REASONS if name != "kept"}
    if not apply_qc:
        left_out = {NOT_STORED: int(qc["n_tiles"].sum() - qc["n_patches"].sum())}
    for code, n in left_out.items():
        if n:
            yield POOLED, code, "patch", n, OUT
    yield POOLED, "", "patch", int(qc["n_patches"].sum()), IN


def _samples(flow: pd.DataFrame) -> Iterator[Row]:
    """Yield a task's samples, its first unit with labels; rows of its labels table are not told."""
    unit = flow.loc[flow["step"] == LABELLED, "what"].iloc[0]
    columns = flow[["step", "what", "code", "n"]]
    for step, what, code, n in columns.itertuples(index=False, name=None):
        if step == CAME_IN and what == unit:
            yield SHEET, "", what, int(n), IN
        elif step == LEFT_OUT and what == unit:
            yield COMPARED, code, what, int(n), OUT
        elif step == LABELLED:
            yield COMPARED, "", what, int(n), IN
