"""Logistic regression of many 0/1 targets, each with the best C of an inner cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .lbfgs import dot, minimise
from .predictor import Bools, Draws, Float, Predictor
from .rotation import LinearModel, Rotation, affine

AT_ONCE = 250
"""Targets that are solved together: many keep the products large, more only take memory."""


@dataclass(frozen=True)
class BinaryLogistic(Predictor):
    """Scikit-learn's ``Pipeline(StandardScaler, LogisticRegressionCV)`` for every target, with L2.

    The best C has the least log-loss, averaged over the inner folds; the smaller C wins a tie.
    """

    cs: Sequence[float]

    def fit(self, features: Float, truth: Float, draws: Draws) -> LinearModel:
        """Fit all targets; see `Predictor.fit`."""
        rotation = Rotation.of(features)
        weights, chosen = [], []
        for start in range(0, truth.shape[1], AT_ONCE):
            some = self._fit(rotation, truth[:, start : start + AT_ONCE], draws)
            weights.append(some[0])
            chosen.append(some[1])
        return LinearModel(rotation, np.hstack(weights), np.concatenate(chosen), _sigmoid)

    def _fit(self, rotation: Rotation, truth: Float, draws: Draws) -> tuple[Float, Float]:
        """Return the (1 + r, t) weights, intercept first, and the (t,) C of some targets."""
        inner = np.column_stack([draws.inner_folds(labels) for labels in truth.T])
        n, t = truth.shape
        k = int(inner.max()) + 1
        ladder = np.sort(np.asarray(self.cs, dtype=np.float64))
        losses = np.zeros((len(ladder), t))
        if len(ladder) > 1:
            # A column per (inner fold, target): all are solved together, on the other inner folds.
            held_out = (inner[:, None, :] == np.arange(k)[None, :, None]).reshape(n, k * t)
            repeated = np.tile(truth, k)
            weights = np.zeros((len(rotation.power) + 1, k * t))
            for row, c in enumerate(ladder):
                # Good enough to rank the penalties, which differ by far more.
                weights = _fit_binary(
                    rotation, repeated, ~held_out, np.full(k * t, c), weights, tolerance=1e-5
                )
                loss = _log_loss(affine(rotation.train, weights), repeated) * held_out
                losses[row] = (loss.sum(axis=0) / held_out.sum(axis=0)).reshape(k, t).mean(axis=0)
        chosen = ladder[losses.argmin(axis=0)]
        used, start = np.ones((n, t), dtype=bool), np.zeros((len(rotation.power) + 1, t))
        return _fit_binary(rotation, truth, used, chosen, start, tolerance=1e-9), chosen


def _fit_binary(
    rotation: Rotation, labels: Float, used: Bools, c: Float, start: Float, *, tolerance: float
) -> Float:
    """Return the (1 + r, columns) weights, intercept first, of one logistic fit per column."""
    # The Hessian of the log-loss is that of least squares, diagonal in these coordinates, weighted
    # by p (1 - p) of each sample: dividing by its root, as if all had the start's mean weight,
    # leaves curvatures near 1.
    p = _sigmoid(affine(rotation.train, start))
    weight = c * (used * p * (1 - p)).sum(axis=0)
    curvature = np.outer(rotation.power, weight / len(labels)) + 1
    scale: Float = 1 / np.sqrt(np.vstack([weight, curvature]))
    factor = used * c

    def objective(scaled: Float) -> tuple[Float, Float]:
        weights = scaled * scale
        scores = affine(rotation.train, weights)
        small = np.exp(-np.abs(scores))
        loss = np.maximum(scores, 0) - labels * scores + np.log1p(small)
        value = dot(factor, loss) + dot(weights[1:], weights[1:]) / 2
        slope = np.where(scores >= 0, 1.0, small) / (1 + small) - labels
        pull = factor * slope
        gradient = np.vstack([pull.sum(axis=0), rotation.train.T @ pull])
        gradient[1:] += weights[1:]
        return value, gradient * scale

    return minimise(objective, start / scale, tolerance=tolerance) * scale


def _sigmoid(scores: Float) -> Float:
    small = np.exp(-np.abs(scores))
    return np.asarray(np.where(scores >= 0, 1.0, small) / (1 + small))


def _log_loss(scores: Float, labels: Float) -> Float:
    return np.asarray(np.maximum(scores, 0) - labels * scores + np.log1p(np.exp(-np.abs(scores))))
