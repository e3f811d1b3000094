"""How training went: loss, metric and learning rate over the epochs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from cnnrun.plots.canvas import BLUE, GREEN, GREY, ORANGE, RED, new_figure, tidy

MOST_MARKERS = 40
"""Epochs; above it the markers would hide the line."""
DECADES = 1.5
"""Powers of ten between smallest and largest value from which an axis is logarithmic."""


def curves(history: pd.DataFrame, monitor: str, higher_is_better: bool) -> Figure:
    """Draw the learning curves of a run.

    Args:
        history: tables.HISTORY, one row an epoch, at least one.
        monitor: the column that picks the best epoch, such as "val/accuracy". higher_is_better: its direction.
    """
    best = _best_row(history[monitor], higher_is_better)
    metrics = ["loss", *_metric(history, monitor)]
    figure = new_figure(4.4 * (len(metrics) + 1), 4.1, _title(history, monitor, best))
    panels = figure.subplots(1, len(metrics) + 1, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=False):
        _draw_metric(axes, history, metric)
        if best is not None:
            _mark_best(axes, history, best, starred=monitor if monitor == f"val/{metric}" else None)
    _add_legend(figure, panels[:-1])
    _draw_learning_rate(panels[-1], history)
    for axes in panels:
        tidy(axes)
        _set_epochs(axes, history["epoch"])
    return figure


def _best_row(values: pd.Series, higher_is_better: bool) -> int | None:
    """Position of the first best value; None where there is no number at all."""
    numbers = values.to_numpy(dtype=float)
    if np.isnan(numbers).all():
        return None
    return int(np.nanargmax(numbers) if higher_is_better else np.nanargmin(numbers))


def _metric(history: pd.DataFrame, monitor: str) -> list[str]:
    """The metric to show beside the loss: the monitored one, else the first there is, else none."""
    names = [column.removeprefix("val/") for column in history.columns if column.startswith("val/")]
    others = [name for name in (monitor.removeprefix("val/"), *names) if name != "loss"]
    return others[:1]


def _title(history: pd.DataFrame, monitor: str, best: int | None) -> str:
    if best is None:
        return f"{monitor}: never a number"
    row = history.iloc[best]
    return f"best {monitor} {row[monitor]:.4f} at epoch {row['epoch']:.0f} of {len(history)}"


def _draw_metric(axes: Axes, history: pd.DataFrame, metric: str) -> None:
    for split, label, color in (("train", "train, while training", ORANGE), ("val", "val", BLUE)):
        column = f"{split}/{metric}"
        if column in history:
            axes.plot(history["epoch"], history[column], color=color, label=label, **_markers(history))
    axes.set_ylabel("loss, mean over samples" if metric == "loss" else metric.replace("_", " "))
    columns = [column for column in (f"train/{metric}", f"val/{metric}") if column in history]
    if metric == "loss" and _spans_decades(history[columns].to_numpy(dtype=float)):
        axes.set_yscale("log")


def _mark_best(axes: Axes, history: pd.DataFrame, best: int, starred: str | None) -> None:
    """A line at the best epoch, and a star on the monitored curve where this panel shows it."""
    epoch = history["epoch"].iloc[best]
    axes.axvline(epoch, color=GREY, linewidth=1, linestyle=":", zorder=1)
    if starred:
        style: dict[str, Any] = {
            "marker": "*",
            "markersize": 13,
            "markeredgecolor": "white",
            "linestyle": "none",
            "zorder": 5,
        }
        axes.plot([epoch], [history[starred].iloc[best]], color=RED, label="best epoch", **style)


def _add_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend under all panels: inside them it would hide a short history."""
    entries: dict[str, Artist] = {}
    for axes in panels:
        entries |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=len(entries), frameon=False)


def _draw_learning_rate(axes: Axes, history: pd.DataFrame) -> None:
    rates = history["lr"].to_numpy(dtype=float)
    axes.plot(history["epoch"], rates, color=GREEN, **_markers(history))
    axes.set_ylabel("learning rate, last step")
    if _spans_decades(rates):
        axes.set_yscale("log")
        if not _spans_decades(rates, 3):  # powers of ten alone would label a single line, or none
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, 1.15 * np.nanmax(rates, initial=1e-12))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _spans_decades(values: np.ndarray, decades: float = DECADES) -> bool:
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() > 0 and np.log10(finite.max() / finite.min()) >= decades)


def _markers(history: pd.DataFrame) -> dict[str, Any]:
    return {"marker": "o", "markersize": 4} if len(history) <= MOST_MARKERS else {}


def _set_epochs(axes: Axes, epochs: pd.Series) -> None:
    margin = max(0.03 * (epochs.max() - epochs.min()), 0.5)
    axes.set_xlim(epochs.min() - margin, epochs.max() + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
