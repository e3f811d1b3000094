"""How many jobs a machine takes at a time, and what of it each gets."""

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

MEMORY_OF_A_JOB = 1 << 30
"""Bytes. A job on digits adds 0.05 GB to what the fork server shares with it; one with more images needs more."""
DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""One is there where Linux has a GPU that torch can use."""
QUOTA = Path("/sys/fs/cgroup/cpu.max")
MEMORY = Path("/proc/meminfo")
MEMORY_LIMIT, MEMORY_USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
MEMORY_KINDS = Path("/sys/fs/cgroup/memory.stat")


def cores() -> int:
    """Cores that this process may use, by its affinity and the quota of its container."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = QUOTA.read_text().split()
        count = min(count, math.ceil(int(quota) / int(period)))
    return max(count, 1)


def free_memory() -> float:
    """Bytes that are free, for this container; infinite where that is not known."""
    free = math.inf
    with suppress(OSError, ValueError, StopIteration):
        lines = MEMORY.read_text().splitlines()
        free = 1024 * float(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    with suppress(OSError, ValueError):
        left = int(MEMORY_LIMIT.read_text()) - int(MEMORY_USED.read_text())
        kinds = dict(line.split() for line in MEMORY_KINDS.read_text().splitlines())
        free = min(free, left + int(kinds.get("inactive_file", 0)))  # files that were read, and can be forgotten
    return free


def jobs_at_a_time(number: int, devices: int) -> int:
    """One a device; without devices one a core, as long as the memory is enough. At most so many as there are.

    Two jobs of one thread do more than one job of two: see tests/benchmarks/sweeps.py.
    """
    most = devices or min(cores(), free_memory() // MEMORY_OF_A_JOB)
    return int(max(min(most, number), 1))


def threads_of_a_job(jobs: int) -> int:
    """An equal share of the cores, or less where OMP_NUM_THREADS says so."""
    share = max(cores() // jobs, 1)
    with suppress(ValueError):
        share = min(share, max(int(os.environ.get("OMP_NUM_THREADS", share)), 1))
    return share


def visible_devices(asked: Sequence[int] | None, found: int) -> list[str]:
    """What CUDA_VISIBLE_DEVICES is for one job each: a GPU of those asked for, else of those that this process sees."""
    if asked is not None:
        return list(map(str, asked))
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[:found] if named else list(map(str, range(found)))
