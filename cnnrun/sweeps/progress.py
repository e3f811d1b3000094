"""What a person is told of a sweep while it runs: who has started and ended, how far the others are, the time left."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress

from cnnrun.console import JobLine, JobsDisplay
from cnnrun.console.numbers import number, time_left
from cnnrun.errors import CnnrunError
from cnnrun.run import DONE, Run
from cnnrun.sweeps.jobs import Job, Outcome
from cnnrun.sweeps.objective import Objective
from cnnrun.tables import HISTORY


class Progress:
    """Of so many jobs, told through a display."""

    def __init__(self, total: int, display: JobsDisplay) -> None:
        self._total = total
        self._display = display
        self._running: dict[str, tuple[Job, float]] = {}
        """By name, with the share that was done before."""
        self._ended: list[Outcome] = []
        self._skipped = 0
        self._began = math.inf

    def skipped(self, job: Job, outcome: Outcome) -> None:
        """A job that is not started, as it has ended before or cannot be gone on with."""
        self._skipped += 1
        if outcome.status in DONE:
            self._display.started(self._place, job.name, f"{outcome.status} before")
        else:
            self._display.ended(job.name, _told(outcome))

    def started(self, job: Job) -> None:
        self._began = min(self._began, time.monotonic())
        self._running[job.name] = job, _share(_line(job))
        self._display.started(self._place, job.name)

    @property
    def _place(self) -> int:
        return self._skipped + len(self._ended) + len(self._running)

    def ended(self, job: Job, outcome: Outcome) -> None:
        del self._running[job.name]
        self._ended.append(outcome)
        self._display.ended(job.name, _told(outcome), self._to_go())

    def look(self) -> None:
        """Draw how far the running jobs are."""
        failed = sum(outcome.status == "failed" for outcome in self._ended)
        self._display.draw(self._now, self._skipped + len(self._ended), failed)

    def _now(self) -> tuple[Sequence[JobLine], float | None]:
        lines = [_line(job) for job, _ in self._running.values()]
        return lines, self._seconds_left(lines)

    def _to_go(self) -> str:
        left = self._total - self._skipped - len(self._ended)
        seconds = self._now()[1] if left else None
        return "" if not left else f"{left} to go" + (f", {time_left(seconds)}" if seconds else "")

    def _seconds_left(self, lines: Sequence[JobLine]) -> float | None:
        """At the pace so far, in jobs; None before anything is done."""
        before = [share for _, share in self._running.values()]
        progress = sum(_share(line) - share for line, share in zip(lines, before, strict=True))
        done = len(self._ended) + progress
        left = self._total - self._skipped - done - sum(before)
        return None if done <= 0 else max(left, 0.0) * (time.monotonic() - self._began) / done


def _told(outcome: Outcome) -> str:
    """A line's worth of what came of a job."""
    if outcome.status == "failed":
        return f"failed: {outcome.error}" if outcome.error else "failed"
    facts = [outcome.status]
    if outcome.best_value is not None:
        facts.append(f"{outcome.monitor} {number(outcome.best_value)}")
    if outcome.seconds is not None:
        facts.append(f"{outcome.seconds:.1f} s")
    return ", ".join(facts)


def _line(job: Job) -> JobLine:
    """How far a job is, by its history."""
    rows: list[dict[str, str]] = []
    with suppress(CnnrunError, OSError):
        rows = Run(job.folder).rows(HISTORY)
    objective = Objective.of(job.config) if "task" in job.config else None
    metric = objective.monitor if objective else ""
    values = [float(row[metric]) for row in rows if row.get(metric)]
    pick = max if objective and objective.higher_is_better else min
    return JobLine(
        job.name,
        len(rows),
        job.config.get("epochs"),
        metric,
        values[-1] if values else None,
        pick(values) if values else None,
    )


def _share(line: JobLine) -> float:
    """Of its epochs that are done; training may end before the last."""
    return min(line.epoch / line.epochs, 1.0) if line.epochs else 0.0
