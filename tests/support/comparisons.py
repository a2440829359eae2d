"""Rows of the table `comparison`, from a difference and its standard error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from histotransfer.evaluation.statistics import OK, benjamini_hochberg


def compared(found: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a comparison; each row gives what differs from a tested difference of 0.

    Of a tested row, interval, p and q follow from `delta`, `se` and `df`; others have none.
    """
    usual = {
        **{"task": "mutation", "metric": "auroc", "n": 430, "n_folds": 250},
        **{"baseline": "IMGNET-2048", "extractor": "FTX-2048", "baseline_mean": 0.7},
        **{"delta": 0.0, "se": 0.01, "df": 249.0, "status": OK, "p_wilcoxon": np.nan},
        **dict.fromkeys(("prob_better", "prob_equivalent", "prob_worse"), np.nan),
    }
    table = pd.DataFrame([{**usual, "target": f"G{i}", **row} for i, row in enumerate(found)])
    table["se"] = table["se"].where(table["status"] == OK)
    half = table["se"] * stats.t.isf(0.025, table["df"])
    p = pd.Series(2 * stats.t.sf(table["delta"].abs() / table["se"], table["df"]))
    table = table.assign(
        extractor_mean=table.get("extractor_mean", table["baseline_mean"] + table["delta"]),
        ci_low=table["delta"] - half,
        ci_high=table["delta"] + half,
        p_corrected=p,
    )
    family = [table["task"], table["extractor"]]
    return table.assign(q_bh=p.groupby(family, sort=False).transform(benjamini_hochberg))
