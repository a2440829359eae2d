"""The memory of this machine, as far as its jobs may use it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

SHARE = 0.9
"""Of the memory; the rest is for everything else that runs."""
CGROUP = Path("/sys/fs/cgroup/memory.max")


def memory_mb(cgroup: Path = CGROUP) -> int | None:
    """Return the MB that jobs may use together; None where the system does not say.

    A container's or a batch job's own limit counts where it is lower.
    """
    limits = []
    with suppress(ValueError, OSError, AttributeError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6)
    with suppress(ValueError, OSError):  # it says "max", or there is none
        limits.append(int(cgroup.read_text()) / 1e6)
    if (granted := os.environ.get("SLURM_MEM_PER_NODE", "")).isdigit():
        limits.append(float(granted))
    return round(SHARE * min(limits)) if limits else None
