"""How well each class is told from the rest, and how often it occurs."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnrun.plots.canvas import BLUE, GREY, ORANGE, RED, new_figure, tidy
from cnnrun.plots.class_axis import fit_labels

TALLEST = 15.0
"""Inches that the bars may take; 100 classes and more share it."""


def per_class(per_class: pd.DataFrame, split: str) -> Figure:
    """Draw F1, precision and recall of each class, the best on top, beside the number of its samples.

    Args:
        per_class: tables.PER_CLASS, one row a class. split: its name, for the title.
    """
    table = per_class.sort_values("f1", ascending=False, kind="stable")
    length = min(0.27 * len(table), TALLEST)
    rows = np.arange(len(table))
    occurring = table[table["support"] + table["predicted"] > 0]
    title = f"per class on {split}, sorted by F1 (mean {occurring['f1'].mean():.4f})"
    figure = new_figure(11, length + 1.9, title)
    shares, samples = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    size = 5.5 if length < TALLEST else 3.5
    shares.barh(rows, table["f1"], height=0.75, color=BLUE, alpha=0.35, label="F1")
    shares.plot(table["precision"], rows, "o", color=BLUE, markersize=size, clip_on=False, label="precision")
    shares.plot(table["recall"], rows, "D", color=RED, markersize=0.85 * size, clip_on=False, label="recall")
    shares.set_xlabel("share")
    shares.set_xlim(0, 1.02)
    shares.set_ylim(len(table) - 0.4, -0.6)
    samples.barh(rows, table["support"], height=0.75, color=GREY, alpha=0.6, label="samples of the class")
    samples.plot(table["predicted"], rows, "|", color=ORANGE, markersize=9, markeredgewidth=2, label="predicted as it")
    samples.set_xlabel("samples")
    samples.set_xlim(left=0)
    samples.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    for axes in (shares, samples):
        tidy(axes)
        axes.grid(visible=False, axis="y")
    labels = fit_labels([str(name) for name in table["class"]], length)
    labels.put_on(shares.yaxis)
    for row in rows[:: labels.every]:
        text = f"{table['f1'].iloc[row]:.3f}"
        shares.text(0.01, row, text, va="center", fontsize=0.85 * labels.size, color="0.15", in_layout=False)
    samples.tick_params(labelleft=False, left=False)
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
    return figure
