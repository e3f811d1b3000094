"""The launcher that -m uses: one job after the other in this process, each checked before the first starts."""

import signal
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, read_write

from cnnrun import console
from cnnrun.config import check, compose, overrides
from cnnrun.errors import CnnrunError, Interrupted, JobsFailed
from cnnrun.run import Run
from cnnrun.signals import Signals
from cnnrun.sweeps import table
from cnnrun.sweeps.jobs import Asked, Outcome, is_finished, others, outcome, refuse_another_sweep


@dataclass(frozen=True)
class _Job:
    config: DictConfig
    """With its hydra node."""
    asked: Asked
    settings: dict[str, str]
    folder: Path
    finished: bool | None


def _interrupted(job: _Job) -> Outcome:
    """What a job has come to that a signal met, which may have had no time to make its folder."""
    reached = outcome(job.settings, job.folder)
    return reached if reached.status == "finished" else replace(reached, status="interrupted")


def _outcomes_before(folder: Path, jobs: Sequence[_Job], keys: Sequence[str]) -> list[Outcome]:
    """What has come of jobs in the sweep's folder that other values of its keys have left there."""
    left = others(folder, (job.folder for job in jobs))
    refuse_another_sweep(left, jobs[0].asked, keys)
    return [outcome({key: Asked.of(Run.open(job)).text(key) for key in keys}, job) for job in left]


class SerialLauncher(Launcher):
    """Finished jobs are skipped, unfinished ones go on, errors are recorded; the table is written in any case.

    An unfinished job of a command that cannot go on, as `eval`, is done again.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        assert isinstance(task_function, compose.Task)
        self._loader = hydra_context.config_loader
        self._task = task_function
        self._shared = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs.

        Raises:
            ConfigError: before the first job, if any of them is wrong.
            JobsFailed: after the last one, if some failed.
            Interrupted: on Ctrl-C or a termination, with what to do next.
        """
        words = OverridesParser.create().parse_overrides(list(self._shared.hydra.overrides.task))
        swept = [word.key_or_group for word in words if word.is_sweep_override()]
        folder = Path(self._shared.hydra.sweep.dir)
        keys = list(dict.fromkeys([*swept, *table.swept_before(folder)]))
        jobs = [self._prepare(list(combination), keys) for combination in job_overrides]
        before = _outcomes_before(folder, jobs, keys)
        outcomes: list[Outcome] = []
        with Signals() as signals:
            try:
                for number, job in enumerate(jobs, 1):
                    signals.interrupt_at_once()  # also if one came that somebody else's `except Exception` kept
                    remark = ": finished before" if job.finished else ""
                    console.tell(f"[{number}/{len(jobs)}] {job.folder.name}{remark}")
                    outcomes.append(outcome(job.settings, job.folder, "" if job.finished else self._run(job)))
            except (KeyboardInterrupt, Interrupted) as stop:
                signum = stop.signum if isinstance(stop, Interrupted) else signal.SIGINT
                done = f"stopped after {len(outcomes)} of {len(jobs)} jobs in {folder}"
                outcomes += map(_interrupted, jobs[len(outcomes) :][:1])
                raise Interrupted(f"{done}; the same command goes on with it", signum) from stop
            finally:
                table.write(folder, [*before, *outcomes])
        table.show(folder, [*before, *outcomes])
        failed = sum(row.status == "failed" for row in outcomes)
        if failed:
            raise JobsFailed(f"{failed} of {len(jobs)} jobs failed; the same command tries them again: {folder}")
        return [JobReturn(overrides=list(words), status=JobStatus.COMPLETED) for words in job_overrides]

    def _prepare(self, words: list[str], keys: list[str]) -> _Job:
        with compose.lists_as_a_whole(words):
            config = self._loader.load_sweep_config(self._shared, words)
        HydraConfig.instance().set_config(config)
        plain = compose.plain(config)
        check(self._task.command, plain)
        folder = Path(config.hydra.sweep.dir, config.hydra.sweep.subdir)
        told = compose.invocation(config.hydra, folder)
        asked = Asked(dict(map(overrides.split, told.overrides)), told.choices, plain)
        return _Job(config, asked, {key: asked.text(key) for key in keys}, folder, is_finished(folder, plain))

    def _run(self, job: _Job) -> str:
        """Run one job; the error that ended it, or nothing."""
        own = compose.without_hydra(job.config)
        begun = job.finished is not None
        if begun and "resume" in own:
            own.resume = str(job.folder)
        with read_write(job.config.hydra):
            job.config.hydra.runtime.output_dir = str(job.folder)
        HydraConfig.instance().set_config(job.config)
        try:
            if begun and "resume" not in own:
                Run.open(job.folder).clear()
            self._task(own)
        except (Interrupted, BrokenPipeError):
            raise
        except CnnrunError as error:
            console.tell(f"{job.folder.name}: {error}")
            return str(error)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            return f"{type(error).__name__}: {error}"
        return ""
