"""What has become of jobs that submitit started: from the file that it writes in the end, else from the scheduler."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from cnnrun.errors import ConfigError

Task = Any
"""A submitit.Job."""
SECONDS_BETWEEN_CALLS = 10.0
"""Of squeue; a scheduler serves many."""
LATE = 15.0
"""Seconds until a file of another machine is seen, and until a job that is put into the queue again is in it."""
OVER = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
"""States of SLURM, https://slurm.schedmd.com/squeue.html; in all others a job runs, or will."""


class Queue(Protocol):
    """A scheduler that submitit knows."""

    cluster: str
    """submitit's name of it."""
    signals_all: bool
    """Whether it sends a signal to all processes of a job, and kills what it told to end."""

    def known(self, folder: Path, number: str) -> Task | None:
        """A job of an earlier command, if it runs or waits still."""

    def gone(self, tasks: Sequence[Task], *, waits: bool = True) -> dict[str, str]:
        """Those that have ended, by number, with the reason where their own folder cannot say it.

        Args:
            waits: whether to give a late file time to come.
        """

    def tell(self, tasks: Sequence[Task]) -> None:
        """Tell jobs to save their state and end; those that wait leave the queue."""

    def kill(self, tasks: Sequence[Task]) -> None:
        """End those that are left."""


class LocalQueue:
    """Processes of this machine, under a controller each, which goes on when this process is killed."""

    cluster = "local"
    signals_all = False

    def known(self, folder: Path, number: str) -> Task | None:
        return None

    def gone(self, tasks: Sequence[Task], *, waits: bool = True) -> dict[str, str]:
        return {task.job_id: _result(task) or "" for task in tasks if task.done()}

    def tell(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            with suppress(ProcessLookupError):
                os.kill(int(task.job_id), signal.SIGTERM)  # cancel() would kill after one second

    def kill(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            task.cancel()


class SlurmQueue:
    """Jobs of this user in SLURM. It is asked with squeue: sacct needs a database that small clusters do not have."""

    cluster = "slurm"
    signals_all = True

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._asked = -SECONDS_BETWEEN_CALLS
        self._missed: dict[str, float] = {}
        """When a job was first not seen to run, although it has left no result."""

    def known(self, folder: Path, number: str) -> Task | None:
        import submitit

        self._look()
        if self._is_over(number):
            return None
        return submitit.SlurmJob(folder, number)

    def gone(self, tasks: Sequence[Task], *, waits: bool = True) -> dict[str, str]:
        now = time.monotonic()
        if not waits or now - self._asked > SECONDS_BETWEEN_CALLS:
            self._look()
        found = {}
        for task in tasks:
            if (result := _result(task)) is not None:
                found[task.job_id] = result
            elif not self._is_over(task.job_id):
                self._missed.pop(task.job_id, None)
            elif not waits or now - self._missed.setdefault(task.job_id, now) > LATE:
                state = self._states.get(task.job_id, "").replace("_", " ").lower()
                found[task.job_id] = f"ended by SLURM: {state or 'it is not in the queue any more'}"
        return found

    def tell(self, tasks: Sequence[Task]) -> None:
        """By Ctrl-C, on which they end at once; after a termination they wait for SLURM to put them back."""
        _cancel(tasks, "--state=PENDING")
        _cancel(tasks, "--signal=INT")

    def kill(self, tasks: Sequence[Task]) -> None:
        _cancel(tasks)

    def _look(self) -> None:
        """Where squeue fails, as under load, what was known before still holds."""
        self._asked = time.monotonic()
        said = _call("squeue", "--me", "--array", "--noheader", "--states=all", "--format=%i %T")
        if said is not None:
            self._states = dict(line.split(maxsplit=1) for line in said.splitlines() if " " in line.strip())

    def _is_over(self, number: str) -> bool:
        return self._states.get(number, "COMPLETED").strip() in OVER


def _result(task: Task) -> str | None:
    """What a job gave back, or what it raised; None while there is nothing."""
    from submitit.core.utils import FailedJobError

    if not task.paths.result_pickle.exists():
        return None
    try:
        return str(task.result())
    except FailedJobError as error:
        lines = [line for line in str(error).partition("You can check")[0].splitlines() if line.strip(" -")]
        return lines[-1] if lines else "its worker failed"


def _cancel(tasks: Sequence[Task], *how: str) -> None:
    """Without a number scancel would take all jobs of the user."""
    if tasks:
        _call("scancel", *how, *(task.job_id for task in tasks))


def _call(program: str, *words: str) -> str | None:
    """What a command of SLURM prints; None if it fails.

    Raises:
        ConfigError: if it is not there.
    """
    try:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError as error:
        raise ConfigError(f"hydra/launcher=submitit_slurm: no {program} on this machine") from error
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
