"""What a run forecasts after the end of a file, behind the last steps of the file."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnrun.plots.canvas import BLACK, BLUE, RED
from cnnrun.plots.forecast import by_target
from cnnrun.plots.panels import add_legend, label_y, panels
from cnnrun.plots.time_axis import draw_band, draw_line, set_times, times_of
from cnnrun.tables import SERIES


def ahead(series: pd.DataFrame, ahead: pd.DataFrame, unit: str) -> Figure:
    """Draw a panel a target; a mark stands where a value of the file was filled in.

    Args:
        series: tables.SERIES, the last steps. ahead: tables.AHEAD.
    """
    targets, note = by_target(ahead)
    steps = ahead["timestamp"].nunique()
    title = f"forecast of the next {'step' if steps == 1 else f'{steps:,} steps'}{note}"
    figure, grid = panels(title, rows=len(targets), height=3.2 if len(targets) == 1 else 1.3)
    # By position: a column of the data may be called "timestamp", too.
    times = times_of(pd.concat([series.iloc[:, 0], ahead["timestamp"].iloc[:steps]], ignore_index=True))
    filled = np.flatnonzero(~series.iloc[:, SERIES.names.index("observed")].to_numpy(dtype=bool))
    for number, (axes, (name, rows)) in enumerate(zip(grid[:, 0], targets.items(), strict=True)):
        behind = series.iloc[:, len(SERIES.names) + number].to_numpy(dtype=float)
        _draw_target(axes, times.values, behind, rows)
        if len(filled):
            axes.plot(times.values[filled], behind[filled], "o", color=RED, markersize=4, label="filled in", zorder=4)
        label_y(axes, f"{name}\n{unit}")
        set_times(axes, times, labelled=axes is grid[-1, 0])
    add_legend(figure)
    return figure


def _draw_target(axes: Axes, x: np.ndarray, behind: np.ndarray, rows: pd.DataFrame) -> None:
    before, after = x[: len(behind)], x[len(behind) :]
    point, low, high = rows[["forecast", "low", "high"]].to_numpy(dtype=float).T
    if not np.isnan(low).all():
        draw_band(axes, after, low, high, color=BLUE, alpha=0.22, label="interval")
    draw_line(axes, before, behind, color=BLACK, label="actual")
    draw_line(axes, after, point, color=BLUE, label="forecast")
