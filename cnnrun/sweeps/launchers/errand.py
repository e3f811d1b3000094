"""A job on a machine of a cluster: where it starts from, and the process of its own that it gets there.

The scheduler's worker only waits. So a job that dies does not take the worker with it, and its end is known by name.
"""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cnnrun.signals import Signals
from cnnrun.sweeps.jobs import Job
from cnnrun.sweeps.launchers import sharing
from cnnrun.sweeps.launchers.process_runner import Machine, ProcessRunner
from cnnrun.sweeps.running import SECONDS_BETWEEN_LOOKS

OURS = "CNNRUN_"
"""How the variables begin that a job is to find where it runs, too."""


@dataclass(frozen=True)
class Errand:
    """A job and what it needs of the place that sent it; plain, so that it can be pickled."""

    job: Job
    command: str
    function: str
    timeout_min: float | None
    """Told by the worker; None where the scheduler has a limit of its own."""
    directory: Path
    search_path: list[str]
    environment: dict[str, str]

    @classmethod
    def of(
        cls,
        job: Job,
        command: str,
        function: str,
        *,
        timeout_min: float | None,
        threads: int | None,
        **environment: str,
    ) -> Self:
        """From this process to a machine that has the same folders.

        Args:
            threads: of the job, where it does not say so itself; None: all cores that it is given.
            environment: variables to set there, beside ours.
        """
        ours = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
        shared = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
        path = [str(Path(entry).absolute()) for entry in sys.path if entry]
        return cls(job, command, function, timeout_min, Path.cwd(), path, {**ours, **shared, **environment})


def run(errand: Errand, look: Callable[[ProcessRunner, Signals], None] | None = None) -> str:
    """Do the job in a process of its own; why it ended, where its folder cannot say it.

    Args:
        look: is called between two looks at the job, and may raise.
    Raises:
        Interrupted: if a signal came; the job has saved its state.
    """
    sweep = errand.directory / errand.job.folder.parent
    if not sweep.is_dir():
        return f"{sweep} is not on {socket.gethostname()}: start the sweep in a folder that all machines share"
    _be_where_it_was_sent(errand)
    runner = ProcessRunner(errand.command, errand.function, _whole_machine, timeout_min=errand.timeout_min)
    with Signals() as signals, closing(runner):
        runner.start([errand.job])
        while not (ended := runner.ended(SECONDS_BETWEEN_LOOKS)):
            if look:
                look(runner, signals)
            elif signals():
                runner.stop(signals.number)
                raise signals.interrupted()
    return ended[0].reason


def _whole_machine(_: Job) -> Machine:
    """All that the scheduler gives is for the one job, whose start a fork server would only delay."""
    return Machine(multiprocessing.get_context("spawn"), [None], sharing.threads_of_a_job(1))


def _be_where_it_was_sent(errand: Errand) -> None:
    os.chdir(errand.directory)
    os.environ.update(errand.environment)
    sys.path += [entry for entry in errand.search_path if entry not in sys.path]
