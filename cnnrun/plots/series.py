"""The series that a run learned from: what belongs to which split, and what was filled in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnrun.plots.canvas import BLUE, GREEN, GREY, ORANGE, RED
from cnnrun.plots.panels import add_legend, first_targets, label_y, panels
from cnnrun.plots.time_axis import BUCKETS, MOST_MARKERS, Times, draw_line, set_times, times_of
from cnnrun.tables import SERIES

COLORS = {"train": ORANGE, "val": BLUE, "test": GREEN, "": GREY}
"""Of the splits; the last one is of rows that belong to none."""


def series(series: pd.DataFrame, targets: Sequence[str], unit: str) -> Figure:
    """Draw the targets over time, one above the other, a colour a split, with a mark where one was filled in.

    Args:
        series: tables.SERIES, at least one row. targets: all their names, of which the first seven are shown. unit:
            theirs.
    """
    shown, note = first_targets(targets)
    # By position: a column of the data may be called "split", too.
    stamps, splits, observed = (series.iloc[:, number] for number in range(len(SERIES.names)))
    filled = ~observed.to_numpy(dtype=bool)
    repaired = f", of these {filled.sum():,} filled in" if filled.any() else ""
    title = f"the series: n = {len(series):,}{repaired}{note}"
    figure, grid = panels(title, rows=len(shown), height=3.0 if len(shown) == 1 else 1.25)
    times = times_of(stamps)
    for number, (axes, name) in enumerate(zip(grid[:, 0], shown, strict=True)):
        values = series.iloc[:, len(SERIES.names) + number].to_numpy(dtype=float)
        _draw_target(axes, times, values, splits.where(splits.notna(), "").to_numpy(), filled)
        label_y(axes, f"{name}\n{unit}")
        set_times(axes, times, labelled=axes is grid[-1, 0])
    add_legend(figure)
    return figure


def _draw_target(axes: Axes, times: Times, values: np.ndarray, splits: np.ndarray, filled: np.ndarray) -> None:
    for split, color in COLORS.items():
        rows = splits == split
        if rows.any():
            label = f"{split or 'in no split'}, {rows.sum():,}"
            draw_line(axes, times.values, np.where(rows, values, np.nan), color=color, label=label)
    marked = _one_a_pixel(np.flatnonzero(filled), len(values))
    if len(marked):
        style: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": RED, "zorder": 4}
        style |= {"markersize": 5, "markeredgecolor": "white"} if len(marked) <= MOST_MARKERS else {"markersize": 2}
        axes.plot(times.values[marked], values[marked], label=f"filled in, {filled.sum():,}", **style)


def _one_a_pixel(rows: np.ndarray, count: int) -> np.ndarray:
    """The first of the rows in each part of a series of that length: further marks would cover it."""
    _, first = np.unique(rows * BUCKETS // count if count > BUCKETS else rows, return_index=True)
    return rows[first]
