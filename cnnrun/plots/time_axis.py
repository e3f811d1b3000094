"""Lines over time: stamps as they stand in a table, their axis, and series that are longer than a picture is wide."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from cnnrun.plots.panels import TEXT_SIZE

BUCKETS = 1000
"""Parts of a long series, each about a pixel wide, of which the lowest and the highest value are drawn."""
MOST_MARKERS = 60
"""Points; above it the markers would hide the line."""
DATE_FORMATS: dict[str, Any] = {
    "formats": ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y %H:%M"],
}
"""Of ConciseDateFormatter: by year, month, day, hour, minute, second. Days with their month, as weeks span two."""


@dataclass(frozen=True)
class Times:
    """Where the rows of a table lie on its time axis: (N,) days as matplotlib counts them, or row numbers."""

    values: np.ndarray
    dated: bool
    label: str


def times_of(stamps: pd.Series) -> Times:
    """Read a column of stamps or of row numbers, of at least one row.

    Local time is shown at the first row's offset from UTC throughout, as its clock would run backwards for an hour in
    autumn.
    """
    if pd.api.types.is_numeric_dtype(stamps.dtype):
        return Times(stamps.to_numpy(dtype=float), dated=False, label="row")
    instants = pd.DatetimeIndex(pd.to_datetime(stamps, utc=True, format="ISO8601")).tz_localize(None)
    offset = re.search(r":\d\d([+-]\d\d:\d\d)$", str(stamps.iloc[0]))
    if offset is None:
        return Times(_days(instants), dated=True, label="time")
    ahead = pd.Timedelta(f"{offset[1]}:00")
    return Times(_days(instants + ahead), dated=True, label=f"time (UTC{offset[1]})")


def _days(stamps: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray(date2num(stamps.to_numpy()), dtype=float)


def set_times(axes: Axes, times: Times, *, labelled: bool = True, ticks: int = 9) -> None:
    """Let the axis end with the series and show about so many dates, or row numbers; or none but their grid."""
    values = times.values
    span = values.max() - values.min()
    margin = max(0.01 * span, 0.5 * span / max(len(values) - 1, 1)) or 0.5
    axes.set_xlim(values.min() - margin, values.max() + margin)
    if times.dated:
        locator = AutoDateLocator(minticks=3, maxticks=ticks)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, **DATE_FORMATS))
        axes.xaxis.get_offset_text().set_fontsize(TEXT_SIZE)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=ticks, integer=True, min_n_ticks=1))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    if labelled:
        axes.set_xlabel(times.label, fontsize=TEXT_SIZE)
    axes.tick_params(axis="x", labelbottom=labelled)


def draw_line(axes: Axes, x: np.ndarray, y: np.ndarray, **style: Any) -> None:
    """Draw one line, broken where y is NaN; a value with nothing on either side is a dot.

    Of a long one the extremes of each part, at their own places: the picture of all of it, as a part is a pixel wide.
    """
    kept = extremes(y)
    x, y = x[kept], y[kept]
    dots = _alone(y) if np.isfinite(y).sum() > MOST_MARKERS else np.ones(len(y), dtype=bool)
    marks = {"marker": "o", "markersize": 3, "markevery": dots} if dots.any() else {}
    axes.plot(x, y, **{"linewidth": 1.0, **marks, **style})


def draw_band(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, **style: Any) -> None:
    """Fill what lies between low and high; of a long band the lowest and the highest of each part."""
    if len(x) > 2 * BUCKETS:
        x = _parts(x, np.nan)[:, 0]
        low = _parts(np.where(np.isnan(low), np.inf, low), np.inf).min(axis=1)
        high = _parts(np.where(np.isnan(high), -np.inf, high), -np.inf).max(axis=1)
    within = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(x, low, high, where=within, linewidth=0, **style)
    single = _alone(np.where(within, low, np.nan))
    if single.any():
        axes.vlines(x[single], low[single], high[single], linewidth=3, **{**style, "label": None})


def extremes(values: np.ndarray) -> np.ndarray:
    """Positions, in order, of the lowest and the highest value of each of BUCKETS parts; all of a short series."""
    if len(values) <= 2 * BUCKETS:
        return np.arange(len(values))
    missing = np.isnan(values)
    lowest = _parts(np.where(missing, np.inf, values), np.inf).argmin(axis=1)
    highest = _parts(np.where(missing, -np.inf, values), -np.inf).argmax(axis=1)
    starts = np.arange(len(lowest)) * _size(values)
    both = np.concatenate([starts + lowest, starts + highest, [0, len(values) - 1]])
    return np.unique(both)


def _size(values: np.ndarray) -> int:
    return -(-len(values) // BUCKETS)


def _parts(values: np.ndarray, padding: float) -> np.ndarray:
    """(parts, size), the last one filled up."""
    size = _size(values)
    short = -len(values) % size
    return np.concatenate([values, np.full(short, padding)]).reshape(-1, size)


def _alone(values: np.ndarray) -> np.ndarray:
    """Whether a value is there and both its neighbours are not."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    return there[1:-1] & ~there[:-2] & ~there[2:]
