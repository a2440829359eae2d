"""What a library that crashes takes with it: a process of its own, and not the study's job.

OpenSlide and the decoders are C. Of a slide that is damaged in the right place, they end the whole
process by a signal, which no ``except`` sees; so a slide is read in a forked process.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import traceback
from collections.abc import Callable
from typing import NoReturn

from .errors import HistotransferError

CRASHES = frozenset({"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP"})
"""How faults of a library end a process; other signals are somebody's wish, or the want of
memory."""


def crash_of(read: Callable[[], None]) -> str:
    """Run a function in a process of its own, and tell whether that crashed.

    Parameters
    ----------
    read : callable
        What it writes to files stays; whatever else it changes is gone with its process.

    Returns
    -------
    str
        The signal of the crash, such as ``SIGSEGV``, or "" if the function returned.

    Raises
    ------
    HistotransferError, MemoryError
        As the function does; MemoryError also where the process is killed outright.
    RuntimeError
        If the function raises anything else, with its traceback as text; if another signal ends it.
    """
    told, tell = os.pipe()
    parent_gone, parent_lives = os.pipe()
    child = os.fork()
    if not child:
        os.close(told)
        os.close(parent_lives)
        threading.Thread(target=_end_with_parent, args=(parent_gone,), daemon=True).start()
        _run(read, tell)
    os.close(tell)
    os.close(parent_gone)
    with os.fdopen(told, "rb") as pipe:
        error = pipe.read()
    _, status = os.waitpid(child, 0)
    os.close(parent_lives)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        if name in CRASHES:
            return name
        if name == "SIGKILL":  # nearly always by what watches over the memory
            raise MemoryError(f"its process was ended by {name}")
        raise RuntimeError(f"the process that reads was ended by {name}")
    if error:
        _raise(**json.loads(error))
    return ""


def _run(read: Callable[[], None], tell: int) -> NoReturn:
    """Run the function, pass its error on, and end the process without the parent's clean-up."""
    error: dict[str, str | list[str]] = {}
    try:
        read()
    except HistotransferError as raised:
        error = {"kind": "ours", "texts": [raised.subject, raised.cause, raised.remedy]}
    except MemoryError as raised:
        error = {"kind": "memory", "texts": [str(raised)]}
    except BaseException:
        error = {"kind": "other", "texts": [traceback.format_exc()]}
    if error:
        with os.fdopen(tell, "w", encoding="utf-8") as pipe:
            json.dump(error, pipe)
    os._exit(0)


def _raise(kind: str, texts: list[str]) -> NoReturn:
    if kind == "ours":
        raise HistotransferError(*texts)
    if kind == "memory":
        raise MemoryError(*texts)
    raise RuntimeError(*texts)


def _end_with_parent(parent_gone: int) -> NoReturn:
    os.read(parent_gone, 1)  # returns when the parent's end is closed, by whatever ended it
    os._exit(1)
