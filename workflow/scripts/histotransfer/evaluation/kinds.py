"""The kinds of tasks: what differs between classes, numbers, two values and times, in one place.

The kinds of the paper are these, with parsers and panels of their own (`labels`): tissue types are
classes, expression numbers, and mutations two values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError, listed
from ..labels.files import CLASS, TaskLabels
from ..study.tasks import PredictorParameters
from . import concordance, metrics
from .integrated_brier import integrated_brier
from .predictors.binary_logistic import BinaryLogistic
from .predictors.by_pattern import ByPattern
from .predictors.cox import Cox
from .predictors.multinomial_logistic import MultinomialLogistic
from .predictors.predictor import Bools, Float, Ints, Predictor
from .predictors.ridge import Ridge
from .predictors.scikit_learn import ScikitLearn

ALL = "all"
"""The target of a score over all classes."""


PER_FOLD = 2
"""Fewer samples of a class in a fold leave an AUROC, or a recall, to one patient."""

FEWEST, FEWEST_OF_CLASS = 10, 5
"""Patients of an external cohort, and of a class (or with the event), from which an interval over
them says something. With five of a class, one in 150 bootstrap samples has none of it."""
WHY_NOT = {
    "no_patient": "no patient of the external cohort has a label",
    "few_patients": f"fewer than {FEWEST} patients of the external cohort have a label",
    "one_class": "all labelled patients of the external cohort are of one class",
    "few_of_class": f"the external cohort has fewer than {FEWEST_OF_CLASS} patients of a class",
    "few_events": f"fewer than {FEWEST_OF_CLASS} patients of the external cohort had the event",
    "no_variance": "all patients of the external cohort have the same value",
    "not_fitted": "the training cohort has too few patients for a model",
    "undefined": "the score is undefined, as of equal predictions for all patients",
    "constant": "whoever is drawn, the score is the same, so there is no interval",
}
"""Why a score in an external cohort is not estimable, by code."""


class TaskKind(ABC):
    """A kind of task, by its name in the config."""

    name: ClassVar[str]
    metric: ClassVar[str]
    """The score by which extractors are compared."""
    tables: ClassVar[tuple[str, ...]]
    """The tables of the comparison that only this kind has."""
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """The lowest and the highest value of the primary score."""
    by_chance: ClassVar[float] = 0.0
    """The primary score without any signal."""
    by_column: ClassVar[bool] = True
    """Whether each target is scored by its own column alone."""
    grouped: ClassVar[bool] = False
    """Whether a patient has many samples, whether or not the samples name the patient."""
    correlation: ClassVar[bool] = False
    """Whether the primary score is a correlation."""

    @abstractmethod
    def predictor(self, parameters: PredictorParameters) -> Predictor:
        """Return the predictor of the task's targets."""

    @abstractmethod
    def primary(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return the primary score of (n, t) predictions: target, metric, value."""

    @abstractmethod
    def others(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return the other scores of (n, t) predictions: target, metric, value."""

    def scores(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return every score of (n, t) predictions: target, metric, value."""
        tables = (part(truth, predicted, targets) for part in (self.primary, self.others))
        return pd.concat(tables, ignore_index=True)

    def with_training(
        self,
        truth: Float,
        predicted: Float,
        training: Float,
        training_predicted: Float,
        targets: Sequence[str],
    ) -> pd.DataFrame:
        """Return the scores of (n, t) predictions that need (m, t) of the training samples, too.

        Those are by models that have seen neither the training sample nor any of the n.
        """
        return pd.DataFrame({"target": [], "metric": [], "value": []})

    def chance(self, truth: Float, targets: Sequence[str]) -> dict[str, float]:
        """Return the primary score of a predictor that knows nothing of the sample, per target."""
        return dict.fromkeys(targets, self.by_chance)

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

    def lacking(self, truth: Float, scores: pd.DataFrame, targets: Sequence[str]) -> list[str]:
        """Say of each row of `scores` (target, metric) what keeps an external cohort from it.

        Truth (n, t) is of the external cohort. A code of `WHY_NOT`; empty where nothing does.
        """
        n = np.isfinite(truth).sum(axis=0)
        why = np.select([n == 0, n < FEWEST], ["no_patient", "few_patients"], self._poor(truth))
        by_target = dict(zip(targets, why.tolist(), strict=True))
        return [by_target[target] for target in scores["target"]]

    def _poor(self, truth: Float) -> npt.NDArray[np.str_]:
        """Return the (t,) code of labels that are too much alike, however many there are."""
        highest = np.fmax.reduce(truth, initial=-np.inf)
        lowest = np.fmin.reduce(truth, initial=np.inf)
        return np.where(highest == lowest, "no_variance", "")

    def class_sizes(self, labels: TaskLabels) -> dict[str, int]:
        """Count the samples of each class that is part of every score, by name.

        A target of two values stands for itself: a rare one is left out (`estimable`).
        """
        return {}

    def counts(self, truth: Float, targets: Sequence[str]) -> dict[str, int]:
        """Count, per target, the samples that are compared: those that have the label."""
        return dict(zip(targets, np.isfinite(truth).sum(axis=0).tolist(), strict=True))


class Multiclass(TaskKind):
    """Which class a sample is of. Truth is one-hot, predictions are probabilities."""

    name, metric, tables = "multiclass", "accuracy", ("confusion", "class_roc")
    by_column = False

    def predictor(self, parameters: PredictorParameters) -> Predictor:
        """Return one predictor of all classes."""
        if parameters.predictor == "logistic":
            return MultinomialLogistic([float(c) for c in parameters.grid["C"]])
        return ScikitLearn(parameters.predictor, parameters.grid, "classes")

    def targets(self, labels: TaskLabels, samples: Sequence[str]) -> list[str]:
        """Return the classes of the samples, sorted."""
        return sorted(set(labels.values.loc[list(samples), CLASS]))

    def truth(self, labels: TaskLabels, samples: Sequence[str], targets: Sequence[str]) -> Float:
        """Return (n, t): 1 in the column of the sample's class, else 0."""
        classes = labels.values.loc[list(samples), CLASS].to_numpy(dtype=str)
        return np.asarray(classes[:, None] == np.array(targets), dtype=np.float64)

    def strata(self, labels: TaskLabels, folds: int) -> Ints:
        """Return the classes, one-hot."""
        return pd.get_dummies(labels.values[CLASS]).to_numpy(dtype=np.int64)

    def class_sizes(self, labels: TaskLabels) -> dict[str, int]:
        """Count the samples of each class."""
        sizes = labels.values[CLASS].value_counts().sort_index()
        return {str(name): int(n) for name, n in sizes.items()}

    def lacking(self, truth: Float, scores: pd.DataFrame, targets: Sequence[str]) -> list[str]:
        """Judge a class's recall by its patients, and balanced scores by the rarest class."""
        n = (truth == 1).sum(axis=0)
        if len(truth) < FEWEST:
            return ["few_patients" if len(truth) else "no_patient"] * len(scores)
        least = {
            (target, self.metric): int(of_class)
            for target, of_class in zip(targets, n, strict=True)
        } | {(ALL, self.metric): len(truth)}
        rows = zip(scores["target"], scores["metric"], strict=True)
        return ["few_of_class" if least.get(row, n.min()) < FEWEST_OF_CLASS else "" for row in rows]

    def primary(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return the accuracy of all classes, and the recall of each."""
        overall, recall = metrics.accuracy_and_recall(truth, predicted)
        scores = {"target": [ALL, *targets], "metric": self.metric, "value": [overall, *recall]}
        return pd.DataFrame(scores)

    def others(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return the balanced accuracy, and the mean AUROC of one class against the rest."""
        _, recall = metrics.accuracy_and_recall(truth, predicted)
        balanced = np.nanmean(recall) if np.isfinite(recall).any() else np.nan
        scores = {
            "balanced_accuracy": balanced, "macro_auroc": metrics.macro_auroc(truth, predicted)
        }  # fmt: skip
        return pd.DataFrame({"target": ALL, "metric": list(scores), "value": list(scores.values())})

    def chance(self, truth: Float, targets: Sequence[str]) -> dict[str, float]:
        """Return, of all classes, the share of the largest, and of each class its own share."""
        share = truth.mean(axis=0).tolist()
        return {ALL: max(share), **dict(zip(targets, share, strict=True))}

    def counts(self, truth: Float, targets: Sequence[str]) -> dict[str, int]:
        """Count the samples of all classes, and of each."""
        counts = (truth == 1).sum(axis=0).tolist()
        return {ALL: len(truth), **dict(zip(targets, counts, strict=True))}


class Tissue(Multiclass):
    """Which tissue type a patch is of."""

    name, grouped = "tissue", True


class Regression(TaskKind):
    """A number of each patient."""

    name, metric, tables = "regression", "pearson", ("related_genes", "improved")
    bounds, correlation = (-1.0, 1.0), True

    def predictor(self, parameters: PredictorParameters) -> Predictor:
        """Return a predictor of numbers, of targets with at least two labels."""
        name, grid = parameters.predictor, parameters.grid
        one = Ridge(grid["alpha"]) if name == "ridge" else ScikitLearn(name, grid, "value")
        return ByPattern(one, lambda truth: np.isfinite(truth).sum(axis=0) >= 2)

    def primary(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return the Pearson correlation of each target."""
        return _by_target(targets, self.metric, metrics.pearson(truth, predicted))

    def others(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return the Spearman correlation and the R² of each target."""
        return pd.concat(
            _by_target(targets, score.__name__, score(truth, predicted))
            for score in (metrics.spearman, metrics.r2)
        )


class Expression(Regression):
    """How strongly a patient's tumour expresses a gene."""

    name = "expression"


class Binary(TaskKind):
    """Which of two values a patient has."""

    name, metric, tables = "binary", "auroc", ("mutation", "roc", "calibration")
    by_chance = 0.5

    def predictor(self, parameters: PredictorParameters) -> Predictor:
        """Return a predictor of probabilities, of targets with two samples of each class."""
        name, grid = parameters.predictor, parameters.grid
        one = BinaryLogistic(grid["C"]) if name == "logistic" else ScikitLearn(name, grid, "binary")
        # Two, so that every inner training set has one of each.
        return ByPattern(one, lambda truth: _fewest(truth) >= 2)

    def strata(self, labels: TaskLabels, folds: int) -> Ints:
        """Return the positives of each target that has enough of them for the folds.

        Rarer targets are not compared. They would come first all the same, and a patient whose fold
        they decide is lost for the balance of the others. Who has no label counts as none.
        """
        positives = labels.values.sort_index(axis=1).fillna(0).to_numpy(dtype=np.int64)
        return np.asarray(positives[:, positives.sum(axis=0) >= PER_FOLD * folds])

    def estimable(self, truth: Float, folds: int) -> Bools:
        """Tell of each target whether each of its two classes has `PER_FOLD` samples a fold."""
        return np.asarray(_fewest(truth) >= PER_FOLD * folds)

    def _poor(self, truth: Float) -> npt.NDArray[np.str_]:
        fewest = _fewest(truth)
        few = [fewest == 0, fewest < FEWEST_OF_CLASS]
        return np.select(few, ["one_class", "few_of_class"], "")

    def primary(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return the AUROC of each target."""
        return _by_target(targets, self.metric, metrics.aurocs(truth, predicted))

    def others(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return average precision, Brier score and expected calibration error of each target."""
        scores = {
            "auprc": metrics.average_precision, "brier": metrics.brier,
            "ece": metrics.calibration_error,
        }  # fmt: skip
        return self._each(truth, predicted, targets, scores)

    def _each(
        self,
        truth: Float,
        predicted: Float,
        targets: Sequence[str],
        scores: Mapping[str, Callable[[Bools, Float], float]],
    ) -> pd.DataFrame:
        rows = []
        for target, labels, of_target in zip(targets, truth.T, predicted.T, strict=True):
            known = np.isfinite(labels) & np.isfinite(of_target)
            positive, values = labels[known] == 1, of_target[known]
            rows += [(target, name, score(positive, values)) for name, score in scores.items()]
        return pd.DataFrame(rows, columns=["target", "metric", "value"])


class Survival(TaskKind):
    """How soon a patient has the event. Truth is signed times, predictions are risks."""

    name, metric, tables = "survival", "c_index", ("risk_groups",)
    by_chance = 0.5

    def predictor(self, parameters: PredictorParameters) -> Predictor:
        """Return a predictor of risks, of targets with at least two events."""
        # Two, so that every inner training set has one.
        return ByPattern(Cox(parameters.grid["alpha"]), lambda truth: _events(truth) >= 2)

    def strata(self, labels: TaskLabels, folds: int) -> Ints:
        """Return who had the event, of each target that has enough of them for the folds."""
        event = (labels.values.sort_index(axis=1) > 0).to_numpy(dtype=np.int64)
        return np.asarray(event[:, event.sum(axis=0) >= PER_FOLD * folds])

    def estimable(self, truth: Float, folds: int) -> Bools:
        """Tell of each target whether it has `PER_FOLD` events a fold."""
        return np.asarray(_events(truth) >= PER_FOLD * folds)

    def _poor(self, truth: Float) -> npt.NDArray[np.str_]:
        return np.where(_events(truth) < FEWEST_OF_CLASS, "few_events", "")

    def primary(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return Harrell's C of each target."""
        return _by_target(targets, self.metric, concordance.harrell(truth, predicted))

    def others(self, truth: Float, predicted: Float, targets: Sequence[str]) -> pd.DataFrame:
        """Return Uno's C of each target."""
        return _by_target(targets, "c_uno", concordance.uno(truth, predicted))

    def with_training(
        self,
        truth: Float,
        predicted: Float,
        training: Float,
        training_predicted: Float,
        targets: Sequence[str],
    ) -> pd.DataFrame:
        """Return the integrated Brier score of each target."""
        scores = integrated_brier(truth, predicted, training, training_predicted)
        return _by_target(targets, "integrated_brier", scores)


def _events(truth: Float) -> Ints:
    """Count, per target, the samples whose event was observed."""
    return np.asarray((truth > 0).sum(axis=0))


class Mutation(Binary):
    """Whether a patient's tumour carries a mutation of a gene."""

    name = "mutation"


def _fewest(truth: Float) -> Ints:
    """Count, per target, the samples of its rarer class."""
    return np.asarray(np.minimum((truth == 1).sum(axis=0), (truth == 0).sum(axis=0)))


def _by_target(targets: Sequence[str], metric: str, values: Float) -> pd.DataFrame:
    return pd.DataFrame({"target": targets, "metric": metric, "value": values})


KINDS: Mapping[str, TaskKind] = {
    kind.name: kind
    for kind in (
        *(Tissue(), Expression(), Mutation()),
        *(Binary(), Regression(), Multiclass(), Survival()),
    )
}
"""Every kind, by its name."""


def refuse_rare(kind: TaskKind, labels: TaskLabels, folds: int, path: str | Path) -> None:
    """Raise an error if a class of patients has fewer than `PER_FOLD` of them a fold."""
    sizes, least = kind.class_sizes(labels), PER_FOLD * folds
    common = [name for name, n in sizes.items() if n >= least]
    rare = [f"{name!r} {n}" for name, n in sizes.items() if n < least]
    if not rare:
        return
    remedy = "Merge classes by giving them one name in the table, or label more patients"
    if len(common) > 1:
        remedy = (
            f"Name the classes that count (`classes: [{', '.join(common)}]` leaves the others' "
            "patients out), or merge classes by giving them one name in the table"
        )
    elif pd.to_numeric(pd.Series(list(sizes)), errors="coerce").notna().all():
        remedy = "Numbers are predicted by `kind: regression`"
    raise HistotransferError(
        path,
        f"has classes of fewer than {least} patients, {PER_FOLD} for each of {folds} folds: "
        f"{listed(rare)}",
        remedy,
    )
