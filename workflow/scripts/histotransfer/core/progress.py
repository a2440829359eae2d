"""How far a job is, and how long it may still take: lines in its log, and words for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

Rows = TypeVar("Rows", bound=Sized)

HALF_A_MINUTE = 30.0
"""Seconds between two lines."""


class Progress:
    """Logs, at most every half minute, how much of a job is done and how long the rest may take.

    Parameters
    ----------
    log : logging.Logger
    what : str
        What is counted here, such as ``slide S1 (3 of 32)``.
    total : int
        How many there are.
    unit : str
        Of what.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        log: logging.Logger,
        what: str,
        total: int,
        unit: str = "patches",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._what, self._total, self._unit = log, what, total, unit
        self._clock = clock
        self._started = self._said = clock()
        self._done = 0

    def add(self, count: int) -> None:
        """Count some that are done."""
        self._done = min(self._done + count, self._total)
        now = self._clock()
        if self._done == self._total or now - self._said < HALF_A_MINUTE:
            return
        self._said = now
        rate = self._done / (now - self._started)
        left = in_words((self._total - self._done) / rate) if rate else "unknown"
        self._log.info(
            "%s: %s of %s %s, %.1f/s, about %s left",
            *(self._what, f"{self._done:,}", f"{self._total:,}", self._unit, rate, left),
        )

    def each(self, parts: Iterable[Rows]) -> Iterator[Rows]:
        """Pass parts on, and count the rows of each once it is used."""
        for part in parts:
            yield part
            self.add(len(part))


def in_words(seconds: float) -> str:
    """Return a duration in the unit that suits it: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
