"""The partial likelihood of Cox's model, with Efron's treatment of ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .predictor import Bools, Float, Ints

LOWEST = -700.0
"""Scores are at most so far below the highest one: the exponential of less is 0, its log no
number."""


@dataclass(frozen=True)
class PartialLikelihood:
    """The partial log-likelihood of several columns of scores, each of some of the n samples.

    An event at time t adds its score less the log of the summed hazards, exp(score), of all who
    were at risk at t. Of m events at the same time, the k-th (from 0) leaves out the share k / m of
    their hazards (Efron, J Am Stat Assoc 1977;72:557). Who is censored at t was at risk at t.
    """

    _first: Ints
    """(times,) the first row of each time."""
    _time: Ints
    """(n,) the number of the time of each row."""
    _died: Float
    """(n, c) 1 where the column uses the row and the event was observed."""
    _gone: Float
    """(n, c) the share of the hazards of the tied events that an event leaves out."""
    _used: Bools

    @classmethod
    def of(cls, time: Float, event: Bools, used: Bools) -> PartialLikelihood:
        """Prepare for (n,) times, descending, whether they end in the event, and (n, c) use."""
        begins = np.diff(time, prepend=np.inf) < 0
        first, number = np.flatnonzero(begins), np.cumsum(begins) - 1
        died = (event[:, None] & used).astype(np.float64)
        earlier_rows = np.cumsum(died, axis=0) - died
        rank = earlier_rows - earlier_rows[first][number]
        tied = np.add.reduceat(died, first)[number]
        return cls(first, number, died, died * rank / np.maximum(tied, 1), used)

    def value_and_slope(self, scores: Float) -> tuple[Float, Float]:
        """Return the (c,) log-likelihoods of (n, c) scores, and their (n, c) slopes along these."""
        scores = np.where(self._used, scores, -np.inf)
        scores = np.maximum(scores - scores.max(axis=0), LOWEST, where=self._used, out=scores)
        hazard = np.exp(scores)
        # Those at risk at a time are the rows down to its last one.
        last = np.append(self._first[1:], len(scores)) - 1
        at_risk = np.cumsum(hazard, axis=0)[last]
        dying = np.add.reduceat(hazard * self._died, self._first)
        summed = at_risk[self._time] - self._gone * dying[self._time]
        died = self._died > 0
        value = scores - np.log(summed, where=died, out=np.zeros_like(summed))
        share = np.divide(1.0, summed, where=died, out=np.zeros_like(summed))
        # A sample is at risk at its own time and at all earlier ones, which are further down.
        taken = np.cumsum(np.add.reduceat(share, self._first)[::-1], axis=0)[::-1]
        spared = np.add.reduceat(share * self._gone, self._first)
        slope = self._died - hazard * (taken[self._time] - self._died * spared[self._time])
        return np.where(died, value, 0).sum(axis=0), slope
