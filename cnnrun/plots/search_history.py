"""How a search went: the value of each trial, and the best so far."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnrun.plots.canvas import BLUE, GREY, ORANGE, RED, escape, new_figure, tidy
from cnnrun.plots.scale import set_metric, write_beside_title

FINISHED, PRUNED = "finished", "pruned"
WIDTH = 9.0


def search_history(trials: pd.DataFrame, metric: str, higher_is_better: bool) -> Figure:
    """Draw value by trial.

    Args:
        trials: a row a trial in their order, with the columns trial (its number), value (the last of a pruned one;
            NaN where there is none) and status (finished, pruned, failed, ...).
    """
    counts = trials["status"].value_counts()
    many = ", ".join(f"{count} {status}" for status, count in counts.items())
    figure = new_figure(WIDTH, 4.4, f"{metric} of {len(trials)} trial{'s' * (len(trials) != 1)}: {many}")
    axes = figure.subplots()
    tidy(axes)
    finished = trials[(trials["status"] == FINISHED).to_numpy() & np.isfinite(trials["value"].to_numpy(dtype=float))]
    _draw_best(axes, trials, finished, higher_is_better)
    _draw_trials(axes, trials, finished)
    _set_axes(axes, trials, metric, higher_is_better)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def _draw_best(axes: Axes, trials: pd.DataFrame, finished: pd.DataFrame, higher_is_better: bool) -> None:
    if finished.empty:
        return
    values = finished["value"].to_numpy(dtype=float)
    so_far = np.maximum.accumulate(values) if higher_is_better else np.minimum.accumulate(values)
    last = trials["trial"].iloc[-1]
    places = [*finished["trial"], last]
    axes.plot(places, [*so_far, so_far[-1]], drawstyle="steps-post", color=ORANGE, linewidth=2, label="best so far")
    best = int(np.argmax(values) if higher_is_better else np.argmin(values))
    star: dict[str, Any] = {"markersize": 14, "markeredgecolor": "white", "linestyle": "none", "zorder": 5}
    place = finished["trial"].iloc[best]
    axes.plot([place], values[best : best + 1], marker="*", color=RED, label=f"best: trial {place}", **star)


def _draw_trials(axes: Axes, trials: pd.DataFrame, finished: pd.DataFrame) -> None:
    size = 6 if len(trials) <= 100 else 4
    if len(finished):
        axes.plot(finished["trial"], finished["value"], "o", color=BLUE, markersize=size, label=FINISHED, zorder=3)
    pruned = trials[(trials["status"] == PRUNED).to_numpy()]
    if len(pruned):
        style: dict[str, Any] = {"markerfacecolor": "white", "markersize": size, "zorder": 2}
        axes.plot(pruned["trial"], pruned["value"], "v", color=GREY, label="pruned, its last value", **style)
    lost = trials[~trials["status"].isin([FINISHED, PRUNED]).to_numpy()]
    if len(lost):
        bottom = axes.get_xaxis_transform()
        axes.plot(lost["trial"], np.full(len(lost), 0.02), "x", color=RED, transform=bottom, label="no result")


def _set_axes(axes: Axes, trials: pd.DataFrame, metric: str, higher_is_better: bool) -> None:
    axes.set_xlabel("trial")
    axes.set_ylabel(escape(metric))
    values = trials["value"].to_numpy(dtype=float)
    first, last = trials["trial"].min(), trials["trial"].max()
    margin = max(0.03 * (last - first), 0.5)
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    if not np.isfinite(values).any():
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no trial has a value", transform=axes.transAxes, ha="center", color="0.4")
    else:
        write_beside_title(axes, set_metric(axes.yaxis, values, higher_is_better))
