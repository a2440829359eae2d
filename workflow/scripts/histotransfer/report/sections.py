"""Small sections of the summary page: alternatives, learning curves, sites, the patients.

Each is what its block in ``templates/sections.html`` shows; a study without the table has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..evaluation.curve_tables import PER_CLASS, WHOLE
from ..evaluation.statistics import OK
from ..results.answers import TASK
from ..results.sensitivity import AS_DECLARED, sides
from ..results.table1 import printed
from ..results.tables import Tables
from ..results.words import difference

Rows = list[tuple[str, ...]]


def sections(tables: Tables) -> dict[str, Any]:
    """Return the contents of the sections by name; empty where their table is absent."""
    whole = {
        name: tables[name][tables[name]["scope"] == WHOLE]
        for name in ("learning_curves", "permuted", "site_splits")
        if name in tables
    }
    patients = printed(tables["table1"]) if "table1" in tables else pd.DataFrame()
    tried = tables.get("robustness", pd.DataFrame())
    return {
        "sides": list(sides(tried)) if len(tried) else [],
        "alternatives": list(_alternatives(tried)),
        "is_of_before": len(tried) > 0 and _is_of_before(tried, tables["answers"]),
        "curves": list(_curves(whole["learning_curves"])) if "learning_curves" in whole else [],
        "shuffled": list(_shuffled(whole["permuted"])) if "permuted" in whole else [],
        "site_audit": list(_audit(tables["site_audit"])) if "site_audit" in tables else [],
        "site_splits": list(_splits(whole["site_splits"])) if "site_splits" in whole else [],
        "patients": [tuple(map(str, row)) for row in patients.itertuples(index=False)],
        "patients_head": [(name, "") for name in patients],
    }


def _alternatives(robustness: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield a row for each task, analysis and extractor: what differs, and the difference."""
    for row in robustness.to_dict("records"):
        said = (row["direction"], "")
        if pd.notna(row["ci_low"]):
            shown, _, interval = difference(row)
            said = f"{shown} ({interval})", row["direction"]
        differs = "" if pd.isna(row["differs"]) else row["differs"]
        yield row["task"], row["analysis"], differs, row["extractor"], f"{row['n']:,}", *said


def _is_of_before(robustness: pd.DataFrame, answers: pd.DataFrame) -> bool:
    """Tell whether the study has other answers now than when its alternatives were run."""
    keys, numbers = ["task", "extractor"], ["n", "delta", "ci_low", "ci_high"]
    then, now = (
        rows.set_index(keys)[numbers].astype(float).sort_index()
        for rows in (
            robustness[robustness["analysis"] == AS_DECLARED],
            answers[answers["scope"] == TASK],
        )
    )
    return not (then.index.equals(now.index) and np.allclose(then, now, equal_nan=True))


def _curves(curves: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield a row for each task, extractor and size: its score and its difference."""
    for row in curves.to_dict("records"):
        size = f"{row['n_train']:,.0f} patients"
        if row["unit"] == PER_CLASS:
            labels = "all" if pd.isna(row["size"]) else f"{row['size']:g} per class"
            size = f"{row['n_train']:,.0f} patches ({labels})"
        score = _interval(row, "mean", "ci_low", "ci_high")
        yield row["task"], row["extractor"], size, score, _change(row)


def _shuffled(permuted: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for row in permuted.to_dict("records"):
        numbers = ("mean", "lowest", "highest", "with_labels")
        yield row["task"], row["extractor"], *(_number(row[name]) for name in numbers)


def _audit(audit: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for row in audit.to_dict("records"):
        of = ": ".join(row[name] for name in ("task", "target") if pd.notna(row[name]))
        said = (row["status"], "")
        if row["status"] == OK:
            said = _interval(row, "value", "ci_low", "ci_high"), _number(row["chance"])
        what = f"{row['quantity']}, {of}" if of else row["quantity"]
        yield row["extractor"], what, f"{row['n_sites']}", *said


def _splits(splits: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for (task, extractor), rows in splits.groupby(["task", "extractor"], sort=False):
        by = rows.set_index("grouped_by").to_dict("index")
        shown = [
            text
            for name in ("patient", "site")
            for text in (_interval(by[name], "mean", "ci_low", "ci_high"), _change(by[name]))
        ]
        yield str(task), str(extractor), *shown


def _change(row: Mapping[Any, Any]) -> str:
    return _interval(row, "delta", "delta_low", "delta_high", sign="+")


def _interval(row: Mapping[Any, Any], middle: str, low: str, high: str, sign: str = "") -> str:
    if pd.isna(row[middle]):
        return ""
    bounds = f" ({row[low]:.3f} to {row[high]:.3f})" if pd.notna(row[low]) else ""
    return f"{row[middle]:{sign}.3f}{bounds}"


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"
