"""Multinomial logistic regression; all training folds of a repeat are fitted at once.

They differ in a fifth of their samples, so the products with the features, which are most of the
work, serve all of them (docs/decisions/own-solvers.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .predictor import Bools, Draws, Float, Predictor
from .rotation import LinearModel, Rotation
from .softmax import Axes, Softmax, principal_axes


@dataclass(frozen=True)
class MultinomialLogistic(Predictor):
    """Scikit-learn's ``Pipeline(StandardScaler, LogisticRegression)`` with L2; targets are classes.

    The axes of the features are given where several repeats share them (`prepared`).
    """

    c: float
    axes: Axes | None = None

    def fit(self, features: Float, truth: Float, draws: Draws) -> LinearModel:
        """Fit all classes; see `Predictor.fit`. One without training samples is predicted as 0."""
        rotation = Rotation.of(features)
        used = np.ones((len(truth), 1), dtype=bool)
        problem = Softmax(rotation.train, used, truth, self.c, Axes(None, rotation.power))
        _, weights = problem.solve()
        weights[0, 0] += problem.absent[0]
        return LinearModel(rotation, weights[0], np.full(truth.shape[1], self.c), _softmax)

    def prepared(self, features: Float) -> MultinomialLogistic:
        """Return the predictor with the principal axes of the features, where these are used."""
        return replace(self, axes=None if _wide(features) else principal_axes(features))

    def held_out(
        self, features: Float, truth: Float, masks: Bools, draws: Sequence[Draws]
    ) -> tuple[list[Float], Float]:
        """Fit all training sets together; see `Predictor.held_out`.

        The solver follows the test samples too, so nothing is left to predict afterwards.
        """
        chosen = np.full((len(masks), truth.shape[1]), self.c)
        if _wide(features):
            return [self._rotated(features, truth, test) for test in masks], chosen
        axes = self.axes or principal_axes(features)
        probabilities, _ = Softmax(features, ~masks.T, truth, self.c, axes).solve()
        return [probabilities[test, fit] for fit, test in enumerate(masks)], chosen

    def _rotated(self, features: Float, truth: Float, test: Bools) -> Float:
        """Fit one training fold in its own coordinates and return its test fold's probabilities."""
        rotation = Rotation.of(features[~test])
        samples = np.vstack([rotation.train, rotation.apply(features[test])])
        used = np.arange(len(samples))[:, None] < len(rotation.train)
        ordered = np.vstack([truth[~test], truth[test]])
        problem = Softmax(samples, used, ordered, self.c, Axes(None, rotation.power))
        return problem.solve()[0][len(rotation.train) :, 0]


def _softmax(scores: Float) -> Float:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _wide(features: Float) -> bool:
    return bool(features.shape[1] >= features.shape[0])
