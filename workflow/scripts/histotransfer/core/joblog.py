"""The log of a job; an error that the user can mend is one line in it and on the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import HistotransferError


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Log the block to `path`; end the process with one line at a `HistotransferError`.

    Parameters
    ----------
    path : str or Path
        The job's log file; its folder is made if needed.

    Raises
    ------
    SystemExit
        With status 1, in place of a `HistotransferError` or MemoryError: the user is told what to
        do, not where in our code it was noticed.
    """
    logging.raiseExceptions = False  # a full disk is told of by what the job is about, not the log
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    except OSError as error:
        print(f"{path}: no log can be written ({error.strerror})", file=sys.stderr)
        handler = logging.NullHandler()
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[handler],
        force=True,
    )
    logging.captureWarnings(True)
    try:
        yield
    except HistotransferError as error:
        logging.getLogger(__name__).error("error: %s", error)
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except MemoryError as error:
        logging.getLogger(__name__).exception("out of memory")
        print(f"error: this job needs more memory than there is ({error})", file=sys.stderr)
        raise SystemExit(1) from None
    except Exception:
        logging.getLogger(__name__).exception("unexpected error")
        raise
