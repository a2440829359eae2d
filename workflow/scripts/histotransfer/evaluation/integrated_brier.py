"""How well predicted probabilities of survival fit what happened: the integrated Brier score.

A risk only ranks. With a baseline hazard, it is a probability of survival at each time.
"""

from __future__ import annotations

import numpy as np

from ..labels.survival_times import time_and_event
from .concordance import KaplanMeier, censoring
from .predictors.partial_likelihood import LOWEST
from .predictors.predictor import Bools, Float

FOLLOWED = 0.1
"""The score is over the time up to which at least this share of the patients was followed."""


def integrated_brier(truth: Float, risk: Float, known: Float, known_risk: Float) -> Float:
    """Return the integrated Brier score of each column over the rows where both are known.

    At each time, it is the mean squared difference between the predicted probability of survival
    and 1 for who is still followed, 0 for who had the event. Who was censored before counts
    through the others, who are weighted by the inverse of the probability of being followed as
    long (Graf et al., Stat Med 1999;18:2529). The mean is exact, over all times up to the quantile
    1 - `FOLLOWED` of all times of event or censoring. 0 is best; a survival of one half at all
    times has 0.25. NaN where no row is known, or nobody was followed until that quantile.

    Parameters
    ----------
    truth : (n, t) float64
        Times as of `survival_times.encode`.
    risk : (n, t) float64
        The log of the hazard relative to a baseline.
    known : (m, t) float64
        The same of other patients, from whom baseline and censoring are estimated.
    known_risk : (m, t) float64
        Theirs, by models that have not seen them: risks of training samples spread too far.
    """
    columns = zip(truth.T, risk.T, known.T, known_risk.T, strict=True)
    return np.array([_integrated(*column) for column in columns], dtype=np.float64)


def _integrated(truth: Float, risk: Float, known: Float, known_risk: Float) -> float:
    everyone = np.abs(np.concatenate([truth, known]))
    tested, fitted = np.isfinite(truth + risk), np.isfinite(known + known_risk)
    if not (tested.any() and fitted.any()):
        return float("nan")
    horizon = float(np.nanquantile(everyone, 1 - FOLLOWED))
    time, event = time_and_event(truth[tested])
    their_time, their_event = time_and_event(known[fitted])
    followed = censoring(their_time, their_event)
    # Nothing changes in between.
    when = np.unique(np.concatenate([[0.0], time, their_time]))
    when = when[when < horizon]
    survival = survival_of(risk[tested], when, their_time, their_event, known_risk[fitted])
    scores = brier(time, event, survival, when, followed)
    return float(scores @ np.diff(when, append=horizon) / horizon)


def survival_of(risk: Float, when: Float, time: Float, event: Bools, known_risk: Float) -> Float:
    """Return the (n, w) probabilities of survival beyond each time under (n,) risks.

    The baseline hazard is Breslow's, of other patients of whom (m,) times, events and risks are
    known (discussion of Cox, J R Stat Soc B 1972;34:187).
    """
    highest = known_risk.max()
    times, number = np.unique(time, return_inverse=True)
    hazard = np.bincount(number, np.exp(np.maximum(known_risk - highest, LOWEST)))
    at_risk = hazard[::-1].cumsum()[::-1]
    summed = np.append(0.0, np.cumsum(np.bincount(number[event], minlength=len(times)) / at_risk))
    with np.errstate(divide="ignore"):
        baseline = np.log(summed)[np.searchsorted(times, when, side="right")] - highest
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(-np.exp(baseline + risk[:, None])))


def brier(time: Float, event: Bools, survival: Float, when: Float, followed: KaplanMeier) -> Float:
    """Return the (w,) Brier scores at each time of (n, w) predicted probabilities of survival.

    `followed` is the probability of being followed for longer than a time. NaN where it is 0 for
    somebody who counts.
    """
    gone = (time[:, None] <= when) & event[:, None]
    there = time[:, None] > when
    weight = np.where(gone, followed.at(time)[:, None], np.where(there, followed.at(when), 1.0))
    squared = np.where(gone, survival, np.where(there, 1 - survival, 0.0)) ** 2
    unknown = np.where(weight > 0, 0.0, np.nan)
    return np.asarray((squared / np.where(weight > 0, weight, 1.0) + unknown).mean(axis=0))
