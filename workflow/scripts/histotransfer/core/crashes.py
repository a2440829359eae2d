"""Crash isolation: a library that crashes takes a process of its own with it, not the job's.

OpenSlide and the decoders are written in C. A slide that is damaged in the right place makes them
end the whole process by a signal, which no ``except`` sees; so slides are read in a forked process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from multiprocessing.connection import Connection
from typing import ParamSpec

from .errors import HistotransferError

CRASHES = frozenset({"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP"})
"""How a fault in a library ends a process; other signals come from a person or the kernel."""

P = ParamSpec("P")
_FORK = multiprocessing.get_context("fork")


def isolated(read: Callable[P, None]) -> Callable[P, None]:
    """Decorate a function to run in a process of its own (`inspect.unwrap` gives the bare one).

    If that process crashes, the function is called again with the signal as its argument `crash`.
    """
    bare: Callable[..., None] = read

    @wraps(read)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        if crash := crash_of(partial(bare, *args, **kwargs)):
            bare(*args, **kwargs, crash=crash)

    return run


def crash_of(read: Callable[[], None]) -> str:
    """Run a function in a process of its own; return the signal if it crashed, "" if it returned.

    What it writes to files stays; whatever else it changes is lost with its process.

    Raises
    ------
    HistotransferError, MemoryError
        As the function does; MemoryError also where the process is killed outright.
    RuntimeError
        If the function raises anything else, with its traceback as text; if another signal ends it.
    """
    receiver, sender = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_run, args=(read, sender), daemon=True)
    child.start()
    sender.close()
    error = None
    with receiver, suppress(EOFError, OSError):  # the pipe of a process that crashed ends early
        error = receiver.recv()
    child.join()
    if status := child.exitcode or 0:
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        if name in CRASHES:
            return name
        # SIGKILL comes nearly always from whatever limits the memory.
        kind = MemoryError if name == "SIGKILL" else RuntimeError
        raise kind(f"the process that reads was ended by {name}")
    if error:
        raise error[0](*error[1])
    return ""


def _run(read: Callable[[], None], sender: Connection) -> None:
    """Run the function and send what it raised, or None."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    error: tuple[type[Exception], tuple[str, ...]] | None = None
    try:
        read()
    except HistotransferError as raised:
        error = HistotransferError, (raised.subject, raised.cause, raised.remedy)
    except MemoryError as raised:
        error = MemoryError, (str(raised),)
    except BaseException:
        error = RuntimeError, (traceback.format_exc(),)
    sender.send(error)


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()  # returns when the parent has ended, by whatever signal
    os._exit(1)
