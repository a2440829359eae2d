"""Standardised features, rotated to the coordinates that the training samples span.

An L2 penalty does not change under rotation. So a training fold of n samples and d > n features is
standardised and rotated once to fewer than n coordinates, which all targets, penalties and inner
folds share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .blocks import spread
from .predictor import Float


def centre_and_scale(features: Float, widths: Sequence[int] = ()) -> tuple[Float, Float]:
    """Return each feature's mean, and the divisor that standardises it within its block.

    The divisor is the deviation, of several blocks times their `spread`; it is infinite where
    scikit-learn calls the feature constant.
    """
    n = len(features)
    mean, variance = features.mean(axis=0), features.var(axis=0)
    eps = np.finfo(np.float64).eps
    varies = variance > n * eps * variance + (n * mean * eps) ** 2
    return mean, np.where(varies, np.sqrt(variance) * spread(varies, widths), np.inf)


@dataclass(frozen=True)
class Rotation:
    """The way from features to the principal coordinates of the training samples.

    `train` are the (n, r) coordinates of the training samples: centred, columns orthogonal, r at
    most min(n - 1, d); `power` (r,) is the squared length of each column, descending.
    """

    train: Float
    power: Float
    _mean: Float
    _scale: Float
    _span: Float | None
    _axes: Float

    @classmethod
    def of(cls, features: Float, widths: Sequence[int] = ()) -> Rotation:
        """Standardise and rotate (n, d) training samples; constant features are left out."""
        mean, scale = centre_and_scale(features, widths)
        standard = _standardised(features, mean, scale)
        wide = standard.shape[1] > len(standard)
        power, axes = np.linalg.eigh(standard @ standard.T if wide else standard.T @ standard)
        # What is left of a direction below this is rounding; centring alone makes one of them.
        smallest = max(standard.shape) * np.finfo(np.float64).eps * power.max(initial=0.0)
        keep = np.flatnonzero(power > smallest)[::-1]
        power, axes = power[keep], axes[:, keep]
        if wide:
            length = np.sqrt(power)
            return cls(axes * length, power, mean, scale, standard, axes / length)
        return cls(standard @ axes, power, mean, scale, None, axes)

    def apply(self, features: Float) -> Float:
        """Return the (m, r) coordinates of (m, d) samples."""
        standard = _standardised(features, self._mean, self._scale)
        if self._span is None:
            return np.asarray(standard @ self._axes)
        return np.asarray((standard @ self._span.T) @ self._axes)


@dataclass(frozen=True)
class LinearModel:
    """A fitted linear model; see `Model`. Weights are (1 + r, t), intercept first."""

    rotation: Rotation
    weights: Float
    chosen: Float
    link: Callable[[Float], Float]

    def predict(self, features: Float) -> Float:
        """Predict (m, t) targets."""
        return self.link(self.scores(features))

    def scores(self, features: Float) -> Float:
        """Return the (m, t) scores before the link."""
        return affine(self.rotation.apply(features), self.weights)


def affine(samples: Float, weights: Float) -> Float:
    """Return the (n, t) scores of (n, r) samples under (1 + r, t) weights, intercept first."""
    scores: Float = samples @ weights[1:]
    scores += weights[0]
    return scores


def _standardised(features: Float, mean: Float, scale: Float) -> Float:
    varies = np.isfinite(scale)
    return np.asarray((features[:, varies] - mean[varies]) / scale[varies])
