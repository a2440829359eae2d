"""The tables that answer the study: scores of each extractor, and how they differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.tables import TableSchema, write_table
from ..study.parameters import StatisticsParameters
from . import statistics as st
from . import tables_of_kinds as of_kinds
from .scores import NO_OTHER
from .task_results import TaskResults, read_results

COMPARISON = TableSchema.of(
    "comparison",
    "text: task target metric",
    "integer: n n_folds",
    "text: baseline extractor",
    "number: baseline_mean extractor_mean delta se df ci_low ci_high",
    "number: p_corrected q_bh p_holm p_wilcoxon",
    "number: prob_better prob_equivalent prob_worse",
    "text: status",
)
METRICS = TableSchema.of(
    "metrics",
    "text: task target extractor metric",
    "number: mean sd",
    "integer: repeats",
    "number: se ci_low ci_high",
)


def write_comparison(
    files: Mapping[str, Mapping[str, Any]],
    kinds: Mapping[str, str],
    parameters: StatisticsParameters,
    out: Mapping[str, str | Path],
    *,
    controls: Collection[str] = (),
) -> None:
    """Compare every pair of extractors on every target of every task.

    Parameters
    ----------
    files : mapping of task to mapping
        ``labels`` and ``splits``, and by extractor ``scores`` and ``predictions`` (the blocks
        ``cv/{task}/{extractor}/*.h5``); the extractors that know the task's samples, in the order
        of the config.
    kinds : mapping of task to str
        The order of the tasks in the tables. Those without `files`, which an alternative of a study
        does not change, have no rows.
    parameters : StatisticsParameters
        How they are compared.
    out : mapping of table to path
        One for each of `MAKERS`; a table of which no task has rows holds its header.
    controls : collection of str
        Extractors that any other should beat (`holm_over_pairs`).
    """
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in MAKERS}
    for number, (task, kind) in enumerate(kinds.items()):
        if task not in files:
            continue
        results = read_results(files[task], task, kind, parameters, number, controls)
        for name in ("comparison", "metrics", *results.kind.tables):
            tables[name].append(MAKERS[name](results))
    for name, path in out.items():
        rows = [table for table in tables[name] if len(table)] or [SCHEMAS[name].empty()]
        write_table(pd.concat(rows), path, SCHEMAS[name])


def compare(results: TaskResults) -> pd.DataFrame:
    """Return one row per pair of extractors and target, the pairs with the first one first.

    Of a pair, the one that comes first in the config is its `baseline`.
    `baseline_mean`, `extractor_mean` and `delta` are means over the `n_folds` folds of all repeats
    in which both have a score. These are fewer than repeats times folds where a score is undefined
    in some: an AUROC in a fold of one class, a correlation over fewer than three samples.
    `q_bh` and `p_holm` are of `p_corrected`: `q_bh` over the tested targets of a pair, and `p_holm`
    over the tested pairs of a target, where those with a control are a family of their own.
    """
    rope, alpha = results.parameters.rope, results.parameters.alpha
    tables = []
    for baseline, name in combinations(results.primary, 2):
        base, own = results.primary[baseline], results.primary[name]
        difference = own - base
        table = st.compare(base, own, results.chance, rope=rope, alpha=alpha).assign(
            target=results.targets,
            n=results.n,
            n_folds=difference.n.astype(int),
            baseline=baseline,
            extractor=name,
            baseline_mean=base.where_defined(difference).mean,
            extractor_mean=own.where_defined(difference).mean,
            p_wilcoxon=[st.wilcoxon(of_target) for of_target in difference.repeat_means.T],
        )
        tables.append(table.assign(q_bh=st.benjamini_hochberg(table["p_corrected"])))
    if not tables:
        return COMPARISON.empty()
    table = pd.concat(tables, ignore_index=True)
    return table.assign(
        task=results.task,
        metric=results.kind.metric,
        p_holm=holm_over_pairs(table, "target", results.controls),
    )


def holm_over_pairs(pairs: pd.DataFrame, within: str, controls: Collection[str]) -> pd.Series:
    """Adjust `p_corrected` by Holm's method over the pairs that share a value of a column.

    Pairs with a control ask another question, so they are a family of their own.
    """
    with_control = pairs[["baseline", "extractor"]].isin([*controls]).any(axis=1)
    return pairs.groupby([within, with_control], sort=False)["p_corrected"].transform(st.holm)


def metrics(results: TaskResults) -> pd.DataFrame:
    """Return every score of each target and extractor: mean over the folds, sd of the repeats.

    A repeat's score is the mean of its folds'; `repeats` counts those in which one is defined. The
    primary score has a standard error and a 95 % interval (`statistics.above`).
    """
    tables = []
    for name, scores in results.scores.items():
        folds = scores[scores["without"] == NO_OTHER].astype({"target": str, "metric": str})
        by_repeat = folds.groupby(["target", "metric", "repeat"])["value"].mean()
        of_repeats = by_repeat.groupby(["target", "metric"])
        columns = {
            "mean": folds.groupby(["target", "metric"])["value"].mean(),
            "sd": of_repeats.std(),
            "repeats": of_repeats.count(),
        }
        own = results.above_chance[name][["se", "ci_low", "ci_high"]]
        own = own.assign(target=results.targets, metric=results.kind.metric)
        table = pd.DataFrame(columns).reset_index()
        table = table.merge(own, how="left", on=["target", "metric"])
        tables.append(table.assign(task=results.task, extractor=name))
    return pd.concat(tables)


_TABLES = (
    (COMPARISON, compare),
    (METRICS, metrics),
    (of_kinds.CONFUSION, of_kinds.confusion),
    (of_kinds.RELATED_GENES, of_kinds.related_genes),
    (of_kinds.IMPROVED, of_kinds.improved),
    (of_kinds.MUTATION, of_kinds.mutation),
    (of_kinds.ROC, of_kinds.roc),
    (of_kinds.CLASS_ROC, of_kinds.roc),
    (of_kinds.CALIBRATION, of_kinds.calibration),
    (of_kinds.RISK_GROUPS, of_kinds.risk_groups),
)
MAKERS: Mapping[str, Callable[[TaskResults], pd.DataFrame]] = {
    schema.name: maker for schema, maker in _TABLES
}
"""What makes each table of a task; `TaskKind.tables` says which kind has which."""
SCHEMAS: Mapping[str, TableSchema] = {schema.name: schema for schema, _ in _TABLES}
"""The columns of each table."""
