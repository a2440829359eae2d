"""Several extractors side by side: the rank of each, and the difference of every pair."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..core.tables import TableSchema
from ..evaluation.comparison import holm_over_pairs
from ..evaluation.decisions import FAMILY, average
from ..evaluation.fine_tuning_runs import Runs, combine_runs, names_of_runs
from ..evaluation.ranks import critical_difference, friedman, mean_ranks
from ..evaluation.statistics import OK
from .rows import of_all_classes

RANKS = TableSchema.of(
    "ranks",
    "text: task extractor",
    "integer: n",
    "number: mean_rank friedman_p critical_difference",
)
PAIRS = TableSchema.of(
    "pairs",
    "text: task metric baseline extractor",
    "integer: n n_targets",
    "number: baseline_mean extractor_mean delta ci_low ci_high p_corrected p_holm",
    "text: status",
)
ALL_TASKS = "all tasks"
"""Stands for the task in the ranks over tasks; no task has such a name."""


def compare_pairs(
    comparison: pd.DataFrame, *, runs: Runs, controls: Collection[str] = ()
) -> pd.DataFrame:
    """Return the difference of each pair in each task as a whole, as `answers` has it.

    Parameters
    ----------
    comparison : pandas.DataFrame
        The table `comparison`.
    runs : mapping
        Extractors that are runs of one fine-tuning, which count as one (`combine_runs`).
    controls : collection of str
        Extractors whose pairs are a family of their own (`holm_over_pairs`).

    Returns
    -------
    pandas.DataFrame
        The columns of `PAIRS`: a task of classes has the accuracy over all of them, any other the
        mean over the `n_targets` that were tested (`decisions.average`). `p_holm` is Holm's, over
        the pairs of a task.
    """
    parts = []
    for _, rows in combine_runs(comparison, runs).groupby(FAMILY, sort=False):
        overall = rows[of_all_classes(rows)]
        tested = rows if overall.empty else overall
        whole = average(rows) if overall.empty else overall
        parts.append(whole.assign(n_targets=int(tested["status"].eq(OK).sum())))
    if not parts:
        return PAIRS.empty()
    pairs = pd.concat(parts, ignore_index=True)
    return pairs.assign(p_holm=holm_over_pairs(pairs, "task", controls))[[*PAIRS.columns]]


def rank_extractors(
    comparison: pd.DataFrame, metrics: pd.DataFrame, *, runs: Runs, alpha: float
) -> pd.DataFrame:
    """Rank the extractors in each task, and over all tasks that compare all of them.

    Parameters
    ----------
    comparison, metrics : pandas.DataFrame
        The tables.
    runs : mapping
        Extractors that are runs of one fine-tuning, which count as one, with their mean score.
    alpha : float
        Level of the critical difference.

    Returns
    -------
    pandas.DataFrame
        The columns of `RANKS`. In a task, extractors are ranked by their mean score in each of the
        `n` targets that at least one pair was tested on; in a task of classes, by the accuracy over
        all of them. Over all tasks, they are ranked by the mean of these scores in each of the
        `n` tasks.
    """
    rows: list[dict[str, Any]] = []
    metrics = metrics.assign(extractor=metrics["extractor"].replace(names_of_runs(runs)))
    scores = dict(_scores(combine_runs(comparison, runs), metrics))
    for task, table in scores.items():
        rows += _ranked(task, table, alpha)
    most = max((len(table.columns) for table in scores.values()), default=0)
    means = [table.mean() for table in scores.values() if len(table.columns) == most and len(table)]
    if len(means) > 1:
        rows += _ranked(ALL_TASKS, pd.DataFrame(means), alpha)
    return pd.DataFrame(rows, columns=[*RANKS.columns])


def _scores(comparison: pd.DataFrame, metrics: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each task with the mean scores of its tested targets (rows) under its extractors."""
    for task, rows in comparison.groupby("task", sort=False):
        names = list(dict.fromkeys([*rows["baseline"], *rows["extractor"]]))
        overall = of_all_classes(rows)
        tested = rows[(rows["status"] == OK) & (overall | (not overall.any()))]
        own = metrics[(metrics["task"] == task) & (metrics["metric"] == rows["metric"].iloc[0])]
        own = own[own["target"].isin(tested["target"])]
        table = own.pivot_table(index="target", columns="extractor", values="mean")
        # Rounding alone makes equal scores differ by less.
        yield str(task), table.reindex(columns=names).dropna().round(12)


def _ranked(task: str, scores: pd.DataFrame, alpha: float) -> Iterator[dict[str, Any]]:
    values = scores.to_numpy(dtype=np.float64)
    n, k = values.shape
    mean = mean_ranks(values) if n else np.full(k, np.nan)
    p, least = friedman(values), critical_difference(n, k, alpha)
    for name, rank in zip(scores.columns, mean, strict=True):
        yield {
            **{"task": task, "extractor": name, "n": n, "mean_rank": rank},
            **{"friedman_p": p, "critical_difference": least},
        }
