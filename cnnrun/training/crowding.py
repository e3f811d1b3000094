"""Whether other programs want the cores that this one is about to take."""

import os
import time
from contextlib import suppress
from pathlib import Path

import torch

LOAD = Path("/proc/loadavg")
LOOKS, SECONDS = 5, 0.005
"""How often it is looked, and how long is waited between two looks."""


def crowding(device: torch.device, asked: int | None) -> str | None:
    """What to tell somebody whose threads will wait for a core; None if there are enough, or if that is not known.

    An operation ends with its slowest thread. One that waits while another program has its core keeps all others
    waiting, hundreds of times a step: with two programs on the two cores the CNN for digits trained at 19 images/s
    on two threads, at 1,556 on one.

    Args:
        asked: threads that the user asked for, who is not contradicted.
    """
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    if device.type != "cpu" or asked is not None or threads == 1 or "OMP_NUM_THREADS" in os.environ:
        return None
    others = _others_that_run()
    if others is None or threads + others < cores + 0.5:
        return None
    fewer = max(1, min(threads - 1, cores - round(others)))
    busy = min(round(others), cores)
    return (
        f"other programs keep {busy} of {cores} cores busy; threads that wait for a core make a run many times slower: "
        f"threads={fewer} may be much faster"
    )


def _others_that_run() -> float | None:
    """Threads of other programs that run or wait for a core, on average over a moment; None where nothing tells."""
    counts = []
    with suppress(OSError, ValueError, IndexError):
        for _ in range(LOOKS):
            counts.append(int(LOAD.read_text().split()[3].partition("/")[0]) - 1)  # this one reads
            time.sleep(SECONDS)
    return sum(counts) / len(counts) if len(counts) == LOOKS else None
