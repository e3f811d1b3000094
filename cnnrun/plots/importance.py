"""Which settings a search found to matter."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cnnrun.plots.canvas import BLUE, GREY, escape, new_figure, tidy
from cnnrun.plots.long_names import shorten

WIDTH = 8.0
MOST_BARS = 20
NAME_SIZE = 9.0
LONGEST_NAME = 3.2
"""Inches of a setting's name."""


def importance(importance: pd.DataFrame, metric: str) -> Figure:
    """Draw a bar a setting, the most important first.

    Args:
        importance: columns setting and importance (a share; NaN counts as none).
    """
    table = importance.assign(importance=importance["importance"].fillna(0.0))
    table = table.sort_values("importance", ascending=False, kind="stable")
    names = [str(name) for name in table["setting"][:MOST_BARS]]
    shares = table["importance"].to_numpy(dtype=float)
    bars = list(shares[:MOST_BARS])
    if rest := len(shares) - len(bars):
        names.append(f"{rest} others together")
        bars.append(shares[MOST_BARS:].sum())
    rows = np.arange(len(bars))
    figure = new_figure(WIDTH, 0.32 * max(len(bars), 2) + 1.2, f"which settings {metric} depends on")
    axes = figure.subplots()
    tidy(axes)
    axes.grid(visible=False, axis="y")
    colors = [GREY if rest and row == MOST_BARS else BLUE for row in rows]
    axes.barh(rows, bars, height=0.7, color=colors)
    for row, share in zip(rows, bars, strict=True):
        axes.annotate(
            f"{share:.3f}", (share, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5
        )
    axes.set_yticks(rows, labels=[escape(shorten(name, LONGEST_NAME, NAME_SIZE)) for name in names], fontsize=NAME_SIZE)
    axes.set_ylim(max(len(bars), 1) - 0.4, -0.6)
    axes.set_xlim(0, 1.15 * max([*bars, 1e-9]))
    axes.set_xlabel("importance, share of what the settings explain")
    return figure
