"""Run the jobs of a sweep: what starts them, what asks for them, and the launcher that brings the two together."""

import signal
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from cnnrun import console
from cnnrun.config import Watch, check, compose, overrides
from cnnrun.errors import CnnrunError, DataError, Interrupted, JobsFailed
from cnnrun.run import DONE, Run
from cnnrun.signals import Signals
from cnnrun.sweeps import table
from cnnrun.sweeps.composing import JobConfigs
from cnnrun.sweeps.folders import is_finished, others, outcome, refuse_another_sweep, settle
from cnnrun.sweeps.going_on import advice
from cnnrun.sweeps.jobs import Asked, Ended, Job, Outcome
from cnnrun.sweeps.plan import sweep_folder, write_plan
from cnnrun.sweeps.progress import Progress

SECONDS_BETWEEN_LOOKS = 0.25
"""At a signal that has come, at jobs that may be started."""


class Runner(Protocol):
    """Where jobs run: in this process, in others, on a cluster. A job's result is what it leaves in its folder."""

    def free(self) -> int:
        """How many jobs may be started now."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Start at most so many."""

    def ended(self, seconds: float) -> list[Ended]:
        """The jobs that have ended since it was asked last; it waits at most so long for the first."""

    def stop(self, signum: int) -> None:
        """Tell all that a signal came, wait for them, kill what does not end; nothing is left behind."""

    def close(self) -> None:
        """Let go of whatever is held, when no job runs any more."""


class Source(Protocol):
    """What asks for jobs one by one, while others run."""

    def next(self) -> list[str] | None:
        """The words of one more job, hydra.sweep.subdir among them; None: none now."""

    def watch(self, job: Job) -> Watch | None:
        """What may end a job early that `next` asked for."""

    def is_exhausted(self) -> bool:
        """Whether none will come any more."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Take what came of a job."""


class _Queue(Protocol):
    """As a Source, of jobs that are checked."""

    def next(self) -> Job | None: ...

    def is_exhausted(self) -> bool: ...

    def ended(self, job: Job, outcome: Outcome) -> None: ...


class _Listed:
    """Jobs that are known from the start."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._left = list(jobs)

    def next(self) -> Job | None:
        return self._left.pop(0) if self._left else None

    def is_exhausted(self) -> bool:
        return not self._left

    def ended(self, job: Job, outcome: Outcome) -> None:
        pass


class _Asked:
    """Jobs that a source asks for."""

    def __init__(self, source: Source, launcher: "SweepLauncher") -> None:
        self._source = source
        self._launcher = launcher
        self.is_exhausted = source.is_exhausted
        self.ended = source.ended

    def next(self) -> Job | None:
        words = self._source.next()
        if words is None:
            return None
        job = self._launcher.prepare(words)
        return replace(job, invocation=replace(job.invocation, watch=self._source.watch(job)))


class SweepLauncher(Launcher):
    """Finished jobs are skipped, unfinished ones go on, errors are recorded; the table is written after each job.

    An unfinished job of a command that cannot go on, as `eval`, is done again.
    """

    live = True
    """Whether the terminal is free for a table, as the jobs write elsewhere."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        assert isinstance(task_function, compose.Task)
        self._configs = JobConfigs(hydra_context.config_loader, config)
        self.task = task_function
        self.folder = Path(config.hydra.sweep.dir)
        words = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
        swept = [word.key_or_group for word in words if word.is_sweep_override()]
        before = [key for key in table.swept_before(self.folder) if key.partition(".")[0] in config]
        self._keys = list(dict.fromkeys([*swept, *before]))

    @abstractmethod
    def runner(self, number_of_jobs: int) -> Runner:
        """What runs the jobs, of which there are at most so many."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs of a grid.

        Raises:
            ConfigError: before the first job, if any of them is wrong.
            JobsFailed: after the last one, if some failed.
            Interrupted: on Ctrl-C or a termination, with what to do next.
        """
        jobs = [self.prepare(list(words)) for words in job_overrides]
        with self.held():  # what is there has to be what the sweep before has left
            before = self._outcomes_before(jobs)
            outcomes = self._run(_Listed(jobs), before, len(jobs), [job.name for job in jobs])
        self.conclude(before, outcomes, len(jobs))
        return [JobReturn(overrides=list(words), status=JobStatus.COMPLETED) for words in job_overrides]

    def search(self, source: Source, before: Sequence[Outcome], number_of_jobs: int) -> list[Outcome]:
        """Run the jobs that a source asks for, at most so many; those that have ended, in the order of their end.

        Failed ones are among them; `conclude` is for the caller to call.

        Args:
            before: the rows of the table that are there already.
        Raises: as `launch`; a job with wrong settings ends the search.
        """
        return self._run(_Asked(source, self), before, number_of_jobs)

    def conclude(self, before: Sequence[Outcome], outcomes: Sequence[Outcome], number: int) -> None:
        """Show the table.

        Raises:
            JobsFailed: if some of the `outcomes`, which are those of this call, failed.
        """
        table.show(self.folder, [*before, *outcomes])
        failed = sum(row.status == "failed" for row in outcomes)
        if failed:
            raise JobsFailed(
                f"{failed} of {number} jobs failed, {self.folder / table.FILE} says why; "
                "the same command tries those again, and no others"
            )

    def prepare(self, words: list[str]) -> Job:
        """Compose and check one job.

        Raises:
            ConfigError: if it is wrong, or its folder holds a run with other settings.
        """
        with compose.lists_as_a_whole(words):
            plain, hydra = self._configs.of(words)
        check(self.task.command, plain, trusted=self.task.trusted)
        name = str(hydra.sweep.subdir)
        folder = self.folder / name
        told = compose.invocation(hydra, folder)
        asked = Asked(dict(map(overrides.split, told.overrides)), told.choices, plain)
        settings = {key: asked.text(key) for key in self._keys}
        finished, damage = None, ""
        try:
            finished = is_finished(folder, plain)
        except DataError as error:
            damage = str(error)
        return Job(name, folder, plain, told, asked, settings, finished, damage)

    def held(self) -> AbstractContextManager[object]:
        """While open, no other process runs a sweep in the same folder, which is made where there is none.

        Raises:
            ConfigError: if another does.
        """
        return sweep_folder(self.folder)

    def _run(self, queue: _Queue, before: Sequence[Outcome], number: int, names: Sequence[str] = ()) -> list[Outcome]:
        rows: dict[Path, Outcome | None] = {}
        running: dict[Path, Job] = {}
        display = console.JobsDisplay(number, live=self.live)
        progress = Progress(number, display)
        with self.held(), Signals() as signals, closing(self.runner(number)) as runner, display:
            write_plan(self.folder, self.task.command, self.task.words, names)
            try:
                while running or not queue.is_exhausted():
                    if signals():
                        raise signals.interrupted()
                    while runner.free() and (job := queue.next()):
                        is_over = job.finished or job.damage
                        rows[job.folder] = outcome(job.settings, job.folder, job.damage) if is_over else None
                        if reached := rows[job.folder]:
                            progress.skipped(job, reached)
                            queue.ended(job, reached)
                        else:
                            running[job.folder] = job
                            progress.started(job)
                            runner.start([job])
                    for ended in runner.ended(SECONDS_BETWEEN_LOOKS) if running else []:
                        job = running.pop(ended.job.folder)
                        rows[job.folder] = reached = self._outcome(job, ended.reason)
                        self._write_table(before, rows)
                        progress.ended(job, reached)
                        queue.ended(job, reached)
                    progress.look()
            except (KeyboardInterrupt, Interrupted) as stop:
                signum = stop.signum if isinstance(stop, Interrupted) else signal.SIGINT
                runner.stop(signum)
                rows |= {job.folder: self._interrupted(job, str(stop)) for job in running.values()}
                done = sum(row is not None and row.status != "interrupted" for row in rows.values())
                where = f"stopped after {done} of {number} jobs in {self.folder}"
                raise Interrupted(f"{where}; {advice(self.task.command, self.folder)}", signum) from stop
            finally:
                self._write_table(before, rows)
        return [row for row in rows.values() if row]

    def _write_table(self, before: Sequence[Outcome], rows: Mapping[Path, Outcome | None]) -> None:
        table.write(self.folder, [*before, *(row for row in rows.values() if row)])

    def _outcome(self, job: Job, reason: str) -> Outcome:
        """What a job has come to, which stands in its folder: one that finished and died thereafter has finished."""
        reached = outcome(job.settings, job.folder)
        if reached.status == "interrupted":
            reason = reason or "stopped by a signal that did not come from the sweep"
        settle(job.folder, self.task.command, job.config, job.invocation, reason)
        reached = outcome(job.settings, job.folder)
        return reached if reached.status in DONE else outcome(job.settings, job.folder, reason)

    def _interrupted(self, job: Job, reason: str) -> Outcome:
        """What a job has come to that a signal met, which may have had no time to make its folder."""
        if job.folder.is_dir() and is_finished(job.folder, job.config) is not None:
            settle(job.folder, self.task.command, job.config, job.invocation, reason, "interrupted")
        reached = outcome(job.settings, job.folder)
        return reached if reached.status in DONE else replace(reached, status="interrupted", error="")

    def _outcomes_before(self, jobs: Sequence[Job]) -> list[Outcome]:
        """What has come of jobs in the sweep's folder that other values of its keys have left there."""
        left: dict[Path, Asked] = {}
        for folder in others(self.folder, (job.folder for job in jobs)):
            try:
                left[folder] = Asked.of(Run.open(folder))
            except CnnrunError as error:
                console.note(f"{error}; the table lacks it")
        refuse_another_sweep(left, jobs[0].asked, self._keys)
        return [outcome({key: asked.text(key) for key in self._keys}, folder) for folder, asked in left.items()]
