"""One line of a terminal that moves, in place of the lines that Snakemake prints for each job.

It stands on standard logging: Snakemake's records name their event. Warnings, errors and whatever
else is said appear above the line. Without a terminal nothing changes.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TextIO

from .progress import in_words

OF_JOBS = {"job_info", "job_started", "job_finished", "shellcmd", "progress", "group_info"}
"""Events that the line shows instead."""
CHATTER = ("Select jobs to execute", "Execute ", "Removing temporary output", "Submitted job")
"""How messages without an event begin that the line makes needless."""
FEWEST = 3
"""Jobs that must be done before the time left is guessed."""
ERASE = "\r\x1b[2K"


class ProgressLine(logging.Handler):
    """Stands before the handler that prints Snakemake's records, and draws the line below them.

    Parameters
    ----------
    printer : logging.StreamHandler
        It prints what remains.
    stages : mapping of str to str
        The stage of each rule; a rule without one is not named.
    jobs : mapping of str to int
        How many jobs of each rule will run.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        printer: logging.StreamHandler[TextIO],
        stages: Mapping[str, str],
        jobs: Mapping[str, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._printer, self._stages, self._clock = printer, stages, clock
        self._left = Counter(jobs)
        self._total = sum(jobs.values())
        self._started = clock()
        self._running: dict[int, tuple[str, float]] = {}
        self._seconds: dict[str, list[float]] = {}
        self._stopped = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Draw a job's record into the line; print another one above it."""
        event = str(getattr(record, "event", None) or "")
        if event in OF_JOBS or record.getMessage().startswith(CHATTER):
            self._count(event, record)
        else:
            if event == "job_error":
                self._running.pop(int(getattr(record, "jobid", -1)), None)
            if not self._stopped.is_set():
                self._write(ERASE)
            self._printer.handle(record)
        if not self._stopped.is_set():
            self.draw()

    def _count(self, event: str, record: logging.LogRecord) -> None:
        fields = record.__dict__
        if event == "job_info":
            self._running[int(fields["jobid"])] = (fields["rule_name"], self._clock())
        elif event == "job_finished" and (job := self._running.pop(int(fields["job_id"]), None)):
            rule, started = job
            self._left[rule] -= 1
            self._seconds.setdefault(rule, []).append(self._clock() - started)
        elif event == "progress":
            self._total = int(fields["total"])

    def text(self) -> str:
        """Return what the line says: jobs done of all, stage and rules at work, and times."""
        done = self._total - sum(self._left.values())
        elapsed = self._clock() - self._started
        at_work = Counter(rule for rule, _ in self._running.values())
        at_work = Counter({rule: n for rule, n in at_work.items() if rule in self._stages})
        stages = dict.fromkeys(self._stages[rule] for rule in at_work)
        rules = (f"{rule} ×{n}" if n > 1 else rule for rule, n in at_work.items())
        share = f"{done / max(1, self._total):.0%}"
        parts = [f"{done} of {self._total} jobs ({share})"]
        if at_work:
            parts.append(f"{', '.join(stages)}: {', '.join(rules)}")
        parts.append(in_words(elapsed))
        left = self._seconds_left(elapsed)
        if left is not None and left >= 1:  # less is a job that takes longer than the others did
            parts.append(f"about {in_words(left)} left")
        return " · ".join(parts)

    def _seconds_left(self, elapsed: float) -> float | None:
        """Guess from the mean job of each rule; a rule without one counts as the mean of all."""
        seen = [seconds for of_rule in self._seconds.values() for seconds in of_rule]
        if len(seen) < FEWEST or elapsed <= 0:
            return None
        typical = sum(seen) / len(seen)
        now = self._clock()
        work = 0.0
        for rule, count in self._left.items():
            own = self._seconds.get(rule)
            work += max(0, count) * (sum(own) / len(own) if own else typical)
        for rule, started in self._running.values():
            own = self._seconds.get(rule)
            work -= min(now - started, sum(own) / len(own) if own else typical)
        at_once = sum(seen) / elapsed  # so many jobs ran side by side
        return max(0.0, work) / max(at_once, 1.0)

    def draw(self) -> None:
        """Draw the line; the cursor stays at its beginning, so that other output covers it."""
        width = shutil.get_terminal_size().columns - 1
        text = self.text()
        self._write(f"{ERASE}{text if len(text) <= width else text[: width - 1] + '…'}\r")

    def _write(self, text: str) -> None:
        stream = self._printer.stream
        stream.write(text)
        stream.flush()

    def start(self) -> None:
        """Draw the line each second, until `stop`."""

        def tick() -> None:
            while not self._stopped.wait(1.0):
                self.acquire()
                try:
                    if not self._stopped.is_set():
                        self.draw()
                finally:
                    self.release()

        threading.Thread(target=tick, daemon=True).start()

    def stop(self) -> None:
        """Erase the line, for good."""
        self.acquire()
        try:
            if not self._stopped.is_set():
                self._stopped.set()
                self._write(ERASE)
        finally:
            self.release()

    def close(self) -> None:
        """Erase the line and close the printer."""
        self.stop()
        self._printer.close()
        super().close()


def show_progress(
    logger: logging.Logger, stages: Mapping[str, str], jobs: Mapping[str, int]
) -> ProgressLine | None:
    """Put a line before a logger's handler that prints to a terminal; without one, do nothing."""
    for handler in logger.handlers:
        if not isinstance(handler, logging.StreamHandler) or isinstance(
            handler, logging.FileHandler
        ):
            continue
        if handler.stream.isatty() and sum(jobs.values()) > 1:
            line = ProgressLine(handler, stages, jobs)
            logger.removeHandler(handler)
            logger.addHandler(line)
            line.start()
            return line
    return None
