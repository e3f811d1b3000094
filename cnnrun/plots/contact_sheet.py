"""Photos at a glance: thumbnails in a grid, each under its name and what was predicted of it."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnrun.plots.canvas import BLACK, BLUE, POINTS_PER_INCH, RED, clip, clip_to_width, escape, inches_wide, new_figure

COLUMNS = 8
MOST = 48
"""Photos on a sheet."""
TILE = 1.6
"""Inches from one photo to the next, and between their captions."""
PICTURE = 0.92
"""Longest side of a photo in tiles; the rest is the gap."""
CAPTION_SIZE = 7.5
LINE = 1.35 * CAPTION_SIZE / POINTS_PER_INCH / TILE
"""Height of a line of a caption, in tiles."""
SHORTEST = 8
"""Characters that are left of a label at least, so that its percentage still fits behind it."""


@dataclass(frozen=True)
class Tile:
    """A photo on the sheet."""

    name: str
    pixels: np.ndarray | None
    """(H, W, 3) uint8 of any size; None for a broken file."""
    guesses: Sequence[tuple[str, float]] = ()
    """Label and probability of the most probable classes."""
    note: str = ""
    """What it shows, where it is known and was not predicted; why it is broken."""


def contact_sheet(tiles: Sequence[Tile], title: str) -> Figure:
    """Draw tiles in rows of eight; N at least 1."""
    columns = min(len(tiles), COLUMNS)
    rows = math.ceil(len(tiles) / columns)
    lines = max(_lines_of(tile) for tile in tiles)
    height = PICTURE + lines * LINE + 0.14
    figure = new_figure(max(columns, 3) * TILE + 0.3, rows * height * TILE + 0.7, title)
    axes = figure.subplots()
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        _draw(axes, tile, column, -row * height)
    axes.set(xlim=(-0.02, max(columns, 3)), ylim=(-rows * height, 0), aspect="equal")
    axes.set_axis_off()
    return figure


def _lines_of(tile: Tile) -> int:
    return 1 + max(len(tile.guesses), 1) + bool(tile.note and tile.pixels is not None)


def _draw(axes: Axes, tile: Tile, left: float, top: float) -> None:
    """The photo stands on its caption's left edge, below the top of the tile."""
    bottom = top - PICTURE
    if tile.pixels is None:
        axes.add_patch(Rectangle((left, bottom), PICTURE, PICTURE, facecolor="0.93", edgecolor=RED, linewidth=0.8))
        words = _wrapped(tile.note)
        middle = (left + PICTURE / 2, top - PICTURE / 2)
        axes.text(*middle, words, fontsize=CAPTION_SIZE, color=RED, ha="center", va="center")
    else:
        high, wide = tile.pixels.shape[:2]
        scale = PICTURE / max(high, wide)
        extent = (left, left + wide * scale, bottom, bottom + high * scale)
        axes.imshow(tile.pixels, extent=extent, interpolation="antialiased")
    for number, (text, color, weight) in enumerate(_caption(tile)):
        down = bottom - 0.03 - number * LINE
        axes.text(left, down, escape(text), fontsize=CAPTION_SIZE, color=color, weight=weight, va="top")


def _wrapped(reason: str) -> str:
    return escape("\n".join(["broken:", *textwrap.wrap(clip(reason, 90), 18)]))


def _caption(tile: Tile) -> list[tuple[str, str, str]]:
    """Text, colour and weight of each line."""
    wide = PICTURE * TILE
    lines = [(_middle_clipped(tile.name, wide), BLACK, "normal")]
    if tile.pixels is None:
        return lines
    for rank, (label, probability) in enumerate(tile.guesses):
        look = (BLUE, "bold") if rank == 0 else ("0.45", "normal")
        lines.append((_guess(label, probability, wide), *look))
    if tile.note:
        lines.append((clip_to_width(tile.note, wide, CAPTION_SIZE), RED, "normal"))
    return lines


def _guess(label: str, probability: float, inches: float) -> str:
    """`hen 98%`, the label shortened so that the percentage is seen; bold letters are a tenth wider."""
    share = f" {probability:.0%}"
    room = inches / 1.12 - inches_wide(share, CAPTION_SIZE)
    shortened = clip_to_width(label, room, CAPTION_SIZE)
    return shortened + share


def _middle_clipped(name: str, inches: float) -> str:
    """The start and the end of a file's name: both tell it from others."""
    clipped, kept = name, len(name)
    while kept > SHORTEST and inches_wide(clipped, CAPTION_SIZE) > inches:
        kept -= 1
        clipped = f"{name[: (kept + 1) // 2]}…{name[-(kept // 2) :]}"
    return clipped
