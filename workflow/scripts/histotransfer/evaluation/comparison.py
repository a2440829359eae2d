"""The tables that answer the study: scores of each extractor, and how they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.tables import TableSchema, write_table
from ..study.parameters import StatisticsParameters
from . import statistics as st
from . import tables_of_kinds as of_kinds
from .kinds import ALL
from .scores import POOLED
from .task_results import TaskResults, read_results

COMPARISON = TableSchema.of(
    "comparison",
    "text: task target metric",
    "integer: n n_folds",
    "text: baseline extractor",
    "number: baseline_mean extractor_mean delta ci_low ci_high p_corrected q_bh p_wilcoxon",
    "number: prob_better prob_equivalent prob_worse",
    "text: status",
    "number: boot_low boot_high",
)
METRICS = TableSchema.of(
    "metrics", "text: task target extractor metric", "number: mean sd", "integer: repeats"
)


def write_comparison(
    files: Mapping[str, Mapping[str, Any]],
    kinds: Mapping[str, str],
    parameters: StatisticsParameters,
    out: Mapping[str, str | Path],
) -> None:
    """Compare every extractor with the first, the baseline, on every target of every task.

    Parameters
    ----------
    files : mapping of task to mapping
        ``labels`` and ``splits``, and by extractor ``scores`` and ``predictions`` (the blocks
        ``cv/{task}/{extractor}/*.h5``); the extractors that know the task's samples, in the order
        of the config.
    kinds : mapping of task to str
        The order of the tasks in the tables.
    parameters : StatisticsParameters
        How they are compared.
    out : mapping of table to path
        One for each of `MAKERS`; a table of which no task has rows holds its header.
    """
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in MAKERS}
    for number, (task, kind) in enumerate(kinds.items()):
        results = read_results(files[task], task, kind, parameters, number)
        for name in ("comparison", "metrics", *results.kind.tables):
            tables[name].append(MAKERS[name](results))
    for name, path in out.items():
        rows = [table for table in tables[name] if len(table)] or [SCHEMAS[name].empty()]
        write_table(pd.concat(rows), path, SCHEMAS[name])


def compare(results: TaskResults) -> pd.DataFrame:
    """Return one row per target and compared extractor.

    `baseline_mean`, `extractor_mean` and `delta` are means over the `n_folds` folds of all repeats
    in which both have a score. These are fewer than repeats times folds where a score is undefined
    in some: an AUROC in a fold of one class, a correlation over fewer than three samples.
    `boot_low` and `boot_high` bound the difference of the scores of pooled out-of-fold predictions.
    `q_bh` is of `p_corrected`, over the targets of a task and extractor.
    """
    metric, (baseline, *compared) = results.kind.metric, results.scores
    by_fold = {
        name: table[(table["metric"] == metric) & (table["fold"] != POOLED)].pivot(
            index=["repeat", "fold"], columns="target", values="value"
        )
        for name, table in results.scores.items()
    }
    base = by_fold[baseline]
    n = results.kind.counts(results.truth, results.predictions[baseline].targets)
    tables = []
    for name in compared:
        rows: list[dict[str, object]] = []
        for target in sorted(base.columns, key=lambda target: (target != ALL, target)):
            a, b = base[target], by_fold[name][target].reindex(base.index)
            d = b - a
            difference = st.compare(d, folds=results.folds, rope=results.parameters.rope)
            boot = results.resampled[name][target] - results.resampled[baseline][target]
            boot_low, boot_high = st.percentile_interval(boot)
            rows.append(
                {
                    "target": target,
                    "n": n[target],
                    "n_folds": int(d.notna().sum()),
                    "baseline_mean": a[d.notna()].mean(),
                    "extractor_mean": b[d.notna()].mean(),
                    "p_wilcoxon": st.wilcoxon(d.groupby(level="repeat").mean()),
                    "boot_low": boot_low,
                    "boot_high": boot_high,
                    **asdict(difference),
                }
            )
        table = pd.DataFrame(rows).assign(extractor=name)
        tables.append(table.assign(q_bh=st.benjamini_hochberg(table["p_corrected"])))
    whose = {"task": results.task, "metric": metric, "baseline": baseline}
    return pd.concat(tables).assign(**whose) if tables else COMPARISON.empty()


def metrics(results: TaskResults) -> pd.DataFrame:
    """Return every score of each target and extractor: mean and sd over the repeats.

    The scores are of a repeat's pooled out-of-fold predictions; `repeats` counts those in which one
    is defined.
    """
    tables = []
    for name, scores in results.scores.items():
        pooled = scores[scores["fold"] == POOLED].groupby(["target", "metric"])["value"]
        table = pooled.agg(mean="mean", sd="std", repeats="count").reset_index()
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
)
MAKERS: Mapping[str, Callable[[TaskResults], pd.DataFrame]] = {
    schema.name: maker for schema, maker in _TABLES
}
"""What makes each table of a task; `TaskKind.tables` says which kind has which."""
SCHEMAS: Mapping[str, TableSchema] = {schema.name: schema for schema, _ in _TABLES}
"""The columns of each table."""
