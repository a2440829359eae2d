"""What was planted in simulated data, beside what was found."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..core.tables import TableSchema, read_table, write_table
from ..evaluation.tables_of_kinds import MUTATION, RELATED_GENES
from ..simulate.tables import TRUTH as PLANTED

_FOUND = TableSchema.of(
    "truth", "text: extractor", "number: value q_bh", "flag: recovered expected agrees"
)
TRUTH = TableSchema("truth", {**PLANTED.columns, **_FOUND.columns})


def write_truth_check(
    truth_path: str | Path,
    related_genes: str | Path,
    mutation: str | Path,
    out_path: str | Path,
    *,
    alpha: float,
) -> None:
    """Compare what was found in simulated data with what was planted in them.

    Planted is the table `simulate.tables.TRUTH`; found, those named like their paths. The table
    `TRUTH` has one row per target and extractor: value (r or AUROC), q_bh, recovered (q ≤ alpha),
    expected (it follows something) and agrees (recovered as expected). A target without a q is not
    recovered.
    """
    truth = read_table(truth_path, PLANTED)
    genes = read_table(related_genes, RELATED_GENES).rename(columns={"r": "value"})
    mutations = read_table(mutation, MUTATION).rename(columns={"mean": "value"})
    shared = ["task", "target", "extractor", "value", "q_bh"]
    found = pd.concat([table[shared] for table in (genes, mutations) if len(table)])
    table = truth.merge(found, on=["task", "target"], how="left")
    recovered, expected = table["q_bh"] <= alpha, table["follows"].notna()
    table = table.assign(recovered=recovered, expected=expected, agrees=recovered == expected)
    write_table(table, out_path, TRUTH)
