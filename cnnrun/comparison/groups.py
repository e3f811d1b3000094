"""Runs that differ in nothing but the seed: their means, and which group is the best."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnrun.comparison.differing import cell
from cnnrun.comparison.reading import Facts
from cnnrun.metrics.differences import holm, paired_p, welch_p
from cnnrun.metrics.intervals import Estimate
from cnnrun.metrics.student import mean_interval

LEVEL = 0.05
"""Of the test that tells a group from the best one."""
PAIRED, WELCH = "paired t test", "Welch's t test"
HIGHER = ("accuracy", "precision", "recall", "f1", "r2", "skill")
LOWER = ("loss", "error", "mae", "rmse", "mse", "mape", "smape", "mase", "width", "seconds", "parameters")
"""Words in the names of metrics that tell the direction."""


@dataclass(frozen=True)
class Group:
    """Runs with the same settings."""

    settings: dict[str, Any]
    members: list[Facts]
    """All of them, with those that did not finish."""
    counted: list[Facts]
    """Those that finished, of several with the same seed the newest."""

    @property
    def subject(self) -> tuple[str, ...]:
        return self.members[0].subject

    @property
    def dead(self) -> int:
        return sum(run.dead for run in self.counted)

    def sample(self, metric: str) -> dict[Hashable, float]:
        """The metric by seed; of runs without a seed by their names."""
        given = [(run.name if run.seed is None else run.seed, run.measure(metric)) for run in self.counted]
        return {key: value for key, value in given if value is not None}

    def estimate(self, metric: str) -> Estimate | None:
        """Mean and 95 % t interval over the seeds; None where no run has the metric."""
        values = list(self.sample(metric).values())
        return mean_interval(values) if values else None


@dataclass(frozen=True)
class Standing:
    """How a group compares with the best one."""

    best: bool = False
    tied: bool = False
    """It cannot be told from the best."""
    p: float = math.nan
    """Of the difference from the (first) best one, after Holm; NaN for that, and where no test can be made."""
    test: str = ""


def grouped(runs: Sequence[Facts], settings: Sequence[str]) -> list[Group]:
    """A group for each combination of the settings, in the order of its first run."""
    members: dict[tuple[Any, ...], list[Facts]] = {}
    for run in runs:
        key = (*(cell(run, name) for name in settings), run.subject, run.monitor)
        members.setdefault(key, []).append(run)
    return [
        Group(dict(zip(settings, key, strict=False)), together, _newest_by_seed(together))
        for key, together in members.items()
    ]


def _newest_by_seed(runs: Sequence[Facts]) -> list[Facts]:
    """The same seed again gives the same numbers: twice the run is no second sample."""
    found: dict[Hashable, Facts] = {}
    for run in sorted((run for run in runs if run.finished), key=lambda run: run.started):
        found[run.name if run.seed is None else run.seed] = run
    kept = {id(run) for run in found.values()}
    return [run for run in runs if id(run) in kept]


def standings(samples: Sequence[Mapping[Hashable, float]], higher_is_better: bool | None) -> list[Standing]:
    """Which samples have the best mean, and which cannot be told from it; of equal means each is the best.

    Each other sample is tested against the best: paired where both have the same seeds, by Welch's test elsewhere;
    Holm's correction is for all of these tests together. A sample without a test, as of one seed, counts as tied where
    others could be tested.
    """
    means = [sum(sample.values()) / len(sample) if sample else math.nan for sample in samples]
    known = [place for place, mean in enumerate(means) if not math.isnan(mean)]
    if higher_is_better is None or not known:
        return [Standing() for _ in samples]
    best = (max if higher_is_better else min)(known, key=lambda place: means[place])
    tests = {place: _test(samples[best], samples[place]) for place in known if place != best}
    adjusted = dict(zip(tests, holm([p for p, _ in tests.values()]), strict=True))
    any_test = any(not math.isnan(p) for p in adjusted.values())
    found = [Standing() for _ in samples]
    found[best] = Standing(best=True)
    for place, (_, test) in tests.items():
        p, same = adjusted[place], means[place] == means[best]
        found[place] = Standing(same, not same and any_test and not p < LEVEL, p, test)
    return found


def _test(best: Mapping[Hashable, float], other: Mapping[Hashable, float]) -> tuple[float, str]:
    """The p of the difference of the means, and by which test."""
    if best.keys() == other.keys() and len(best) > 1:
        return paired_p(list(best.values()), [other[seed] for seed in best]), PAIRED
    p = welch_p(list(best.values()), list(other.values()))
    return p, "" if math.isnan(p) else WELCH


def direction(metric: str, runs: Sequence[Facts]) -> bool | None:
    """Whether more of a metric is better: as the runs say of the one that they watched; None where nobody knows."""
    name = metric.partition("/")[2] or metric
    for run in runs:
        if run.finished and run.monitor and run.monitor.partition("/")[2] == name:  # others may not have said yet
            return run.higher_is_better
    words = set(name.partition("[")[0].partition("/")[0].split("_"))
    if words & set(HIGHER) and "gap" not in words:
        return True
    return False if words & set(LOWER) else None
