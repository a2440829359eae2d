"""Pick rows and names out of the tables of the results."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from ..evaluation.kinds import ALL, KINDS, Binary, Multiclass, Regression

OF_ONE_STATISTIC = {
    "confusion": Multiclass.metric,
    "related_genes": Regression.metric,
    "mutation": Binary.metric,
    "roc": Binary.metric,
    "calibration": Binary.metric,
    "class_roc": Multiclass.metric,
}
"""Tables without a column `metric`, whose rows are all of tasks of one kind of values."""

CONTROL = " (control)"
"""What follows a control's name in figures, the report and the tables for a paper."""

CHANCE = {kind.metric: kind.by_chance for kind in KINDS.values() if kind.by_column}
"""The score without any signal; that of classes depends on their sizes."""


def chance(comparison: pd.DataFrame) -> float:
    """Return the score without any signal in the task that the rows are of.

    Of classes it is the share of the largest, which is always guessed.
    """
    if of_all_classes(comparison).any():
        n = comparison.groupby("target")["n"].max()
        return float(n.drop(ALL).max() / n[ALL])
    return CHANCE.get(str(comparison["metric"].iloc[0]), float("nan"))


def of_kind(comparison: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of a comparison whose targets have a kind's values, told by its metric."""
    return comparison[comparison["metric"] == KINDS[kind].metric]


def with_tasks_told_apart(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Put the task's name before a target's where several tasks of a metric could be mixed up."""
    tasks: dict[str, set[str]] = {}
    metrics: dict[str, pd.Series] = {}
    for name, table in tables.items():
        if {"metric", "target"} <= {*table} or name in OF_ONE_STATISTIC:
            metric = table["metric"] if "metric" in table else OF_ONE_STATISTIC[name]
            metrics[name] = pd.Series(metric, table.index, dtype=object)
            for of_metric, rows in table.groupby(metrics[name]):
                tasks.setdefault(str(of_metric), set()).update(rows["task"])
    several = [metric for metric, names in tasks.items() if len(names) > 1]
    apart = dict(tables)
    for name, metric in metrics.items():
        table, mixed = tables[name], metric.isin(several)
        if mixed.any() and "target" in table:
            target = table["target"].astype(object)
            named = table["task"].astype(str) + ": " + target.astype(str)
            apart[name] = table.assign(
                target=target.mask(mixed & target.notna() & (target != ""), named)
            )
        elif mixed.any():
            own = table["extractor"] + "\n" + table["task"]
            apart[name] = table.assign(extractor=own)
    return apart


def with_controls_marked(
    tables: Mapping[str, pd.DataFrame], controls: Collection[str]
) -> dict[str, pd.DataFrame]:
    """Say of each control, wherever a table names it as an extractor, that it is one."""
    marked = {name: name + CONTROL for name in controls}

    def of(table: pd.DataFrame) -> pd.DataFrame:
        named = [column for column in ("baseline", "extractor") if column in table]
        changed = table.assign(**{column: table[column].replace(marked) for column in named})
        if "extractors" in table:  # of pictures, which show several
            lists = [[marked.get(name, name) for name in names] for names in table["extractors"]]
            changed["extractors"] = pd.Series(lists, table.index)
        return changed

    return {
        name: of(table) if controls and isinstance(table, pd.DataFrame) else table
        for name, table in tables.items()
    }


def against_baseline(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return the rows about a task's baseline; they come first, before those of the other pairs."""
    first = comparison.groupby("task", sort=False)["baseline"].transform("first")
    return comparison[comparison["baseline"] == first]


def of_all_classes(comparison: pd.DataFrame) -> pd.Series:
    """Tell of each row whether it is about all classes of a task, which it answers as a whole."""
    return (comparison["target"] == ALL) & (comparison["metric"] == Multiclass.metric)


def extractors(comparison: pd.DataFrame) -> list[str]:
    """Return the names of the extractors, the baseline first, then in the order of the table."""
    return list(dict.fromkeys([*comparison["baseline"], *comparison["extractor"]]))


def flag(column: pd.Series) -> pd.Series:
    """Return a column of flags as plain booleans; an empty cell is False."""
    return column.eq(True).fillna(False).astype(bool)
