"""The bar at the foot of a terminal, and how often progress is told."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cnnrun.console.streams import is_terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

SECONDS_BETWEEN_DRAWINGS = 0.1
SECONDS_BETWEEN_LINES = 10.0
"""Of progress, in a pipe."""


class Foot:
    """The foot of a terminal, where something is drawn again and again; what is written meanwhile scrolls above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # Drawn when told to: a thread that refreshes would take its time from the training.
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    @property
    def width(self) -> int:
        """Of the terminal, in characters."""
        return self._live.console.width

    @property
    def height(self) -> int:
        """Of the terminal, in lines."""
        return self._live.console.height

    def start(self) -> None:
        with suppress(OSError):
            self._live.start()

    def stop(self) -> None:
        with suppress(OSError):
            self._live.stop()

    def show(self, *parts: "RenderableType") -> None:
        """Draw these, one below the other."""
        from rich.console import Group

        with suppress(OSError):
            self._live.update(Group(*parts), refresh=True)

    def write(self, line: str, style: str = "") -> None:
        from rich.text import Text

        with suppress(OSError):
            self._live.console.print(Text(line, style=style))


class Bar(Foot):
    """A bar with a line of facts."""

    def draw(self, heading: str, share: float, remark: str, facts: str) -> None:
        """`share` of the bar is filled, between the heading and the remark; the facts stand below."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        line.add_row(Text(heading), ProgressBar(total=1.0, completed=share), Text(remark))
        self.show(line, *([Text(facts, no_wrap=True, overflow="ellipsis")] if facts else []))


@contextmanager
def bar_of_terminal() -> Iterator[Bar | None]:
    """A bar while it lasts; None where nobody watches."""
    bar = Bar() if is_terminal(sys.stderr) else None
    if bar:
        bar.start()
    try:
        yield bar
    finally:
        if bar:
            bar.stop()


def pause(bar: Bar | None) -> float:
    """Seconds from one report to the next."""
    return SECONDS_BETWEEN_DRAWINGS if bar else SECONDS_BETWEEN_LINES
