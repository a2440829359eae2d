"""Everything known about one task: scores, predictions and labels under every extractor."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..core.tables import read_table
from ..labels.files import read_labels_file
from ..study.parameters import StatisticsParameters
from . import statistics as st
from .fold_scores import FoldScores
from .kinds import ALL, KINDS, TaskKind
from .predictions import Predictions, read_predictions
from .predictors.predictor import Float, Ints
from .scores import NO_OTHER, SCORES
from .splits import SPLITS, fold_of_samples


@dataclass(frozen=True)
class TaskResults:
    """The results of one task.

    Attributes
    ----------
    scores, predictions : mapping
        By extractor, the baseline first; tidy scores, and predictions of all repeats.
    truth : (n, t) float64
        Labels, in the order of the predictions.
    fold_of : (repeats, n) int64
        The fold in which each sample is tested.
    number : int
        The task's place in the study, which tells its random draws from the others'.
    controls : collection of str
        Extractors that any other should beat.
    """

    task: str
    kind: TaskKind
    scores: Mapping[str, pd.DataFrame]
    predictions: Mapping[str, Predictions]
    truth: Float
    fold_of: Ints
    parameters: StatisticsParameters
    number: int
    controls: Collection[str] = ()

    @property
    def labelled(self) -> list[str]:
        """The targets that have labels, in the order of `truth`: genes or classes."""
        return next(iter(self.predictions.values())).targets

    @cached_property
    def targets(self) -> list[str]:
        """The targets of the primary score, sorted, the one over all classes first."""
        table = next(iter(self.scores.values()))
        found = table.loc[table["metric"] == self.kind.metric, "target"].unique()
        return sorted(map(str, found), key=lambda target: (target != ALL, target))

    @cached_property
    def chance(self) -> Float:
        """The (t,) primary score without any signal, of each of the targets."""
        by_target = self.kind.chance(self.truth, self.labelled)
        return np.array([by_target[target] for target in self.targets])

    @cached_property
    def primary(self) -> dict[str, FoldScores]:
        """The primary scores of the targets, by extractor."""
        return {name: self._fold_scores(table) for name, table in self.scores.items()}

    @cached_property
    def n(self) -> list[int]:
        """The number of samples that are compared, of each of the targets."""
        by_target = self.kind.counts(self.truth, self.labelled)
        return [by_target[target] for target in self.targets]

    @cached_property
    def above_chance(self) -> dict[str, pd.DataFrame]:
        """The test of each primary score above chance, by extractor (`statistics.above`)."""
        return {
            name: st.above(scores, self.chance, self.kind.bounds)
            for name, scores in self.primary.items()
        }

    def _fold_scores(self, table: pd.DataFrame) -> FoldScores:
        own = table[table["metric"] == self.kind.metric]
        repeat = own["repeat"].rank(method="dense").to_numpy(dtype=int) - 1
        fold, without = own["fold"].to_numpy(dtype=int), own["without"].to_numpy(dtype=int)
        place = {target: number for number, target in enumerate(self.targets)}
        target = own["target"].map(place).to_numpy(dtype=int)
        value = own["value"].to_numpy(dtype=np.float64)
        alone, k, t = without == NO_OTHER, int(fold.max()) + 1, len(self.targets)
        folds = np.full((int(repeat.max()) + 1, k, t), np.nan)
        folds[repeat[alone], fold[alone], target[alone]] = value[alone]
        n_paired = int(repeat[~alone].max(initial=-1)) + 1
        pairs = np.full((n_paired, k, k, t), np.nan)
        pairs[repeat[~alone], fold[~alone], without[~alone], target[~alone]] = value[~alone]
        return FoldScores(folds, pairs, self.kind.grouped, self.kind.correlation)


def read_results(
    files: Mapping[str, Any],
    task: str,
    kind: str,
    parameters: StatisticsParameters,
    number: int,
    controls: Collection[str] = (),
) -> TaskResults:
    """Read the results of a task; see `comparison.write_comparison` and `TaskResults`."""
    predictions = {
        name: read_predictions(paths, task=task, extractor=name)
        for name, paths in files["predictions"].items()
    }
    first = next(iter(predictions.values()))
    labels = read_labels_file(files["labels"])
    splits = read_table(files["splits"], SPLITS, task=task)
    return TaskResults(
        task=task,
        kind=KINDS[kind],
        scores={
            name: read_table(path, SCORES, task=task, extractor=name)
            for name, path in files["scores"].items()
        },
        predictions=predictions,
        truth=KINDS[kind].truth(labels, first.samples, first.targets),
        fold_of=np.array(
            [
                fold_of_samples(splits, repeat, first.samples, files["splits"])
                for repeat in first.repeats.tolist()
            ]
        ),
        parameters=parameters,
        number=number,
        controls=controls,
    )
