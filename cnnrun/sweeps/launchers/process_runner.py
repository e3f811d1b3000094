"""Run jobs in processes of this machine, and see how each ends."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from cnnrun.errors import Interrupted
from cnnrun.run import CONSOLE
from cnnrun.sweeps.jobs import Ended, Job
from cnnrun.sweeps.launchers.forking import undisturbed
from cnnrun.sweeps.launchers.worker import GRACE, Assignment, kill_group, work

WORDS = {
    "SIGKILL": "killed by SIGKILL (most often: out of memory)",
    "SIGSEGV": "killed by SIGSEGV (a segmentation fault)",
}
LOST = 255
"""What the standard library takes for the exit code of a process whose fork server is gone."""


@dataclass
class Machine:
    """What jobs get of one."""

    context: Any
    """Of multiprocessing: how their processes start."""
    places: list[str | None]
    """Those that are free: a GPU each, as CUDA_VISIBLE_DEVICES takes it, or a share of the cores."""
    threads: int
    """For each job."""


@dataclass
class _Running:
    job: Job
    process: Any
    place: str | None
    """What it has of the machine: a GPU, or a share of the cores."""
    deadline: float
    kill_at: float | None = None
    """Set once it was told to end."""


class ProcessRunner:
    """Starts each job in a process."""

    def __init__(
        self, command: str, function: str, part: Callable[[Job], Machine], *, timeout_min: float | None
    ) -> None:
        """Args: part: is asked once, for the first job that starts: nothing is forked before."""
        self._command = command
        self._function = function
        self._part = part
        self._timeout_min = timeout_min
        self._machine: Machine | None = None
        self._running: list[_Running] = []

    def free(self) -> int:
        return len(self._machine.places) if self._machine else 1

    def start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._machine = self._machine or self._part(job)
            place = self._machine.places.pop(0)
            process = self._machine.context.Process(target=work, args=(self._assignment(job, place),))
            with undisturbed():
                process.start()
            deadline = time.monotonic() + 60 * (self._timeout_min or float("inf"))
            self._running.append(_Running(job, process, place, deadline))

    def ended(self, seconds: float) -> list[Ended]:
        self._wait(seconds)
        now = time.monotonic()
        for running in self._running:
            if now >= running.deadline and running.kill_at is None:
                running.kill_at = now + GRACE
                _tell(running, signal.SIGTERM)
            elif running.kill_at is not None and now >= running.kill_at:
                _kill(running)
        gone = [running for running in self._running if not running.process.is_alive()]
        return [self._take_away(running) for running in gone]

    def stop(self, signum: int) -> None:
        """A second signal, which interrupts the waiting, kills them at once."""
        for running in self._running:
            _tell(running, signum)
        until = time.monotonic() + GRACE
        try:
            while self._running and time.monotonic() < until:
                self._wait(1.0)
                self._clear()
        except (Interrupted, KeyboardInterrupt):
            pass
        for running in self._running:
            _kill(running)
        while self._running:
            self._wait(1.0)
            self._clear()

    def close(self) -> None:
        if self._running:
            self.stop(signal.SIGTERM)

    def _assignment(self, job: Job, place: str | None) -> Assignment:
        assert self._machine
        threads = self._machine.threads if job.config.get("threads") is None else None
        safe_path = os.environ.get("PYTHONSAFEPATH", "")
        environment = {**os.environ, "PYTHONSAFEPATH": safe_path}
        if place is not None and job.config.get("device") in ("auto", "cuda"):
            environment["CUDA_VISIBLE_DEVICES"] = place
        return Assignment(
            self._command, self._function, job.config, job.invocation, job.folder / CONSOLE, threads, environment
        )

    def _wait(self, seconds: float) -> None:
        wait([running.process.sentinel for running in self._running], seconds)

    def _clear(self) -> None:
        for running in [running for running in self._running if not running.process.is_alive()]:
            self._take_away(running)

    def _take_away(self, running: _Running) -> Ended:
        """Clear up after a process that is gone; what it started goes with it."""
        kill_group(running.process.pid)
        self._running.remove(running)
        assert self._machine
        self._machine.places.append(running.place)
        reason = _reason(running.process.exitcode)
        if running.kill_at is not None:
            reason = f"stopped after hydra.launcher.timeout_min={self._timeout_min:g}"
        running.process.close()
        return Ended(running.job, reason)


def _reason(code: int) -> str:
    """Why a process ended that could not say so itself; nothing if it could."""
    if code < 0:
        name = next((signum.name for signum in signal.Signals if signum == -code), f"signal {-code}")
        return WORDS.get(name, f"killed by {name}")
    return "killed, as the process that it was forked from is gone" if code == LOST else ""


def _tell(running: _Running, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(running.process.pid, signum)


def _kill(running: _Running) -> None:
    kill_group(running.process.pid)
    running.process.kill()
