"""What was planted in simulated data, beside what was found."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..core.tables import read_table, write_table

COLUMNS = [
    *("target", "task", "follows", "effect", "extractor", "value", "q_bh"),
    *("recovered", "expected", "agrees"),
]


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
        target, task, follows (the tissue that a target was made to follow; empty: noise), effect.
    related_genes, mutation : str or Path
        The tables of those names.
    out_path : str or Path
        One row per target and extractor: value (r or AUROC), q_bh, recovered (q ≤ alpha), expected
        (it follows something) and agrees (recovered as expected). A target without a q is not
        recovered.
    alpha : float
        The false discovery rate at which a target counts as recovered.
    """
    truth = read_table(truth_path, target="str", task="str", follows="str")
    genes = read_table(related_genes, task="str", target="str").rename(columns={"r": "value"})
    mutations = read_table(mutation, task="str", target="str").rename(columns={"mean": "value"})
    shared = ["task", "target", "extractor", "value", "q_bh"]
    found = pd.concat([table[shared] for table in (genes, mutations) if len(table)])
    table = truth.merge(found, on=["task", "target"], how="left")
    recovered = table["q_bh"] <= alpha
    expected = table["follows"].notna()
    table = table.assign(recovered=recovered, expected=expected, agrees=recovered == expected)
    write_table(table[COLUMNS], out_path)
