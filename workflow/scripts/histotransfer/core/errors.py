"""Errors that a user can act on: each names the file, the cause and the remedy."""

from __future__ import annotations

from pathlib import Path


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
        cause = " ".join(cause.split())  # what a library says may have many lines
        if len(cause) > 850:
            cause = f"{cause[:400]} … {cause[-400:]}"
        super().__init__(f"{subject}: {cause}. {remedy}.")
        self.subject = str(subject)
        self.cause = cause
        self.remedy = remedy


class SlideError(HistotransferError):
    """A slide that cannot be used: it is excluded by name, and the study goes on without it."""
