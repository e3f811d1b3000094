"""Panels in rows and columns, placed by hand: a computed layout measures every label twice, which takes as long again
as drawing."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnrun.plots.canvas import TITLE_SIZE, clip_to_width, escape, new_figure, tidy

Target = TypeVar("Target")

LEFT, RIGHT, TOP, BOTTOM = 1.05, 0.3, 0.45, 0.52
"""Inches around a panel: room for numbers such as -1234.5678, and for a label beyond them."""
GAP = 0.88
"""Inches between two panels beside one another."""
LEGEND = 0.28
"""Inches of the line under the panels that is kept for a legend."""
TEXT_SIZE = 9
MOST_TARGETS = 7
"""Targets with a panel of their own; 321 meters would be a figure to scroll in."""


def panels(
    title: str,
    *,
    rows: int = 1,
    columns: int = 1,
    width: float = 10.0,
    height: float,
    above: float = 0.0,
    below: float = 0.0,
    legend: bool = True,
    width_ratios: list[float] | None = None,
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes (rows, columns), each with its faint grid.

    Args:
        width: of the figure, in inches. height: of one panel; `above` and `below` come between two of them, for the
            upper one's axis and the lower one's heading.
        legend: keep a line under the panels.
    """
    title = clip_to_width(title, width - 0.3, TITLE_SIZE)
    bottom = BOTTOM + (LEGEND if legend else 0.0)
    top = TOP + above
    tall = bottom + top + rows * height + (rows - 1) * (above + below + 0.12)
    figure = new_figure(width, tall, title, self_arranging=False)
    figure.suptitle(figure.get_suptitle(), y=1 - 0.1 / tall, fontsize=TITLE_SIZE)
    room = (width - LEFT - RIGHT - (columns - 1) * GAP) / columns
    place = {
        "left": LEFT / width,
        "right": 1 - RIGHT / width,
        "bottom": bottom / tall,
        "top": 1 - top / tall,
        "hspace": (above + below + 0.12) / height,
        "wspace": GAP / room,
    }
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=place, width_ratios=width_ratios)
    for panel in axes.flat:
        tidy(panel)
        panel.tick_params(labelsize=TEXT_SIZE, length=3)
        panel.yaxis.get_major_formatter().set_useOffset(False)
    return figure, axes


def label_y(axes: Axes, text: str) -> None:
    """Name the upright axis, on one or two lines, at a fixed place: measuring the numbers first takes time."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    left, _, width, height = axes.get_position().bounds * np.tile(figure.get_size_inches(), 2)
    distance = 0.7 if left < LEFT + 0.01 else 0.55
    lines = [clip_to_width(line, height + 0.3, TEXT_SIZE) for line in text.strip().split("\n")]
    axes.set_ylabel(escape("\n".join(lines)), fontsize=TEXT_SIZE, linespacing=1.1)
    axes.yaxis.set_label_coords(-distance / width, 0.5)


def with_unit(name: str, unit: str) -> str:
    """`name (unit)`, or the one of the two that there is."""
    return f"{name} ({unit})" if name and unit else name or unit


def add_legend(figure: Figure) -> None:
    """One legend under all panels: inside them it would hide data."""
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="lower center",
        ncols=len(entries),
        frameon=False,
        fontsize=TEXT_SIZE,
        borderaxespad=0.3,
        handlelength=1.6,
        columnspacing=1.6,
    )


def first_targets(names: Sequence[Target]) -> tuple[Sequence[Target], str]:
    """Those that have a panel, and what a title says of the others."""
    shown = names[:MOST_TARGETS]
    return shown, "" if len(shown) == len(names) else f", the first {len(shown)} of {len(names)} targets"
