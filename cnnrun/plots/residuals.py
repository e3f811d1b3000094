"""What is left in the errors of a forecast: over time, their distribution, and whether one tells of the next."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnrun.plots.canvas import BLACK, BLUE, GREY, RED, escape
from cnnrun.plots.forecast import by_target, follow_on, steps_ahead
from cnnrun.plots.panels import TEXT_SIZE, add_legend, label_y, panels, with_unit
from cnnrun.plots.time_axis import draw_line, set_times, times_of

MOST_LAGS = 50
"""Steps: two days of hours, seven weeks of days."""
MOST_BINS = 60


def residuals(forecast: pd.DataFrame, split: str, unit: str) -> Figure:
    """Draw the errors, forecast minus actual: over time, as a histogram, and their autocorrelation one step ahead.

    Args:
        forecast: tables.FORECAST, with an actual value in at least one row; of several targets the first seven, a row
            each. split: its name. unit: of the values.
    """
    targets, note = by_target(forecast, np.isfinite(_errors(forecast)))
    title = f"errors on {split}, forecast minus actual, {steps_ahead(forecast)}{note}"
    height, below = (2.8, 0.0) if len(targets) == 1 else (1.4, 0.22)
    layout: dict[str, Any] = {"rows": len(targets), "columns": 3, "width_ratios": [2.2, 1.0, 1.2]}
    figure, grid = panels(title, width=13.0, height=height, below=below, **layout)
    for (over_time, histogram, lags), name in zip(grid, targets, strict=True):
        _draw_over_time(over_time, targets[name], last=over_time is grid[-1, 0])
        _draw_histogram(histogram, _errors(targets[name]))
        _draw_autocorrelation(lags, targets[name])
        error = with_unit("error", unit)
        label_y(over_time, f"{name}\n{error}")
    grid[-1, 1].set_xlabel(escape(with_unit("error", unit)), fontsize=TEXT_SIZE)
    first, last = forecast["horizon"].min(), forecast["horizon"].max()
    of_which = f", of errors {first} step ahead" if first < last else ""
    apart = "windows" if first < last and _do_not_overlap(next(iter(targets.values()))) else "steps"
    grid[-1, 2].set_xlabel(f"lag ({apart}){of_which}", fontsize=TEXT_SIZE)
    add_legend(figure)
    return figure


def autocorrelation(errors: np.ndarray, lags: int) -> np.ndarray:
    """(lags,) of lag 1, 2, ...; pairs with a missing error (NaN) are left out, and the others scaled up.

    NaN where no pair remains, or all errors are the same.
    """
    seen = np.isfinite(errors)
    deviations = np.where(seen, errors - errors[seen].mean(), 0.0)
    power = deviations @ deviations
    if power <= 1e-20 * np.square(errors[seen]).sum():  # what rounding leaves of nothing
        return np.full(lags, np.nan)
    products = np.array([deviations[lag:] @ deviations[:-lag] for lag in range(1, lags + 1)])
    return products / power * seen.mean() / _share_of_pairs(seen, lags)


def _share_of_pairs(seen: np.ndarray, lags: int) -> np.ndarray:
    """(lags,) of the pairs that there would be without gaps; NaN where there is none."""
    shares = np.array([np.mean(seen[lag:] & seen[:-lag]) for lag in range(1, lags + 1)])
    return np.where(shares > 0, shares, np.nan)


def _do_not_overlap(windows: pd.DataFrame) -> bool:
    """Whether errors of the same step are a horizon apart, as in a long table."""
    return len(windows) > 1 and bool(windows["timestamp"].is_unique)


def _errors(rows: pd.DataFrame) -> np.ndarray:
    return rows["forecast"].to_numpy(dtype=float) - rows["actual"].to_numpy(dtype=float)


def _draw_over_time(axes: Axes, rows: pd.DataFrame, last: bool) -> None:
    rows = follow_on(rows)
    times = times_of(rows["timestamp"])
    draw_line(axes, times.values, _errors(rows), color=BLUE, linewidth=0.8)
    axes.axhline(0, color=BLACK, linewidth=0.8)
    set_times(axes, times, labelled=last, ticks=7)


def _draw_histogram(axes: Axes, errors: np.ndarray) -> None:
    errors = errors[np.isfinite(errors)]
    bins = int(np.clip(np.sqrt(len(errors)), 10, MOST_BINS))
    counts, edges = np.histogram(errors, bins)
    axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.6)
    axes.axvline(0, color=BLACK, linewidth=0.8)
    axes.axvline(errors.mean(), color=RED, linewidth=1.2, linestyle="--", label="mean error")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    label_y(axes, "values")


def _draw_autocorrelation(axes: Axes, rows: pd.DataFrame) -> None:
    """Within the band are 95 of 100 lags of errors that tell nothing of the next: 1.96 / sqrt(n), wider with gaps."""
    errors = _errors(rows[(rows["horizon"] == rows["horizon"].min()).to_numpy()])
    count = int(np.isfinite(errors).sum())
    lags = min(MOST_LAGS, len(errors) - 1)
    values = autocorrelation(errors, lags) if count > 1 else np.full(max(lags, 0), np.nan)
    label_y(axes, "autocorrelation")
    if np.isnan(values).all():
        axes.text(0.5, 0.5, "no two errors differ", transform=axes.transAxes, ha="center", fontsize=TEXT_SIZE)
        axes.set(xlim=(0, 1), ylim=(-1, 1), xticks=[])
        return
    band = 1.96 / np.sqrt(len(errors) * _share_of_pairs(np.isfinite(errors), lags))
    places, widest = np.arange(1, lags + 1), np.nanmax(band)
    axes.vlines(places, 0, values, color=BLUE, linewidth=2 if lags > 20 else 4)
    ends = [np.r_[0.5, places + 0.5], np.r_[band[:1], band]]
    style: dict[str, Any] = {"step": "pre", "color": GREY, "alpha": 0.3, "linewidth": 0, "zorder": 0.5}
    axes.fill_between(ends[0], -ends[1], ends[1], label="95 % band of independent errors", **style)
    axes.axhline(0, color=BLACK, linewidth=0.8)
    axes.set_xlim(0, lags + 1)
    axes.set_ylim(min(-2 * widest, 1.15 * np.nanmin(values)), max(2 * widest, 1.15 * np.nanmax(values)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
