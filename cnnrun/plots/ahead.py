"""What a run forecasts after the end of a file, behind the last steps of the file."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnrun.plots.canvas import BLUE
from cnnrun.plots.forecast import BLACK
from cnnrun.plots.panels import add_legend, first_targets, label_y, panels
from cnnrun.plots.time_axis import draw_band, draw_line, set_times, times_of


def ahead(series: pd.DataFrame, ahead: pd.DataFrame, unit: str) -> Figure:
    """Draw a panel a target.

    Args:
        series: tables.SERIES, the last steps. ahead: tables.AHEAD.
    """
    shown, note = first_targets(list(ahead["series"].unique()))
    steps = len(ahead) // ahead["series"].nunique()
    title = f"forecast of the next {'step' if steps == 1 else f'{steps:,} steps'}{note}"
    figure, grid = panels(title, rows=len(shown), height=3.2 if len(shown) == 1 else 1.3)
    for axes, name in zip(grid[:, 0], shown, strict=True):
        _draw_target(axes, series["timestamp"], series[name], ahead[ahead["series"] == name])
        label_y(axes, f"{name}\n{unit}")
        stamps = pd.concat([series["timestamp"], ahead["timestamp"]], ignore_index=True)
        set_times(axes, times_of(stamps), labelled=axes is grid[-1, 0])
    add_legend(figure)
    return figure


def _draw_target(axes: Axes, stamps: pd.Series, past: pd.Series, rows: pd.DataFrame) -> None:
    behind = past.to_numpy(dtype=float)
    x = times_of(pd.concat([stamps, rows["timestamp"]], ignore_index=True)).values
    before, after = x[: len(behind)], x[len(behind) :]
    point, low, high = rows[["forecast", "low", "high"]].to_numpy(dtype=float).T
    if not np.isnan(low).all():
        draw_band(axes, after, low, high, color=BLUE, alpha=0.22, label="interval")
    draw_line(axes, before, behind, color=BLACK, label="actual")
    draw_line(axes, after, point, color=BLUE, label="forecast")
