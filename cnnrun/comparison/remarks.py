"""What must be known of a comparison: how its marks came about, which runs are dead, which did not finish."""

import math
import re
from collections.abc import Mapping, Sequence

from cnnrun.comparison.compared import OWN, Comparison
from cnnrun.comparison.groups import LEVEL, PAIRED, WELCH, Standing, direction
from cnnrun.comparison.pivot import Pivot
from cnnrun.comparison.reading import Facts
from cnnrun.plots.marks import MARKS

MOST_NAMED = 6
"""Runs of one kind; the table of all runs has the others."""
LONGEST_REASON = 120
"""Characters."""

_OUT = ", so not counted"


def of_comparison(compared: Comparison, metrics: Sequence[str]) -> list[str]:
    """Of the table of runs, or of groups, that shows these metrics."""
    runs, frame = compared.facts, compared.groups
    if not any(run.finished for run in runs):
        return ["no run has finished, so there is nothing to compare", *_unfinished(runs, "")]
    kinds = len({(run.subject, run.monitor if not compared.metric else None) for run in runs})
    remarks = [_ranking(compared), *_marks([compared.standings], kinds)]
    remarks += _chosen(bool((frame["chosen"] & ~frame["best"]).any()))
    remarks += [*_lacking(compared, metrics), *_data(runs), *_monitors(compared), *_splits(runs), *_again(compared)]
    return [*filter(None, remarks), *_dead(runs, compared.has_seeds), *_unfinished(runs, _OUT * compared.has_seeds)]


def of_pivot(compared: Comparison, table: Pivot) -> list[str]:
    """Of a pivot."""
    runs, cells = compared.facts, list(table.grid.values())
    several = any(cell.n > 1 for cell in cells)
    means = "means over the seeds ± 95 % t interval" if several else "one run each, so a difference may be chance"
    remarks = [f"cells: {' | '.join(table.cells)}; {means}"]
    if table.hidden:
        remarks.append(f"runs of one cell differ in {_listed(table.hidden)}: it shows the best on val")
    by_metric = [[cell for (_, _, name), cell in table.grid.items() if name == metric] for metric in table.cells]
    held = [[Standing(cell.best, cell.tied, cell.p, cell.test) for cell in of_one] for of_one in by_metric]
    remarks += _marks(held, len({run.subject for run in runs}))
    remarks += _chosen(any(cell.chosen and not cell.best and not math.isnan(cell.mean) for cell in cells))
    if any(cell.failed for cell in cells):
        remarks.append(f"{MARKS['failed']} has runs that did not finish")
    remarks += [*_lacking(compared, table.cells), *_data(runs), *_splits(runs), *_again(compared)]
    return [*remarks, *_dead(runs, several), *_unfinished(runs, _OUT)]


def of_reference(runs: Sequence[Facts]) -> list[str]:
    """Of the run table of a publication, which has a row a run that finished and no marks."""
    return [*_splits(runs), *_unfinished(runs, ", so left out")]


def ranked_by(compared: Comparison) -> str:
    """What ranks the runs; empty where nothing does."""
    if compared.metric:
        return compared.metric if compared.metric in (*compared.metrics(), *OWN) else ""
    monitors = sorted({run.monitor for run in compared.facts} - {""})
    return f"{' or '.join(monitors)}, whichever chose the checkpoint" if monitors else ""


def _ranking(compared: Comparison) -> str:
    if len(compared.facts) == 1:
        return ""
    what, there = ranked_by(compared), compared.metrics()
    if not what and not compared.metric:
        return f"not ranked: no run says which metric on val chose its checkpoint{_advice(there)}"
    if not what:
        same = [f"test/{compared.metric.partition('/')[2]}"]
        advice = _advice([name for name in same if name in there])
        return f"not ranked: no result has {compared.metric}, which chose the checkpoints{advice}"
    if compared.metric and direction(compared.metric, compared.facts) is None:
        return f"sorted by {what}, the largest first; nothing says whether that is the best, so none is marked"
    if not compared.has_seeds:
        return f"sorted by {what}; one run each, so a difference may be chance: run several seeds"
    return f"sorted by {what}; means over the seeds ± 95 % t interval, n = runs that finished"


def _advice(metrics: Sequence[str]) -> str:
    on_test = [name for name in metrics if name.startswith("test/")]
    return "".join(f"; use sort={name}" for name in [*on_test, *metrics][:1])


def _marks(held: Sequence[Sequence[Standing]], kinds: int) -> list[str]:
    """What the signs mean, and by which test they came about.

    Args:
        held: of each metric the standings. kinds: how many kinds of runs are ranked each among themselves.
    """
    every = [one for of_one in held for one in of_one]
    if max(map(len, held), default=0) < 2 or not any(one.best for one in every):
        return []
    shared = any(sum(one.best for one in of_one) > kinds for of_one in held)
    best = f"{MARKS['best']} is the best{' of its metric' * (len(held) > 1)}{' (equal ones share it)' * shared}"
    if any(one.tied for one in every):
        return [f"{best}, {MARKS['tied']} cannot be told from it ({_tests(held, kinds)})"]
    others = [one for one in every if not one.best]
    if others and all(one.p < LEVEL for one in others):
        return [f"{best}, all others are significantly worse ({_tests(held, kinds)})"]
    return [best]


def _tests(held: Sequence[Sequence[Standing]], kinds: int) -> str:
    """By which tests the marks came about."""
    names = sorted({one.test for of_one in held for one in of_one} - {""})
    how = {PAIRED: f"{PAIRED} where the seeds are the same", WELCH: f"{WELCH} where they are not"}
    named = ", ".join(how[name] for name in (PAIRED, WELCH)) if len(names) > 1 else names[0]
    counts = {sum(bool(one.test) for one in of_one) for of_one in held} - {0}
    untested = "; of one seed there is no test" * any(one.tied and not one.test for of_one in held for one in of_one)
    if max(counts) == 1:
        return f"{named} at 5 %{untested}"
    number = f"for {max(counts)} comparisons" if len(counts) == 1 else "for the number of comparisons"
    among = "among the runs of each kind" if kinds > 1 else number
    return f"{named} at 5 %, Holm-corrected {among}{' in each metric' * (len(held) > 1)}{untested}"


def _chosen(elsewhere: bool) -> list[str]:
    """Where val chose another than is marked as the best."""
    return [f"{MARKS['chosen']} is the best on val, so the one to choose"] if elsewhere else []


def _data(runs: Sequence[Facts]) -> list[str]:
    """Runs that cannot be ranked together, as they judge different things."""
    subjects = list(dict.fromkeys(run.subject for run in runs))
    if len(subjects) == 1:
        return []
    short = dict.fromkeys(subject[0] for subject in subjects)
    names = list(short) if len(short) == len(subjects) else [" ".join(subject) for subject in subjects]
    return [f"runs on different data are ranked separately: {_listed(names)}"]


def _monitors(compared: Comparison) -> list[str]:
    """Runs on the same data that cannot be ranked together, as different metrics chose their checkpoints."""
    runs = [run for run in compared.facts if run.monitor]
    monitors = sorted({run.monitor for run in runs})
    if compared.metric or len({(run.subject, run.monitor) for run in runs}) == len({run.subject for run in runs}):
        return []
    common = [name for name in monitors if all(name in run.metrics for run in runs if run.finished)]
    advice = f"; sort={common[0]} ranks them together" if common else ""
    return [f"runs that differ in what chose their checkpoints are ranked separately: {_listed(monitors)}{advice}"]


def _splits(runs: Sequence[Facts]) -> list[str]:
    """Where runs of one subject were judged on different samples."""
    remarks = []
    for split in ("val", "test"):
        sizes: dict[tuple[str, ...], set[int]] = {}
        for run in runs:
            samples = run.data.get("samples")
            if isinstance(samples, dict) and isinstance(samples.get(split), int):
                sizes.setdefault(run.subject, set()).add(samples[split])
        for found in sizes.values():
            if len(found) > 1:
                numbers = " and ".join(f"{size:,}" for size in sorted(found)[:3])
                remarks.append(f"{split} differs between runs ({numbers} samples), and so may their metrics")
    return remarks


def _lacking(compared: Comparison, metrics: Sequence[str]) -> list[str]:
    """Runs that finished without a metric that others of their group have: its mean is of fewer than n."""
    remarks = []
    for name in metrics:
        groups = [group for group in compared.members if group.sample(name)]
        runs = [run.name for group in groups for run in group.counted if run.measure(name) is None]
        if runs:
            remarks.append(f"{name} is missing in {_listed(runs)}, which its mean leaves out")
    return remarks


def _again(compared: Comparison) -> list[str]:
    """Runs that do not count, as a newer one has the same settings and seed."""
    old = [
        run.name
        for group in compared.members
        for run in group.members
        if run.finished and not any(run is counted for counted in group.counted)
    ]
    return [f"same settings and seed as a newer run, so not counted: {_listed(old)}"] if old else []


def _dead(runs: Sequence[Facts], in_means: bool) -> list[str]:
    dead = [run.name for run in runs if run.dead and run.finished]
    counts = ", but counts in the mean" * in_means
    return [f"{MARKS['dead']} learnt nothing{counts}: {_listed(dead)}"] if dead else []


def _unfinished(runs: Sequence[Facts], consequence: str) -> list[str]:
    """A sentence for each way to end, with the runs and the reason."""
    remarks = []
    for status in sorted({run.status for run in runs if not run.finished}):
        ways: dict[str, list[str]] = {}
        for run in runs:
            if run.status == status:
                ways.setdefault(_short(run.reason), []).append(run.name)
        for reason, names in _without_rare(ways):
            why = f" ({reason})" if reason else ""
            remarks.append(f"{status}{consequence}: {_listed(sorted(names))}{why}")
    return remarks


def _short(reason: str) -> str:
    """What went wrong, without its details and advice, which the table of all runs has."""
    first = re.split(r" \(|; ", reason, maxsplit=1)[0]
    return first if len(first) <= LONGEST_REASON else first[: LONGEST_REASON - 1].rstrip() + "…"


def _without_rare(ways: Mapping[str, list[str]]) -> list[tuple[str, list[str]]]:
    """Runs by reason, the most common first; of more than MOST_NAMED the rare ones together, without a reason."""
    ordered = sorted(ways.items(), key=lambda way: (-len(way[1]), way[0]))
    if len(ordered) <= MOST_NAMED:
        return ordered
    rare = [name for _, names in ordered[MOST_NAMED - 1 :] for name in names]
    return [*ordered[: MOST_NAMED - 1], ("", rare)]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
