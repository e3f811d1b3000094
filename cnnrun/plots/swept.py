"""A metric against one setting that was swept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from cnnrun.plots.canvas import RED, escape, new_figure, tidy
from cnnrun.plots.long_names import LINE, legend_below, legend_rows, shorten
from cnnrun.plots.palette import COLORS, OTHERS
from cnnrun.plots.scale import NOTHING, Scale, apart, is_logarithmic, limits, number_text, scale_of, text_of, tick_text

WIDTH = 8.0
NAME_SIZE = 9.0
LONGEST_NAME = 3.2
"""Inches of a category's name."""
MOST_NOTES = 40
"""Points; above it, what is written at each would cover the others."""


@dataclass(frozen=True)
class _Line:
    """The points of what agrees in all other settings, in the order of their places."""

    places: np.ndarray
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    best: np.ndarray
    notes: list[str]


def swept(
    groups: pd.DataFrame, setting: str, metric: str, higher_is_better: bool, others: Sequence[str] = ()
) -> Figure:
    """Draw a metric against a setting: numbers along the x axis, anything else as points, a row a value.

    Args:
        groups: a row a combination of settings, with the columns `setting`, `others`, `metric` (the mean) and, where
            there are any, `<metric>/low`, `<metric>/high` (95 % interval), n, failed, dead, best.
        others: the settings that vary, too: what agrees in them is joined by a line.
    """
    scale = scale_of(groups[setting])
    series = _series(groups, others, metric, higher_is_better)
    entries = _entries(list(series), "best" in groups and bool(groups["best"].any()))
    below = LINE * legend_rows([name for name, _ in entries], WIDTH)
    height = max(0.36 * len(scale.names), 0.8) + 1.4 if scale.kind == "named" else 4.4
    figure = new_figure(WIDTH, height + below, f"{metric} against {setting}{_counts(groups)}")
    axes = figure.subplots()
    tidy(axes)
    for number, rows in reversed(list(enumerate(series.values()))):
        color = COLORS[number] if number < len(COLORS) else OTHERS
        shift = 0.5 * (number / (len(series) - 1) - 0.5) if len(series) > 1 and scale.kind == "named" else 0.0
        _draw(axes, _line(groups.iloc[rows], metric, _places(scale)[rows] + shift), scale.kind == "named", color)
    _set_metric_axis(axes, groups[metric].to_numpy(dtype=float), metric, higher_is_better, scale.kind != "named")
    _set_setting_axis(axes, scale, setting)
    legend_below(figure, entries, WIDTH)
    return figure


def _series(groups: pd.DataFrame, others: Sequence[str], metric: str, higher_is_better: bool) -> dict[str, list[int]]:
    """Rows by what they share in the other settings, the best first."""
    series: dict[str, list[int]] = {}
    for row in range(len(groups)):
        name = ", ".join(f"{other}={text_of(groups[other].iloc[row])}" for other in others)
        series.setdefault(name, []).append(row)
    losses = groups[metric].to_numpy(dtype=float) * (-1 if higher_is_better else 1)
    losses = np.where(np.isfinite(losses), losses, math.inf)
    return dict(sorted(series.items(), key=lambda item: float(losses[item[1]].min())))


def _entries(names: list[str], starred: bool) -> list[tuple[str, Artist]]:
    """Names and marks of the legend."""
    entries: list[tuple[str, Artist]] = []
    if len(names) > 1:
        dots = zip(names, COLORS, strict=False)
        entries = [(name, Line2D([], [], color=color, marker="o", markersize=5)) for name, color in dots]
    if len(names) > len(COLORS):
        grey = Line2D([], [], color=OTHERS, marker="o", markersize=5)
        entries.append((f"{len(names) - len(COLORS)} others", grey))
    if starred:
        star = Line2D([], [], color=RED, marker="*", markersize=11, markeredgecolor="white", linestyle="none")
        entries.append(("best", star))
    return entries


def _counts(groups: pd.DataFrame) -> str:
    """How many runs the points are means of, for the title."""
    if "n" not in groups or groups.empty:
        return ""
    low, high = int(groups["n"].min()), int(groups["n"].max())
    return f", n = {low} each" if low == high else f", n = {low} to {high}"


def _places(scale: Scale) -> np.ndarray:
    """On the axis: a number that is missing lies left of the others."""
    missing = np.isnan(scale.places)
    if not missing.any() or missing.all():
        return scale.places
    low, high = np.nanmin(scale.places), np.nanmax(scale.places)
    left = low * (low / high) ** 0.15 if scale.kind == "log" else low - (0.15 * (high - low) or 1.0)
    return np.where(missing, left, scale.places)


def _line(rows: pd.DataFrame, metric: str, places: np.ndarray) -> _Line:
    order = np.argsort(places, kind="stable")
    rows = rows.iloc[order]
    values, low, high = rows.reindex(columns=[metric, f"{metric}/low", f"{metric}/high"]).to_numpy(dtype=float).T
    best = rows["best"].to_numpy(dtype=bool) if "best" in rows else np.zeros(len(rows), dtype=bool)
    return _Line(places[order], values, low, high, best, [_note(row) for row in rows.to_dict("records")])


def _note(row: dict[Any, Any]) -> str:
    """What a point hides: runs that died or failed."""
    counts = {word: row.get(word) or 0 for word in ("dead", "failed")}
    return ", ".join(f"{int(count)} {word}" for word, count in counts.items() if count > 0)


def _draw(axes: Axes, line: _Line, named: bool, color: str) -> None:
    style: dict[str, Any] = {"color": color, "zorder": 2 if color == OTHERS else 3}
    star: dict[str, Any] = {"color": RED, "markersize": 15, "markeredgecolor": "white", "zorder": 5}
    x, y = (line.values, line.places) if named else (line.places, line.values)
    bars = axes.hlines if named else axes.vlines
    bars(line.places, line.low, line.high, linewidth=1.6, alpha=0.55, **style)
    joined = not named and len(set(line.places)) == len(line.places)
    axes.plot(x, y, marker="o", markersize=6, linewidth=1.2, linestyle="-" if joined else "none", **style)
    axes.plot(x[line.best], y[line.best], "*", **star)
    if color == OTHERS or len(line.places) > MOST_NOTES:
        return
    for place, text in zip(zip(x, y, strict=True), line.notes, strict=True):
        if text and np.isfinite(place).all():
            offset = (0, -13) if named else (7, -3)
            axes.annotate(
                text, place, xytext=offset, textcoords="offset points", fontsize=7.5, color="0.35", clip_on=True
            )


def _set_metric_axis(axes: Axes, values: np.ndarray, metric: str, higher_is_better: bool, upright: bool) -> None:
    axis = axes.yaxis if upright else axes.xaxis
    axis.set_label_text(escape(metric))
    low, high = limits(values, higher_is_better)
    if not np.isfinite(values).any():
        axis.set_ticks([])
        axes.text(0.5, 0.5, "no run has a number here", transform=axes.transAxes, ha="center", color="0.4")
        return
    if is_logarithmic(values, higher_is_better):
        (axes.set_yscale if upright else axes.set_xscale)("log")
        return
    beyond = values[values < low]
    if beyond.size:
        (axes.set_ylim if upright else axes.set_xlim)(low, high)
        many = "points" if beyond.size > 1 else "point"
        note = f"{beyond.size} {many} beyond the axis, down to {number_text(beyond.min())}"
        axes.text(0.99, 0.02, note, transform=axes.transAxes, ha="right", va="bottom", fontsize=8, color="0.35")
    if not upright:
        axis.set_major_locator(MaxNLocator(nbins=7))


def _set_setting_axis(axes: Axes, scale: Scale, setting: str) -> None:
    if scale.kind == "named":
        names = [escape(shorten(name, LONGEST_NAME, NAME_SIZE)) for name in scale.names]
        axes.set_yticks(range(len(names)), labels=names, fontsize=NAME_SIZE)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_ylabel(escape(shorten(setting, 0.36 * len(names) + 1.0, 10)))
        return
    axes.set_xlabel(escape(shorten(setting, WIDTH - 2, 10)))
    if scale.kind == "log":
        axes.set_xscale("log")
    places = _places(scale)
    distinct = np.unique(places[np.isfinite(places)])
    on_paper = np.log10(distinct) if scale.kind == "log" else distinct
    span = on_paper[-1] - on_paper[0]
    shown = distinct[apart(list(on_paper), span / 12)] if span > 0 else distinct
    given = set(scale.places)
    axes.set_xticks(shown, labels=[tick_text(place) if place in given else NOTHING for place in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    margin = 0.06 * span or 0.5
    low, high = on_paper[0] - margin, on_paper[-1] + margin
    axes.set_xlim(*((10**low, 10**high) if scale.kind == "log" else (low, high)))
