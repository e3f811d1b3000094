"""Colours for what is compared: as many as can be told apart, one for all the others, and a scale for a metric."""

import matplotlib
from matplotlib.colors import Colormap

from cnnrun.plots.canvas import BLUE, GREEN, ORANGE, RED

COLORS = [BLUE, RED, GREEN, ORANGE, "#CC79A7", "#56B4E9", "#1A1A1A"]
"""Of Okabe and Ito, without their yellow, which is pale on white; the best has the first."""
OTHERS = "#B8B8B8"


def shades(higher_is_better: bool) -> Colormap:
    """From pale for the worst to dark for the best: a pale line lies behind the dark ones."""
    colors = matplotlib.colormaps["viridis"]
    return colors.reversed() if higher_is_better else colors
