"""How well risks rank survival times: concordance, and the Kaplan–Meier estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..labels.survival_times import time_and_event
from .predictors.predictor import Bools, Float, Ints


def harrell(truth: Float, risk: Float) -> Float:
    """Return Harrell's C of each column over the rows where both are known.

    It is the share, among the comparable pairs, of those in which the higher risk had the event
    first; equal risks count half (Harrell et al., JAMA 1982;247:2543). A pair is comparable if one
    had the event while the other was still followed: at the same time, if the other was censored
    then. 0.5 is chance. NaN where no pair is comparable.

    Parameters
    ----------
    truth : (n, t) float64
        Times as of `survival_times.encode`.
    risk : (n, t) float64
        The higher, the sooner the event.
    """
    return _each(truth, risk, lambda time, event: event.astype(np.float64))


def uno(truth: Float, risk: Float) -> Float:
    """Return Uno's C of each column over the rows where both are known.

    It is Harrell's C with each pair weighted by 1 / G(t)², t being the time of its event and G(t)
    the probability of being followed for longer than t (Uno et al., Stat Med 2011;30:1105). So it
    does not depend on how long the patients were followed. G is the Kaplan–Meier estimate of the
    censoring on these rows themselves, events at t coming before who is censored at t. Pairs count
    up to tau, the last time of an event at which G is above 0. Parameters and NaN as of `harrell`.
    """
    return _each(truth, risk, _inverse_censoring)


@dataclass(frozen=True)
class KaplanMeier:
    """The estimated survival, a step function that is 1 before the first time.

    `times` are (k,) distinct times, of events or censoring, ascending; `survival` (k,) is from each
    of them on, `at_risk` (k,) counts who was followed until then.
    """

    times: Float
    survival: Float
    at_risk: Ints

    def at(self, when: Float) -> Float:
        """Return the survival at each of some times."""
        steps = np.append(1.0, self.survival)
        return np.asarray(steps[np.searchsorted(self.times, when, side="right")])


def kaplan_meier(time: Float, event: Bools) -> KaplanMeier:
    """Estimate the survival from (n,) times and whether they end in the event.

    Who is censored at a time was at risk at it (Kaplan & Meier, J Am Stat Assoc 1958;53:457).
    """
    times, number = np.unique(time, return_inverse=True)
    left = np.bincount(number, minlength=len(times))
    at_risk = left[::-1].cumsum()[::-1]
    events = np.bincount(number[event], minlength=len(times))
    return KaplanMeier(times, np.cumprod(1 - events / at_risk), at_risk)


def censoring(time: Float, event: Bools) -> KaplanMeier:
    """Estimate the probability of being followed for longer than each time.

    It is the Kaplan–Meier estimate with censoring as the event; events at a time come before who
    is censored at it.
    """
    times, number = np.unique(time, return_inverse=True)
    ended = np.bincount(number[~event], minlength=len(times))
    left = np.bincount(number, minlength=len(times))
    at_risk = left[::-1].cumsum()[::-1] - np.bincount(number[event], minlength=len(times))
    # Where nobody is left, nobody is censored either.
    followed = np.asarray(np.cumprod(1 - ended / np.maximum(at_risk, 1)), dtype=np.float64)
    return KaplanMeier(times, followed, at_risk)


def _each(truth: Float, risk: Float, weigh: Callable[[Float, Bools], Float]) -> Float:
    """Return the concordance of each column; (n,) events are weighted by times and events."""
    values = []
    for signed, of_column in zip(truth.T, risk.T, strict=True):
        known = np.isfinite(signed) & np.isfinite(of_column)
        time, event = time_and_event(signed[known])
        values.append(_concordance(time, event, of_column[known], weigh(time, event)))
    return np.array(values, dtype=np.float64)


def _concordance(time: Float, event: Bools, risk: Float, weight: Float) -> float:
    first = np.flatnonzero(event)
    later = time > time[first, None]
    later |= (time == time[first, None]) & ~event
    right = np.sign(risk[first, None] - risk) / 2 + 0.5
    pairs = weight[first] @ later
    total = float(pairs.sum())
    return float((weight[first] @ (later * right)).sum() / total) if total > 0 else float("nan")


def _inverse_censoring(time: Float, event: Bools) -> Float:
    """Return 1 / G² at each (n,) time; 0 where G is 0."""
    followed = censoring(time, event).at(time)
    return np.divide(1.0, followed**2, where=followed > 0, out=np.zeros_like(followed))
