"""Survival times as signed numbers: above 0 where the event was seen, below 0 where censored.

So a table of labels has one number per patient and target, as for every other kind of task, and NaN
where it is unknown.
"""

from __future__ import annotations

import numpy as np

from .predictors.predictor import Bools, Float


def encode(time: Float, event: Float) -> Float:
    """Return the signed times; NaN where the time or the event is NaN.

    Parameters
    ----------
    time : (n, ...) float64
        From the start to the event, or to the end of the follow-up; above 0, in any unit.
    event : (n, ...) float64
        1 where the event was observed, 0 where the follow-up ended without it.

    Raises
    ------
    ValueError
        If a known time is not a number above 0, or a known event neither 0 nor 1.
    """
    known = ~(np.isnan(time) | np.isnan(event))
    if not (np.isfinite(time) & (time > 0))[known].all():
        raise ValueError("a survival time must be a number above 0")
    if not np.isin(event[known], (0, 1)).all():
        raise ValueError("an event must be 0 or 1")
    return np.where(known, np.where(event == 1, time, -time), np.nan)


def time_and_event(truth: Float) -> tuple[Float, Bools]:
    """Return the times, NaN where unknown, and whether the event was observed."""
    return np.abs(truth), truth > 0
