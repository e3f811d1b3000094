"""Which class is taken for which."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnrun.plots.canvas import POINTS_PER_INCH, inches_wide, new_figure
from cnnrun.plots.class_axis import fit_labels

SMALLEST_NUMBER = 6.0
"""Points; numbers that would have to be smaller are left out of the cells."""
COLORBAR = 0.85
"""Inches from the right side of a matrix to the end of its colour bar's numbers."""


def confusion(confusion: pd.DataFrame, split: str) -> Figure:
    """Draw the confusion matrix, as counts and as shares of each target class.

    Args:
        confusion: tables.CONFUSION, one row a target class and one column a predicted class, in the same order.
        split: its name, for the title.
    """
    names = [str(name) for name in confusion.columns[1:]]
    counts = confusion[confusion.columns[1:]].to_numpy(dtype=np.int64)
    totals = counts.sum(axis=1, keepdims=True)
    percent = 100 * np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = min(max(0.45 * len(names), 4.3), 9.5)
    labels = fit_labels(names, side)
    left, bottom = labels.width + 0.6, (labels.width if labels.upright else 0.2) + 0.5
    # Placed by hand: square cells and a computed layout do not agree, and labels would be clipped.
    figure = new_figure(left + 2 * (side + COLORBAR), bottom + side + 0.75, _title(counts, split), self_arranging=False)
    panels = ((counts, counts.max(), "samples"), (percent, 100, "% of the target class"))
    for number, (cells, most, heading) in enumerate(panels):
        start = left + number * (side + COLORBAR)
        axes = _place(figure, start, bottom, side, side)
        image = axes.imshow(cells, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=max(most, 1)), aspect="auto")
        bar = figure.colorbar(image, cax=_place(figure, start + side + 0.1, bottom, 0.15, side))
        bar.locator = MaxNLocator(8, integer=True, steps=[1, 2, 5, 10])
        _write_numbers(axes, cells, side, white_above=0.4 * most)
        axes.set_title(heading, fontsize=11)
        axes.set_xlabel("prediction")
        labels.put_on(axes.xaxis)
        axes.set_yticks([])
    figure.axes[0].set_ylabel("target")
    labels.put_on(figure.axes[0].yaxis)
    return figure


def _title(counts: np.ndarray, split: str) -> str:
    correct, total = int(np.trace(counts)), int(counts.sum())
    return f"confusion on {split}: {correct:,} of {total:,} samples correct"


def _place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a position in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _write_numbers(axes: Axes, cells: np.ndarray, side: float, white_above: float) -> None:
    """Put its number, rounded, into each cell that is not empty, if the largest fits. `side` is in inches."""
    cell = side / len(cells)
    widest = f"{cells.max():.0f}"
    size = min(9.0, 0.9 * cell / inches_wide(widest, 1.0), 0.5 * cell * POINTS_PER_INCH)
    if size < SMALLEST_NUMBER:
        return
    for row, column in zip(*np.nonzero(cells), strict=True):
        value = cells[row, column]
        text = f"{value:.0f}" if value >= 0.5 else "<1"
        color = "white" if value > white_above else "0.15"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=color)
