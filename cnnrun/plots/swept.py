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

from cnnrun.plots.canvas import BLACK, escape, new_figure, tidy
from cnnrun.plots.long_names import LINE, legend_below, legend_rows, shorten
from cnnrun.plots.palette import COLORS, OTHERS
from cnnrun.plots.scale import (
    NOTHING,
    Scale,
    is_share,
    limits,
    scale_of,
    set_metric,
    text_of,
    tick_text,
    ticks_of,
    write_beside_title,
)

WIDTH = 8.0
NAME_SIZE = 9.0
LONGEST_NAME = 3.2
"""Inches of a category's name."""
MOST_TICKS = 9
RING: dict[str, Any] = {"marker": "o", "fillstyle": "none", "color": BLACK, "markeredgewidth": 1.6, "linestyle": "none"}
"""Round the best: a sign upon it would hide it, and its neighbours."""
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
    lost = int(groups[metric].isna().sum())
    groups = groups[groups[metric].notna()] if lost < len(groups) else groups
    scale = scale_of(groups[setting])
    named = scale.kind == "named"
    lines: list[tuple[_Line, str]] = []
    series = _series(groups, others, metric, higher_is_better)
    entries = _entries(list(series), "best" in groups and bool(groups["best"].any()))
    below = LINE * legend_rows([name for name, _ in entries], WIDTH)
    height = max(0.36 * len(scale.names), 0.8) + 1.4 if named else 4.4
    figure = new_figure(WIDTH, height + below, f"{metric} against {setting}{_counts(groups, lost)}")
    axes = figure.subplots()
    tidy(axes)
    for number, rows in reversed(list(enumerate(series.values()))):
        color = COLORS[number] if number < len(COLORS) else OTHERS
        shift = _shift(scale, rows, number, len(series)) if named else 0.0
        lines.append((_line(groups.iloc[rows], metric, _places(scale)[rows] + shift, _varies(groups)), color))
        _draw(axes, *lines[-1], named)
    _set_metric_axis(axes, groups, metric, higher_is_better, upright=not named)
    for line, color in lines:
        _mark_beyond(axes, line, named, color)
        if color != OTHERS and len(groups) <= MOST_NOTES:
            _write_notes(axes, line, named)
    _set_setting_axis(axes, scale, setting)
    legend_below(figure, entries, WIDTH)
    return figure


def _series(groups: pd.DataFrame, others: Sequence[str], metric: str, higher_is_better: bool) -> dict[str, list[int]]:
    """Rows by what they share in the other settings, the best first; in a random search no two share anything."""
    series: dict[str, list[int]] = {}
    for row in range(len(groups)):
        name = ", ".join(f"{other}={text_of(groups[other].iloc[row])}" for other in others)
        series.setdefault(name, []).append(row)
    if all(len(rows) == 1 for rows in series.values()):
        return {"": list(range(len(groups)))}
    losses = groups[metric].to_numpy(dtype=float) * (-1 if higher_is_better else 1)
    losses = np.where(np.isfinite(losses), losses, math.inf)
    return dict(sorted(series.items(), key=lambda item: float(losses[item[1]].min())))


def _entries(names: list[str], ringed: bool) -> list[tuple[str, Artist]]:
    """Names and marks of the legend."""
    entries: list[tuple[str, Artist]] = []
    if len(names) > 1:
        dots = zip(names, COLORS, strict=False)
        entries = [(name, Line2D([], [], color=color, marker="o", markersize=5)) for name, color in dots]
    if len(names) > len(COLORS):
        grey = Line2D([], [], color=OTHERS, marker="o", markersize=5)
        entries.append((f"{len(names) - len(COLORS)} others", grey))
    if ringed:
        entries.append(("best", Line2D([], [], markersize=9, **RING)))
    return entries


def _counts(groups: pd.DataFrame, lost: int) -> str:
    """For the title: how many runs the points are means of, and how many have no number."""
    without = f"; {lost} without a number" if lost else ""
    if "n" not in groups or groups.empty:
        return without
    low, high = int(groups["n"].min()), int(groups["n"].max())
    return f", n = {low} each{without}" if low == high else f", n = {low} to {high}{without}"


def _shift(scale: Scale, rows: list[int], number: int, series: int) -> np.ndarray:
    """Of points from the row of their name, so that they do not hide one another."""
    if series > 1:
        return np.full(len(rows), 0.5 * (number / (series - 1) - 0.5))
    places = pd.Series(scale.places[rows])
    together = places.groupby(places)
    return 0.5 * (together.cumcount() - (together.transform("size") - 1) / 2).to_numpy() / max(together.size().max(), 1)


def _places(scale: Scale) -> np.ndarray:
    """On the axis: a number that is missing lies left of the others."""
    missing = np.isnan(scale.places)
    if not missing.any() or missing.all():
        return scale.places
    low, high = np.nanmin(scale.places), np.nanmax(scale.places)
    left = low * (low / high) ** 0.15 if scale.kind == "log" else low - (0.15 * (high - low) or 1.0)
    return np.where(missing, left, scale.places)


def _varies(groups: pd.DataFrame) -> bool:
    return "n" in groups and groups["n"].nunique() > 1


def _line(rows: pd.DataFrame, metric: str, places: np.ndarray, with_n: bool) -> _Line:
    order = np.argsort(places, kind="stable")
    rows = rows.iloc[order]
    values, low, high = rows.reindex(columns=[metric, f"{metric}/low", f"{metric}/high"]).to_numpy(dtype=float).T
    best = rows["best"].to_numpy(dtype=bool) if "best" in rows else np.zeros(len(rows), dtype=bool)
    return _Line(places[order], values, low, high, best, [_note(row, with_n) for row in rows.to_dict("records")])


def _note(row: dict[Any, Any], with_n: bool) -> str:
    """What a point does not show: how many runs it is the mean of, where that differs; those that died or failed."""
    counts = {word: row.get(word) or 0 for word in ("dead", "failed")}
    n = [f"n = {int(row['n'])}"] if with_n else []
    return ", ".join(n + [f"{int(count)} {word}" for word, count in counts.items() if count > 0])


def _draw(axes: Axes, line: _Line, color: str, named: bool) -> None:
    style: dict[str, Any] = {"color": color, "zorder": 2 if color == OTHERS else 3}
    x, y = (line.values, line.places) if named else (line.places, line.values)
    bars = axes.hlines if named else axes.vlines
    bars(line.places, line.low, line.high, linewidth=1.6, alpha=0.55, **style)
    joined = not named and len(set(line.places)) == len(line.places)
    size = 3.5 if color == OTHERS or len(x) > MOST_NOTES else 6
    axes.plot(x, y, marker="o", markersize=size, linewidth=1.2, linestyle="-" if joined else "none", **style)
    axes.plot(x[line.best], y[line.best], markersize=12, zorder=5, **RING)


def _write_notes(axes: Axes, line: _Line, named: bool) -> None:
    """Beside its point, or beside the triangle that stands for it; right of all else where that has room."""
    low, high = (axes.get_xlim if named else axes.get_ylim)()
    values = np.maximum(line.values, low if not named else low + 0.02 * (high - low))
    x, y = (values, line.places) if named else (line.places, values)
    last = len(line.places) - 1
    for number, text in enumerate(line.notes):
        if text and np.isfinite(values[number]):
            level = named or number < last
            place: dict[str, Any] = {"xytext": (0, -14) if named else (7 if level else -7, 4)}
            align = "left" if level else "right"
            axes.annotate(
                text, (x[number], y[number]), textcoords="offset points", ha=align, fontsize=7.5, color="0.3", **place
            )


def _set_metric_axis(axes: Axes, groups: pd.DataFrame, metric: str, higher_is_better: bool, *, upright: bool) -> None:
    """Show intervals as far beyond the means as these lie apart: of two seeds some are many times as long.

    Beyond 0 and 1 there is nothing to show of a share.
    """
    axis = axes.yaxis if upright else axes.xaxis
    axis.set_label_text(escape(metric))
    values, lows, ends = groups.reindex(columns=[metric, f"{metric}/low", f"{metric}/high"]).to_numpy(dtype=float).T
    if not np.isfinite(values).any():
        axis.set_ticks([])
        axes.text(0.5, 0.5, "no run has a number here", transform=axes.transAxes, ha="center", color="0.4")
        return
    if not upright:
        axis.set_major_locator(MaxNLocator(nbins=7))
    note = set_metric(axis, values, higher_is_better)
    range_of, set_range = (axes.get_ylim, axes.set_ylim) if upright else (axes.get_xlim, axes.set_xlim)
    low, high = range_of()
    if note:  # the range was set for the values: let their intervals in
        set_range(low, max(high, np.nanmax(ends[values >= low], initial=high) + 0.03 * (high - low)))
    elif axis.get_scale() == "linear":
        least, most = limits(values, higher_is_better)
        least, most = max(low, 2 * least - most), min(high, 2 * most - least)
        if is_share(metric, values):
            margin = 0.03 * (min(most, 1.0) - max(least, 0.0))
            least, most = max(least, -margin), min(most, 1 + margin)
        set_range(least, most)
        note = "some intervals reach beyond the axis" if (lows < least).any() or (ends > most).any() else ""
    write_beside_title(axes, note)


def _mark_beyond(axes: Axes, line: _Line, named: bool, color: str) -> None:
    """A triangle at the edge that points to a value which lies beyond it."""
    least = (axes.get_xlim if named else axes.get_ylim)()[0]
    where = line.places[line.values < least]
    edge = np.full(len(where), 0.015)
    transform = axes.get_yaxis_transform() if named else axes.get_xaxis_transform()
    x, y = (edge, where) if named else (where, edge)
    axes.plot(x, y, "<" if named else "v", color=color, markersize=8, transform=transform, zorder=5)


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
    on_paper = np.log10(places) if scale.kind == "log" else places
    ticks = {float(tick): tick_text(tick) for tick in ticks_of(scale, MOST_TICKS)}
    if np.isnan(scale.places).any():
        ticks[float(places.min())] = NOTHING
    axes.set_xticks(list(ticks), labels=list(ticks.values()))
    axes.xaxis.set_minor_locator(NullLocator())
    margin = 0.06 * (on_paper.max() - on_paper.min()) or 0.5
    low, high = on_paper.min() - margin, on_paper.max() + margin
    axes.set_xlim(*((10**low, 10**high) if scale.kind == "log" else (low, high)))
