"""What must be known of a comparison: how its marks came about, which runs are dead, which did not finish."""

from collections.abc import Mapping, Sequence

from cnnrun.comparison.compared import OWN, Comparison
from cnnrun.comparison.groups import PAIRED, WELCH, Standing
from cnnrun.comparison.pivot import Pivot
from cnnrun.comparison.reading import Facts
from cnnrun.plots.marks import MARKS

MOST_NAMED = 6
"""Runs of one kind; the table of all runs has the others."""


def of_comparison(compared: Comparison, metrics: Sequence[str]) -> list[str]:
    """Of the table of runs, or of groups, that shows these metrics."""
    frame = compared.groups
    remarks = [_ranking(compared), *_marks(compared.standings, compared.has_seeds)]
    remarks += _chosen(bool((frame["chosen"] & ~frame["best"]).any()))
    return [*filter(None, remarks), *_lacking(compared, metrics), *of_runs(compared)]


def of_pivot(compared: Comparison, table: Pivot) -> list[str]:
    """Of a pivot."""
    held = [Standing(cell.best, cell.tied, cell.p, cell.test) for cell in table.grid.values()]
    several = any(cell.n > 1 for cell in table.grid.values())
    means = "mean over the seeds ± 95 % t interval; " if several else ""
    order = " | ".join(table.cells)
    remarks = [f"cells: {order}, {means}of each the best is marked" if means else f"cells: {order}"]
    if table.hidden:
        remarks.append(f"cells hold runs that differ in {_listed(table.hidden)}: each shows what is best on val")
    remarks += _marks(held, several, len(table.cells))
    remarks += _chosen(any(cell.chosen and not cell.best for cell in table.grid.values()))
    if any(cell.failed for cell in table.grid.values()):
        remarks.append(f"{MARKS['failed']} runs of the cell did not finish")
    return [*remarks, *_lacking(compared, table.cells), *of_runs(compared)]


def of_runs(compared: Comparison) -> list[str]:
    """Of the runs, in whatever table."""
    runs = compared.facts
    return [*_kinds(compared), *_splits(runs), *_again(compared), *_dead(runs), *_unfinished(runs)]


def _ranking(compared: Comparison) -> str:
    if len(compared.facts) == 1:
        return ""
    if compared.metric and compared.metric not in (*compared.metrics(), *OWN):
        instead = f"test/{compared.metric.partition('/')[2]}"
        advice = f"; sort={instead} does" if instead in compared.metrics() else ""
        return f"not sorted: no result has {compared.metric}, which chose the checkpoints{advice}"
    what = compared.metric or "the metric that each kind of runs watched"
    if not compared.has_seeds:
        return f"sorted by {what}; one run each, so that nothing tells a difference from chance: run several seeds"
    return f"sorted by {what}: mean over the seeds ± 95 % t interval, n runs that finished"


def _marks(held: Sequence[Standing], several: bool, metrics: int = 1) -> list[str]:
    """What the signs mean, and by which test they came about; `held` is of so many metrics."""
    best = sum(one.best for one in held)
    if not best or len(held) < 2:
        return []
    tests = sorted({one.test for one in held} - {""})
    if not several or not tests:
        return [f"{MARKS['best']} is the best"]
    how = {PAIRED: f"{PAIRED} where the seeds are the same", WELCH: f"{WELCH} where they are not"}
    named = how[PAIRED] + ", " + how[WELCH] if len(tests) > 1 else tests[0]
    number = round(sum(bool(one.test) for one in held) / max(metrics, 1))
    corrected = f", Holm's correction for {number} comparisons" if number > 1 else ""
    if corrected and best > metrics:  # several kinds of runs, each with its own
        corrected = ", Holm's correction among the runs of each kind"
    corrected += " in each metric" if corrected and metrics > 1 else ""
    return [f"{MARKS['best']} is the best, {MARKS['tied']} cannot be told from it ({named}, at 5 %{corrected})"]


def _chosen(elsewhere: bool) -> list[str]:
    """Where val chose another than is marked as the best."""
    return [f"{MARKS['chosen']} is the best on val, which had the choice"] if elsewhere else []


def _kinds(compared: Comparison) -> list[str]:
    """What cannot be ranked."""
    remarks = []
    subjects = list(dict.fromkeys(" ".join(run.subject) for run in compared.facts))
    if len(subjects) > 1:
        remarks.append(f"runs of different data are ranked each among themselves: {_listed(subjects)}")
    monitors = sorted({run.monitor for run in compared.facts if run.monitor})
    if len(monitors) > 1 and not compared.metric:
        common = [
            name for name in compared.metrics() if all(name in run.metrics for run in compared.facts if run.finished)
        ]
        instead = next((name for name in monitors if name in common), "")
        advice = f"; sort={instead} ranks all of them" if instead else ""
        remarks.append(
            f"runs that watched different metrics are ranked each among themselves: {_listed(monitors)}{advice}"
        )
    if not any(run.monitor for run in compared.facts) and not compared.metric:
        remarks.append("no run says which metric on val chose its checkpoint, so none is ranked; sort=METRIC does")
    return remarks


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
                remarks.append(f"{split} is not the same in all runs ({numbers} samples): differences are of that, too")
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
    return [f"the same settings and seed as a newer run, so not counted: {_listed(old)}"] if old else []


def _dead(runs: Sequence[Facts]) -> list[str]:
    dead = [run for run in runs if run.dead and run.finished]
    if not dead:
        return []
    return [f"{MARKS['dead']} learnt nothing, and counts all the same: {_listed([run.name for run in dead])}"]


def _unfinished(runs: Sequence[Facts]) -> list[str]:
    """A sentence for each way to end, with the runs and the reason."""
    remarks = []
    for status in sorted({run.status for run in runs if not run.finished}):
        ways: dict[str, list[str]] = {}
        for run in runs:
            if run.status == status:
                ways.setdefault(run.reason, []).append(run.name)
        for reason, names in _without_rare(ways):
            why = f" ({reason})" if reason else ""
            remarks.append(f"{status}, so not counted: {_listed(sorted(names))}{why}")
    return remarks


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
