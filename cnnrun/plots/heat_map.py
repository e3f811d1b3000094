"""A pivot as a table of coloured cells."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from cnnrun.plots.canvas import TITLE_SIZE, characters_across, escape, new_figure
from cnnrun.plots.long_names import shorten, widest
from cnnrun.plots.marks import MARKS
from cnnrun.plots.palette import shades
from cnnrun.plots.scale import is_logarithmic, limits, number_text, text_of, tick_text

MEANINGS = {
    "best": "best",
    "tied": "cannot be told from the best",
    "chosen": "best on val",
    "dead": "learnt nothing",
    "failed": "did not finish",
}
NAME_SIZE = 9.0
VALUE_SIZE = 9.5
BELOW_SIZE = 6.8
EXPLAINED_SIZE = 8.0
LONGEST_NAME = 3.0
"""Inches of the name of a row, or of a column where it stands upright."""
WIDEST_LEVEL = 1.4
"""Inches of the widest name of a column that does not stand upright."""
MOST_ROWS = 60
"""Above it rows are lower, and hold the value alone."""
LEFT = 0.6
"""Inches round the names of the rows."""
BAR = 1.2
"""Inches for the colour bar with its numbers and name."""
NARROWEST = 5.0
"""Inches of the figure; wider cells fill it."""
FAR = 5
"""Cells that are so many times as far from the best as the median is have the last colour."""
WHITE_BELOW = 0.18
"""Luminance; here white and black text have the same contrast, 4.6."""


def heat_map(
    means: pd.DataFrame,
    metric: str,
    higher_is_better: bool,
    marks: pd.DataFrame | None = None,
    below: pd.DataFrame | None = None,
) -> Figure:
    """Draw the cells of a pivot, dark where good, grey where there is no number.

    Args:
        means: index and columns hold the values of the settings, their names are those of the settings.
        marks: of the same shape; words of MARKS with a blank between.
        below: of the same shape; what stands small under a value, such as its interval.
    """
    values = means.to_numpy(dtype=float)
    signs = _signs(marks, values.shape)
    texts = np.array([[number_text(value) for value in row] for row in values], dtype=object) + signs
    small = _texts(below if len(means) <= MOST_ROWS else None, values.shape)
    rows, columns = ([shorten(text_of(name), LONGEST_NAME, NAME_SIZE) for name in axis] for axis in means.axes)
    cell = max(widest(texts.flat, VALUE_SIZE), widest(small.flat, BELOW_SIZE), 0.5) + 0.18
    name = widest(columns, NAME_SIZE) + 0.15
    upright = name > max(WIDEST_LEVEL, cell)
    size = (cell if upright else max(cell, name), 0.42 if small.any() else 0.34 if len(rows) <= MOST_ROWS else 0.21)
    left = widest([*rows, shorten(text_of(means.index.name), LONGEST_NAME, NAME_SIZE)], NAME_SIZE)
    explained = "   ".join(
        f"{sign} {MEANINGS[word]}" for word, sign in MARKS.items() if any(sign in s for s in signs.flat)
    )
    title = f"{metric} by {text_of(means.index.name)} and {text_of(means.columns.name)}"
    narrowest = max(NARROWEST, widest([explained], EXPLAINED_SIZE) + 0.4)
    width = max(size[0] * len(columns), narrowest - left - LEFT - BAR)
    axes = _axes(title, (width, size[1] * len(rows)), left, name * upright)
    norm = _norm(values, higher_is_better)
    colors = shades(higher_is_better)
    axes.set_facecolor("0.93")
    axes.imshow(np.ma.masked_invalid(values), cmap=colors, norm=norm, aspect="auto")
    dark = np.where(np.isfinite(values), _luminance(colors(norm(values))) < WHITE_BELOW, False)
    _write(axes, texts, small, dark)
    _name_axes(axes, rows, columns, upright, means)
    _add_bar(axes, norm, values, higher_is_better, metric)
    _explain(axes, explained)
    return _figure(axes)


def _signs(marks: pd.DataFrame | None, shape: tuple[int, ...]) -> np.ndarray:
    """What stands behind each value."""
    words = _texts(marks, shape)
    signs = [[" ".join(MARKS.get(word, word) for word in text.split()) for text in row] for row in words]
    return np.array([[f" {sign}" if sign else "" for sign in row] for row in signs], dtype=object).reshape(shape)


def _texts(frame: pd.DataFrame | None, shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, "", dtype=object) if frame is None else frame.fillna("").astype(str).to_numpy(dtype=object)


def _axes(title: str, size: tuple[float, float], row_names: float, column_names: float) -> Axes:
    """Placed by hand: cells have the size of their texts. Inches, as are the widths of the longest names."""
    left = row_names + LEFT
    width, centre = left + size[0] + BAR, left + size[0] / 2
    lines = textwrap.wrap(title, characters_across(2 * min(centre, width - centre), TITLE_SIZE))
    top, bottom = 0.25 * len(lines) + 0.15 + (column_names or 0.2) + 0.3, 0.45
    figure = new_figure(width, top + size[1] + bottom, "", self_arranging=False)
    across, up = figure.get_size_inches()
    figure.suptitle(escape("\n".join(lines)), x=centre / across, y=1 - 0.12 / up, fontsize=TITLE_SIZE)
    return figure.add_axes((left / across, bottom / up, size[0] / across, size[1] / up))


def _figure(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def _norm(values: np.ndarray, higher_is_better: bool) -> Normalize:
    """Good cells get the colours: those far from the best share one."""
    finite = values[np.isfinite(values)]
    if is_logarithmic(values, higher_is_better):
        return LogNorm(finite.min(), finite.max())
    if len(set(finite)) < 2:
        return Normalize(*limits(values, higher_is_better))
    distance = np.abs(finite - (finite.max() if higher_is_better else finite.min()))
    near = finite[distance <= (FAR * np.median(distance) or distance.max())]
    return Normalize(near.min(), near.max())


def _luminance(colors: np.ndarray) -> np.ndarray:
    """Relative, 0 to 1, of WCAG 2. Args: colors: (..., RGBA)."""
    rgb = np.asarray(colors)[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def _write(axes: Axes, texts: np.ndarray, small: np.ndarray, dark: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(texts):
        text = str(value)
        color = "white" if dark[row, column] else "black"
        note = small[row, column]
        size = VALUE_SIZE if len(texts) <= MOST_ROWS else 8.0
        bold = "bold" if MARKS["best"] in text else "normal"
        place = row - 0.16 if note else row
        axes.text(column, place, escape(text), ha="center", va="center", fontsize=size, color=color, fontweight=bold)
        if note:
            style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": BELOW_SIZE, "color": color}
            axes.text(column, row + 0.24, escape(str(note)), **style)


def _name_axes(axes: Axes, rows: list[str], columns: list[str], upright: bool, means: pd.DataFrame) -> None:
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    rotation = 90 if upright else 0
    axes.set_xticks(range(len(columns)), labels=map(escape, columns), fontsize=NAME_SIZE, rotation=rotation)
    axes.set_yticks(range(len(rows)), labels=map(escape, rows), fontsize=NAME_SIZE)
    axes.tick_params(length=0, pad=4)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(escape(text_of(means.columns.name)), fontsize=NAME_SIZE, color="0.35")
    figure = _figure(axes)
    axes.text(
        -(axes.get_position().x0 * figure.get_figwidth() - 0.15) / _inches(axes)[0],
        1.0,
        escape(shorten(text_of(means.index.name), axes.get_position().x0 * figure.get_figwidth() - 0.3, NAME_SIZE)),
        transform=axes.transAxes,
        fontsize=NAME_SIZE,
        color="0.35",
        va="bottom",
    )
    for edge in range(1, len(columns)):
        axes.axvline(edge - 0.5, color="white", linewidth=1.2)
    for edge in range(1, len(rows)):
        axes.axhline(edge - 0.5, color="white", linewidth=1.2)


def _inches(axes: Axes) -> tuple[float, float]:
    """Width and height of the cells together."""
    across, up = _figure(axes).get_size_inches()
    return axes.get_position().width * across, axes.get_position().height * up


def _add_bar(axes: Axes, norm: Normalize, values: np.ndarray, higher_is_better: bool, metric: str) -> None:
    figure = _figure(axes)
    across, up = figure.get_size_inches()
    place = axes.get_position()
    height = min(place.height, 5.0 / up)
    target = figure.add_axes((place.x1 + 0.12 / across, place.y1 - height, 0.14 / across, height))
    assert norm.vmin is not None
    assert norm.vmax is not None
    beyond = "min" if (values < norm.vmin).any() else "max" if (values > norm.vmax).any() else "neither"
    bar = figure.colorbar(ScalarMappable(norm, shades(higher_is_better)), cax=target, extend=beyond)
    bar.outline.set_visible(False)
    target.tick_params(labelsize=7.5, length=2)
    target.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(round(value, 6))))
    target.yaxis.set_minor_formatter(NullFormatter())
    bar.set_label(escape(shorten(metric, max(height * up, 0.8), 8)), fontsize=8)


def _explain(axes: Axes, text: str) -> None:
    """What the signs mean, in the lower left corner."""
    figure = _figure(axes)
    across, up = figure.get_size_inches()
    figure.text(0.15 / across, 0.15 / up, text, fontsize=EXPLAINED_SIZE, color="0.25")
