"""Cox regression of survival times, with the ridge penalty of the best inner cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...labels.survival_times import time_and_event
from .grid import choose, penalty_limits
from .lbfgs import dot, minimise
from .partial_likelihood import PartialLikelihood
from .predictor import Draws, Float, Ints, Predictor
from .rotation import LinearModel, Rotation


@dataclass(frozen=True)
class Cox(Predictor):
    """Cox's proportional hazards for every target, on standardised features.

    Truth is as of `survival_times.encode`. Predictions are risks, the log of the hazard relative to
    that of a patient with average features: the higher, the sooner the event. Each fit maximises
    the partial log-likelihood less half of alpha times the sum of squared coefficients. The best
    alpha has the greatest cross-validated partial log-likelihood over the inner folds, which are
    stratified by event: that of all samples less that of the samples without the fold, both under
    the model without the fold (Verweij & van Houwelingen, Stat Med 1993;12:2305). The alphas, all
    above 0, go on beyond an edge where the best of a target lies there (`grid.choose`).
    """

    alphas: Sequence[float]

    @property
    def is_linear(self) -> bool:
        """It is."""
        return True

    def fit(self, features: Float, truth: Float, draws: Draws) -> LinearModel:
        """Fit all targets; see `Predictor.fit`. Each needs two events."""
        rotation = Rotation.of(features, self.widths)
        weights = np.zeros((1 + len(rotation.power), truth.shape[1]))
        chosen = np.empty(truth.shape[1])
        for target, signed in enumerate(truth.T):
            weights[1:, target], chosen[target] = self._fit(rotation, signed, draws)
        return LinearModel(rotation, weights, chosen, lambda scores: scores)

    def _fit(self, rotation: Rotation, signed: Float, draws: Draws) -> tuple[Float, float]:
        """Return the (r,) weights and the alpha of one target."""
        time, event = time_and_event(signed)
        order = np.argsort(-time, kind="stable")
        inner, samples = draws.inner_folds(event)[order], rotation.train[order]
        time, event = time[order], event[order]
        # The Hessian without any effect is near that of least squares, each sample weighted by the
        # hazard that it went through; these sum to the number of events.
        curvature = rotation.power * event.mean()
        known = inner[:, None] != np.arange(inner.max() + 1)
        parts = PartialLikelihood.of(time, event, known)
        everyone = PartialLikelihood.of(time, event, np.ones_like(known))
        reached = np.zeros((samples.shape[1], known.shape[1]))

        def losses(alpha: float, _: Ints) -> Float:
            nonlocal reached
            # Good enough to rank the penalties, which differ by far more.
            reached = _maximise(samples, parts, curvature, alpha, reached, tolerance=1e-4)
            scores = samples @ reached
            gained = everyone.value_and_slope(scores)[0] - parts.value_and_slope(scores)[0]
            return np.array([-gained.sum()])

        alpha = float(self.alphas[0])
        if len(self.alphas) > 1:
            alpha = float(choose(self.alphas, losses, 1, penalty_limits(curvature))[0])
        whole = PartialLikelihood.of(time, event, np.ones((len(time), 1), dtype=bool))
        start = np.zeros((samples.shape[1], 1))
        weights = _maximise(samples, whole, curvature, alpha, start, tolerance=1e-9)
        return weights[:, 0], alpha


def _maximise(
    samples: Float,
    likelihood: PartialLikelihood,
    curvature: Float,
    alpha: float,
    start: Float,
    *,
    tolerance: float,
) -> Float:
    """Return the (r, c) weights of greatest penalised likelihood of each column."""
    # Dividing by the root of the curvature leaves curvatures near 1.
    scale = 1 / np.sqrt(curvature + alpha)[:, None]

    def objective(scaled: Float) -> tuple[Float, Float]:
        weights = scaled * scale
        value, slope = likelihood.value_and_slope(samples @ weights)
        gradient = alpha * weights - samples.T @ slope
        return alpha / 2 * dot(weights, weights) - value, gradient * scale

    return minimise(objective, start / scale, tolerance=tolerance) * scale
