"""L-BFGS for many smooth convex functions at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .predictor import Float

MEMORY, MAX_ITERATIONS = 10, 1000
"""Past steps that tell the curvature, and a bound; convergence takes some tens of iterations."""


def minimise(
    objective: Callable[[Float], tuple[Float, Float]], start: Float, *, tolerance: float = 1e-7
) -> Float:
    """Minimise many smooth convex functions at once by L-BFGS, one per column.

    The columns share nothing but the evaluation, which is then a product of matrices. Nocedal &
    Wright, Numerical Optimization (2006), algorithm 7.4.

    The objective maps (p, columns) points to (columns,) values and (p, columns) gradients. No
    curvature may exceed 1, so that a step along the negative gradient always descends. A column is
    done when its gradient is within the tolerance, relative to that at zero.
    """
    at_zero = np.linalg.norm(objective(np.zeros_like(start))[1], axis=0)
    goal = tolerance * np.maximum(at_zero, np.finfo(np.float64).tiny)
    point = start
    value, gradient = objective(point)
    steps: list[Float] = []
    turns: list[Float] = []
    for _ in range(MAX_ITERATIONS):
        done = np.linalg.norm(gradient, axis=0) <= goal
        if done.all():
            break
        direction = -_inverse_hessian_product(gradient, steps, turns)
        direction[:, done] = 0.0
        descent = dot(direction, gradient)
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
        steps = [*steps, new_point - point][-MEMORY:]
        turns = [*turns, new_gradient - gradient][-MEMORY:]
        point, value, gradient = new_point, new_value, new_gradient
    return point


def _inverse_hessian_product(gradient: Float, steps: list[Float], turns: list[Float]) -> Float:
    """Multiply by the inverse Hessian as estimated from past steps (L-BFGS two-loop recursion)."""
    product = gradient.copy()
    past: list[tuple[Float, Float, Float, Float]] = []
    for step, turn in zip(reversed(steps), reversed(turns), strict=True):
        curvature = dot(step, turn)
        usable = curvature > 0  # a column that did not move teaches nothing
        inverse = np.where(usable, 1 / np.where(usable, curvature, 1.0), 0.0)
        share = inverse * dot(step, product)
        product -= share * turn
        past.append((step, turn, inverse, share))
    if past:
        step, turn, inverse, _ = past[0]
        squared = dot(turn, turn)
        product *= np.where(inverse > 0, 1 / np.where(inverse > 0, inverse * squared, 1.0), 1.0)
    for step, turn, inverse, share in reversed(past):
        product += (share - inverse * dot(turn, product)) * step
    return product


def dot(a: Float, b: Float) -> Float:
    """Return the inner product of each column of `a` with that of `b`."""
    result: Float = np.einsum("ij,ij->j", a, b)
    return result
