"""What an external validation says of each task, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ..evaluation.decisions import BETTER, UNDECIDED, WORSE
from ..evaluation.kinds import ALL, WHY_NOT
from ..evaluation.statistics import NOT_ESTIMABLE, OK
from .words import UNITS, count, difference, value


def sentences(validation: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    """Yield task, baseline, compared extractor and a sentence, from the table `validation`."""
    primary = validation[validation["metric"].isin([*UNITS])]
    primary = primary.assign(target=primary["target"].fillna(""))
    for task, rows in primary.groupby("task", sort=False):
        baseline = str(rows["baseline"].iloc[0])
        for extractor, own in rows.groupby("extractor", sort=False):
            if extractor != baseline:
                base = rows[rows["extractor"] == baseline]
                yield str(task), baseline, str(extractor), _sentence(own, base)


def of_tasks(rows: pd.DataFrame) -> pd.DataFrame:
    """Pick the rows that stand for a task and extractor as a whole.

    They are those of all classes, of the mean over several targets (whose target is empty), or of
    the only target; none where several targets are not estimable.
    """
    whole = rows["target"].isin(["", ALL])
    keys = [rows["task"], rows["extractor"]]
    alone = ~whole.groupby(keys).transform("any") & (
        rows.groupby(["task", "extractor"])["target"].transform("size") == 1
    )
    return rows[whole | alone]


def _sentence(own: pd.DataFrame, base: pd.DataFrame) -> str:
    """Say how an extractor does in the external cohort; both tables are of primary scores."""
    first, tested_on = own.iloc[0], own["tested_on"].iloc[0]
    targets = own[~own["target"].isin(["", ALL])]
    whole = of_tasks(own)
    if whole.empty:
        why = WHY_NOT[targets["why"].iloc[0]]
        return f"In {tested_on}, no target is estimable; {first['target']}: {why}."
    row = whole.iloc[0]
    if row["status"] != OK:
        return f"In {tested_on}: {NOT_ESTIMABLE}, because {WHY_NOT[row['why']]}."
    beside = of_tasks(base).iloc[0]
    scores = " and ".join(f"{_with_interval(one)} for {one['extractor']}" for one in (beside, row))
    said = [f"In {count(int(row['n']), 'patient')} of {tested_on}: {_difference(row)}; {scores}."]
    before = [_score(one["crossval"], one["metric"]) for one in (beside, row)]
    if all(before):
        said.append(f"Cross-validated in {row['trained_on']}: {' and '.join(before)}.")
    if row["target"] == "":
        said.append(_by_target(targets))
    return " ".join(said)


def direction(row: pd.Series) -> str:
    """Tell whether the interval of a difference lies on one side of zero."""
    if row["delta_low"] > 0:
        return BETTER
    return WORSE if row["delta_high"] < 0 else UNDECIDED


def _difference(row: pd.Series) -> str:
    mean = ", on average over its targets" if row["target"] == "" else ""
    if pd.isna(row["delta_low"]):
        return f"the difference is the same whoever is drawn, so it has no interval{mean}"
    as_compared = {"ci_low": row["delta_low"], "ci_high": row["delta_high"]}
    shown, _, interval = difference({**row.to_dict(), **as_compared})
    return f"{direction(row)}, {shown} ({interval}){mean}"


def _by_target(targets: pd.DataFrame) -> str:
    """Count the targets by the side of zero on which their interval lies."""
    usable = targets[targets["status"] == OK]
    sides = [direction(row) for _, row in usable.iterrows()]
    lost = len(targets) - len(usable)
    text = (
        f"Of {count(len(targets), 'target')}, {sides.count(BETTER)} "
        f"{'has' if sides.count(BETTER) == 1 else 'have'} an interval above zero and "
        f"{sides.count(WORSE)} one below it"
    )
    return f"{text}; {lost} {'is' if lost == 1 else 'are'} {NOT_ESTIMABLE}." if lost else f"{text}."


def _score(number: float, metric: str) -> str:
    if pd.isna(number):
        return ""
    return value(number, metric) if metric == "accuracy" else f"{number:.3f}".replace("-", "−")


def _with_interval(row: pd.Series) -> str:
    low, high = (_score(row[name], row["metric"]) for name in ("ci_low", "ci_high"))
    shown = _score(row["value"], row["metric"])
    return f"{shown} ({low} to {high})" if low else shown
