"""Multinomial logistic regression; all training folds of a repeat are fitted at once.

They differ in a fifth of their samples, so the products with the features, which are most of the
work, serve all of them (docs/decisions/own-solvers.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .grid import choose, penalty_limits
from .predictor import Bools, Draws, Float, Ints, Predictor
from .rotation import LinearModel, Rotation
from .softmax import Axes, Softmax, principal_axes


@dataclass(frozen=True)
class MultinomialLogistic(Predictor):
    """Scikit-learn's ``Pipeline(StandardScaler, LogisticRegression)`` with L2; targets are classes.

    Of several Cs, the best has the least log-loss, averaged over the inner folds, as in
    LogisticRegressionCV; they go on beyond an edge where the best lies there (`grid.choose`). A
    single C is not tuned; then the axes of the features are given where several repeats share them
    (`prepared`).
    """

    cs: Sequence[float]
    axes: Axes | None = None

    @property
    def is_linear(self) -> bool:
        """It is."""
        return True

    def fit(self, features: Float, truth: Float, draws: Draws) -> LinearModel:
        """Fit all classes; see `Predictor.fit`. One without training samples is predicted as 0."""
        rotation = Rotation.of(features, self.widths)
        c = self._best(rotation, truth, draws)
        used = np.ones((len(truth), 1), dtype=bool)
        problem = Softmax(rotation.train, used, truth, c, Axes(None, rotation.power))
        _, weights = problem.solve()
        weights[0, 0] += problem.absent[0]
        return LinearModel(rotation, weights[0], np.full(truth.shape[1], c), _softmax)

    def _best(self, rotation: Rotation, truth: Float, draws: Draws) -> float:
        """Return the C of least log-loss over the inner folds."""
        if not self._tuned:
            return self.cs[0]
        classes = truth.argmax(axis=1)
        inner = draws.inner_folds(classes)
        away = inner[:, None] == np.unique(inner)

        def loss(c: float, _: Ints) -> Float:
            problem = Softmax(rotation.train, ~away, truth, c, Axes(None, rotation.power))
            of_class = problem.solve()[0][np.arange(len(truth)), :, classes]
            # A class that an inner training set lacks has the probability 0.
            lost = -np.log(np.maximum(of_class, np.finfo(np.float64).eps)) * away
            return np.array([np.mean(lost.sum(axis=0) / away.sum(axis=0))])

        # The Hessian of the log-loss is at most half of that of least squares (Böhning 1992).
        weakest, strongest = penalty_limits(rotation.power / 2)
        return float(choose(self.cs, loss, 1, (1 / strongest, 1 / weakest))[0])

    @property
    def _tuned(self) -> bool:
        return len(self.cs) > 1

    def prepared(self, features: Float) -> MultinomialLogistic:
        """Return the predictor with the principal axes of the features, where these are used."""
        unused = self._tuned or _wide(features)
        return replace(self, axes=None if unused else principal_axes(features, self.widths))

    def held_out(
        self, features: Float, truth: Float, masks: Bools, draws: Sequence[Draws]
    ) -> tuple[list[Float], Float]:
        """Fit all training sets together; see `Predictor.held_out`.

        The solver follows the test samples too, so nothing is left to predict afterwards. Where C
        is tuned, training sets have different ones, and are fitted one after another.
        """
        if self._tuned:
            return super().held_out(features, truth, masks, draws)
        (c,) = self.cs
        chosen = np.full((len(masks), truth.shape[1]), c)
        if _wide(features):
            return [self._rotated(features, truth, test) for test in masks], chosen
        axes = self.axes or principal_axes(features, self.widths)
        probabilities, _ = Softmax(features, ~masks.T, truth, c, axes, self.widths).solve()
        return [probabilities[test, fit] for fit, test in enumerate(masks)], chosen

    def _rotated(self, features: Float, truth: Float, test: Bools) -> Float:
        """Fit one training fold in its own coordinates and return its test fold's probabilities."""
        rotation = Rotation.of(features[~test], self.widths)
        samples = np.vstack([rotation.train, rotation.apply(features[test])])
        used = np.arange(len(samples))[:, None] < len(rotation.train)
        ordered = np.vstack([truth[~test], truth[test]])
        problem = Softmax(samples, used, ordered, self.cs[0], Axes(None, rotation.power))
        return problem.solve()[0][len(rotation.train) :, 0]


def _softmax(scores: Float) -> Float:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _wide(features: Float) -> bool:
    return bool(features.shape[1] >= features.shape[0])
