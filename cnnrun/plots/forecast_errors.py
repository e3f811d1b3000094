"""When a forecast errs: by the step of its horizon, by the hour, the weekday and the month."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnrun.plots.canvas import BLACK, BLUE, ORANGE, RED, clip_to_width, escape
from cnnrun.plots.panels import GAP, LEFT, RIGHT, TEXT_SIZE, add_legend, first_targets, label_y, panels, with_unit
from cnnrun.plots.time_axis import draw_line

COLUMNS = 4
"""Panels beside one another."""
NARROWEST = 6.4
"""Inches: the legend needs them."""
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
PARTS = {
    "hour": ("hour of the day", 5.2, {hour: str(hour) for hour in range(0, 24, 3)}),
    "weekday": ("day of the week", 2.8, dict(enumerate(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]))),
    "month": ("month", 4.4, dict(enumerate(MONTHS, 1))),
}
"""Of the time: the name of its axis, its width in inches, and the names of its values, counted as pandas does."""


def error_by_horizon(by_horizon: pd.DataFrame, split: str, unit: str) -> Figure:
    """Draw the mean absolute error of each step ahead, and the best baseline's.

    Args:
        by_horizon: tables.BY_HORIZON, at least one row. Of several targets, all together and the first seven.
        split: its name. unit: of each target; several together are in scaled units.
    """
    series = by_horizon["series"].astype(object).where(by_horizon["series"].notna(), "").map(str)
    names = list(series.unique())
    targets = [name for name in names if name]
    shown, note = first_targets(targets)
    groups = ["", *shown] if "" in names and len(targets) != 1 else shown
    columns = min(len(groups), COLUMNS)
    size: dict[str, Any] = {"width": 8.0, "height": 3.2}
    if columns > 1:
        size = {"width": 1.2 + 2.9 * columns, "height": 1.9, "above": 0.2, "below": 0.35}
    title = f"error on {split} by step of the horizon{note}"
    figure, grid = panels(title, rows=math.ceil(len(groups) / columns), columns=columns, **size)
    for axes, name in zip(grid.flat, groups, strict=False):
        _draw_steps(axes, by_horizon[(series == name).to_numpy()])
        axes.set_xlabel("steps ahead", fontsize=TEXT_SIZE)
        if len(groups) > 1:
            heading = with_unit(name, unit) if name else "all targets (scaled units)"
            axes.set_title(escape(clip_to_width(heading, 2.5, TEXT_SIZE)), fontsize=TEXT_SIZE, loc="left")
    for axes in grid[:, 0]:
        label_y(axes, with_unit("mean absolute error", unit if len(groups) == 1 else ""))
    for axes in grid.flat[len(groups) :]:
        axes.remove()
    add_legend(figure)
    return figure


def error_by_time(by_time: pd.DataFrame, split: str, unit: str) -> Figure:
    """Draw the errors by hour, weekday and month: those of them that there are.

    Args:
        by_time: tables.BY_TIME, at least one row. split: its name. unit: of the errors; those of several
            targets are in scaled units.
    """
    parts = [part for part in PARTS if (by_time["part"] == part).any()]
    widths = [PARTS[part][1] for part in parts]
    width = max(LEFT + sum(widths) + (len(parts) - 1) * GAP + RIGHT, NARROWEST)
    title = f"error on {split} by time of the forecast value"
    figure, grid = panels(title, columns=len(parts), width=width, height=2.8, width_ratios=widths)
    for axes, part in zip(grid[0], parts, strict=True):
        _draw_part(axes, by_time[(by_time["part"] == part).to_numpy()], part)
        axes.set_ylim(*_limits(by_time))
    label_y(grid[0, 0], with_unit("error", unit))
    add_legend(figure)
    return figure


def _draw_steps(axes: Axes, rows: pd.DataFrame) -> None:
    step = rows["horizon"].to_numpy(dtype=float)
    lines = [("baseline_mae", ORANGE, "--", "best baseline"), ("mae", BLUE, "-", "model")]
    for column, color, dashes, label in lines:
        values = rows[column].to_numpy(dtype=float)
        if not np.isnan(values).all():
            draw_line(axes, step, values, color=color, linestyle=dashes, label=label, linewidth=1.5)
    margin = max(0.03 * (step.max() - step.min()), 0.5)
    axes.set_xlim(step.min() - margin, step.max() + margin)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _draw_part(axes: Axes, rows: pd.DataFrame, part: str) -> None:
    name, _, texts = PARTS[part]
    place = rows["value"].to_numpy(dtype=int)
    bars = [
        [(x - 0.38, 0), (x - 0.38, y), (x + 0.38, y), (x + 0.38, 0)] for x, y in zip(place, rows["mae"], strict=True)
    ]
    axes.add_collection(PolyCollection(bars, color=BLUE, alpha=0.45, label="mean absolute error"))
    axes.plot(place, rows["rmse"], "_", color=RED, markersize=9, markeredgewidth=2, label="root mean squared error")
    dot: dict[str, Any] = {"markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.5}
    axes.plot(place, rows["bias"], "o", color=BLACK, label="mean error: above 0 too high", **dot)
    axes.axhline(0, color=BLACK, linewidth=0.8)
    axes.set_xlim(min(texts) - 0.6, (23 if part == "hour" else max(texts)) + 0.6)
    axes.set_xticks(list(texts), labels=list(texts.values()))
    axes.set_xlabel(name, fontsize=TEXT_SIZE)
    axes.grid(visible=False, axis="x")


def _limits(by_time: pd.DataFrame) -> Sequence[float]:
    """Of the upright axis, the same in all panels."""
    values = by_time[["mae", "rmse", "bias"]].to_numpy(dtype=float)
    low, high = np.nanmin(values, initial=0.0), np.nanmax(values, initial=0.0)
    margin = 0.06 * (high - low) or 1.0
    return low - margin * (low < 0), high + margin
