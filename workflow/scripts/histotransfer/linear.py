"""Ridge and logistic regression for many targets at once, in the rotated space of a training fold.

An L2 penalty does not change under rotation. So a training fold of n samples and d > n features is
standardised and rotated once to fewer than n coordinates, which all targets, penalties and inner
folds share. The results are those of scikit-learn's ``Pipeline(StandardScaler, RidgeCV)``
and ``Pipeline(StandardScaler, LogisticRegressionCV)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
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
    n = len(raw)
    mean, variance = raw.mean(axis=0), raw.var(axis=0)
    eps = np.finfo(np.float64).eps
    varies = variance > n * eps * variance + (n * mean * eps) ** 2
    scale = np.sqrt(variance[varies])
    raw_test: Float = np.asarray(test, dtype=np.float64)
    return (raw[:, varies] - mean[varies]) / scale, (raw_test[:, varies] - mean[varies]) / scale


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
            weights = _fit_binary(fold, repeated, ~held_out, np.full(k * t, c), weights)
            loss = _log_loss(_affine(fold.train, weights), repeated) * held_out
            losses[row] = (loss.sum(axis=0) / held_out.sum(axis=0)).reshape(k, t).mean(axis=0)
    chosen = ladder[losses.argmin(axis=0)]
    weights = _fit_binary(fold, labels, np.ones((n, t), dtype=bool), chosen)
    return _sigmoid(_affine(fold.test, weights)), chosen


def multinomial(
    train: Float,
    test: Float,
    classes: npt.NDArray[np.int64],
    n_classes: int,
    inverse_penalty: float,
) -> Float:
    """Fit L2-penalised multinomial (softmax) regression.

    Parameters
    ----------
    train, test : (n, d) and (m, d) float64
        From `standardise`. Where there are more samples than features a rotation would cost more
        than the fit, and where the classes separate it would not speed it up.
    classes : (n,) int
        Class of each training sample, 0 … n_classes - 1.
    n_classes : int
        A class without a training sample gets probability 0.
    inverse_penalty : float
        C of scikit-learn: the sum of losses is multiplied by it.

    Returns
    -------
    (m, n_classes) float64
        Class probabilities of the test samples.
    """
    present, codes = np.unique(classes, return_inverse=True)
    if train.shape[1] > len(train):
        fold = rotate(train, test)
        train, test = fold.train, fold.test
    n, k = len(codes), len(present)
    truth = np.eye(k)[codes]
    c = inverse_penalty
    # The Hessian of softmax is at most half that of least squares (Böhning 1992), whose largest
    # eigenvalue is at most its trace.
    scale = 1 / np.sqrt(c * max(n, float(np.vdot(train, train))) / 2 + 1)
    shape = (train.shape[1] + 1, k)

    def objective(flat: Float) -> tuple[Float, Float]:
        weights = flat.reshape(shape) * scale
        scores = _affine(train, weights)
        scores -= scores.max(axis=1, keepdims=True)
        log_total = np.log(np.exp(scores).sum(axis=1))
        value = c * (log_total.sum() - (truth * scores).sum()) + (weights[1:] ** 2).sum() / 2
        slope = np.exp(scores - log_total[:, None]) - truth
        gradient = c * _affine_transposed(train, slope)
        gradient[1:] += weights[1:]
        return np.array([value]), (gradient * scale).reshape(-1, 1)

    start = np.zeros((shape[0] * k, 1))
    weights = minimise(objective, start, tolerance=1e-8).reshape(shape) * scale
    scores = _affine(test, weights)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = np.zeros((len(test), n_classes))
    probabilities[:, present] = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def _fit_binary(
    fold: Fold,
    labels: Float,
    used: npt.NDArray[np.bool_],
    inverse_penalties: Float,
    start: Float | None = None,
) -> Float:
    """Return the (1 + r, columns) weights, intercept first, of one logistic fit per column."""
    n, c = len(labels), inverse_penalties
    # The Hessian of the log-loss is at most a quarter of that of least squares, which is diagonal
    # in these coordinates: dividing by its root leaves curvatures between 0 and 1 (Böhning 1992).
    scale = 1 / np.sqrt(np.vstack([c * n / 4, np.outer(fold.power, c / 4) + 1]))
    factor = used * c

    def objective(scaled: Float) -> tuple[Float, Float]:
        weights = scaled * scale
        scores = _affine(fold.train, weights)
        value = (factor * _log_loss(scores, labels)).sum(axis=0) + (weights[1:] ** 2).sum(
            axis=0
        ) / 2
        gradient = _affine_transposed(fold.train, factor * (_sigmoid(scores) - labels))
        gradient[1:] += weights[1:]
        return value, gradient * scale

    return minimise(objective, np.zeros_like(scale) if start is None else start / scale) * scale


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
