"""The figures of a comparison: curves of all runs, the metric against each setting, and the heat maps of a pivot."""

import re
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnnrun.comparison.compared import Comparison
from cnnrun.comparison.groups import direction
from cnnrun.comparison.pivot import Pivot
from cnnrun.comparison.wording import spread
from cnnrun.plots import PLOTS

if TYPE_CHECKING:
    import pandas as pd

EPOCH = "epoch"
MOST_CURVES = 100
"""Runs whose histories are read; the best ones, where there are more."""
MOST_SWEPT = 12
"""Settings that get a figure of their own."""

Figure = tuple[str, str, bytes]
"""Name of the file, what it shows, and the PNG."""


def figures(compared: Comparison, pivoted: Pivot | None, problems: list[str]) -> Iterator[Figure]:
    """Draw them one by one. Runs that cannot be ranked together are in no figure but a heat map's.

    Args:
        problems: takes a sentence for each history that cannot be read.
    """
    if pivoted is not None and pivoted.cols:
        yield from _heat_maps(compared, pivoted)
    if not compared.metric or len({run.subject for run in compared.facts}) > 1:
        return
    yield from _curves(compared, problems)
    if compared.metric in compared.runs and compared.runs[compared.metric].notna().sum() > 1:
        yield from _of_settings(compared)


def _curves(compared: Comparison, problems: list[str]) -> Iterator[Figure]:
    if not compared.monitor:
        return
    best = [run.name for run in compared.facts[:MOST_CURVES]]
    read = compared.histories(best, problems).items()
    histories = {
        name: _numbers(table, compared.monitor) for name, table in read if {EPOCH, compared.monitor} <= {*table}
    }
    if not any(len(table) for table in histories.values()):
        return
    of_settings = {
        run.name: ", ".join(f"{key}={value}" for key, value in group.settings.items()) or "all runs"
        for group in compared.members
        for run in group.members
    }
    groups = of_settings if compared.has_seeds else {}
    failed = [run.name for run in compared.facts if not run.finished]
    what = f"{compared.monitor} by epoch, of " + ("all runs" if len(best) == len(compared.facts) else "the best runs")
    yield (
        "curves",
        what,
        _draw("run_curves", histories, compared.monitor, _upward(compared, compared.monitor), groups, failed),
    )


def _numbers(history: "pd.DataFrame", column: str) -> "pd.DataFrame":
    """The column by epoch, without what is no number."""
    import pandas as pd

    return history[[EPOCH, column]].apply(pd.to_numeric, errors="coerce").dropna(subset=[EPOCH])


def _of_settings(compared: Comparison) -> Iterator[Figure]:
    metric, settings = compared.metric, compared.settings
    for setting in settings[:MOST_SWEPT]:
        others = [name for name in settings if name != setting]
        picture = _draw("swept", compared.groups, setting, metric, compared.higher_is_better, others)
        yield f"swept-{_safe(setting)}", f"{metric} against {setting}", picture
    if len(settings) > 1:
        picture = _draw("parallel", compared.runs, settings, metric, compared.higher_is_better)
        yield "parallel", f"{metric} of all runs across their settings", picture


def _heat_maps(compared: Comparison, pivoted: Pivot) -> Iterator[Figure]:
    for metric in pivoted.cells:
        means = pivoted.means(metric)
        if means.notna().to_numpy().any():
            below = pivoted.frame(metric).map(
                lambda held: spread(held.mean, held.high).partition(" ")[2] if held else ""
            )
            picture = _draw("heat_map", means, metric, _upward(compared, metric), pivoted.marks(metric), below)
            yield f"heat_map-{_safe(metric)}", f"{metric} by {means.index.name} and {means.columns.name}", picture


def _upward(compared: Comparison, metric: str) -> bool:
    return direction(metric, compared.facts) is not False


def _safe(name: str) -> str:
    """A name of a file."""
    return re.sub(r"[^\w.=+-]", "-", name)[:80]


def _draw(plot: str, *arguments: Any) -> bytes:
    from cnnrun.plots.canvas import png

    module, _, function = PLOTS[plot].partition(":")
    return png(getattr(import_module(module), function)(*arguments))
