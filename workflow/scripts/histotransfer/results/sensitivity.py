"""The answers of a study under each of its alternatives: on which side the differences are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from ..core.tables import TableSchema
from ..evaluation.decisions import BETTER, UNDECIDED, WORSE
from .answers import TASK

ROBUSTNESS = TableSchema.of(
    "robustness",
    "text: analysis differs task extractor baseline target metric",
    "integer: n",
    "text: unit",
    "number: delta ci_low ci_high p_corrected q_bh",
    "text: direction relevance why",
    "number: rope",
)
AS_DECLARED = "the study"
"""The analysis that the others are alternatives of; no alternative can have a blank in its name."""


def tabulate_robustness(
    answers: Mapping[str, pd.DataFrame], differs: Mapping[str, str]
) -> pd.DataFrame:
    """Put the answers of several analyses to each task as a whole below each other.

    Parameters
    ----------
    answers : mapping of str to pandas.DataFrame
        By analysis, the table `answers`: of the study first, then of its alternatives, each with
        the tasks that it changes.
    differs : mapping of str to str
        What differs in an alternative.

    Returns
    -------
    pandas.DataFrame
        The columns of `ROBUSTNESS`; by task in the study's order, and then by analysis.
    """
    rows = pd.concat(
        [
            table[table["scope"] == TASK].assign(analysis=name, differs=differs.get(name, ""))
            for name, table in answers.items()
        ],
        ignore_index=True,
    )
    place = {task: number for number, task in enumerate(dict.fromkeys(rows["task"]))}
    ordered = rows.sort_values("task", key=lambda tasks: tasks.map(place), kind="stable")
    return ordered[[*ROBUSTNESS.columns]].reset_index(drop=True)


def sides(robustness: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    """Yield a task, extractor and baseline, and in how many analyses which of the two is ahead."""
    pairs = robustness.groupby(["task", "extractor", "baseline"], sort=False)
    for (task, extractor, baseline), rows in pairs:
        yield str(task), str(extractor), str(baseline), _side(rows)


def _side(rows: pd.DataFrame) -> str:
    if len(rows) == 1:
        return "no alternative changes this task"
    compared = rows["direction"].isin([BETTER, WORSE, UNDECIDED])
    said = []
    for side, is_there, decided in (
        ("ahead", compared & (rows["delta"] > 0), BETTER),
        ("behind", compared & (rows["delta"] < 0), WORSE),
    ):
        n, n_decided = int(is_there.sum()), int(rows["direction"].eq(decided).sum())
        said.append(f"{side} in {n}" + (f" (decided in {n_decided})" if n else ""))
    if others := int((~compared).sum()):
        said.append(f"not compared in {others}")
    numbers = rows[["n", "delta", "ci_low", "ci_high"]].astype(float)
    if same := int(numbers.iloc[1:].eq(numbers.iloc[0]).all(axis=1).sum()):
        said.append(f"no other numbers than the study in {same}")
    return f"of {len(rows)} analyses, {', '.join(said)}"
