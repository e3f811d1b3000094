"""What submitit runs for a job: it lets the job save its state when the scheduler wants the machine back.

submitit is told by a signal before a time limit, or when the job is preempted. It puts the job into the queue again as
long as hydra.launcher.max_num_timeout allows it; the job then goes on from its checkpoint.
"""

import os
import signal
import subprocess
import time
from typing import Any

from cnnrun.signals import Signals
from cnnrun.sweeps.launchers.errand import Errand, run
from cnnrun.sweeps.launchers.process_runner import ProcessRunner
from cnnrun.sweeps.launchers.worker import GRACE

HEARD_BY_ALL = 5.0
"""Seconds for a job that SLURM has told the same as its worker; told twice it would not save."""


class Requeued:
    """Can be called and pickled; that it has `checkpoint` lets submitit put it into the queue again."""

    def __init__(self, *, timeout_min: int, signals_all: bool) -> None:
        """Args: signals_all: whether the scheduler tells all processes of a job, and kills what it told to end."""
        self._timeout_min = timeout_min
        self._signals_all = signals_all

    def checkpoint(self, errand: Errand) -> Any:
        """What to do the next time: the same; the job's folder knows how far it is."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, errand)

    def __call__(self, errand: Errand) -> str:
        """Do the job; why it ended, where its folder cannot say it.

        Raises:
            SystemExit: it is in the queue again.
            Interrupted: if a signal came; the job has saved its state.
        """
        number = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
        requeue: Any = signal.signal(number, signal.SIG_IGN)  # so does the job, which would die of it otherwise
        noted: list[int] = []

        def look(runner: ProcessRunner, signals: Signals) -> None:
            signal.signal(number, lambda signum, _: noted.append(signum))
            if noted:
                raise _Wanted
            if signals():
                self._save(runner, signals.number)
                if self._signals_all and signals.number == signal.SIGTERM and _is_wanted(noted):
                    raise _Wanted
                raise signals.interrupted()

        try:
            return run(errand, look)
        except _Wanted:
            return self._go_on_later(requeue, number)

    def _save(self, runner: ProcessRunner, signum: int) -> None:
        if not (self._signals_all and runner.ended(HEARD_BY_ALL)):
            runner.stop(signum)

    def _go_on_later(self, requeue: Any, number: int) -> str:
        """Raises: SystemExit: if that works; else the reason is returned."""
        from submitit.core.utils import UncompletedJobError

        try:
            requeue(number, None)
        except UncompletedJobError:
            return f"stopped after hydra.launcher.timeout_min={self._timeout_min}"
        except subprocess.SubprocessError as error:
            return f"could not be put into the queue again: {error}"
        return ""


class _Wanted(Exception):
    """The scheduler wants the machine back."""


def _is_wanted(noted: list[int]) -> bool:
    """Whether the other signal comes, too, before the scheduler kills this process; without, it requeues the job."""
    until = time.monotonic() + 2 * GRACE
    while not noted and time.monotonic() < until:
        time.sleep(1.0)
    return bool(noted)
