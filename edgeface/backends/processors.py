"""How many processors this process may use."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

CONTROL_GROUPS = Path("/sys/fs/cgroup")


def usable_processors() -> float:
    """The number of processors that affinity and a container's limit leave of the machine's."""
    cores = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return min(allowed, _container_limit() or allowed)


def threads_within_limits() -> int:
    """The number of threads for an engine: 0, its own choice, if all processors may be used.

    Engines count the machine's processors. In a container that may use fewer, their threads would
    be stopped in turn, each while the others wait for it.
    """
    usable = usable_processors()
    return 0 if usable >= (os.cpu_count() or 1) else max(1, int(usable))


def _container_limit() -> float:
    """How many processors a container's limit is worth; 0 if there is none."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with contextlib.suppress(OSError, ValueError):  # absent, or without a limit
            words = " ".join((CONTROL_GROUPS / name).read_text("utf-8") for name in names).split()
            quota, period = (float(word) for word in words)
            return max(0.0, quota / period)
    return 0.0
