"""Logistic regression of many 0/1 targets, each with the best C of an inner cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .grid import choose, penalty_limits
from .lbfgs import dot, minimise
from .predictor import Bools, Draws, Float, Ints, Predictor
from .rotation import LinearModel, Rotation, affine

AT_ONCE = 250
"""Targets that are solved together: many keep the products large, more only take memory."""


@dataclass(frozen=True)
class BinaryLogistic(Predictor):
    """Scikit-learn's ``Pipeline(StandardScaler, LogisticRegressionCV)`` for every target, with L2.

    The best C has the least log-loss, averaged over the inner folds. The Cs go on beyond an edge
    where the best of a target lies there (`grid.choose`).
    """

    cs: Sequence[float]

    @property
    def is_linear(self) -> bool:
        """It is."""
        return True

    def fit(self, features: Float, truth: Float, draws: Draws) -> LinearModel:
        """Fit all targets; see `Predictor.fit`."""
        rotation = Rotation.of(features, self.widths)
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
        # A column per (inner fold, target): all are solved together, on the other inner folds. The
        # next C starts from the weights of the last one.
        held_out = inner[:, None, :] == np.arange(k)[None, :, None]
        reached = np.zeros((len(rotation.power) + 1, k, t))
        last = 0.0

        def losses(c: float, targets: Ints) -> Float:
            nonlocal last
            shape, known = (n, k * len(targets)), held_out[:, :, targets]
            repeated, away = np.tile(truth[:, targets], k), known.reshape(shape)
            start = reached[:, :, targets] if c > last else np.zeros_like(reached[:, :, targets])
            # The loss errs by the square of this, which is far less than penalties differ by.
            weights = _fit_binary(
                rotation, repeated, ~away, np.full(shape[1], c), start.reshape(-1, shape[1]),
                tolerance=1e-3,
            )  # fmt: skip
            reached[:, :, targets], last = weights.reshape(-1, k, len(targets)), c
            loss = _log_loss(affine(rotation.train, weights), repeated) * away
            of_fold = loss.sum(axis=0) / away.sum(axis=0)
            return np.asarray(of_fold.reshape(k, len(targets)).mean(axis=0))

        chosen = np.full(t, float(self.cs[0]))
        if len(self.cs) > 1:
            # The Hessian of the log-loss is at most a quarter of that of least squares.
            weakest, strongest = penalty_limits(rotation.power / 4)
            chosen = choose(self.cs, losses, t, (1 / strongest, 1 / weakest))
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
