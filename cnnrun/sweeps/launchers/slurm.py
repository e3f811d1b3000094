"""The launchers that go through submitit: to a SLURM cluster, or to processes of this machine in the same way.

The settings are those of Hydra's plugin hydra-submitit-launcher. The launcher in it asks for one result after the
other and raises at the first job that died, so that nothing is told of the rest (tried: 1.2.0, with a job that kills
itself). Here a job's result is what it leaves in its folder; submitit starts jobs, queue.py tells which have ended.
"""

import json
import logging
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from cnnrun.config.schema import check_fields
from cnnrun.errors import ConfigError, Interrupted
from cnnrun.files import write_bytes
from cnnrun.sweeps.jobs import Ended, Job, Outcome
from cnnrun.sweeps.launchers.errand import Errand
from cnnrun.sweeps.launchers.queue import LocalQueue, Queue, SlurmQueue
from cnnrun.sweeps.launchers.requeued import Requeued
from cnnrun.sweeps.launchers.worker import GRACE
from cnnrun.sweeps.running import Runner, Source, SweepLauncher

PREFIX = "hydra.launcher."
SUBMITTED = "submitted.json"
"""Beside submitit's folders: the scheduler's number of each job, for a command that takes up where one was killed."""


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """What hydra/launcher=submitit_local takes; the defaults stand in its YAML."""

    submitit_folder: str
    timeout_min: PositiveInt
    cpus_per_task: PositiveInt | None
    gpus_per_node: NonNegativeInt | None
    signal_delay_s: NonNegativeInt
    max_num_timeout: NonNegativeInt
    array_parallelism: PositiveInt


@dataclass(frozen=True, kw_only=True)
class SlurmSettings(LocalSettings):
    """What hydra/launcher=submitit_slurm takes."""

    mem_gb: PositiveFloat | None
    name: str
    partition: str | None
    account: str | None
    qos: str | None
    comment: str | None
    constraint: str | None
    exclude: str | None
    gres: str | None
    cpus_per_gpu: PositiveInt | None
    gpus_per_task: PositiveInt | None
    mem_per_gpu: str | None
    mem_per_cpu: str | None
    setup: list[str] | None
    additional_parameters: dict[str, Any]


OF_ALL = ("timeout_min", "cpus_per_task", "gpus_per_node", "mem_gb", "name")
"""Settings that submitit calls the same for every scheduler."""
OF_LOCAL = ("timeout_min", "gpus_per_node", "signal_delay_s")
"""Settings that submitit's local executor knows."""


class SubmititLocalLauncher(SweepLauncher):
    """Jobs through submitit on this machine."""

    cluster: ClassVar[str] = "local"
    settings: ClassVar[type[LocalSettings]] = LocalSettings

    def __init__(self, **settings: Any) -> None:
        self._values: dict[str, Any] = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in settings.items()
        }
        self._at_once: int | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Raises: ConfigError: if a setting of the launcher is wrong, or submitit is not installed."""
        check_fields(PREFIX, self.settings, self._values)
        self._settings = self.settings(**self._values)
        try:
            import submitit  # noqa: F401
        except ImportError as error:
            where = f"hydra/launcher=submitit_{self.cluster}"
            raise ConfigError(f"{where} needs submitit: pip install 'cnnrun[slurm]' ({error})") from error
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def search(self, source: Source, before: Sequence[Outcome], number_of_jobs: int) -> list[Outcome]:
        """As every launcher, with array_parallelism jobs at a time: a search learns from those before."""
        self._at_once = self._settings.array_parallelism
        return super().search(source, before, number_of_jobs)

    def runner(self, number_of_jobs: int) -> Runner:
        at_once = self._at_once or self._settings.array_parallelism
        return SubmititRunner(self.task.command, self.task.function, self._settings, self.queue(), at_once)

    def queue(self) -> Queue:
        """Raises: ConfigError: if there is none."""
        return LocalQueue()


class SubmititSlurmLauncher(SubmititLocalLauncher):
    """Jobs through submitit on a SLURM cluster."""

    cluster = "slurm"
    settings = SlurmSettings

    def runner(self, number_of_jobs: int) -> Runner:
        """A grid goes into the queue as one array, of which SLURM runs array_parallelism at a time."""
        at_once = self._at_once or number_of_jobs
        return SubmititRunner(self.task.command, self.task.function, self._settings, self.queue(), at_once)

    def queue(self) -> Queue:
        return SlurmQueue()


class SubmititRunner:
    """Hands jobs to submitit, those that are started together in one array."""

    def __init__(self, command: str, function: str, settings: LocalSettings, queue: Queue, at_once: int) -> None:
        self._command = command
        self._function = function
        self._settings = settings
        self._queue = queue
        self._at_once = at_once
        self._folder = Path(settings.submitit_folder)
        self._executor = _executor(queue.cluster, settings)
        self._task = Requeued(timeout_min=settings.timeout_min, signals_all=queue.signals_all)
        self._waiting: list[Job] = []
        self._running: list[tuple[Job, Any]] = []
        """With submitit's side of each."""
        self._submitted = _read(self._list)

    def free(self) -> int:
        return self._at_once - len(self._waiting) - len(self._running)

    def start(self, jobs: Sequence[Job]) -> None:
        """Those that are in the queue since an earlier command are taken up."""
        for job in jobs:
            number = self._submitted.get(str(job.folder))
            known = self._queue.known(self._folder, number) if number else None
            if known:
                self._running.append((job, known))
            else:
                self._waiting.append(job)

    def ended(self, seconds: float) -> list[Ended]:
        """Raises: ConfigError: if the scheduler does not take what was started."""
        if self._waiting:
            self._submit()
        time.sleep(seconds)
        return self._take_away(self._queue.gone([task for _, task in self._running]))

    def stop(self, signum: int) -> None:
        """They save their state. A second signal, which interrupts the waiting, leaves the rest to the scheduler."""
        self._waiting.clear()
        until = time.monotonic() + 2 * GRACE
        with suppress(Interrupted, KeyboardInterrupt):
            self._queue.tell([task for _, task in self._running])
            while self._running and time.monotonic() < until:
                time.sleep(1.0)
                self._take_away(self._queue.gone([task for _, task in self._running], waits=False))
        self._queue.kill([task for _, task in self._running])
        self._running.clear()

    def close(self) -> None:
        if self._running:
            self.stop(signal.SIGTERM)

    @property
    def _list(self) -> Path:
        parts = [part for part in self._folder.parts if "%" not in part]
        return Path(*parts, SUBMITTED)

    def _submit(self) -> None:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        jobs, self._waiting = self._waiting, []
        errands = [self._errand(job) for job in jobs]
        try:
            with self._executor.batch():
                tasks = [self._executor.submit(self._task, errand) for errand in errands]
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            said = [line for line in str(error).splitlines() if line.strip()]
            raise ConfigError(
                f"hydra/launcher=submitit_{self._queue.cluster}: {said[-1] if said else error}"
            ) from error
        self._running += zip(jobs, tasks, strict=True)
        self._submitted |= {str(job.folder): task.job_id for job, task in zip(jobs, tasks, strict=True)}
        write_bytes(self._list, json.dumps(self._submitted, indent=1).encode())

    def _errand(self, job: Job) -> Errand:
        threads = self._settings.cpus_per_task
        return Errand.of(job, self._command, self._function, timeout_min=None, threads=threads)

    def _take_away(self, gone: dict[str, str]) -> list[Ended]:
        ended = [Ended(job, gone[task.job_id]) for job, task in self._running if task.job_id in gone]
        self._running = [(job, task) for job, task in self._running if task.job_id not in gone]
        return ended


def _executor(cluster: str, settings: LocalSettings) -> Any:
    """Raises: ConfigError: if submitit cannot work here, or a value is not what it takes."""
    import submitit

    logging.getLogger("submitit").setLevel(logging.ERROR)
    values = {name: value for name, value in asdict(settings).items() if value is not None}
    folder, most = values.pop("submitit_folder"), values.pop("max_num_timeout")
    try:
        executor: Any
        if cluster == "local":
            executor = submitit.LocalExecutor(folder, max_num_timeout=most)
            executor.update_parameters(**{name: values[name] for name in OF_LOCAL if name in values})
        else:
            executor = submitit.AutoExecutor(folder, cluster, slurm_max_num_timeout=most)
            executor.update_parameters(
                **{name if name in OF_ALL else f"{cluster}_{name}": value for name, value in values.items()}
            )
    except (RuntimeError, ValueError, NameError) as error:
        raise ConfigError(f"hydra/launcher=submitit_{cluster}: {' '.join(str(error).split())}") from error
    return executor


def _read(file: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        return {str(folder): str(number) for folder, number in json.loads(file.read_text()).items()}
    return {}
