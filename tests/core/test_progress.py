"""How far a job and a study are, in a log and in a terminal."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from histotransfer.core.progress import HALF_A_MINUTE, Progress, in_words
from histotransfer.core.progress_line import ProgressLine, show_progress


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """Return the lines that remain, as a terminal shows them; the last is the cursor's."""
        return [
            line.rstrip("\r").rpartition("\r")[2].replace("\x1b[2K", "")
            for line in self.getvalue().split("\n")
        ]


def test_a_job_logs_each_half_minute_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with caplog.at_level(logging.INFO):
        progress = Progress(logging.getLogger("job"), "S1 (1 of 2)", 1000, clock=clock)
        for _ in progress.each([range(100)] * 10):
            clock.now += 10
    assert [record.getMessage() for record in caplog.records] == [
        f"S1 (1 of 2): {done} of 1,000 patches, 10.0/s, about {left} left"
        for done, left in ((300, "1 min"), (600, "40 s"), (900, "10 s"))
    ]


def test_a_short_job_logs_no_progress(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with caplog.at_level(logging.INFO):
        progress = Progress(logging.getLogger("job"), "S1", 10, clock=clock)
        clock.now += HALF_A_MINUTE - 1
        progress.add(5)
        clock.now += 100
        progress.add(7)  # a batch that is read ahead twice does not pass the end
    assert not caplog.records


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (12000, "3 h 20 min")],
)
def test_durations_are_said_in_the_unit_that_suits_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def logger(terminal: Terminal) -> logging.Logger:
    made = logging.Logger("snakemake", logging.INFO)
    made.addHandler(logging.StreamHandler(terminal))
    return made


def job(logger: logging.Logger, clock: Clock, rule: str, number: int, seconds: float) -> None:
    say(logger, "job_info", jobid=number, rule_name=rule)
    clock.now += seconds
    say(logger, "job_finished", job_id=number)


def say(logger: logging.Logger, event: str, **fields: Any) -> None:
    logger.info(f"{event} in four lines", extra={"event": event, **fields})


def line_of(logger: logging.Logger, clock: Clock, jobs: dict[str, int]) -> ProgressLine:
    (printer,) = logger.handlers
    assert isinstance(printer, logging.StreamHandler)
    line = ProgressLine(printer, {"tile_slide": "slides", "fine_tune": "models"}, jobs, clock)
    logger.handlers = [line]
    return line


def test_one_line_replaces_the_lines_of_each_job(
    logger: logging.Logger, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    clock = Clock()
    line = line_of(logger, clock, {"tile_slide": 10, "fine_tune": 1, "all": 1})
    for number in range(4):
        job(logger, clock, "tile_slide", number, 5)
    say(logger, "job_info", jobid=10, rule_name="fine_tune")
    assert terminal.screen() == [
        # eight jobs remain: six of 5 s, and two that count as the mean of all
        "4 of 12 jobs (33%) · models: fine_tune · 20 s · about 40 s left"
    ]
    logger.warning("the disk is nearly full")
    assert terminal.screen()[0] == "the disk is nearly full"
    assert terminal.screen()[1].startswith("4 of 12 jobs")
    logger.info("Select jobs to execute...")
    assert len(terminal.screen()) == 2
    line.stop()
    assert terminal.screen() == ["the disk is nearly full", ""]
    logger.info("Elapsed time: 20 s")
    assert terminal.screen() == ["the disk is nearly full", "Elapsed time: 20 s", ""]


def test_the_line_fits_its_terminal(
    logger: logging.Logger, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    line_of(logger, Clock(), {"tile_slide": 10})
    say(logger, "job_info", jobid=1, rule_name="tile_slide")
    assert terminal.screen()[0].endswith("…")
    assert len(terminal.screen()[0]) == 29


def test_jobs_side_by_side_share_the_time_left(logger: logging.Logger) -> None:
    clock = Clock()
    line = line_of(logger, clock, {"tile_slide": 12})
    for number in (0, 2):
        for job_id in (number, number + 1):
            say(logger, "job_info", jobid=job_id, rule_name="tile_slide")
        clock.now += 10
        for job_id in (number, number + 1):
            say(logger, "job_finished", job_id=job_id)
    assert line.text() == "4 of 12 jobs (33%) · 20 s · about 40 s left"


def test_without_a_terminal_the_lines_stay(logger: logging.Logger) -> None:
    plain = logging.StreamHandler(io.StringIO())
    logger.handlers = [plain]
    assert show_progress(logger, {}, {"tile_slide": 3}) is None
    assert logger.handlers == [plain]


def test_in_a_terminal_the_line_takes_the_printers_place(
    logger: logging.Logger, terminal: Terminal
) -> None:
    line = show_progress(logger, {}, {"tile_slide": 3})
    assert logger.handlers == [line]
    assert line is not None
    line.close()
    assert terminal.screen() == [""]
