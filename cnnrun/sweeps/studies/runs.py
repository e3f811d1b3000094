"""What the runs of a study have come to: the value of each cell, by seed."""

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

from cnnrun import console
from cnnrun.comparison.reading import Facts, facts_of, text
from cnnrun.errors import CnnrunError, DataError
from cnnrun.run import Run, is_run
from cnnrun.sweeps.studies.jobs import Case
from cnnrun.sweeps.studies.study import FACTS, Place
from cnnrun.tables import HISTORY


@dataclass(frozen=True)
class Told:
    """What one run tells, as far as it came."""

    seed: str
    facts: Facts
    samples: dict[str, int]
    """That each metric is of."""
    history: list[dict[str, str]]

    @classmethod
    def of(cls, seed: str, folder: Path) -> Self | None:
        """None where no job was begun.

        Raises:
            DataError: if its files are damaged.
        """
        if not is_run(folder):
            return None
        run, facts = Run.open(folder, writes=False), facts_of(folder, folder.name)
        try:
            samples = {f"{row['split']}/{row['metric']}": int(row["n"]) for row in run.results() if row.get("n")}
            return cls(seed, facts, samples, _numbers(run.rows(HISTORY)))
        except (ValueError, TypeError, KeyError, csv.Error, OSError) as error:
            raise DataError(f"{folder} cannot be read: one of its tables is damaged") from error

    def value(self, cell: str) -> float | None:
        """Of a metric of a split, such a metric after an epoch (train/loss@1), or one of study.FACTS."""
        metric, _, epoch = cell.partition("@")
        if epoch:
            found = [row[metric] for row in self.history if row["epoch"] == epoch and row.get(metric)]
            return float(found[0]) if found else None
        return self._fact(cell) if cell in FACTS else self.facts.metrics.get(cell)

    def _fact(self, name: str) -> float | None:
        if name in ("volatility", "patience_needed"):
            watched = [float(row[self.facts.monitor]) for row in self.history if row.get(self.facts.monitor)]
            rising = self.facts.higher_is_better
            return volatility(watched) if name == "volatility" else patience_needed(watched, rising=rising)
        own: dict[str, float | None] = {
            "best_value": self.facts.best_value,
            "best_epoch": self.facts.best_epoch,
            "stopped_epoch": self.facts.epochs,
            "seconds": self.facts.seconds,
            "parameters": self.facts.parameters,
        }
        return own[name]


def told_by(cases: Sequence[Case], folder: Path) -> dict[Place, list[Told]]:
    """What the runs of each place tell, seed by seed; those that were never begun, or are damaged, are left out.

    Of damaged ones it is said: the others are no less worth a table.
    """
    found: dict[Place, list[Told]] = {}
    for case in cases:
        told = None
        try:
            told = Told.of(case.seed, folder / case.name)
        except CnnrunError as error:
            console.note(f"left out of the table: {text(error)}")
        found.setdefault(case.place, []).extend([told] if told else [])
    return found


def _numbers(history: list[dict[str, str]]) -> list[dict[str, str]]:
    """Raises: ValueError, TypeError: if something in it is no number."""
    for row in history:
        for value in filter(None, row.values()):
            float(value)
    return history


def volatility(values: Sequence[float]) -> float | None:
    """Standard deviation of the change from one epoch to the next; None where there are fewer than two changes."""
    changes = [after - before for before, after in pairwise(values)]
    return statistics.stdev(changes) if len(changes) > 1 else None


def patience_needed(values: Sequence[float], *, rising: bool) -> int | None:
    """Epochs from one best value to the next, at most: with less patience a training ends before its last best comes.

    None where there is no value.
    """
    best: float | None = None
    at, longest = 0, 1
    for epoch, value in enumerate(values):
        if best is None or (value > best if rising else value < best):
            longest = max(longest, epoch - at)
            best, at = value, epoch
    return None if best is None else longest
