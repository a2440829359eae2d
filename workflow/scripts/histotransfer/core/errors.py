"""Errors that a user can act on: each names the file, the cause and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .exclusions import Reason

MAX_CAUSE_LENGTH = 850
"""A longer cause, such as a library's, is shortened in the middle."""


def one_line(text: str) -> str:
    """Put a message of any length and any number of lines on one line that can be read."""
    text = " ".join(text.split())
    return text if len(text) <= MAX_CAUSE_LENGTH else f"{text[:400]} … {text[-400:]}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """List names, at most so many of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


class HistotransferError(Exception):
    """An error in the user's data, config or machine.

    Parameters
    ----------
    subject : str or Path
        The file, sheet row or config key that is wrong.
    cause : str
        What is wrong with it.
    remedy : str
        What the user can do about it.
    """

    def __init__(self, subject: str | Path, cause: str, remedy: str) -> None:
        self.subject = str(subject)
        self.cause = one_line(cause)
        self.remedy = remedy
        super().__init__(f"{subject}: {self.cause}. {remedy}.")


class SlideError(HistotransferError):
    """A slide that cannot be used: it is excluded by name, and the study goes on without it.

    Parameters
    ----------
    path : str or Path
        The slide.
    reason : Reason
        Why it cannot be used; recorded in the slide's files.
    """

    def __init__(self, path: str | Path, reason: Reason) -> None:
        self.reason = Reason(reason.code, one_line(reason.detail), reason.remedy)
        super().__init__(path, self.reason.cause, reason.remedy)
