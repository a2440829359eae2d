"""The kinds of tasks: what differs between tissue types, expression and mutation, in one place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from ..labels.files import TISSUE, TaskLabels
from ..study.tasks import PredictorParameters
from . import metrics
from . import statistics as st
from .predictors.binary_logistic import BinaryLogistic
from .predictors.by_pattern import ByPattern
from .predictors.multinomial_logistic import MultinomialLogistic
from .predictors.predictor import Bools, Float, Ints, Predictor, Single
from .predictors.ridge import Ridge
from .predictors.scikit_learn import ScikitLearn

ALL = "all"
"""The target of a score over all classes."""


class TaskKind(ABC):
    """A kind of task, by its name in the config."""

    name: ClassVar[str]
    metric: ClassVar[str]
    """The score by which extractors are compared."""
    tables: ClassVar[tuple[str, ...]]
    """The tables of the comparison that only this kind has."""
    of_patches: ClassVar[bool] = False
    """Whether the samples are patches of a dataset; otherwise they are patients."""

    @abstractmethod
    def predictor(self, parameters: PredictorParameters) -> Predictor:
        """Return the predictor of the task's targets."""

    @abstractmethod
    def scores(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return every score of (n, t) predictions: target, metric, value."""

    def resampled(
        self, weights: Float, truth: Float, values: Single, targets: Sequence[str]
    ) -> dict[str, Float]:
        """Return the (b,) primary score of each target in each resample of patients.

        Averaged over the repeats; `values` are (repeats, n, t) predictions.
        """
        score = {"pearson": st.resampled_pearson, "auroc": st.resampled_auroc}[self.metric]
        return {
            target: score(weights, truth[:, i], values[:, :, i].astype(float))
            for i, target in enumerate(targets)
        }

    def targets(self, labels: TaskLabels, samples: Sequence[str]) -> list[str]:
        """Return what is predicted of some samples, in order."""
        return [str(target) for target in labels.values]

    def truth(self, labels: TaskLabels, samples: Sequence[str], targets: Sequence[str]) -> Float:
        """Return (n, t) labels, NaN where one is missing."""
        return labels.values.loc[list(samples), list(targets)].to_numpy(dtype=np.float64)

    def strata(self, labels: TaskLabels, folds: int) -> Ints:
        """Return what folds are stratified by: (n, s) zeros and ones, in the order of names."""
        return np.zeros((len(labels.values), 0), dtype=np.int64)

    def estimable(self, truth: Float, folds: int) -> Bools:
        """Tell of each target whether enough samples have a label for every fold."""
        return np.ones(truth.shape[1], dtype=bool)

    def counts(self, truth: Float, targets: Sequence[str]) -> dict[str, int]:
        """Count, per target, the samples that are compared: those that have the label."""
        return dict(zip(targets, np.isfinite(truth).sum(axis=0).tolist(), strict=True))


class Tissue(TaskKind):
    """Which class a patch is of. Truth is one-hot, predictions are probabilities."""

    name, metric, tables, of_patches = "tissue", "accuracy", ("confusion",), True

    def predictor(self, parameters: PredictorParameters) -> Predictor:
        """Return one predictor of all classes."""
        if parameters.predictor == "logistic":
            (c,) = parameters.grid["C"]
            return MultinomialLogistic(float(c))
        return ScikitLearn(parameters.predictor, parameters.grid, "classes")

    def targets(self, labels: TaskLabels, samples: Sequence[str]) -> list[str]:
        """Return the classes of the samples, sorted."""
        return sorted(set(labels.values.loc[list(samples), TISSUE]))

    def truth(self, labels: TaskLabels, samples: Sequence[str], targets: Sequence[str]) -> Float:
        """Return (n, t): 1 in the column of the sample's class, else 0."""
        tissue = labels.values.loc[list(samples), TISSUE].to_numpy(dtype=str)
        return np.asarray(tissue[:, None] == np.array(targets), dtype=np.float64)

    def strata(self, labels: TaskLabels, folds: int) -> Ints:
        """Return the classes, one-hot."""
        return pd.get_dummies(labels.values[TISSUE]).to_numpy(dtype=np.int64)

    def scores(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return accuracy and balanced accuracy of all classes, and the recall of each."""
        hits, there = metrics.hit_and_class(truth, predicted)
        with np.errstate(invalid="ignore"):
            recall = (hits[:, None] & there).sum(axis=0) / there.sum(axis=0)
        overall = hits.mean() if len(hits) else np.nan
        balanced = np.nanmean(recall) if np.isfinite(recall).any() else np.nan
        return pd.DataFrame(
            {
                "target": [ALL, ALL, *targets],
                "metric": ["accuracy", "balanced_accuracy", *["accuracy"] * len(targets)],
                "value": [overall, balanced, *recall],
            }
        )

    def resampled(
        self, weights: Float, truth: Float, values: Single, targets: Sequence[str]
    ) -> dict[str, Float]:
        """Return the accuracy of all classes, and of each."""
        hits = metrics.mean_hits(truth, values)
        scores = {ALL: st.resampled_accuracy(weights, hits)}
        for target, there in zip(targets, truth.T == 1, strict=True):
            scores[target] = st.resampled_accuracy(weights[:, there], hits[there])
        return scores

    def counts(self, truth: Float, targets: Sequence[str]) -> dict[str, int]:
        """Count the patches of all classes, and of each."""
        counts = (truth == 1).sum(axis=0).tolist()
        return {ALL: len(truth), **dict(zip(targets, counts, strict=True))}


class Expression(TaskKind):
    """How strongly a patient's tumour expresses a gene."""

    name, metric, tables = "expression", "pearson", ("related_genes", "improved")

    def predictor(self, parameters: PredictorParameters) -> Predictor:
        """Return a predictor of numbers, of genes with at least two labels."""
        name, grid = parameters.predictor, parameters.grid
        one = Ridge(grid["alpha"]) if name == "ridge" else ScikitLearn(name, grid, "value")
        return ByPattern(one, lambda truth: np.isfinite(truth).sum(axis=0) >= 2)

    def scores(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return the Pearson and Spearman correlation and the R² of each gene."""
        return pd.concat(
            pd.DataFrame(
                {"target": targets, "metric": score.__name__, "value": score(truth, predicted)}
            )
            for score in (metrics.pearson, metrics.spearman, metrics.r2)
        )


class Mutation(TaskKind):
    """Whether a patient's tumour carries a mutation of a gene."""

    name, metric, tables = "mutation", "auroc", ("mutation", "roc")

    def predictor(self, parameters: PredictorParameters) -> Predictor:
        """Return a predictor of probabilities, of genes with two samples of each class."""
        name, grid = parameters.predictor, parameters.grid
        one = BinaryLogistic(grid["C"]) if name == "logistic" else ScikitLearn(name, grid, "binary")
        # Two, so that every inner training set has one of each.
        return ByPattern(one, lambda truth: self.estimable(truth, 2))

    def strata(self, labels: TaskLabels, folds: int) -> Ints:
        """Return the carriers of each gene that has enough of them for the folds.

        Rarer genes are not compared. They would come first all the same, and a patient whose fold
        they decide is lost for the balance of the others. Who was not sequenced counts as none.
        """
        carriers = labels.values.sort_index(axis=1).fillna(0).to_numpy(dtype=np.int64)
        return np.asarray(carriers[:, carriers.sum(axis=0) >= folds])

    def estimable(self, truth: Float, folds: int) -> Bools:
        """Tell of each gene whether each of its two classes has a sample for every fold."""
        positives, negatives = (truth == 1).sum(axis=0), (truth == 0).sum(axis=0)
        return np.asarray(np.minimum(positives, negatives) >= folds)

    def scores(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return AUROC, average precision and Brier score of each gene."""
        rows = []
        for target, labels, of_target in zip(targets, truth.T, predicted.T, strict=True):
            known = np.isfinite(labels) & np.isfinite(of_target)
            positive, values = labels[known] == 1, of_target[known]
            brier = np.mean((values - positive) ** 2) if known.any() else np.nan
            rows += [
                (target, "auroc", metrics.auroc(positive, values)),
                (target, "auprc", metrics.average_precision(positive, values)),
                (target, "brier", brier),
            ]
        return pd.DataFrame(rows, columns=["target", "metric", "value"])


KINDS: Mapping[str, TaskKind] = {kind.name: kind for kind in (Tissue(), Expression(), Mutation())}
"""Every kind, by its name."""
