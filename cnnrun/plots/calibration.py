"""Whether the confidence of a prediction is the probability that it is right."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from cnnrun.plots.canvas import BLUE, GREY, RED, new_figure, tidy


def calibration(calibration: pd.DataFrame, split: str) -> Figure:
    """Draw the reliability diagram above the number of samples in each bin of confidence.

    Args:
        calibration: tables.CALIBRATION, with a sample in at least one bin. split: its name, for the title.
    """
    filled = calibration[calibration["n"] > 0]
    lows, widths = filled["bin_low"], filled["bin_high"] - filled["bin_low"]
    error = np.average(np.abs(filled["accuracy"] - filled["confidence"]), weights=filled["n"])
    figure = new_figure(5.6, 6.4, f"calibration on {split}: expected error {error:.4f}, n = {filled['n'].sum():,}")
    shares, samples = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    shares.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    # The outline, and an axis that begins below 0, show a bin where nothing is correct.
    bars = {"align": "edge", "color": BLUE, "alpha": 0.5, "edgecolor": BLUE, "linewidth": 1.5}
    shares.bar(lows, filled["accuracy"], widths, label="accuracy in the bin", **bars)
    dots = {"color": RED, "markersize": 5, "clip_on": False, "zorder": 3}
    shares.plot(filled["confidence"], filled["accuracy"], "o", label="at its mean confidence", **dots)
    shares.set_ylabel("share correct")
    shares.set_ylim(-0.03, 1.02)
    samples.bar(lows, filled["n"], widths, color=GREY, align="edge", edgecolor="white")
    samples.set_ylabel("samples")
    samples.set_xlabel("confidence")
    samples.set_xlim(0, 1)
    samples.set_xticks(np.linspace(0, 1, 11))
    if filled["n"].max() > 30 * filled["n"].min():
        samples.set_yscale("log")
        samples.set_ylim(bottom=0.5)
        samples.yaxis.set_minor_formatter(NullFormatter())
    else:
        samples.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    samples.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for axes in (shares, samples):
        tidy(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure
