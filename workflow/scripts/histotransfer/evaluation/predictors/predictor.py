"""What every predictor is: fit(X, Y) gives a model, and the model predicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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

    def scores(self, features: Float) -> Float:
        """Return what the (m, t) predictions are a function of: of probabilities, log-odds.

        Where the predictor is linear (`Predictor.is_linear`), the score of the mean of samples is
        the mean of their scores.
        """


@dataclass(frozen=True)
class Predictor(ABC):
    """An estimator with its settings.

    Attributes
    ----------
    widths : tuple of int
        How many of the features each block has, in order; empty for a single block (`blocks`).
    """

    widths: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def settings(self) -> list[dict[str, Any]]:
        """The settings that `Model.chosen` counts; empty where it holds the value itself."""
        return []

    @property
    def is_linear(self) -> bool:
        """Whether the scores of its models are linear in the features."""
        return False

    @abstractmethod
    def fit(self, features: Float, truth: Float, draws: Draws) -> Model:
        """Fit all targets of a training fold.

        Features (n, d) are not standardised; truth (n, t) has one column per target: values, 0 and
        1, or the classes one-hot.
        """

    def in_blocks(self, widths: tuple[int, ...]) -> Self:
        """Return the predictor of features that are so many blocks."""
        return replace(self, widths=widths)

    def prepared(self, features: Float) -> Self:
        """Return the predictor with what all fits on some of these (n, d) samples can share."""
        return self

    def held_out(
        self, features: Float, truth: Float, masks: Bools, draws: Sequence[Draws]
    ) -> tuple[list[Float], Float]:
        """Predict the samples under each mask by the model of all the others.

        Masks are (m, n), draws are of the m fits. Returns m arrays (samples, t) of predictions, and
        (m, t) what was chosen; NaN for a mask without samples.
        """
        predictions = []
        chosen = np.full((len(masks), truth.shape[1]), np.nan)
        for number, (test, drawn) in enumerate(zip(masks, draws, strict=True)):
            predicted = np.empty((0, truth.shape[1]))
            if test.any():
                model = self.fit(features[~test], truth[~test], drawn)
                predicted, chosen[number] = model.predict(features[test]), model.chosen
            predictions.append(predicted)
        return predictions, chosen
