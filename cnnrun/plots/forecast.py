"""Forecasts against what came, over time: the whole split, and its end from close by.

A table of forecasts holds each time as often as there are steps in the horizon. Here each is shown once, by windows
that follow one another, so that all steps of the horizon are seen in their turn. Letters: N windows, H horizon.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from cnnrun.plots.canvas import BLACK, BLUE
from cnnrun.plots.panels import add_legend, first_targets, label_y, panels
from cnnrun.plots.time_axis import draw_band, draw_line, set_times, times_of

CLOSE_DAYS = {"sub-daily": 14, "daily": 56}
"""Days that the zoom shows."""
CLOSE_STEPS = 120
"""Steps that the zoom shows of other series: ten years of months."""
MOST_STEPS = 1344
"""Two weeks of quarter hours; more would be no zoom."""


def forecast(forecast: pd.DataFrame, split: str, unit: str) -> Figure:
    """Draw actual and forecast values of a whole split, with the interval.

    Args:
        forecast: tables.FORECAST, at least one row; several targets are drawn one above the other, at most seven.
        split: its name. unit: of the values, may be empty.
    """
    return _draw(forecast, f"forecast on {split}", unit, whole=True)


def forecast_zoom(forecast: pd.DataFrame, split: str, unit: str) -> Figure:
    """Draw the last weeks of `forecast`, in whole windows: 8 weeks of daily values, 2 of hourly ones."""
    return _draw(forecast, f"the end of the forecast on {split}", unit, whole=False)


def follow_on(windows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one series that hold each time once, in the order of time.

    Args:
        windows: of tables.FORECAST, in the order of origin and horizon; they begin one step apart, or do not overlap.
    Returns: windows that begin H steps apart, and after them what is left at the end of the last one of all.
    """
    if windows["timestamp"].is_unique:
        return windows
    window, step, horizon = _places(windows)
    time = window + step
    return windows[window == np.minimum(time // horizon * horizon, window.max())]


def last_windows(windows: pd.DataFrame, steps: int) -> pd.DataFrame:
    """The rows of the last windows of one series that do not overlap, about so many steps, at least one window."""
    window, _, horizon = _places(windows)
    count = max(round(steps / horizon), 1)
    apart = 1 if windows["timestamp"].is_unique else horizon
    behind = window.max() - window
    return windows[(behind % apart == 0) & (behind // apart < count)]


def by_target(forecast: pd.DataFrame, counting: np.ndarray | None = None) -> tuple[dict[str, pd.DataFrame], str]:
    """The rows of each target that has a panel, and what a title says of the others.

    Args: counting: (rows,) bool; a target without such a row is left out.
    """
    target, uniques = pd.factorize(forecast["series"])
    names = [str(name) for name in uniques]
    found: list[int] = np.unique(target if counting is None else target[counting]).tolist()
    shown, note = first_targets(found)
    return {names[number]: forecast[target == number] if len(names) > 1 else forecast for number in shown}, note


def steps_ahead(forecast: pd.DataFrame) -> str:
    """How far ahead its forecasts are: `1 step ahead`."""
    first, last = forecast["horizon"].min(), forecast["horizon"].max()
    return f"{first} to {last} steps ahead" if first < last else f"{last} step{'s' if last > 1 else ''} ahead"


def _draw(forecast: pd.DataFrame, what: str, unit: str, whole: bool) -> Figure:
    targets, note = by_target(forecast)
    title = f"{what}, {steps_ahead(forecast)}{note}"
    figure, grid = panels(title, rows=len(targets), height=3.2 if len(targets) == 1 else 1.3)
    for axes, (name, rows) in zip(grid[:, 0], targets.items(), strict=True):
        rows = follow_on(rows) if whole else last_windows(rows, _close_steps(rows))
        _draw_series(axes, rows, apart=not whole)
        label_y(axes, f"{name}\n{unit}")
        set_times(axes, times_of(rows["timestamp"]), labelled=axes is grid[-1, 0])
    add_legend(figure)
    return figure


def _draw_series(axes: Axes, rows: pd.DataFrame, apart: bool) -> None:
    """Args: apart: break the forecast where a window ends, and mark where the next one begins."""
    x = times_of(rows["timestamp"]).values
    actual, point, low, high = rows[["actual", "forecast", "low", "high"]].to_numpy(dtype=float).T
    begins = np.flatnonzero(np.diff(pd.factorize(rows["origin"])[0])) + 1
    if not np.isnan(low).all():
        draw_band(axes, x, low, high, color=BLUE, alpha=0.22, label="interval")
    if not np.isnan(actual).all():
        draw_line(axes, x, actual, color=BLACK, label="actual")
    if apart and 0 < len(begins) < len(x) - 1:
        _mark_borders(axes, (x[begins - 1] + x[begins]) / 2)
        x, point = np.insert(x, begins, np.nan), np.insert(point, begins, np.nan)
    draw_line(axes, x, point, color=BLUE, alpha=0.9, label="forecast")


def _mark_borders(axes: Axes, places: np.ndarray) -> None:
    """Dotted lines from the bottom to the top, which leave the limits of the axes alone."""
    lines = [[(x, 0), (x, 1)] for x in places]
    style: dict[str, Any] = {"color": "0.6", "linewidth": 0.8, "linestyle": ":", "label": "a new forecast begins"}
    axes.add_collection(LineCollection(lines, transform=axes.get_xaxis_transform(), **style), autolim=False)


def _places(windows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, int]:
    """The window and the step of each row, both from 0; H."""
    window = pd.factorize(windows["origin"])[0]
    steps = windows["horizon"].to_numpy()
    return window, steps - steps.min(), int(steps.max() - steps.min()) + 1


def _close_steps(windows: pd.DataFrame) -> int:
    """How many steps are a close view of a series as frequent as this one."""
    times = times_of(windows["timestamp"].iloc[-200:])
    gaps = np.diff(np.unique(times.values))
    if not times.dated or not len(gaps) or np.median(gaps) > 1.5:
        return CLOSE_STEPS
    days = CLOSE_DAYS["daily" if np.median(gaps) > 0.9 else "sub-daily"]
    return int(min(round(days / np.median(gaps)), MOST_STEPS))
