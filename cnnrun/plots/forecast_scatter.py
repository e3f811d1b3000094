"""Forecast values against actual ones."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnrun.plots.canvas import BLUE, GREY, clip_to_width, escape
from cnnrun.plots.forecast import by_target, steps_ahead
from cnnrun.plots.panels import GAP, LEFT, RIGHT, TEXT_SIZE, label_y, panels, with_unit

MOST_POINTS = 2000
"""Above it, points would hide one another: cells are shaded by how many they hold."""
CELLS = 80
"""On either axis."""
COLUMNS = 4


def forecast_scatter(forecast: pd.DataFrame, split: str, unit: str) -> Figure:
    """Draw forecast against actual values of all windows and steps, a square a target, with R².

    Args:
        forecast: tables.FORECAST, with an actual value in at least one row. split: its name. unit: of the values.
    """
    scored = forecast[np.isfinite(forecast["actual"]) & np.isfinite(forecast["forecast"])]
    targets, note = by_target(scored)
    columns = min(len(targets), COLUMNS)
    side = 4.2 if columns == 1 else 2.4
    width = LEFT + RIGHT + columns * side + (columns - 1) * GAP
    title = f"forecast against actual on {split}, {steps_ahead(scored)}, n = {len(scored):,}{note}"
    if columns == 1:
        title = f"forecast on {split}: R² {_r2(*_values(scored))}, n = {len(scored):,}"
    rows = math.ceil(len(targets) / columns)
    layout: dict[str, Any] = {"above": 0.2, "below": 0.35} if columns > 1 else {}
    figure, grid = panels(title, rows=rows, columns=columns, width=width, height=side, legend=False, **layout)
    for axes, (name, target) in zip(grid.flat, targets.items(), strict=False):
        _draw_target(axes, *_values(target))
        if columns > 1:
            heading = clip_to_width(f"{name}: R² {_r2(*_values(target))}", side, TEXT_SIZE)
            axes.set_title(escape(heading), fontsize=TEXT_SIZE, loc="left")
        axes.set_xlabel(escape(with_unit("actual", unit)), fontsize=TEXT_SIZE)
    for axes in grid[:, 0]:
        label_y(axes, with_unit("forecast", unit))
    for axes in grid.flat[len(targets) :]:
        axes.remove()
    return figure


def _values(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Actual and forecast."""
    return rows["actual"].to_numpy(dtype=float), rows["forecast"].to_numpy(dtype=float)


def _r2(actual: np.ndarray, point: np.ndarray) -> str:
    """1 - squared errors / squared deviations of the actual values from their mean."""
    deviations = np.square(actual - actual.mean()).sum()
    return f"{1 - np.square(point - actual).sum() / deviations:.3f}" if deviations > 0 else "undefined"


def _draw_target(axes: Axes, actual: np.ndarray, point: np.ndarray) -> None:
    low, high = min(actual.min(), point.min()), max(actual.max(), point.max())
    margin = 0.03 * (high - low) or 0.05 * abs(high) or 1.0
    ends = (low - margin, high + margin)
    if len(actual) <= MOST_POINTS:
        alpha = 0.8 if len(actual) <= 100 else 0.5
        axes.plot(actual, point, "o", color=BLUE, markersize=4, markeredgewidth=0, alpha=alpha)
    else:
        _draw_cells(axes, actual, point, ends)
    axes.plot(ends, ends, color=GREY, linestyle="--", linewidth=1, zorder=3)
    axes.set(xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5))


def _draw_cells(axes: Axes, actual: np.ndarray, point: np.ndarray, ends: tuple[float, float]) -> None:
    """A cell is darker where it holds more points, on a logarithmic scale; white where it holds none."""
    low, high = ends
    column, row = (((values - low) * (CELLS / (high - low))).astype(int) for values in (actual, point))
    counts = np.bincount(row * CELLS + column, minlength=CELLS * CELLS).reshape(CELLS, CELLS)
    cells = np.ma.masked_equal(counts, 0)
    norm = LogNorm(vmin=0.2, vmax=max(counts.max(), 1))
    style: dict[str, Any] = {
        "cmap": "Blues",
        "norm": norm,
        "origin": "lower",
        "interpolation": "nearest",
        "aspect": "auto",
    }
    axes.imshow(cells, extent=(low, high, low, high), zorder=2, **style)
