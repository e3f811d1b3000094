"""Rows under the names of their columns, aligned; on a terminal with room for them, drawn by rich."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

from cnnrun.console.numbers import cell
from cnnrun.console.streams import is_terminal, output, tell

Rows = Sequence[Mapping[str, Any]]


def table(rows: Rows, foot: Sequence[str] = (), dispensable: Sequence[str] = (), head: Sequence[str] = ()) -> None:
    """Write rows on stdout under the names of their columns; numbers are aligned at the right.

    Args:
        foot: lines below it. dispensable: columns that a narrow terminal leaves out, the first first. head: lines above
            it.
    """
    with output():
        print(*head, sep="\n", end="\n" if head else "")
        write_table(rows, dispensable)
        print(*foot, sep="\n", end="\n" if foot else "", flush=True)


def tell_table(rows: Rows) -> None:
    """Write a small table on stderr, indented."""
    for line in _Grid.of(rows).lines():
        tell(f"  {line}")


def write_table(rows: Rows, dispensable: Sequence[str] = ()) -> None:
    """Write rows on stdout, as `table` does.

    Raises:
        OSError: if nobody reads it, or the disk behind it is full.
    """
    grid = _Grid.of(rows)
    if not is_terminal(sys.stdout):
        print(*grid.lines(), sep="\n")
        return
    for column in dispensable:
        if grid.width > shutil.get_terminal_size().columns:
            grid = grid.without(column)
    if not _draw(grid):
        print(*grid.lines(), sep="\n")


@dataclass(frozen=True)
class _Grid:
    columns: list[str]
    texts: list[list[str]]
    """The cells of each row."""
    rightward: list[bool]
    """Which columns hold numbers, to be set to the right."""

    @classmethod
    def of(cls, rows: Rows) -> Self:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        texts = [[cell(row.get(name)) for name in columns] for row in rows]
        return cls(columns, texts, [all(isinstance(row.get(name), Real | None) for row in rows) for name in columns])

    def without(self, column: str) -> Self:
        kept = [place for place, name in enumerate(self.columns) if name != column]
        texts = [[line[place] for place in kept] for line in self.texts]
        return type(self)([self.columns[place] for place in kept], texts, [self.rightward[place] for place in kept])

    @property
    def widths(self) -> list[int]:
        """Of the columns, in characters."""
        return [max(map(len, column)) for column in zip(self.columns, *self.texts, strict=True)]

    @property
    def width(self) -> int:
        """Characters across, with two behind each column."""
        return sum(width + 2 for width in self.widths)

    def lines(self) -> Iterator[str]:
        widths = self.widths
        for line in [self.columns, *self.texts]:
            padded = zip(line, widths, self.rightward, strict=True)
            yield "  ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in padded).rstrip()


def _draw(grid: _Grid) -> bool:
    """Draw it with rich, unless the terminal is too narrow: rich would break the words."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if grid.width > console.width:
        return False
    drawing = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column, right in zip(grid.columns, grid.rightward, strict=True):
        drawing.add_column(Text(column), justify="right" if right else "left", no_wrap=True)
    for line in grid.texts:
        drawing.add_row(*map(Text, line))
    console.print(drawing)
    return True
