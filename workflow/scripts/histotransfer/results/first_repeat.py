"""The first repeat of a task's cross-validation again, with its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import HistotransferError
from ..core.tables import read_table
from ..evaluation.cross_validation import read_data
from ..evaluation.kinds import KINDS, Multiclass
from ..evaluation.predictors.predictor import Draws, Float, Ints, Model
from ..evaluation.splits import SPLITS, fold_of_samples
from ..study.tasks import PredictorParameters

REPEAT = 0

Files = Mapping[str, Mapping[str, str | Path]]
"""``pooled`` features by extractor, ``labels`` and ``splits`` by task."""


@dataclass(frozen=True)
class FirstRepeat:
    """A task of patients under one extractor, with a model per fold that has not seen the fold.

    Attributes
    ----------
    samples : tuple of str
        The n patients.
    truth : (n, t) array
        Their labels of the t targets that were asked for.
    features : (n, d) array
        Pooled.
    fold_of : (n,) array
    models : tuple of Model
        By fold.
    is_linear : bool
        Whether the models' scores are linear in the features.
    """

    samples: tuple[str, ...]
    truth: Float
    features: Float
    fold_of: Ints
    models: tuple[Model, ...]
    is_linear: bool
    _columns: Sequence[int]

    @classmethod
    def of(
        cls,
        files: Files,
        task: str,
        extractor: str,
        parameters: PredictorParameters,
        targets: Sequence[str],
        seed: int,
    ) -> FirstRepeat:
        """Fit the models of some targets; the seed is that of the cross-validation.

        Raises
        ------
        HistotransferError
            If the task has no such target.
        """
        kind, splits, labels = KINDS[parameters.kind], files["splits"][task], files["labels"][task]
        _, data = read_data({extractor: files["pooled"][extractor]}, labels, kind)
        if unknown := [target for target in targets if target not in data.targets]:
            raise HistotransferError(
                labels, f"has no target {unknown[0]}", f"Choose a target of the task {task}"
            )
        columns = [data.targets.index(target) for target in targets]
        drawn = read_table(splits, SPLITS, task=task)
        fold_of = fold_of_samples(drawn, REPEAT, data.samples, splits)
        folds = int(drawn["fold"].max()) + 1
        # Classes are told from each other, so all are fitted. Other targets do not need each other.
        together = isinstance(kind, Multiclass)
        truth = data.truth if together else data.truth[:, columns]
        usable = np.where(kind.estimable(truth, folds), truth, np.nan)
        predictor = kind.predictor(parameters)
        models = tuple(
            predictor.fit(data.features[train], usable[train], Draws(seed, REPEAT, fold))
            for fold, train in enumerate(fold_of != np.arange(folds)[:, None])
        )
        fitted = columns if together else range(len(columns))
        shown = data.truth[:, columns]
        return cls(data.samples, shown, data.features, fold_of, models, predictor.is_linear, fitted)

    def unseen(self) -> Iterator[tuple[Model, set[str]]]:
        """Yield each model, and the patients that it has not seen."""
        samples = np.array(self.samples)
        for fold, model in enumerate(self.models):
            yield model, set(samples[self.fold_of == fold].tolist())

    def predicted(self, model: Model, features: Float) -> Float:
        """Predict the (m, t) targets of (m, d) features."""
        return model.predict(features)[:, self._columns]

    def above_average(self, fold: int, features: Float) -> Float:
        """Return how far the (m, t) scores of (m, d) features are above the training patients'.

        Those of the fold's model, and of the mean of the patients that it was fitted to.
        """
        average = self.features[self.fold_of != fold].mean(axis=0, keepdims=True)
        scores = self.models[fold].scores(np.vstack([average, features]))[:, self._columns]
        return np.asarray(scores[1:] - scores[0])
