"""Ridge regression of many targets, each with the penalty of least leave-one-out error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .predictor import Draws, Float, Predictor
from .rotation import LinearModel, Rotation


@dataclass(frozen=True)
class Ridge(Predictor):
    """Scikit-learn's ``Pipeline(StandardScaler, RidgeCV)`` for every target.

    Leaving one sample out has a closed form: its error is the residual divided by one minus its
    leverage (Allen 1974; Golub, Heath & Wahba 1979), the intercept being refitted but, as in
    scikit-learn's RidgeCV, not the standardisation. Of the alphas, all above 0, the first wins a
    tie.
    """

    alphas: Sequence[float]

    def fit(self, features: Float, truth: Float, draws: Draws) -> LinearModel:
        """Fit all targets; see `Predictor.fit`."""
        rotation = Rotation.of(features)
        mean = truth.mean(axis=0)
        centred = truth - mean
        moments = rotation.train.T @ centred
        squares = rotation.train**2
        errors = np.empty((len(self.alphas), truth.shape[1]))
        for row, alpha in enumerate(self.alphas):
            shrunk = 1 / (rotation.power + alpha)
            leverage = 1 / len(truth) + squares @ shrunk
            residuals = centred - rotation.train @ (moments * shrunk[:, None])
            errors[row] = np.mean((residuals / (1 - leverage)[:, None]) ** 2, axis=0)
        chosen = np.asarray(self.alphas, dtype=np.float64)[errors.argmin(axis=0)]
        weights = np.vstack([mean, moments / (rotation.power[:, None] + chosen)])
        return LinearModel(rotation, weights, chosen, lambda scores: scores)
