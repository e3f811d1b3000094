"""How all runs of a comparison went: one metric over the epochs, a colour a group."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnnrun.plots.canvas import escape, new_figure, tidy
from cnnrun.plots.long_names import LINE, legend_below, legend_rows
from cnnrun.plots.palette import COLORS, OTHERS
from cnnrun.plots.scale import set_metric, write_beside_title

MOST_FAILED = 5
"""Runs that did not finish and that the legend names."""
WIDTH = 10.0


def run_curves(
    histories: Mapping[str, pd.DataFrame],
    column: str,
    higher_is_better: bool,
    groups: Mapping[str, str] | None = None,
    failed: Collection[str] = (),
) -> Figure:
    """Draw a column of all histories: thin lines are runs, a thick one is the mean of the runs of its group.

    The mean ends where the first finished run of the group ends. Groups beyond the number of colours are grey; the
    best have the colours.

    Args:
        histories: tables.HISTORY by run. column: to draw, such as "val/accuracy"; runs without a number in it are
            counted in the title. groups: name of the group by run; by default each run is one.
        failed: runs that did not finish: dashed, and named.
    """
    tables = {run: table.set_index("epoch")[column] for run, table in histories.items() if column in table}
    lines = {run: line for run, line in tables.items() if np.isfinite(line.to_numpy(dtype=float)).any()}
    members = _by_group(lines, groups or {}, higher_is_better)
    colored, others = list(members)[: len(COLORS)], list(members)[len(COLORS) :]
    if len(others) == 1:
        colored, others = [*colored, *others], []
    failures = [run for run in lines if run in failed]
    entries = _entries(colored, others, members, failures)
    names = [name for name, _ in entries]
    title = _title(column, len(histories), len(lines), len(members), _has_means(members, failed))
    figure = new_figure(WIDTH, 4.9 + LINE * legend_rows(names, WIDTH), title)
    axes = figure.subplots()
    for group in others:
        _draw_group(axes, {run: lines[run] for run in members[group]}, failed, OTHERS, faint=True)
    for group, color in reversed(list(zip(colored, [*COLORS, OTHERS], strict=False))):
        _draw_group(axes, {run: lines[run] for run in members[group]}, failed, color, faint=False)
    _set_axes(axes, lines, column, higher_is_better)
    legend_below(figure, entries, WIDTH)
    return figure


def _by_group(
    lines: Mapping[str, pd.Series], groups: Mapping[str, str], higher_is_better: bool
) -> dict[str, list[str]]:
    """Runs by group, the best group first: by the mean of its runs' best values."""
    members: dict[str, list[str]] = {}
    for run in lines:
        members.setdefault(groups.get(run, run), []).append(run)
    sign = -1 if higher_is_better else 1
    best = {run: np.nanmin(sign * line.to_numpy(dtype=float)) for run, line in lines.items()}
    return dict(sorted(members.items(), key=lambda item: float(np.mean([best[run] for run in item[1]]))))


def _has_means(members: Mapping[str, list[str]], failed: Collection[str]) -> bool:
    return any(sum(run not in failed for run in runs) > 1 for runs in members.values())


def _title(column: str, runs: int, drawn: int, groups: int, means: bool) -> str:
    title = f"{column} of {runs} run{'s' * (runs != 1)}"
    if groups not in (drawn, 1):
        title += f" in {groups} groups"
    if means:
        title += "; thin: a run, thick: the mean of a group"
    return title if drawn == runs else f"{title}; {runs - drawn} without a number"


def _entries(
    colored: list[str], others: list[str], members: Mapping[str, list[str]], failures: list[str]
) -> list[tuple[str, Artist]]:
    """Names and marks of the legend."""
    entries: list[tuple[str, Artist]] = []
    for group, color in zip(colored, [*COLORS, OTHERS], strict=False):
        n = len(members[group])
        entries.append((group if n == 1 else f"{group} (n = {n})", Line2D([], [], color=color, linewidth=2)))
    if others:
        entries.append((f"{len(others)} others", Line2D([], [], color=OTHERS, linewidth=1)))
    mark: dict[str, Any] = {"color": "0.3", "linestyle": "--", "linewidth": 1.2, "marker": "x", "markersize": 5}
    entries += [(f"not finished: {run}", Line2D([], [], **mark)) for run in failures[:MOST_FAILED]]
    if len(failures) > MOST_FAILED:
        entries.append((f"and {len(failures) - MOST_FAILED} more that did not finish", Line2D([], [], **mark)))
    return entries


def _draw_group(
    axes: Axes, lines: Mapping[str, pd.Series], failed: Collection[str], color: str, *, faint: bool
) -> None:
    finished = {run: line for run, line in lines.items() if run not in failed}
    style: dict[str, Any] = {"color": color, "zorder": 2 if faint else 3}
    seeds = len(finished) > 1
    for run, line in lines.items():
        dots: dict[str, Any] = {"marker": "o", "markersize": 4} if len(line) == 1 else {}
        if run in finished:
            thin = seeds or faint
            axes.plot(line.index, line, linewidth=0.8 if thin else 1.7, alpha=0.5 if thin else 1, **dots, **style)
        else:
            axes.plot(line.index, line, linewidth=1.2, linestyle="--", alpha=0.5 if faint else 1, **dots, **style)
            end = line[np.isfinite(line.to_numpy(dtype=float))]
            axes.plot(end.index[-1:], end[-1:], "x", markersize=6, **style)
    if seeds and not faint:
        mean = pd.concat(finished.values(), axis="columns", join="inner").mean(axis="columns", skipna=False)
        dots = {"marker": "o", "markersize": 6} if len(mean) == 1 else {}
        axes.plot(mean.index, mean, color=color, linewidth=2.2, zorder=4, **dots)


def _set_axes(axes: Axes, lines: Mapping[str, pd.Series], column: str, higher_is_better: bool) -> None:
    tidy(axes)
    axes.set_ylabel(escape(column))
    axes.set_xlabel("epoch")
    if not lines:
        axes.set_xlim(0, 1)
        axes.text(0.5, 0.5, "no run has a number here", transform=axes.transAxes, ha="center", color="0.4")
        return
    values = np.concatenate([line.to_numpy(dtype=float) for line in lines.values()])
    write_beside_title(axes, set_metric(axes.yaxis, values, higher_is_better))
    last = max(line.index.max() for line in lines.values())
    first = min(line.index.min() for line in lines.values())
    margin = max(0.03 * (last - first), 0.5)
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
