"""Everything known about one task: scores, predictions and labels under every extractor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ..core.streams import stream
from ..core.tables import read_table
from ..labels.files import read_labels_file
from ..study.parameters import StatisticsParameters
from . import statistics as st
from .kinds import KINDS, TaskKind
from .predictions import Predictions, read_predictions
from .predictors.predictor import Float
from .scores import POOLED, SCORES
from .splits import SPLITS


@dataclass(frozen=True)
class TaskResults:
    """The results of one task.

    Attributes
    ----------
    scores, predictions : mapping
        By extractor, the baseline first; tidy scores, and predictions of all repeats.
    truth : (n, t) float64
        Labels, in the order of the predictions.
    weights : (b, n) float64
        Bootstrap resamples of patients, the same for all targets and extractors.
    """

    task: str
    kind: TaskKind
    folds: int
    scores: Mapping[str, pd.DataFrame]
    predictions: Mapping[str, Predictions]
    truth: Float
    weights: Float
    parameters: StatisticsParameters

    @cached_property
    def resampled(self) -> dict[str, dict[str, Float]]:
        """The (b,) bootstrapped primary score of each target, by extractor."""
        return {
            name: self.kind.resampled(self.weights, self.truth, some.values, some.targets)
            for name, some in self.predictions.items()
        }

    def over_repeats(self, extractor: str) -> pd.DataFrame:
        """Return mean and sd, over the repeats, of each target's score of pooled predictions."""
        table = self.scores[extractor]
        pooled = table[(table["metric"] == self.kind.metric) & (table["fold"] == POOLED)]
        found = pooled.groupby("target")["value"].agg(["mean", "std"])
        return found.rename(columns={"std": "sd"})


def read_results(
    files: Mapping[str, Any], task: str, kind: str, parameters: StatisticsParameters, number: int
) -> TaskResults:
    """Read the results of a task; see `comparison.write_comparison`.

    `number` is the task's place in the study, which tells its bootstrap from the others'.
    """
    predictions = {
        name: read_predictions(paths, task=task, extractor=name)
        for name, paths in files["predictions"].items()
    }
    first = next(iter(predictions.values()))
    labels = read_labels_file(files["labels"])
    rng = stream(parameters.seed, "bootstrap", number)
    return TaskResults(
        task=task,
        kind=KINDS[kind],
        folds=int(read_table(files["splits"], SPLITS, task=task)["fold"].max()) + 1,
        scores={
            name: read_table(path, SCORES, task=task, extractor=name)
            for name, path in files["scores"].items()
        },
        predictions=predictions,
        truth=KINDS[kind].truth(labels, first.samples, first.targets),
        weights=st.resamples(
            labels.group.loc[first.samples].to_numpy(dtype=str), parameters.bootstrap, rng
        ),
        parameters=parameters,
    )
