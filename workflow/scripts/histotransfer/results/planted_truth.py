"""What was planted in simulated data, beside what was found."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..core.tables import TableSchema, read_table, write_table
from ..evaluation.tables_of_kinds import MUTATION, RELATED_GENES
from ..simulate.cohort import TRUTH as PLANTED

TRUTH = TableSchema(
    "truth",
    {
        **PLANTED.columns,
        "extractor": "text",
        "value": "number",
        "q_bh": "number",
        "recovered": "flag",
        "expected": "flag",
        "agrees": "flag",
    },
)


def write_truth_check(
    truth_path: str | Path,
    related_genes: str | Path,
    mutation: str | Path,
    out_path: str | Path,
    *,
    alpha: float,
) -> None:
    """Compare what was found in simulated data with what was planted in them.

    Parameters
    ----------
    truth_path : str or Path
        What was planted (`simulate.cohort.TRUTH`).
    related_genes, mutation : str or Path
        The tables of those names.
    out_path : str or Path
        The table `TRUTH`, one row per target and extractor: value (r or AUROC), q_bh, recovered
        (q ≤ alpha), expected (it follows something) and agrees (recovered as expected). A target
        without a q is not recovered.
    alpha : float
        The false discovery rate at which a target counts as recovered.
    """
    truth = read_table(truth_path, PLANTED)
    genes = read_table(related_genes, RELATED_GENES).rename(columns={"r": "value"})
    mutations = read_table(mutation, MUTATION).rename(columns={"mean": "value"})
    shared = ["task", "target", "extractor", "value", "q_bh"]
    found = pd.concat([table[shared] for table in (genes, mutations) if len(table)])
    table = truth.merge(found, on=["task", "target"], how="left")
    recovered = table["q_bh"] <= alpha
    expected = table["follows"].notna()
    table = table.assign(recovered=recovered, expected=expected, agrees=recovered == expected)
    write_table(table, out_path, TRUTH)
