"""All runs across all their settings: parallel coordinates, coloured by a metric."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from cnnrun.plots.canvas import escape, new_figure
from cnnrun.plots.long_names import shorten
from cnnrun.plots.palette import shades
from cnnrun.plots.scale import (
    NOTHING,
    Scale,
    apart,
    is_logarithmic,
    label_decades,
    limits,
    scale_of,
    tick_text,
    ticks_of,
    write_beside_title,
)

PITCH = 1.75
"""Inches from one axis to the next, at most."""
WIDEST = 14.0
SPREAD = 0.035
"""Of the axis; how far apart the best and the worst cross it where they share a value."""
MOST_AXES = 12
HEIGHT = 5.2
NAME_SIZE = 9.0
TICK_SIZE = 7.5
MOST_TICKS = 12
BELOW = -0.1
"""Where a run crosses an axis whose setting it does not have."""


def parallel(runs: pd.DataFrame, settings: Sequence[str], metric: str, higher_is_better: bool) -> Figure:
    """Draw each run as a line across an axis a setting and one for the metric; the best lie on top.

    Args:
        runs: a row a run, with the columns `settings` and `metric`; runs without a number in it are grey and dashed.
        settings: in the order of the axes; the first of MOST_AXES are drawn.
    """
    shown = list(settings)[:MOST_AXES]
    values = runs[metric].to_numpy(dtype=float)
    note = "" if len(shown) == len(settings) else f", the first {len(shown)} of {len(settings)} settings"
    pitch = min(PITCH, WIDEST / max(len(shown), 1))
    many = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    figure = new_figure(pitch * max(len(shown), 2) + 2.2, HEIGHT, f"{metric} of {many} across their settings{note}")
    axes = figure.subplots()
    norm, colors = _norm(values, higher_is_better), shades(higher_is_better)
    scales = [scale_of(runs[setting]) for setting in shown]
    heights = [_spread(_height(scale, scale.places), values, higher_is_better) for scale in scales]
    heights.append(np.clip(np.ma.filled(norm(values), np.nan), 0, 1))
    _draw_lines(axes, np.column_stack(heights), values, [colors(norm(value)) for value in values], higher_is_better)
    for place, scale in enumerate(scales):
        _draw_axis(axes, place, scale, pitch)
    _set_frame(axes, [*shown, metric], pitch, bottom=min(np.nanmin(heights, initial=0.0), 0.0))
    bar = figure.colorbar(
        ScalarMappable(norm, colors), cax=axes.inset_axes((len(shown), 0, 0.12, 1), transform=axes.transData)
    )
    if isinstance(norm, LogNorm):
        label_decades(bar.ax.yaxis, values)
    bar.ax.tick_params(labelsize=NAME_SIZE)
    low = limits(values, higher_is_better)[0]
    if not isinstance(norm, LogNorm) and (values < low).any():
        write_beside_title(axes, f"{metric} down to {tick_text(np.nanmin(values))}")
    return figure


def _norm(values: np.ndarray, higher_is_better: bool) -> Normalize:
    if is_logarithmic(values, higher_is_better):
        return LogNorm(np.nanmin(values), np.nanmax(values))
    low, high = limits(values, higher_is_better)
    finite = values[np.isfinite(values)]
    inside = finite[finite >= low]
    return Normalize(inside.min(), inside.max()) if len(set(inside)) > 1 else Normalize(low, high)


def _height(scale: Scale, places: np.ndarray) -> np.ndarray:
    """Where places on a scale lie on its axis, 0 to 1; names leave a margin at either end."""
    if scale.kind == "named":
        return (places + 0.5) / len(scale.names)
    ends = np.array([np.nanmin(scale.places), np.nanmax(scale.places)])
    low, high = np.log10(ends) if scale.kind == "log" else ends
    positions = np.log10(places) if scale.kind == "log" else places
    heights = (positions - low) / (high - low) if high > low else np.where(np.isnan(places), np.nan, 0.5)
    return np.where(np.isnan(heights), BELOW, heights)


def _spread(heights: np.ndarray, values: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """Runs that share a value cross its axis side by side, the better above: they would hide one another."""
    rank = np.argsort(np.argsort(values if higher_is_better else -values, kind="stable"), kind="stable")
    alone = len(set(heights)) == len(heights)
    return heights if alone else heights + SPREAD * (rank / max(len(rank) - 1, 1) - 0.5)


def _draw_lines(
    axes: Axes, heights: np.ndarray, values: np.ndarray, colors: Sequence[Any], higher_is_better: bool
) -> None:
    """Args: heights: (runs, axes)."""
    places = np.arange(heights.shape[1])
    width = 0.9 if len(heights) > 60 else 1.5
    for row in np.argsort(values if higher_is_better else -values, kind="stable"):
        if np.isfinite(values[row]):
            axes.plot(places, heights[row], color=colors[row], linewidth=width, alpha=0.85)
        else:
            axes.plot(places[:-1], heights[row, :-1], color="0.6", linewidth=0.9, linestyle="--", zorder=1)
    axes.scatter(np.full(len(values), places[-1]), heights[:, -1], color=colors, s=14, zorder=6, clip_on=False)


def _draw_axis(axes: Axes, place: int, scale: Scale, pitch: float) -> None:
    ticks = _ticks(scale)
    axes.plot([place, place], [min(0.0, *(height for height, _ in ticks)), 1], color="0.3", linewidth=1, zorder=4)
    for height, text in ticks:
        axes.text(
            place + 0.04,
            height,
            escape(shorten(text, 0.8 * pitch, TICK_SIZE)),
            fontsize=TICK_SIZE,
            va="center",
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
        )
        axes.plot([place - 0.015, place + 0.015], [height, height], color="0.3", linewidth=1, zorder=4)


def _ticks(scale: Scale) -> list[tuple[float, str]]:
    """Heights and texts of the labels of an axis, as many as have room."""
    if scale.kind == "named":
        heights = _height(scale, np.arange(len(scale.names)))
        return [(heights[number], scale.names[number]) for number in apart(list(heights), 1 / MOST_TICKS)]
    places = ticks_of(scale, MOST_TICKS)
    ticks = list(zip(_height(scale, places), map(tick_text, places), strict=True))
    return [(BELOW, NOTHING), *ticks] if np.isnan(scale.places).any() else ticks


def _set_frame(axes: Axes, names: list[str], pitch: float, bottom: float) -> None:
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    axes.set_ylim(bottom - 0.04, 1.03)
    axes.set_xlim(-0.1, max(len(names) - 0.85, 1.15))
    labels = [escape(shorten(name, pitch - 0.12, NAME_SIZE)) for name in names]
    axes.set_xticks(range(len(names)), labels=labels, fontsize=NAME_SIZE)
    axes.tick_params(axis="x", length=0)
