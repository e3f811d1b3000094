"""Pictures in a grid: what the network sees, and what it gets wrong."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cnnrun.plots.canvas import POINTS_PER_INCH, clip_to_width, escape, new_figure

COLUMNS = 8
TILE = 1.45
"""Inches from one picture to the next."""
PICTURE = 0.92
"""Width of a picture in tiles; the rest is the gap."""
CAPTION_SIZE = 8
LINE = 1.3 * CAPTION_SIZE / POINTS_PER_INCH / TILE
"""Height of a line of a caption, in tiles."""
TINY = 64
"""Pixels; smaller pictures show their pixels as squares, larger ones are smoothed."""


def samples(images: np.ndarray, captions: Sequence[str], title: str) -> Figure:
    """Draw pictures in rows of eight, each under its caption.

    Args:
        images: (N, C, H, W) uint8, N at least 1, C = 1 (grey) or 3 (red, green, blue).
        captions: N, of one or more lines each; a line that is too long is shortened.
    """
    count, channels, height, width = images.shape
    columns = min(count, COLUMNS)
    rows = math.ceil(count / columns)
    caption = LINE * max(text.count("\n") + 1 for text in captions) + 0.04
    picture_height = PICTURE * height / width
    row_height = picture_height + caption + 0.08
    figure = new_figure(max(columns, 3) * TILE + 0.3, rows * row_height * TILE + 0.7, title)
    axes = figure.subplots()
    smoothing = "nearest" if max(height, width) < TINY else "antialiased"
    for number, (image, text) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(number, columns)
        bottom = -row * row_height - caption - picture_height
        pixels = image[0] if channels == 1 else np.moveaxis(image, 0, -1)
        extent = (column, column + PICTURE, bottom, bottom + picture_height)
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation=smoothing)
        axes.text(column, bottom + picture_height + 0.03, _fit(text), fontsize=CAPTION_SIZE, va="bottom")
    axes.set(xlim=(-0.02, columns), ylim=(-rows * row_height, 0), aspect="equal")
    axes.set_axis_off()
    return figure


def mistake_captions(mistakes: pd.DataFrame) -> list[str]:
    """`target: cat` above `predicted: dog` above `confidence: 98%` for each row of tables.PREDICTIONS."""
    rows = zip(mistakes["target"], mistakes["prediction"], mistakes["confidence"], strict=True)
    return [
        f"target: {target}\npredicted: {prediction}\nconfidence: {confidence:.0%}"
        for target, prediction, confidence in rows
    ]


def _fit(caption: str) -> str:
    lines = [clip_to_width(line, 0.97 * TILE, CAPTION_SIZE) for line in caption.split("\n")]
    return escape("\n".join(lines))
