"""A comparison: runs beside each other, ranked by their metric on val, and by groups that differ in the seed alone."""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnrun.comparison.differing import cell, settings_that_differ
from cnnrun.comparison.groups import Group, Standing, direction, grouped, standings
from cnnrun.comparison.reading import Facts, text
from cnnrun.errors import ConfigError, DataError, near_miss

if TYPE_CHECKING:
    import pandas as pd

OWN = ("seconds", "parameters")
"""What every run has beside its metrics, and can be ranked by."""

MOST_LISTED = 20
"""Names in a message."""


@dataclass(frozen=True)
class Comparison:
    """Runs in the order of their rank, and what follows from all of them together."""

    facts: list[Facts]
    """A run for each row of `runs`."""
    settings: list[str]
    """Columns in which the runs differ, without the seed and without what follows from another."""
    members: list[Group]
    """A group for each row of `groups`."""
    standings: list[Standing]
    """Of the groups, by the metric that ranks them."""
    runs: "pd.DataFrame"
    """run, path, status, reason, dead, chosen, the settings, seed, monitor, best_value, best_epoch, epochs_done,
    seconds, parameters, then a column a metric, such as test/accuracy."""
    groups: "pd.DataFrame"
    """The settings, n (finished), failed (did not finish), dead, best, tied, chosen, p, test; then of seconds,
    parameters and each metric the mean, and as <metric>/low and <metric>/high its 95 % t interval over the seeds."""
    monitor: str
    """The metric on val that all runs watched, such as val/accuracy; empty where they watched several."""
    metric: str
    """What ranks the runs: `monitor`, unless another was asked for."""
    higher_is_better: bool

    @property
    def has_seeds(self) -> bool:
        """Whether a group has several runs that count."""
        return any(len(group.counted) > 1 for group in self.members)

    def metrics(self) -> list[str]:
        """Every metric that a run has."""
        return list(dict.fromkeys(name for run in self.facts for name in run.metrics))

    def histories(
        self, names: Iterable[str] | None = None, problems: list[str] | None = None
    ) -> dict[str, "pd.DataFrame"]:
        """history.csv by run, of those that have one that can be read; of all runs, or of those named.

        Args:
            problems: takes a sentence for each that cannot.
        """
        wanted, found = None if names is None else set(names), {}
        for run in self.facts:
            if wanted is None or run.name in wanted:
                try:
                    found[run.name] = run.history()
                except DataError as error:
                    if problems is not None:
                        problems.append(text(error))
        return {name: history for name, history in found.items() if len(history)}


def compare(runs: Sequence[Facts], sort: str | None = None) -> Comparison:
    """Rank runs by the metric on val that they watched, or by another.

    Runs of several subjects, or that watched several metrics, are ranked each among their own kind.

    Raises:
        ConfigError: if no run has the metric `sort`.
    """
    require_metrics("sort", [sort] if sort else [], runs)
    settings, places = settings_that_differ(runs), {id(run): place for place, run in enumerate(runs)}
    kinds = {kind: place for place, kind in enumerate(dict.fromkeys(kind_of(run, sort) for run in runs))}

    def rank(run: Facts) -> tuple[Any, ...]:
        metric = sort or run.monitor
        value, upward = run.measure(metric), direction(metric, [run])
        worth = math.inf if value is None else -value if upward or upward is None else value
        return kinds[kind_of(run, sort)], not run.finished, worth, places[id(run)]

    facts = sorted(runs, key=rank)
    members = grouped(facts, settings)
    standing = by_kind(members, lambda group: kind_of(group.members[0], sort), sort)
    order = sorted(range(len(members)), key=lambda place: _rank_of_group(members[place], kinds, sort, place))
    members, standing = [members[place] for place in order], [standing[place] for place in order]
    monitors = {run.monitor for run in facts}
    monitor = next(iter(monitors)) if len(monitors) == 1 else ""
    chosen = {id(group) for group, held in zip(members, by_kind(members, _kind_on_val, None), strict=True) if held.best}
    metrics = list(dict.fromkeys(name for run in facts for name in run.metrics))
    return Comparison(
        facts=facts,
        settings=settings,
        members=members,
        standings=standing,
        runs=_run_frame(facts, _chosen(run for group in members for run in group.counted), settings, metrics),
        groups=_group_frame(members, standing, chosen, settings, metrics),
        monitor=monitor,
        metric=sort or monitor,
        higher_is_better=direction(sort or monitor, facts) is not False,
    )


def kind_of(run: Facts, sort: str | None) -> Hashable:
    """Runs of one kind can be ranked: they judge the same, by the same metric."""
    return (run.subject, None if sort else run.monitor)


def _kind_on_val(group: Group) -> Hashable:
    return kind_of(group.members[0], None)


def by_kind(groups: Sequence[Group], kind: Callable[[Group], Hashable], metric: str | None) -> list[Standing]:
    """Each group's standing among those of its kind, by a metric, or by that which its runs watched."""
    together: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        together.setdefault(kind(group), []).append(place)
    found: dict[int, Standing] = {}
    for places in together.values():
        own = [groups[place] for place in places]
        name = metric or own[0].members[0].monitor
        upward = direction(name, [run for group in own for run in group.members]) if name else None
        found |= dict(zip(places, standings([group.sample(name) for group in own], upward), strict=True))
    return [found[place] for place in range(len(groups))]


def require_metrics(key: str, names: Sequence[str], runs: Sequence[Facts]) -> None:
    """
    Raises:
        ConfigError: if no run has one of the metrics; says what there is.
    """
    there = [*dict.fromkeys(metric for run in runs for metric in run.metrics), *OWN]
    for name in names:
        if name not in there:
            close = near_miss(name, there)
            raise ConfigError(f"{key}={name}: no run has this metric{close} (there are {_listed(there)})")


def _listed(metrics: Sequence[str]) -> str:
    """Names of metrics; of many those of test, without those of baselines."""
    if len(metrics) <= MOST_LISTED:
        return ", ".join(metrics)
    shown = [name for name in metrics if name.startswith("test/") and name.count("/") == 1] or metrics[:MOST_LISTED]
    return f"{', '.join(shown)}, and others, which compare.csv would have as columns"


def _rank_of_group(group: Group, kinds: Mapping[Hashable, int], sort: str | None, place: int) -> tuple[Any, ...]:
    first = group.members[0]
    metric = sort or first.monitor
    found, upward = group.estimate(metric), direction(metric, [first])
    worth = math.inf if found is None else found.value if upward is False else -found.value
    return kinds[kind_of(first, sort)], worth, place


def _run_frame(
    runs: Sequence[Facts], chosen: set[int], settings: Sequence[str], metrics: Sequence[str]
) -> "pd.DataFrame":
    import pandas as pd

    columns: dict[str, list[Any]] = {
        "run": [run.name for run in runs],
        "path": [str(run.path) for run in runs],
        "status": [run.status for run in runs],
        "reason": [run.reason for run in runs],
        "dead": [run.dead for run in runs],
        "chosen": [id(run) in chosen for run in runs],
    }
    columns |= {name: [cell(run, name) for run in runs] for name in settings}
    columns |= {
        "seed": _whole([run.seed for run in runs]),
        "monitor": [run.monitor for run in runs],
        "best_value": [run.best_value for run in runs],
        "best_epoch": _whole([run.best_epoch for run in runs]),
        "epochs_done": _whole([run.epochs for run in runs]),
        "seconds": [run.seconds for run in runs],
        "parameters": _whole([run.parameters for run in runs]),
    }
    columns |= {name: [run.metrics.get(name) for run in runs] for name in metrics}
    return pd.DataFrame(columns)


def _chosen(runs: Iterable[Facts]) -> set[int]:
    """Those that are best on val among their kind; all that are equally so."""
    kinds: dict[Hashable, dict[int, float]] = {}
    for run in runs:
        value = run.metrics.get(run.monitor)
        if value is not None:
            worth = value if run.higher_is_better else -value
            kinds.setdefault(kind_of(run, None), {})[id(run)] = worth
    best = {kind: max(worths.values()) for kind, worths in kinds.items()}
    return {run for kind, worths in kinds.items() for run, worth in worths.items() if worth == best[kind]}


def _group_frame(
    groups: Sequence[Group],
    held: Sequence[Standing],
    chosen: set[int],
    settings: Sequence[str],
    metrics: Sequence[str],
) -> "pd.DataFrame":
    import pandas as pd

    columns: dict[str, list[Any]] = {name: [group.settings[name] for group in groups] for name in settings}
    columns |= {
        "n": [len(group.counted) for group in groups],
        "failed": [sum(not run.finished for run in group.members) for group in groups],
        "dead": [group.dead for group in groups],
        "best": [one.best for one in held],
        "tied": [one.tied for one in held],
        "chosen": [id(group) in chosen for group in groups],
        "p": [one.p for one in held],
        "test": [one.test for one in held],
    }
    for name in (*OWN, *metrics):
        found = [group.estimate(name) for group in groups]
        columns[name] = [one and one.value for one in found]
        columns[f"{name}/low"] = [one and one.low for one in found]
        columns[f"{name}/high"] = [one and one.high for one in found]
    return pd.DataFrame(columns)


def _whole(values: Sequence[int | None]) -> Any:
    """Integers, with gaps."""
    import pandas as pd

    return pd.array(values, dtype="Int64")
