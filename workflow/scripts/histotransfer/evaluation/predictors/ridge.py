"""Ridge regression of many targets, each with the penalty of least leave-one-out error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .grid import choose, penalty_limits
from .predictor import Draws, Float, Ints, Predictor
from .rotation import LinearModel, Rotation


@dataclass(frozen=True)
class Ridge(Predictor):
    """Scikit-learn's ``Pipeline(StandardScaler, RidgeCV)`` for every target.

    Leaving one sample out has a closed form: its error is the residual divided by one minus its
    leverage (Allen 1974; Golub, Heath & Wahba 1979), the intercept being refitted but, as in
    scikit-learn's RidgeCV, not the standardisation. The alphas, all above 0, go on beyond an edge
    where the best of a target lies there (`grid.choose`).
    """

    alphas: Sequence[float]

    @property
    def is_linear(self) -> bool:
        """It is."""
        return True

    def fit(self, features: Float, truth: Float, draws: Draws) -> LinearModel:
        """Fit all targets; see `Predictor.fit`."""
        rotation = Rotation.of(features, self.widths)
        mean = truth.mean(axis=0)
        centred = truth - mean
        moments = rotation.train.T @ centred
        squares = rotation.train**2

        def errors(alpha: float, targets: Ints) -> Float:
            shrunk = 1 / (rotation.power + alpha)
            leverage = 1 / len(truth) + squares @ shrunk
            residuals = centred[:, targets] - rotation.train @ (
                moments[:, targets] * shrunk[:, None]
            )
            return np.asarray(np.mean((residuals / (1 - leverage)[:, None]) ** 2, axis=0))

        limits = penalty_limits(rotation.power)
        chosen = choose(self.alphas, errors, truth.shape[1], limits)
        weights = np.vstack([mean, moments / (rotation.power[:, None] + chosen)])
        return LinearModel(rotation, weights, chosen, lambda scores: scores)
