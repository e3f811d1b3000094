"""The launcher that -m uses: each job in a process of its own, forked from one that has imported what jobs need."""

import sys
from functools import partial
from itertools import cycle, islice
from typing import Annotated, Any, Literal

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from cnnrun import console
from cnnrun.config import compose
from cnnrun.config.schema import check_value
from cnnrun.sweeps.jobs import Job
from cnnrun.sweeps.launchers import sharing
from cnnrun.sweeps.launchers.forking import context_for, count_devices, warm_up
from cnnrun.sweeps.launchers.process_runner import Machine, ProcessRunner
from cnnrun.sweeps.running import Runner, SweepLauncher

REPORTING = "cnnrun.sweeps.search.reporting"
"""What a trial of a search imports after its first epoch."""
Jobs = Literal["auto"] | PositiveInt
Gpus = Annotated[list[NonNegativeInt], Field(min_length=1)] | None


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
            warm_up(self.task.function, compose.plain(config), [REPORTING] if searches else [])

    def runner(self, number_of_jobs: int) -> Runner:
        part = partial(self._part, number_of_jobs)
        return ProcessRunner(self.task.command, self.task.function, part, timeout_min=self._timeout_min)

    def _part(self, number_of_jobs: int, job: Job) -> Machine:
        """Part the machine as the jobs' device needs it: the GPUs among them, or its cores."""
        context = context_for(self.task.function, job.config, [REPORTING] if job.invocation.watch else [])
        free = job.config.get("device") in ("auto", "cuda")
        seen = count_devices(context) if free else 0
        if self._gpus and free and not seen:
            console.warn(f"hydra.launcher.gpus={self._gpus}: no GPU is seen; jobs run on the cores")
        found = len(self._gpus) if self._gpus else seen
        devices = sharing.visible_devices(self._gpus, found) if free and sys.platform != "darwin" else []
        most = sharing.jobs_at_a_time(number_of_jobs, found)
        jobs = most if self._jobs == "auto" else min(self._jobs, number_of_jobs)
        return Machine(context, list(islice(cycle(devices or [None]), jobs)), sharing.threads_of_a_job(jobs))
