"""What every predictor is: fit(X, Y) gives a model, and the model predicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from ...core.streams import derived_seed, stream

INNER_FOLDS = 5

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Single = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Draws:
    """The random draws of one training fold: that of a repeat without this test fold."""

    seed: int
    repeat: int
    fold: int

    def inner_folds(self, strata: npt.NDArray[Any]) -> Ints:
        """Deal (n,) samples to the inner folds, stratum by stratum in random order.

        Each call draws from the same fresh stream, so that the inner folds of a target do not
        depend on which other targets the task has.
        """
        rng = stream(self.seed, "inner folds", self.repeat, self.fold)
        order = np.lexsort((rng.random(len(strata)), strata))
        fold = np.empty(len(strata), dtype=np.int64)
        fold[order] = np.arange(len(strata)) % INNER_FOLDS
        return fold

    @property
    def predictor_seed(self) -> int:
        """The seed of a predictor that draws for itself."""
        return derived_seed(self.seed, "predictor", self.repeat, self.fold)


class Model(Protocol):
    """A fitted predictor."""

    @property
    def chosen(self) -> Float:
        """The (t,) hyper-parameter of each target: its value, or its index in the settings."""

    def predict(self, features: Float) -> Float:
        """Predict (m, t) targets from (m, d) features."""


class Predictor(ABC):
    """An estimator with its settings."""

    @property
    def settings(self) -> list[dict[str, Any]]:
        """The settings that `Model.chosen` counts; empty where it holds the value itself."""
        return []

    @abstractmethod
    def fit(self, features: Float, truth: Float, draws: Draws) -> Model:
        """Fit all targets of a training fold.

        Features (n, d) are not standardised; truth (n, t) has one column per target: values, 0 and
        1, or the classes one-hot.
        """

    def prepared(self, features: Float) -> Self:
        """Return the predictor with what all fits on some of these (n, d) samples can share."""
        return self

    def out_of_fold(
        self, features: Float, truth: Float, fold_of: Ints, folds: int, seed: int, repeat: int
    ) -> tuple[Float, Float]:
        """Predict each sample by the model of the training fold without it.

        `fold_of` (n,) is the fold in which each sample is tested; seed and repeat are of the draws.
        Returns (n, t) predictions, and (folds, t) what was chosen.
        """
        predictions = np.full(truth.shape, np.nan)
        chosen = np.full((folds, truth.shape[1]), np.nan)
        for fold in range(folds):
            test = fold_of == fold
            if test.any():
                model = self.fit(features[~test], truth[~test], Draws(seed, repeat, fold))
                predictions[test], chosen[fold] = model.predict(features[test]), model.chosen
        return predictions, chosen
