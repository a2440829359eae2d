"""Ridge and logistic regression for many targets at once, in the rotated space of a training fold.

An L2 penalty does not change under rotation. So a training fold of n samples and d > n features is
standardised and rotated once to fewer than n coordinates, which all targets, penalties and inner
folds share. The results are those of scikit-learn's ``Pipeline(StandardScaler, RidgeCV)``
and ``Pipeline(StandardScaler, LogisticRegressionCV)``. Tissue types have more samples than
features: there all training folds of a repeat are fitted at once, from the same features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Real = TypeVar("Real", Float, Single)
Objective = Callable[[Float], tuple[Float, Float]]


@dataclass(frozen=True)
class Fold:
    """A training fold and its test fold in the principal coordinates of the training fold.

    Attributes
    ----------
    train : (n, r) float64
        Coordinates of the training samples: centred, the columns orthogonal to each other.
    test : (m, r) float64
        Coordinates of the test samples.
    power : (r,) float64
        Squared length of each column of `train`, descending.
    """

    train: Float
    test: Float
    power: Float


def standardise(train: npt.ArrayLike, test: npt.ArrayLike) -> tuple[Float, Float]:
    """Centre and scale features by their mean and standard deviation over the training samples.

    Parameters
    ----------
    train, test : (n, d) and (m, d) array
        Features. Those that are constant over the training samples (by scikit-learn's rule for
        rounding errors) carry nothing and are left out.

    Returns
    -------
    train, test : (n, ≤ d) and (m, ≤ d) float64
        Standardised features.
    """
    raw: Float = np.asarray(train, dtype=np.float64)
    raw_test: Float = np.asarray(test, dtype=np.float64)
    mean, scale = _centre_and_scale(raw)
    varies = np.isfinite(scale)
    mean, scale = mean[varies], scale[varies]
    return (raw[:, varies] - mean) / scale, (raw_test[:, varies] - mean) / scale


def _centre_and_scale(features: Float) -> tuple[Float, Float]:
    """Return each feature's mean and standard deviation, infinite for a constant one."""
    n = len(features)
    mean, variance = features.mean(axis=0), features.var(axis=0)
    eps = np.finfo(np.float64).eps
    varies = variance > n * eps * variance + (n * mean * eps) ** 2
    return mean, np.where(varies, np.sqrt(variance), np.inf)


def rotate(train: Float, test: Float) -> Fold:
    """Rotate standardised features to the coordinates that the training samples span.

    Parameters
    ----------
    train, test : (n, d) and (m, d) float64
        From `standardise`.

    Returns
    -------
    Fold
        At most min(n - 1, d) coordinates.
    """
    wide = train.shape[1] > len(train)
    power, axes = np.linalg.eigh(train @ train.T if wide else train.T @ train)
    # What is left of a direction below this is rounding; centring alone makes one of them.
    smallest = max(train.shape) * np.finfo(np.float64).eps * power.max(initial=0.0)
    keep = np.flatnonzero(power > smallest)[::-1]
    power, axes = power[keep], axes[:, keep]
    if wide:
        length = np.sqrt(power)
        return Fold(axes * length, (test @ train.T) @ (axes / length), power)
    return Fold(train @ axes, test @ axes, power)


def ridge(fold: Fold, targets: npt.ArrayLike, alphas: Sequence[float]) -> tuple[Float, Float]:
    """Fit ridge regression for every target, each with the penalty of least leave-one-out error.

    Leaving one sample out has a closed form: its error is the residual divided by one minus its
    leverage (Allen 1974; Golub, Heath & Wahba 1979), the intercept being refitted but, as in
    scikit-learn's RidgeCV, not the standardisation.

    Parameters
    ----------
    fold : Fold
        From `rotate`.
    targets : (n, t) array
        Values of the training samples, none missing.
    alphas : sequence of float
        Penalties to choose from, all above 0; the first wins a tie.

    Returns
    -------
    predictions : (m, t) float64
        Of the test samples.
    chosen : (t,) float64
        The penalty of each target.
    """
    targets = np.asarray(targets, dtype=np.float64)
    mean = targets.mean(axis=0)
    centred = targets - mean
    moments = fold.train.T @ centred
    squares = fold.train**2
    errors = np.empty((len(alphas), targets.shape[1]))
    for row, alpha in enumerate(alphas):
        shrunk = 1 / (fold.power + alpha)
        leverage = 1 / len(targets) + squares @ shrunk
        residuals = centred - fold.train @ (moments * shrunk[:, None])
        errors[row] = np.mean((residuals / (1 - leverage)[:, None]) ** 2, axis=0)
    chosen = np.asarray(alphas, dtype=np.float64)[errors.argmin(axis=0)]
    weights = moments / (fold.power[:, None] + chosen)
    return mean + fold.test @ weights, chosen


def logistic(
    fold: Fold,
    positive: npt.ArrayLike,
    inner: npt.NDArray[np.int64],
    inverse_penalties: Sequence[float],
) -> tuple[Float, Float]:
    """Fit L2-penalised logistic regression for every target, each with the best C of an inner CV.

    Best is the least log-loss, averaged over the inner folds; the smaller C wins a tie.

    Parameters
    ----------
    fold : Fold
        From `rotate`.
    positive : (n, t) array of 0 and 1
        Labels of the training samples, none missing.
    inner : (n, t) int
        The inner fold of each training sample, by target.
    inverse_penalties : sequence of float
        Values of C to choose from.

    Returns
    -------
    probabilities : (m, t) float64
        Of the test samples to be positive.
    chosen : (t,) float64
        The C of each target.
    """
    labels = np.asarray(positive, dtype=np.float64)
    n, t = labels.shape
    k = int(inner.max()) + 1
    ladder = np.sort(np.asarray(inverse_penalties, dtype=np.float64))
    losses = np.zeros((len(ladder), t))
    if len(ladder) > 1:
        # One column per (inner fold, target): all are solved together, on the other inner folds.
        held_out = (inner[:, None, :] == np.arange(k)[None, :, None]).reshape(n, k * t)
        repeated = np.tile(labels, k)
        weights = np.zeros((fold.train.shape[1] + 1, k * t))
        for row, c in enumerate(ladder):
            # Good enough to rank the penalties, which differ by far more.
            weights = _fit_binary(
                fold, repeated, ~held_out, np.full(k * t, c), weights, tolerance=1e-5
            )
            loss = _log_loss(_affine(fold.train, weights), repeated) * held_out
            losses[row] = (loss.sum(axis=0) / held_out.sum(axis=0)).reshape(k, t).mean(axis=0)
    chosen = ladder[losses.argmin(axis=0)]
    weights = _fit_binary(fold, labels, np.ones((n, t), dtype=bool), chosen, tolerance=1e-9)
    return _sigmoid(_affine(fold.test, weights)), chosen


def multinomial(
    features: npt.ArrayLike,
    classes: npt.NDArray[np.int64],
    fold_of: npt.NDArray[np.int64],
    n_classes: int,
    inverse_penalty: float,
    axes: Axes | None = None,
) -> Float:
    """Fit L2-penalised multinomial (softmax) regression on each training fold of one repeat.

    Parameters
    ----------
    features : (n, d) array
        Features of all samples; standardised inside each training fold.
    classes : (n,) int
        Class of each sample, 0 … n_classes - 1.
    fold_of : (n,) int
        The fold, 0 …, in which each sample is tested.
    n_classes : int
        A class without a training sample gets probability 0.
    inverse_penalty : float
        C of scikit-learn: the sum of losses is multiplied by it.
    axes : Axes, optional
        ``principal_axes(features)``, where several repeats share it.

    Returns
    -------
    (n, n_classes) float64
        Out-of-fold class probabilities.
    """
    raw: Float = np.asarray(features, dtype=np.float64)
    truth = np.eye(n_classes)[classes]
    probabilities = np.empty((len(raw), n_classes))
    folds = np.arange(int(fold_of.max()) + 1)
    if raw.shape[1] >= len(raw):
        for fold in folds:
            test = fold_of == fold
            rotated = rotate(*standardise(raw[~test], raw[test]))
            samples = np.vstack([rotated.train, rotated.test])
            used = np.arange(len(raw))[:, None] < len(rotated.train)
            ordered = np.vstack([truth[~test], truth[test]])
            problem = Softmax(samples, used, ordered, inverse_penalty, Axes(None, rotated.power))
            probabilities[test] = problem.solve()[len(rotated.train) :, 0]
        return probabilities
    axes = principal_axes(raw) if axes is None else axes
    fitted = Softmax(raw, fold_of[:, None] != folds, truth, inverse_penalty, axes).solve()
    return np.asarray(fitted[np.arange(len(raw)), fold_of])


@dataclass(frozen=True)
class Axes:
    """Directions in which features vary, and how much: only the speed of a fit depends on them.

    Attributes
    ----------
    directions : (d, r) float32 or None
        Orthonormal, in columns; None if they are the coordinates' own.
    power : (r,) float64
        Sum of squares of the samples along each.
    rest : float
        Mean sum of squares along the other d - r directions.
    """

    directions: npt.NDArray[np.float32] | None
    power: Float
    rest: float = 0.0


def principal_axes(features: npt.ArrayLike) -> Axes:
    """Return the longer quarter of the principal axes of standardised (n, d) features."""
    standardised = standardise_whole(np.asarray(features, dtype=np.float64))
    power, directions = np.linalg.eigh(standardised.T @ standardised)
    shorter = len(power) * 3 // 4
    rest = float(power[:shorter].sum() / max(shorter, 1))
    kept = np.maximum(power[shorter:], 0)
    return Axes(directions[:, shorter:].astype(np.float32), kept, max(rest, 0.0))


def standardise_whole(features: Float) -> Float:
    """Centre and scale each feature over all samples; a constant one is zero."""
    mean, scale = _centre_and_scale(features)
    return (features - mean) / scale


class Softmax:
    """Multinomial regression on several training sets of the same samples at once.

    Newton's method with conjugate gradients. Gradients are in float64 and say where the minimum is;
    the products with the Hessian, which only propose steps, are in float32 and read the features
    once for all training sets. A training set is done when further steps would move no
    probability by more than `CLOSE`, or the gradient has vanished.

    Parameters
    ----------
    samples : (n, d) float64
        Features.
    used : (n, s) bool
        Which samples each of s training sets has, which standardises the features by them.
    truth : (n, k) float64
        One-hot classes.
    c : float
        Inverse penalty.
    axes : Axes
        Of the samples, to precondition.

    References
    ----------
    Nocedal & Wright, Numerical Optimization (2006), algorithm 7.1.
    """

    TOLERANCE = 1e-11
    CLOSE = 1e-7
    KEPT = 0.99
    MAX_NEWTON, MAX_CONJUGATE = 100, 500

    def __init__(
        self, samples: Float, used: npt.NDArray[np.bool_], truth: Float, c: float, axes: Axes
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
                mean, scale = _centre_and_scale(self.samples[rows])
                self.centre[number, :, 0], self.scale[number, :, 0] = mean, scale
        present = np.einsum("ns,nk->sk", used, truth) > 0
        self.absent = np.where(present, 0.0, -np.inf)

    def solve(self) -> Float:
        """Return (n, s, k) probabilities of every sample under every training set."""
        s, d, k = len(self.centre), self.samples.shape[1], self.truth.shape[2]
        weights, scores = np.zeros((s, 1 + d, k)), np.zeros((len(self.samples), s, k))
        probabilities, value = self._loss(scores, weights)
        gradient = self._gradient(probabilities, weights)
        start = np.maximum(_norm(gradient), np.finfo(np.float64).tiny)
        done, before = np.zeros(s, dtype=bool), np.ones(s)
        for _ in range(self.MAX_NEWTON):
            left = _norm(gradient) / start
            done |= left <= self.TOLERANCE
            if done.all():
                break
            accuracy = np.where(done, np.inf, np.clip(np.sqrt(left), 3e-2, 0.1))
            step = self._step(probabilities, gradient, accuracy)
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
            change = np.abs(new_probabilities - probabilities).max(axis=(0, 2))
            # Steps shrink in geometric progression: so far are all those to come.
            rate = np.clip(change / np.maximum(before, np.finfo(np.float64).tiny), 0.1, 0.99)
            done |= (change * rate / (1 - rate) <= self.CLOSE) & (length == 1)
            before = change
            probabilities, value = new_probabilities, new_value
            gradient = self._gradient(probabilities, weights)
        return probabilities

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
        shifted -= shifted.max(axis=2, keepdims=True)
        odds = np.exp(shifted)
        total = odds.sum(axis=2, keepdims=True)
        lost = np.log(total[:, :, 0]) - np.where(self.truth > 0, shifted, 0).sum(axis=2)
        with np.errstate(
            invalid="ignore"
        ):  # a class that only test samples have is lost without end
            value = np.where(self.used[:, :, 0] > 0, self.used[:, :, 0] * lost, 0).sum(axis=0)
        return odds / total, value + (weights[:, 1:] ** 2).sum(axis=(1, 2)) / 2

    def _gradient(self, probabilities: Float, weights: Float) -> Float:
        slope = self.used * (probabilities - self.truth)
        gradient: Float = self._transposed(self.samples, slope)
        gradient[:, 1:] += weights[:, 1:]
        return gradient

    def _step(self, probabilities: Float, gradient: Float, accuracy: Float) -> Float:
        """Solve for Newton's step by preconditioned conjugate gradients, in float32."""
        rows, used = self._undecided(probabilities)
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
            turned -= (p * turned).sum(axis=2, keepdims=True)
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

    def _undecided(self, probabilities: Float) -> tuple[npt.NDArray[np.int64], Single]:
        """Return the rows that carry most of the Hessian, and their weights (rows, s, 1).

        Where most samples are decided, few bend the loss; their weights then stand for the others'
        too. Where these would be many, none is left out.
        """
        weights = self.used[:, :, 0] * (probabilities * (1 - probabilities)).sum(axis=2)
        weights /= np.maximum(weights.sum(axis=0), np.finfo(np.float64).tiny)
        order = np.argsort(-weights.max(axis=1), kind="stable")
        covered = np.cumsum(weights[order], axis=0)
        count = 1 + int((covered < self.KEPT).any(axis=1).sum())
        if count > len(order) / 2:
            return np.arange(len(order)), self.used.astype(np.float32)
        rows = np.sort(order[:count])
        lift = 1 / covered[count - 1]
        return rows, (self.used[rows] * lift[:, None]).astype(np.float32)


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


def _fit_binary(
    fold: Fold,
    labels: Float,
    used: npt.NDArray[np.bool_],
    inverse_penalties: Float,
    start: Float | None = None,
    *,
    tolerance: float = 1e-7,
) -> Float:
    """Return the (1 + r, columns) weights, intercept first, of one logistic fit per column."""
    n, c = len(labels), inverse_penalties
    # The Hessian of the log-loss is that of least squares, diagonal in these coordinates, weighted
    # by p (1 - p) of each sample: dividing by its root, as if all had the start's mean weight,
    # leaves curvatures near 1.
    if start is None:
        start = np.zeros((1 + len(fold.power), labels.shape[1]))
    p = _sigmoid(_affine(fold.train, start))
    weight = c * (used * p * (1 - p)).sum(axis=0)
    scale: Float = 1 / np.sqrt(np.vstack([weight, np.outer(fold.power, weight / n) + 1]))
    factor = used * c

    def objective(scaled: Float) -> tuple[Float, Float]:
        weights = scaled * scale
        scores = _affine(fold.train, weights)
        small = np.exp(-np.abs(scores))
        loss = np.maximum(scores, 0) - labels * scores + np.log1p(small)
        value = _dot(factor, loss) + _dot(weights[1:], weights[1:]) / 2
        slope = np.where(scores >= 0, 1.0, small) / (1 + small) - labels
        gradient = _affine_transposed(fold.train, factor * slope)
        gradient[1:] += weights[1:]
        return value, gradient * scale

    return minimise(objective, start / scale, tolerance=tolerance) * scale


def _affine(samples: Float, weights: Float) -> Float:
    scores: Float = samples @ weights[1:]
    scores += weights[0]
    return scores


def _affine_transposed(samples: Float, slope: Float) -> Float:
    return np.vstack([slope.sum(axis=0), samples.T @ slope])


def _sigmoid(scores: Float) -> Float:
    small = np.exp(-np.abs(scores))
    return np.asarray(np.where(scores >= 0, 1.0, small) / (1 + small))


def _log_loss(scores: Float, labels: Float) -> Float:
    return np.asarray(np.maximum(scores, 0) - labels * scores + np.log1p(np.exp(-np.abs(scores))))


def minimise(
    objective: Objective,
    start: Float,
    *,
    tolerance: float = 1e-7,
    memory: int = 10,
    max_iterations: int = 1000,
) -> Float:
    """Minimise many smooth convex functions at once by L-BFGS, one per column.

    The columns share nothing but the evaluation, which is then a product of matrices.

    Parameters
    ----------
    objective : callable
        Maps (p, columns) points to (columns,) values and (p, columns) gradients. No curvature may
        exceed 1, so that a step along the negative gradient always descends.
    start : (p, columns) float64
        Where to start.
    tolerance : float
        A column is done when its gradient is this small relative to that at zero.
    memory : int
        Number of past steps from which the curvature is estimated.
    max_iterations : int
        A bound on the work; convergence takes some tens of iterations.

    Returns
    -------
    (p, columns) float64
        The minima.

    References
    ----------
    Nocedal & Wright, Numerical Optimization (2006), algorithm 7.4.
    """
    at_zero = np.linalg.norm(objective(np.zeros_like(start))[1], axis=0)
    goal = tolerance * np.maximum(at_zero, np.finfo(np.float64).tiny)
    point = start
    value, gradient = objective(point)
    steps: list[Float] = []
    turns: list[Float] = []
    for _ in range(max_iterations):
        done = np.linalg.norm(gradient, axis=0) <= goal
        if done.all():
            break
        direction = -_inverse_hessian_product(gradient, steps, turns)
        direction[:, done] = 0.0
        descent = _dot(direction, gradient)
        length = np.ones_like(value)
        for _ in range(20):
            new_point = point + length * direction
            new_value, new_gradient = objective(new_point)
            # Rounding in the value must not stop a column whose gradient still says where to go.
            slack = 4 * np.finfo(np.float64).eps * np.abs(value)
            short = new_value <= value + 1e-4 * length * descent + slack
            if short.all():
                break
            length = np.where(short, length, length / 2)
        steps = [*steps, new_point - point][-memory:]
        turns = [*turns, new_gradient - gradient][-memory:]
        point, value, gradient = new_point, new_value, new_gradient
    return point


def _inverse_hessian_product(gradient: Float, steps: list[Float], turns: list[Float]) -> Float:
    """Multiply by the inverse Hessian as estimated from past steps (L-BFGS two-loop recursion)."""
    product = gradient.copy()
    past: list[tuple[Float, Float, Float, Float]] = []
    for step, turn in zip(reversed(steps), reversed(turns), strict=True):
        curvature = _dot(step, turn)
        usable = curvature > 0  # a column that did not move teaches nothing
        inverse = np.where(usable, 1 / np.where(usable, curvature, 1.0), 0.0)
        share = inverse * _dot(step, product)
        product -= share * turn
        past.append((step, turn, inverse, share))
    if past:
        step, turn, inverse, _ = past[0]
        squared = _dot(turn, turn)
        product *= np.where(inverse > 0, 1 / np.where(inverse > 0, inverse * squared, 1.0), 1.0)
    for step, turn, inverse, share in reversed(past):
        product += (share - inverse * _dot(turn, product)) * step
    return product


def _dot(a: Float, b: Float) -> Float:
    result: Float = np.einsum("ij,ij->j", a, b)
    return result
