"""Multinomial (softmax) regression on several training sets of the same samples at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .predictor import Bools, Float, Ints, Single
from .rotation import centre_and_scale

Real = TypeVar("Real", Float, Single)


@dataclass(frozen=True)
class Axes:
    """Directions in which features vary, and how much: only the speed of a fit depends on them.

    Directions are (d, r), orthonormal columns, or None for the coordinates' own; power is (r,) the
    sum of squares of the samples along each, and rest its mean along the other d - r directions.
    """

    directions: Single | None
    power: Float
    rest: float = 0.0


def principal_axes(features: npt.ArrayLike, widths: Sequence[int] = ()) -> Axes:
    """Return the longer quarter of the principal axes of standardised (n, d) features."""
    standardised = standardise_whole(np.asarray(features, dtype=np.float64), widths)
    power, directions = np.linalg.eigh(standardised.T @ standardised)
    shorter = len(power) * 3 // 4
    rest = float(power[:shorter].sum() / max(shorter, 1))
    kept = np.maximum(power[shorter:], 0)
    return Axes(directions[:, shorter:].astype(np.float32), kept, max(rest, 0.0))


def standardise_whole(features: Float, widths: Sequence[int] = ()) -> Float:
    """Centre and scale each feature over all samples; a constant one is zero."""
    mean, scale = centre_and_scale(features, widths)
    return (features - mean) / scale


class Softmax:
    """The problem and its solution.

    Newton's method with conjugate gradients (Nocedal & Wright 2006, algorithm 7.1). Gradients are
    in float64 and say where the minimum is; the products with the Hessian, which only propose
    steps, are in float32, read the features once for all training sets, and leave out samples that
    carry `LEFT_OUT` of it. A training set is done when further steps would move no probability by
    more than `CLOSE`, or the gradient has vanished.

    Parameters
    ----------
    samples : (n, d) float64
    used : (n, s) bool
        Which samples each of s training sets has, which standardises the features by them.
    truth : (n, k) float64
        One-hot classes.
    c : float
        The sum of losses is multiplied by it.
    axes : Axes
        Of the samples, to precondition.
    widths : sequence of int
        Of the blocks of features, if these are several.
    """

    TOLERANCE = 1e-11
    CLOSE = 1e-7
    LEFT_OUT = 0.01
    MAX_NEWTON, MAX_CONJUGATE = 100, 500

    def __init__(
        self,
        samples: Float,
        used: Bools,
        truth: Float,
        c: float,
        axes: Axes,
        widths: Sequence[int] = (),
    ) -> None:
        rotated = axes.directions is None
        self.samples = samples if rotated else standardise_whole(samples)
        self.single = self.samples.astype(np.float32)
        self.used = used[:, :, None] * c
        self.truth = truth[:, None, :]
        self.axes, self.share, self.c = axes, used.mean(axis=0), c
        shape = (used.shape[1], samples.shape[1], 1)
        self.centre, self.scale = np.zeros(shape), np.ones(shape)
        if not rotated:
            for number, rows in enumerate(used.T):
                mean, scale = centre_and_scale(self.samples[rows], widths)
                self.centre[number, :, 0], self.scale[number, :, 0] = mean, scale
        present = np.einsum("ns,nk->sk", used, truth) > 0
        self.absent = np.where(present, 0.0, -np.inf)

    def solve(self) -> tuple[Float, Float]:
        """Return (n, s, k) probabilities of all samples, and (s, 1 + d, k) weights."""
        s, d, k = len(self.centre), self.samples.shape[1], self.truth.shape[2]
        weights, scores = np.zeros((s, 1 + d, k)), np.zeros((len(self.samples), s, k))
        probabilities, value = self._loss(scores, weights)
        gradient = self._gradient(probabilities, weights)
        start = np.maximum(_norm(gradient), np.finfo(np.float64).tiny)
        done, before = np.zeros(s, dtype=bool), np.ones(s)
        left, left_out = np.full(s, np.inf), self.LEFT_OUT
        for _ in range(self.MAX_NEWTON):
            last, left = left, _norm(gradient) / start
            done |= left <= self.TOLERANCE
            if done.all():
                break
            # Along its own direction, a sample left out may bend the loss more than the penalty
            # does; then steps are too long.
            if (left > last / 2)[~done].any():
                left_out /= 10
            accuracy = np.where(done, np.inf, np.clip(np.sqrt(left), 3e-2, 0.1))
            step = self._step(probabilities, gradient, accuracy, left_out)
            moved = self._scores(self.samples, step)
            descent = np.einsum("sdk,sdk->s", gradient, step)
            length = np.ones(s)
            for _ in range(30):
                reach = length[:, None, None]
                new_probabilities, new_value = self._loss(
                    scores + length[:, None] * moved, weights + reach * step
                )
                # Rounding in the value must not stop one whose gradient still says where to go.
                slack = 16 * np.finfo(np.float64).eps * np.abs(value)
                short = new_value <= value + 1e-4 * length * descent + slack
                if short.all():
                    break
                length = np.where(short, length, length / 2)
            weights, scores = weights + reach * step, scores + length[:, None] * moved
            change = np.abs(new_probabilities - probabilities).max(axis=0).max(axis=1)
            # Steps shrink in geometric progression: so far are all those to come.
            rate = np.clip(change / np.maximum(before, np.finfo(np.float64).tiny), 0.1, 0.99)
            done |= (change * rate / (1 - rate) <= self.CLOSE) & (length == 1)
            before = change
            probabilities, value = new_probabilities, new_value
            gradient = self._gradient(probabilities, weights)
        return probabilities, weights

    def _scores(self, samples: Real, weights: Real) -> Real:
        """Return (n, s, k) scores of the standardised samples."""
        s, _, k = weights.shape
        slopes = weights[:, 1:] / self.scale.astype(samples.dtype)
        flat = slopes.transpose(1, 0, 2).reshape(-1, s * k)
        offset = weights[:, 0] - (self.centre.astype(samples.dtype) * slopes).sum(axis=1)
        return np.asarray((samples @ flat).reshape(-1, s, k) + offset)

    def _transposed(self, samples: Real, slope: Real) -> Real:
        """Return (s, 1 + d, k) products of the standardised samples with (n, s, k) slopes."""
        n, s, k = slope.shape
        products = (samples.T @ slope.reshape(n, s * k)).reshape(-1, s, k).transpose(1, 0, 2)
        total = slope.sum(axis=0)[:, None, :]
        centre, scale = self.centre.astype(samples.dtype), self.scale.astype(samples.dtype)
        return np.concatenate([total, (products - centre * total) / scale], axis=1)

    def _loss(self, scores: Float, weights: Float) -> tuple[Float, Float]:
        """Return (n, s, k) probabilities and (s,) values of the objective."""
        shifted = scores + self.absent
        shifted -= reduce(np.maximum, np.moveaxis(shifted, 2, 0))[:, :, None]
        odds = np.exp(shifted)
        total = _over_classes(odds)[:, :, None]
        lost = np.log(total[:, :, 0]) - _over_classes(np.where(self.truth > 0, shifted, 0))
        # A class that only test samples have is lost without end.
        with np.errstate(invalid="ignore"):
            value = np.where(self.used[:, :, 0] > 0, self.used[:, :, 0] * lost, 0).sum(axis=0)
        return odds / total, value + (weights[:, 1:] ** 2).sum(axis=(1, 2)) / 2

    def _gradient(self, probabilities: Float, weights: Float) -> Float:
        slope = self.used * (probabilities - self.truth)
        gradient: Float = self._transposed(self.samples, slope)
        gradient[:, 1:] += weights[:, 1:]
        return gradient

    def _step(
        self, probabilities: Float, gradient: Float, accuracy: Float, left_out: float
    ) -> Float:
        """Solve for Newton's step by preconditioned conjugate gradients, in float32."""
        rows, used = self._undecided(probabilities, left_out)
        samples, p = self.single[rows], probabilities[rows].astype(np.float32)
        spread = np.einsum("nsk,ns->sk", p * (1 - p), used[:, :, 0])
        mean = spread / (len(self.single) * self.share[:, None])
        # The power along each axis as if all samples were as undecided as they are on average.
        weight = self.share[:, None, None] * mean[:, None, :]
        inverse_power = (1 / (weight * self.axes.power[:, None] + 1)).astype(np.float32)
        inverse_rest = (1 / (weight * self.axes.rest + 1)).astype(np.float32)
        inverse_spread = (1 / np.maximum(spread, 1e-6))[:, None, :].astype(np.float32)

        def precondition(residual: Single) -> Single:
            if self.axes.directions is None:
                slopes = inverse_power * residual[:, 1:]
            else:
                along = _turn(self.axes.directions.T, residual[:, 1:])
                slopes = _turn(self.axes.directions, (inverse_power - inverse_rest) * along)
                slopes += inverse_rest * residual[:, 1:]
            return np.concatenate([inverse_spread * residual[:, :1], slopes], axis=1)

        # Scaled, so that the squares of float32 neither vanish nor overflow.
        size = np.maximum(_norm(gradient), np.finfo(np.float64).tiny)[:, None, None]
        residual = (-gradient / size).astype(np.float32)
        step = np.zeros_like(residual)
        search = preconditioned = precondition(residual)
        energy = _inner(residual, preconditioned)
        for _ in range(self.MAX_CONJUGATE):
            active = _norm(residual) > accuracy
            if not active.any():
                break
            turned = self._scores(samples, search)
            turned -= np.einsum("nsk,nsk->ns", p, turned)[:, :, None]
            product = self._transposed(samples, used * p * turned)
            product[:, 1:] += search[:, 1:]
            curvature = _inner(search, product)
            curved = active & (curvature > 0)
            length = np.where(curved, energy / np.where(curved, curvature, 1), 0)
            length = length.astype(np.float32)[:, None, None]
            step += length * search
            residual = residual - length * product
            preconditioned = precondition(residual)
            before, energy = energy, _inner(residual, preconditioned)
            turn = np.where(active, energy / np.maximum(before, np.finfo(np.float32).tiny), 0)
            search = preconditioned + turn.astype(np.float32)[:, None, None] * search
        return step.astype(np.float64) * size

    def _undecided(self, probabilities: Float, left_out: float) -> tuple[Ints, Single]:
        """Return the rows that carry all but a share of the Hessian, and weights (rows, s, 1)."""
        # Where most samples are decided, few bend the loss; their weights then stand for the
        # others' too. Where these would be many, none is left out.
        weights = self.used[:, :, 0] * _over_classes(probabilities * (1 - probabilities))
        weights /= np.maximum(weights.sum(axis=0), np.finfo(np.float64).tiny)
        order = np.argsort(-weights.max(axis=1), kind="stable")
        covered = np.cumsum(weights[order], axis=0)
        count = 1 + int((covered < 1 - left_out).any(axis=1).sum())
        if count > len(order) / 2:
            return np.arange(len(order)), self.used.astype(np.float32)
        rows = np.sort(order[:count])
        lift = 1 / covered[count - 1]
        return rows, (self.used[rows] * lift[:, None]).astype(np.float32)


def _over_classes(values: Float) -> Float:
    """Sum (n, s, k) values over the classes; ten times as fast as `sum` for an axis so short."""
    return np.asarray(np.einsum("nsk->ns", values))


def _turn(matrix: Single, slopes: Single) -> Single:
    """Multiply each of (s, d, k) slopes by a (r, d) matrix."""
    s, d, k = slopes.shape
    flat = slopes.transpose(1, 0, 2).reshape(d, s * k)
    return np.asarray((matrix @ flat).reshape(-1, s, k).transpose(1, 0, 2))


def _norm(values: npt.NDArray[np.floating[Any]]) -> Float:
    return np.asarray(np.sqrt(_inner(values, values)))


def _inner(a: npt.NDArray[np.floating[Any]], b: npt.NDArray[np.floating[Any]]) -> Float:
    """Return the (s,) inner products over the other axes."""
    return np.asarray(np.einsum("sdk,sdk->s", a, b, dtype=np.float64))
