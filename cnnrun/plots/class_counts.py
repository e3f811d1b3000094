"""How many samples each class has, in which split."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnrun.plots.canvas import BLUE, GREEN, ORANGE, new_figure, tidy
from cnnrun.plots.class_axis import fit_labels

COLORS = {"train": BLUE, "val": ORANGE, "test": GREEN}
TALLEST = 15.0
"""Inches that the bars may take."""


def class_counts(classes: pd.DataFrame) -> Figure:
    """Draw a bar for each class, the largest on top, parted into train, val and test.

    Args: classes: tables.CLASSES.
    """
    totals = classes[list(COLORS)].sum(axis=1)
    table = classes.assign(total=totals).sort_values("total", ascending=False, kind="stable")
    length = min(0.27 * len(table), TALLEST)
    rows = np.arange(len(table))
    figure = new_figure(9, length + 1.7, f"{totals.sum():,} samples of {len(table)} classes{_imbalance(table)}")
    axes = figure.subplots()
    left = np.zeros(len(table))
    for name, color in COLORS.items():
        axes.barh(rows, table[name], left=left, height=0.75, color=color, alpha=0.8, label=name)
        left += table[name].to_numpy()
    tidy(axes)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("samples")
    axes.set_xlim(0, 1.12 * max(left.max(), 1))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes.set_ylim(len(table) - 0.4, -0.6)
    labels = fit_labels([str(name) for name in table["class"]], length)
    labels.put_on(axes.yaxis)
    for row in rows[:: labels.every]:
        axes.text(left[row] + 0.008 * left.max(), row, f"{left[row]:,.0f}", va="center", fontsize=0.9 * labels.size)
    figure.legend(loc="outside lower center", ncols=len(COLORS), frameon=False)
    return figure


def _imbalance(table: pd.DataFrame) -> str:
    """The largest class over the smallest in train; empty where they are alike, or one has no sample there."""
    most, least = table["train"].max(), table["train"].min()
    return f"; the largest in train is {most / least:.2f} times the smallest" if 0 < least < most else ""
