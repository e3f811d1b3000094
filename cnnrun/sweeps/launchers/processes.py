"""The launcher that -m uses: each job in a process of its own, forked from one that has imported what jobs need."""

import multiprocessing
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Annotated, Any, Literal

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from cnnrun import console
from cnnrun.config import compose
from cnnrun.config.schema import check_value
from cnnrun.errors import Interrupted
from cnnrun.run import CONSOLE
from cnnrun.signals import NOTED
from cnnrun.sweeps.jobs import Ended, Job
from cnnrun.sweeps.launchers import sharing
from cnnrun.sweeps.launchers.worker import GRACE, Assignment, kill_group, work
from cnnrun.sweeps.running import Runner, SweepLauncher

PARTS = ("data", "models", "tasks", "metrics", "training", "experiment", "report", "config")
"""Packages of ours that jobs import from when they know what they need."""
FIGURES = "plots"
"""The one that jobs with figures import from; with matplotlib, it takes as long as all others."""
LATE = {
    ("dataset", "digits"): "sklearn.datasets",
    ("dataset", "torchvision"): "torchvision",
    ("model", "backbone"): "torchvision.models",
}
"""What a part of that name imports when it is used."""
REPORTING = "cnnrun.sweeps.search.reporting"
"""What a trial of a search imports after its first epoch."""
Jobs = Literal["auto"] | PositiveInt
Gpus = Annotated[list[NonNegativeInt], Field(min_length=1)] | None
WORDS = {
    "SIGKILL": "killed by SIGKILL (most often: out of memory)",
    "SIGSEGV": "killed by SIGSEGV (a segmentation fault)",
}
LOST = 255
"""What the standard library takes for the exit code of a process whose fork server is gone."""


class ProcessLauncher(SweepLauncher):
    """Several jobs at a time on this machine. A job that dies dies alone."""

    def __init__(self, jobs: Any, gpus: Any, timeout_min: Any) -> None:
        self._jobs = jobs
        self._gpus: Any = OmegaConf.to_container(gpus) if isinstance(gpus, ListConfig) else gpus
        self._timeout_min = timeout_min

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Raises: ConfigError: if a setting of the launcher is wrong."""
        check_value("hydra.launcher.jobs", Jobs, self._jobs)
        check_value("hydra.launcher.gpus", Gpus, self._gpus)
        check_value("hydra.launcher.timeout_min", PositiveFloat | None, self._timeout_min)
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        if not self.folder.exists():  # a new sweep has something to do, and can check its jobs meanwhile
            searches = config.hydra.runtime.choices.get("hydra/sweeper") == "optuna"
            _warm_up(self.task.function, compose.plain(config), [REPORTING] if searches else [])

    def runner(self, number_of_jobs: int) -> Runner:
        task = self.task
        return ProcessRunner(
            task.command, task.function, number_of_jobs, self._jobs, self._gpus, timeout_min=self._timeout_min
        )


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
    """Starts each job in a process. Nothing is forked before the first one starts."""

    def __init__(
        self,
        command: str,
        function: str,
        number_of_jobs: int,
        jobs: Literal["auto"] | int,
        gpus: Sequence[int] | None,
        *,
        timeout_min: float | None,
    ) -> None:
        self._command = command
        self._function = function
        self._number = number_of_jobs
        self._jobs = jobs
        self._gpus = gpus
        self._timeout_min = timeout_min
        self._places: list[str | None] | None = None
        """Those that are free; None before the first job."""
        self._context: Any = None
        self._threads = 1
        self._running: list[_Running] = []

    def free(self) -> int:
        return 1 if self._places is None else len(self._places)

    def start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if self._places is None:
                more = [REPORTING] if job.invocation.watch else []
                self._context = _context(self._function, job.config, more)
                self._places = self._divide(job)
            place = self._places.pop(0)
            process = self._context.Process(target=work, args=(self._assignment(job, place),))
            with _undisturbed():
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

    def _divide(self, job: Job) -> list[str | None]:
        """Part the machine as the jobs' device needs it: the GPUs among them, or its cores."""
        free = job.config.get("device") in ("auto", "cuda")
        seen = _count_devices(self._context) if free else 0
        if self._gpus and free and not seen:
            console.warn(
                f"hydra.launcher.gpus={self._gpus}: no GPU is seen here; the jobs run on the processor's cores"
            )
        found = len(self._gpus) if self._gpus else seen
        devices = sharing.visible_devices(self._gpus, found) if free and not _is_apple() else []
        jobs = sharing.jobs_at_a_time(self._number, found) if self._jobs == "auto" else min(self._jobs, self._number)
        self._threads = sharing.threads_of_a_job(jobs)
        return list(islice(cycle(devices or [None]), jobs))

    def _assignment(self, job: Job, place: str | None) -> Assignment:
        threads = self._threads if job.config.get("threads") is None else None
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
        assert self._places is not None
        self._places.append(running.place)
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


def _context(function: str, config: dict[str, Any], more: Sequence[str]) -> Any:
    """Fork from a process that has imported what jobs need, and has computed nothing; spawn where that is not safe."""
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_to_import(function, config), *more])
    return context


def _warm_up(function: str, config: dict[str, Any], more: Sequence[str]) -> None:
    """Let it import, where there is such a process."""
    if _context(function, config, more).get_start_method() == "forkserver":
        from multiprocessing import forkserver

        with _undisturbed():
            forkserver.ensure_running()


def _to_import(function: str, config: dict[str, Any]) -> list[str]:
    module = function.partition(":")[0]
    if not module.startswith("cnnrun."):
        return [work.__module__, module]
    import cnnrun

    parts = [*PARTS, FIGURES] if config.get("figures") else PARTS
    names = [(group, node.get("name")) for group, node in config.items() if isinstance(node, dict)]
    ours = [
        found.name
        for part in parts
        for found in pkgutil.iter_modules([f"{cnnrun.__path__[0]}/{part}"], f"cnnrun.{part}.")
    ]
    return ["torch", work.__module__, module, *ours, *(LATE[name] for name in names if name in LATE)]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Around what may start the fork server: signals are for its parent, and no file beside the user is a module.

    It inherits what is blocked; a job takes that back. The standard library's resource tracker is started before, as
    its start lets signals through again.
    """
    resource_tracker.ensure_running()
    safe_path = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, NOTED) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if safe_path is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = safe_path


def _is_apple() -> bool:
    return sys.platform == "darwin"


def _count_devices(context: Any) -> int:
    """GPUs that torch sees, asked for in a child: the parent never touches one."""
    if sys.platform.startswith("linux") and not any(map(os.path.exists, sharing.DRIVERS)):
        return 0
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_count, args=(sender,))
    with _undisturbed():
        process.start()
    sender.close()
    try:
        return int(receiver.recv())
    except EOFError:
        return 0
    finally:
        process.join()


def _send_count(sender: Any) -> None:
    import torch

    sender.send(torch.cuda.device_count() or int(torch.backends.mps.is_available()))
