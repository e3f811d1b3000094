"""The model beside its baselines: on a split, and fold by fold."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnrun.plots.canvas import BLUE, GREEN, GREY, ORANGE, RED
from cnnrun.plots.panels import TEXT_SIZE, add_legend, label_y, panels, with_unit
from cnnrun.plots.time_axis import MOST_MARKERS

MODEL = "model"
STYLES = {MODEL: (BLUE, "o"), "ridge": (GREEN, "s"), "seasonal_naive": (ORANGE, "D"), "naive": (GREY, "v")}
"""Of each forecaster: colour and mark."""
NAMES = {"mae": "MAE", "rmse": "RMSE", "mape": "MAPE", "r2": "R²", "mse": "MSE", "smape": "sMAPE", "mase": "MASE"}
"""Of the metrics, in the order in which panels are given to them."""
PERCENT = ("mape", "smape")
IN_UNIT = ("mae", "rmse", "mse")
SCALED = "_scaled"
MOST_METRICS = 4
MOST_FOLD_LABELS = 10


def baselines(baselines: pd.DataFrame, split: str, unit: str) -> Figure:
    """Draw the metrics of the model and of each baseline with their 95 % intervals, a panel a metric, at most four.

    Args:
        baselines: tables.BASELINES, with rows of the split. split: its name. unit: of the errors.
    """
    table = baselines[(baselines["split"] == split).to_numpy()]
    metrics = _shown_metrics(set(table["metric"]))
    forecasters = [str(name) for name in table["forecast"].unique()]
    height = max(0.34 * len(forecasters) + 0.2, 1.0)
    title = f"model and baselines on {split}, n = {table['n'].max():,} windows"
    figure, grid = panels(title, columns=len(metrics), width=1.4 + 2.6 * len(metrics), height=height, legend=False)
    for axes, metric in zip(grid[0], metrics, strict=True):
        rows = table[(table["metric"] == metric).to_numpy()].set_index("forecast").reindex(forecasters)
        _draw_metric(axes, rows)
        axes.tick_params(labelleft=axes is grid[0, 0])
        axes.set_xlabel(_named(metric, unit), fontsize=TEXT_SIZE)
    return figure


def backtest(backtest: pd.DataFrame, metric: str, unit: str) -> Figure:
    """Draw a metric of the model and of each baseline, fold by fold.

    Args:
        backtest: tables.BACKTEST, at least one row. metric: its column; those of baselines are named as `mae/naive`.
        unit: of the errors.
    """
    columns = [column for column in backtest.columns if column == metric or column.startswith(f"{metric}/")]
    folds = "1 fold" if len(backtest) == 1 else f"{len(backtest)} folds"
    title = f"{folds}, each forecast by a model that was trained on what came before"
    figure, grid = panels(title, width=9.0, height=3.2)
    axes = grid[0, 0]
    places = np.arange(len(backtest))
    for column in columns:
        axes.plot(places, backtest[column], **_line_style(column.partition("/")[2] or MODEL, len(places)))
    every = -(-len(places) // MOST_FOLD_LABELS)
    labels = [str(begin)[:10] for begin in backtest["begin"]]
    axes.set_xticks(places[::every], labels=labels[::every])
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel("first value that the fold forecasts", fontsize=TEXT_SIZE)
    label_y(axes, _named(metric, unit))
    add_legend(figure)
    return figure


def _shown_metrics(found: set[str]) -> list[str]:
    """The first of NAMES that there are, in scaled units where that is all: of several targets, say."""
    names = [metric if metric in found else f"{metric}{SCALED}" for metric in NAMES]
    return [name for name in names if name in found][:MOST_METRICS]


def _draw_metric(axes: Axes, rows: pd.DataFrame) -> None:
    """Args: rows: one a forecaster, from the top."""
    place = np.arange(len(rows))
    value, low, high = rows[["value", "low", "high"]].to_numpy(dtype=float).T
    colors = [_style(name)[0] for name in rows.index]
    axes.hlines(place, low, high, color=colors, linewidth=2, alpha=0.6)
    for row, name in enumerate(rows.index):
        color, mark = _style(name)
        axes.plot(value[row], row, mark, color=color, markersize=6)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(place, labels=[name.replace("_", "\n") for name in rows.index])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))


def _style(forecaster: str) -> tuple[str, str]:
    return STYLES.get(forecaster, (RED, "^"))


def _line_style(forecaster: str, folds: int) -> dict[str, Any]:
    color, mark = _style(forecaster)
    mine = forecaster == MODEL
    style = {
        "color": color,
        "label": forecaster.replace("_", " "),
        "linewidth": 2 if mine else 1.2,
        "zorder": 3 if mine else 2,
    }
    marker = {"marker": mark, "markersize": 5} if folds <= MOST_MARKERS else {}
    return {**style, **marker, "linestyle": "-" if mine else "--"}


def _named(metric: str, unit: str) -> str:
    """The metric with its unit, where it has one."""
    plain = metric.removesuffix(SCALED)
    if plain in PERCENT:
        return with_unit(NAMES[plain], "%")
    squared = "²" if plain == "mse" and unit else ""
    own = "scaled units" if plain != metric else f"{unit}{squared}" if plain in IN_UNIT else ""
    return with_unit(NAMES.get(plain, plain), own)
