"""The network as a row of blocks: as tall as their feature maps, as thick as their channels, both on a log scale."""

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch, Polygon

from cnnrun.plots.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    POINTS_PER_INCH,
    characters_across,
    clip_to_width,
    escape,
    new_figure,
)
from cnnrun.values import Shape

BLOCKS_A_ROW = 7
MOST_BLOCKS = 3 * BLOCKS_A_ROW
"""Where more would be drawn, they are merged one level up: a stage instead of each of its blocks."""
PITCH = 1.9
"""Inches from one block to the next."""
TEXT_SIZE = 8
LINE = 1.35 * TEXT_SIZE / POINTS_PER_INCH
"""Inches from one line of text to the next."""
TALLEST = 1.25
"""Inches of the largest feature map; the thickest block is as wide as half the pitch."""
PALE = 0.4
"""Of the strength of other blocks, where nothing in a block trains."""
KINDS = {"input": GREEN, "convolution": BLUE, "dense": ORANGE, "without weights": GREY}


@dataclass(frozen=True)
class Block:
    """Consecutive layers drawn as one."""

    name: str
    layers: str
    shape: Shape
    parameters: int
    trainable: int
    multiply_adds: int
    kind: str

    @property
    def is_frozen(self) -> bool:
        return self.parameters > 0 and not self.trainable


def architecture(layers: pd.DataFrame, input_shape: Shape, title: str) -> Figure:
    """Draw a network from its layers, those of a block taken together.

    Args:
        layers: tables.LAYERS, in the order of the forward pass.
        input_shape: (C, *spatial). title: what the network is called.
    """
    blocks = [_input_block(input_shape), *_merge(layers)]
    rows = [blocks[start : start + BLOCKS_A_ROW] for start in range(0, len(blocks), BLOCKS_A_ROW)]
    lines = max(_describe(block).count("\n") + 1 for block in blocks)
    row_height = 1.35 * TALLEST + lines * LINE + 0.2
    columns = max(min(len(blocks), BLOCKS_A_ROW), 3)
    parameters, multiply_adds = layers["parameters"].sum(), layers["multiply_adds"].sum()
    total = f"{title}: {parameters:,} parameters, {short_count(multiply_adds)} multiply-adds for one sample"
    figure = new_figure(columns * PITCH + 0.4, len(rows) * row_height + 1.1, total)
    axes = figure.subplots()
    largest = max(_side(block.shape) for block in blocks), max(block.shape[0] for block in blocks)
    for number, row in enumerate(rows):
        for column, block in enumerate(row):
            _draw(axes, block, column * PITCH, -number * row_height, largest)
            if column + 1 < len(row):
                _draw_arrow(axes, (column + 0.8) * PITCH, -number * row_height)
    axes.set(xlim=(0, columns * PITCH), ylim=(-len(rows) * row_height, 0), aspect="equal")
    axes.set_axis_off()
    _add_legend(figure, blocks)
    return figure


def short_count(count: float) -> str:
    """`9,408`, `93.3 k`, `25.6 M`, `4.1 G`."""
    if count < 10_000:
        return f"{count:,.0f}"
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if count < 999.95 * size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e12:,.1f} T"


def _input_block(shape: Shape) -> Block:
    return Block("input", "", shape, 0, 0, 0, "input")


def _merge(layers: pd.DataFrame) -> list[Block]:
    """The layers grouped by the block they belong to; by the stage where there are too many blocks.

    An identity of its own is no block, such as what stands in the place of a pretrained network's classifier.
    """
    blocks: list[Block] = []
    for depth in (3, 2):
        records = layers.to_dict("records")
        groups = groupby(records, key=lambda row: _block_name(str(row["name"]), depth))
        blocks = [block for name, rows in groups if (block := _block(name, list(rows))).layers != "Identity"]
        if len(blocks) < MOST_BLOCKS:
            break
    return blocks


def _block_name(layer: str, depth: int) -> str:
    """`features.stage1.block2` of `features.stage1.block2.conv1`; a child of `features` or of the model is its own."""
    *parents, _ = layer.split(".")
    name = ".".join(parents[:depth])
    return layer if name in ("", "features") else name


def _block(name: str, rows: Sequence[dict]) -> Block:
    types = Counter(str(row["type"]) for row in rows)
    # A no-break space: "3 ReLU" stays on one line.
    summary = ", ".join(kind if count == 1 else f"{count}\N{NO-BREAK SPACE}{kind}" for kind, count in types.items())
    parameters, trainable, multiply_adds = (
        sum(int(row[column]) for row in rows) for column in ("parameters", "trainable", "multiply_adds")
    )
    shape = tuple(int(size) for size in str(rows[-1]["output_shape"]).split("x"))
    return Block(name, summary, shape, parameters, trainable, multiply_adds, _kind(types, parameters))


def _kind(types: Counter[str], parameters: int) -> str:
    if any(kind.startswith("Conv") for kind in types):
        return "convolution"
    return "dense" if parameters else "without weights"


def _side(shape: Shape) -> float:
    """Length of the feature map's edge, 1 for a vector."""
    return math.prod(shape[1:]) ** (1 / max(len(shape) - 1, 1))


def _draw(axes: Axes, block: Block, left: float, top: float, largest: tuple[float, int]) -> None:
    """A cuboid and, below it, what it is. `largest` is the longest edge and the most channels of all blocks."""
    height = TALLEST * (0.12 + 0.88 * math.log2(_side(block.shape)) / max(math.log2(largest[0]), 1))
    width = 0.5 * PITCH * (0.06 + 0.94 * math.log2(block.shape[0]) / max(math.log2(largest[1]), 1))
    slant = 0.25 * height
    x, y = left + (0.75 * PITCH - width - slant) / 2, top - 0.05 - 1.25 * TALLEST / 2 - (height + slant) / 2
    front = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    lid = [front[3], front[2], (x + width + slant, y + height + slant), (x + slant, y + height + slant)]
    side = [front[1], (x + width + slant, y + slant), lid[2], front[2]]
    strength = PALE if block.is_frozen else 1.0
    for corners, alpha in ((front, 0.75), (lid, 0.45), (side, 0.95)):
        color = KINDS[block.kind]
        axes.add_patch(Polygon(corners, facecolor=color, alpha=strength * alpha, edgecolor="white", linewidth=0.8))
    axes.text(
        left + 0.05, top - 1.35 * TALLEST, _describe(block), fontsize=TEXT_SIZE, va="top", linespacing=1.15, color="0.1"
    )


def _describe(block: Block) -> str:
    room = 0.97 * PITCH
    lines = [block.name.removeprefix("features."), "×".join(map(str, block.shape))]
    if block.parameters:
        lines.append(_parameters_text(block))
    lines += textwrap.wrap(block.layers, characters_across(room, TEXT_SIZE), max_lines=3, placeholder=" …")
    return escape("\n".join(clip_to_width(line, room, TEXT_SIZE) for line in lines))


def _parameters_text(block: Block) -> str:
    if 0 < block.trainable < block.parameters:
        return f"{short_count(block.trainable)} of {short_count(block.parameters)} train"
    return f"{short_count(block.parameters)} parameters{'' if block.trainable else ', frozen'}"


def _draw_arrow(axes: Axes, x: float, top: float) -> None:
    y = top - 0.05 - 1.25 * TALLEST / 2
    ends = (x, y), (x + 0.15 * PITCH, y)
    axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=9, color="0.4", linewidth=1))


def _add_legend(figure: Figure, blocks: Sequence[Block]) -> None:
    kinds = [kind for kind in KINDS if any(block.kind == kind for block in blocks)]
    handles = [Patch(facecolor=KINDS[kind], alpha=0.75, label=kind) for kind in kinds]
    note = "height: size of the feature map, thickness: channels (log scales)"
    note += "; pale: frozen" if any(block.is_frozen for block in blocks) else ""
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, title=note, fontsize=9)
