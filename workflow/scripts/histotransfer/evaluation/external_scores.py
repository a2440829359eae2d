"""The table of an external validation: how the fitted models score in the other cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import HistotransferError
from ..core.files import remake
from ..core.streams import stream
from ..core.tables import TableSchema, read_table, write_table
from ..labels.files import read_labels_file
from .bootstrap import (
    DRAWS,
    drawn_patients,
    intervals,
    intervals_of_means,
    left_out_patients,
    mean_of,
    scores_of_rows,
)
from .comparison import METRICS
from .external_predictions import read_external
from .kinds import KINDS, TaskKind
from .predictors.predictor import Float, Ints
from .statistics import NOT_ESTIMABLE, OK

VALIDATION = TableSchema.of(
    "validation",
    "text: task trained_on tested_on target metric",
    "integer: n",
    "text: baseline extractor",
    "number: value ci_low ci_high delta delta_low delta_high",
    "number: crossval crossval_low crossval_high",
    "text: status why",
)
AT_ONCE = 500
"""Targets whose bootstrap samples are held in memory together."""


@dataclass(frozen=True)
class Scored:
    """Primary scores (s,), in (b, s) bootstrap samples, and (n, s) without each patient."""

    found: Float
    drawn: Float
    left_out: Float

    @classmethod
    def of(
        cls, kind: TaskKind, truth: Float, predicted: Float, targets: Sequence[str], drawn: Ints
    ) -> Scored:
        """Score (n, t) predictions in all patients, in the drawn ones, and without each."""
        everyone = np.arange(len(truth))[None]
        found, of_drawn, without = (
            scores_of_rows(kind, truth, predicted, targets, rows)
            for rows in (everyone, drawn, left_out_patients(len(truth)))
        )
        return cls(found[0], of_drawn, without)

    def __sub__(self, other: Scored) -> Scored:
        return Scored(
            self.found - other.found, self.drawn - other.drawn, self.left_out - other.left_out
        )

    def of_some(self, places: Ints) -> Scored:
        """Return some of the scores."""
        return Scored(self.found[places], self.drawn[:, places], self.left_out[:, places])

    def mean(self) -> Scored:
        """Return the mean over the scores, as one score."""
        return Scored(
            mean_of(self.found[None]), mean_of(self.drawn)[:, None], mean_of(self.left_out)[:, None]
        )

    @classmethod
    def average(cls, means: Sequence[Scored], sizes: Sequence[int]) -> Scored:
        """Return the mean of means over so many scores each."""
        return cls(
            *(
                np.average([getattr(mean, part) for mean in means], axis=0, weights=sizes)
                for part in ("found", "drawn", "left_out")
            )
        )

    def interval(self) -> tuple[Float, Float]:
        """Return the 95 % interval of each score."""
        return intervals(self.found, self.drawn, self.left_out)

    def interval_of_mean(self, scores: int) -> tuple[Float, Float]:
        """Return the 95 % interval of a mean over so many scores."""
        if scores == 1:
            return self.interval()
        return intervals_of_means(self.found, self.drawn, len(self.left_out))


def write_validation(
    files: Mapping[str, Mapping[str, Any]],
    metrics_path: str | Path,
    kinds: Mapping[str, str],
    out_path: str | Path,
    *,
    cohorts: tuple[str, str],
    seed: int,
) -> None:
    """Write how every extractor scores in the external cohort, beside its cross-validation.

    Parameters
    ----------
    files : mapping of task to mapping
        ``external``, the labels of the external cohort, and ``predictions`` by extractor, the
        baseline first.
    metrics_path : str or Path
        The table `METRICS` of the training cohort's cross-validation.
    kinds : mapping of task to str
    out_path : str or Path
        The table `VALIDATION`: a row per task, target, score and extractor; before those of several
        targets, rows of the mean over the ones that are estimable, whose target is empty. Only
        primary scores have intervals. `delta` is the difference to the first extractor on the same
        patients; `crossval` is the mean of `METRICS`.
    cohorts : tuple of str
        The names of the training and of the external cohort.
    seed : int
        Draws the patients, in one way for all extractors.

    Raises
    ------
    HistotransferError
        If the predictions of two extractors are of other patients or targets.
    """
    crossval = read_table(metrics_path, METRICS)
    tables = []
    for task, of_task in files.items():
        truth, targets, predicted = _read(of_task, KINDS[kinds[task]], task)
        rng = stream(seed, "external patients", task)
        table = validate(KINDS[kinds[task]], truth, predicted, targets, rng)
        tables.append(_beside(table, crossval[crossval["task"] == task]).assign(task=task))
    whole = pd.concat(tables) if tables else VALIDATION.empty()
    write_table(whole.assign(trained_on=cohorts[0], tested_on=cohorts[1]), out_path, VALIDATION)


def validate(
    kind: TaskKind,
    truth: Float,
    predicted: Mapping[str, Float],
    targets: Sequence[str],
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Score the (n, t) predictions of each extractor, and compare each one with the first.

    Returns the columns of `VALIDATION` but those of the task, the cohorts and the
    cross-validation.
    """
    baseline, *_ = predicted
    rows, values = _scores(kind, truth, predicted, targets)
    usable = np.flatnonzero((rows["metric"] == kind.metric) & (rows["why"] == ""))
    several = kind.by_column and len(targets) > 1 and len(usable) > 0
    if several:
        n = rows["n"].iloc[usable].max()
        mean = pd.DataFrame({"target": [""], "metric": kind.metric, "n": n, "why": ""})
        rows = pd.concat([mean, rows], ignore_index=True)
        values = pd.concat([values.iloc[usable].mean().to_frame().T, values], ignore_index=True)
    tables = {
        name: rows.assign(
            **dict.fromkeys(INTERVALS, np.nan), extractor=name, value=values[name].to_numpy()
        )
        for name in predicted
    }
    if len(usable):
        drawn = drawn_patients(len(truth), rng, draws)
        means: dict[str, list[Scored]] = {name: [] for name in predicted}
        chunks = [usable]
        if kind.by_column:
            chunks = [usable[at : at + AT_ONCE] for at in range(0, len(usable), AT_ONCE)]
        for chunk in chunks:
            scored = {
                name: _scored(kind, truth, of_all, targets, drawn, chunk)
                for name, of_all in predicted.items()
            }
            for name, own in scored.items():
                change = own - scored[baseline]
                _fill(tables[name], chunk + several, change, own.interval(), change.interval())
                means[name].append(own.mean())
        if several:
            sizes = [len(chunk) for chunk in chunks]
            whole = {name: Scored.average(parts, sizes) for name, parts in means.items()}
            for name, own in whole.items():
                change = own - whole[baseline]
                both = (of_one.interval_of_mean(len(usable)) for of_one in (own, change))
                _fill(tables[name], np.array([0]), change, *both)
    table = pd.concat(tables.values(), ignore_index=True).assign(baseline=baseline)
    table.loc[table["extractor"] == baseline, ["delta", "delta_low", "delta_high"]] = np.nan
    constant = table["why"].eq("") & table["metric"].eq(kind.metric) & table["ci_low"].isna()
    return table.assign(
        status=np.where(table["why"] == "", OK, NOT_ESTIMABLE),
        why=table["why"].mask(constant, "constant"),
    )


INTERVALS = ("ci_low", "ci_high", "delta", "delta_low", "delta_high")


def _scores(
    kind: TaskKind, truth: Float, predicted: Mapping[str, Float], targets: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return target, metric, n and why of every score, and its value by extractor."""
    every = {name: kind.scores(truth, values, targets) for name, values in predicted.items()}
    rows = next(iter(every.values()))[["target", "metric"]]
    values = pd.DataFrame({name: table["value"] for name, table in every.items()})
    why = pd.Series(kind.lacking(truth, rows, targets), rows.index)
    fitted = np.all([np.isfinite(of_all).any(axis=0) for of_all in predicted.values()], axis=0)
    without = [target for target, is_there in zip(targets, fitted, strict=True) if not is_there]
    why = why.mask((why == "") & rows["target"].isin(without), "not_fitted")
    why = why.mask((why == "") & values.isna().any(axis=1), "undefined")
    rows = rows.assign(n=rows["target"].map(kind.counts(truth, targets)), why=why)
    return rows, values.where(why == "")


def _scored(
    kind: TaskKind,
    truth: Float,
    predicted: Float,
    targets: Sequence[str],
    drawn: Ints,
    places: Ints,
) -> Scored:
    """Score an extractor's predictions in the places of `TaskKind.primary`."""
    if not kind.by_column:
        return Scored.of(kind, truth, predicted, targets, drawn).of_some(places)
    names = [targets[place] for place in places]
    return Scored.of(kind, truth[:, places], predicted[:, places], names, drawn)


def _fill(
    table: pd.DataFrame,
    places: Ints,
    change: Scored,
    own_interval: tuple[Float, Float],
    interval: tuple[Float, Float],
) -> None:
    """Put the intervals of scores, and their differences with intervals, into rows of the table."""
    parts = (*own_interval, change.found, *interval)
    for name, values in zip(INTERVALS, parts, strict=True):
        table.loc[table.index[places], name] = values


def _read(
    files: Mapping[str, Any], kind: TaskKind, task: str
) -> tuple[Float, list[str], dict[str, Float]]:
    """Return (n, t) labels of the external cohort, the targets, and predictions by extractor."""
    found = {
        name: read_external(path, task=task, extractor=name)
        for name, path in files["predictions"].items()
    }
    first, *others = found.values()
    for path, other in zip(list(files["predictions"].values())[1:], others, strict=True):
        if (other.samples, other.targets) != (first.samples, first.targets):
            raise HistotransferError(
                path, "has other patients or targets than the first extractor", remake(path)
            )
    labels = read_labels_file(files["external"])
    truth = kind.truth(labels, first.samples, first.targets)
    return truth, first.targets, {name: of_one.values for name, of_one in found.items()}


def _beside(table: pd.DataFrame, crossval: pd.DataFrame) -> pd.DataFrame:
    """Add the cross-validated mean and interval of each score; of a mean, the mean of its rows."""
    keys = ["target", "metric", "extractor"]
    columns = {"mean": "crossval", "ci_low": "crossval_low", "ci_high": "crossval_high"}
    own = crossval[[*keys, *columns]].rename(columns=columns)
    table = table.merge(own, how="left", on=keys)
    for row in table.index[table["target"] == ""]:
        same = (
            table[["metric", "extractor"]].eq(table.loc[row, ["metric", "extractor"]]).all(axis=1)
        )
        used = same & (table["status"] == OK) & (table["target"] != "")
        table.loc[row, "crossval"] = table.loc[used, "crossval"].mean()
    return table
