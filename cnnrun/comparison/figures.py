"""The figures of a comparison: curves of all runs, the metric against each setting, and the heat maps of a pivot."""

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from cnnrun.comparison.compared import Comparison
from cnnrun.comparison.groups import direction
from cnnrun.comparison.pivot import Pivot
from cnnrun.comparison.wording import spread
from cnnrun.errors import DataError
from cnnrun.plots import PLOTS

MOST_CURVES = 100
"""Runs whose histories are read; the best ones, where there are more."""
MOST_SWEPT = 12
"""Settings that get a figure of their own."""

Figure = tuple[str, str, bytes]
"""Name of the file, what it shows, and the PNG."""


def figures(compared: Comparison, pivoted: Pivot | None) -> Iterator[Figure]:
    """Draw them one by one. Runs that cannot be ranked together are in no figure but a heat map's."""
    if pivoted is not None and pivoted.cols:
        yield from _heat_maps(compared, pivoted)
    if not compared.metric or len({run.subject for run in compared.facts}) > 1:
        return
    yield from _curves(compared)
    if compared.metric in compared.runs and compared.runs[compared.metric].notna().sum() > 1:
        yield from _of_settings(compared)


def _curves(compared: Comparison) -> Iterator[Figure]:
    """
    Raises:
        DataError: if a history is damaged.
    """
    if not compared.monitor:
        return
    best = [run.name for run in compared.facts[:MOST_CURVES]]
    histories = {name: table for name, table in compared.histories(best).items() if compared.monitor in table}
    if not histories:
        return
    of_settings = {
        run.name: ", ".join(f"{key}={value}" for key, value in group.settings.items()) or "all runs"
        for group in compared.members
        for run in group.members
    }
    groups = of_settings if compared.has_seeds else {}
    failed = [run.name for run in compared.facts if not run.finished]
    what = f"{compared.monitor} by epoch, of " + ("all runs" if len(best) == len(compared.facts) else "the best runs")
    try:
        picture = _draw("run_curves", histories, compared.monitor, _upward(compared, compared.monitor), groups, failed)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"a history has no numbers in {compared.monitor}: {error}") from error
    yield "curves", what, picture


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
