"""The launcher that runs one job after the other in this process: for a debugger, and where nothing else can run."""

import traceback
from collections.abc import Sequence

from cnnrun.config.callables import load
from cnnrun.errors import CnnrunError, Interrupted
from cnnrun.signals import Signals
from cnnrun.sweeps.folders import to_run
from cnnrun.sweeps.jobs import Ended, Job
from cnnrun.sweeps.running import Runner, SweepLauncher


class SerialLauncher(SweepLauncher):
    """One job after the other in this process."""

    live = False

    def runner(self, number_of_jobs: int) -> Runner:
        return SerialRunner(self.task.function)


class SerialRunner:
    """Runs a job when it is asked what has ended."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._waiting: list[Job] = []
        self._stopped: Interrupted | None = None

    def free(self) -> int:
        """Raises: Interrupted: if a signal came that the last job's code kept."""
        if self._stopped:
            raise self._stopped
        return 1 - len(self._waiting)

    def start(self, jobs: Sequence[Job]) -> None:
        self._waiting += jobs

    def ended(self, seconds: float) -> list[Ended]:
        job = self._waiting.pop()
        with Signals() as signals:
            signals.interrupt_at_once()
            reason = self._run(job)
        self._stopped = signals.interrupted() if signals() else None
        return [Ended(job, reason)]

    def stop(self, signum: int) -> None:
        """What ran has been stopped by the same signal."""

    def close(self) -> None:
        """Nothing is held."""

    def _run(self, job: Job) -> str:
        """Run one job; the error that ended it, or nothing."""
        try:
            if config := to_run(job.folder, job.config):
                load(self._function)(config, job.invocation)
        except (Interrupted, BrokenPipeError):
            raise
        except CnnrunError as error:
            return str(error)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            return f"{type(error).__name__}: {error}"
        return ""
