"""The jobs of a sweep while they run: on a terminal a live table of them, in a pipe a line as each starts and ends."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cnnrun.console.bar import Foot
from cnnrun.console.numbers import number, time_left
from cnnrun.console.streams import is_terminal, tell

if TYPE_CHECKING:
    from rich.console import RenderableType

SECONDS_BETWEEN_DRAWINGS = 1.0
"""Each reads a file of every running job."""
LONG = 60
"""Characters of what came of a job, as an error, which leave no room for more in the line."""
LINES_BESIDE_JOBS = 4
"""The heading, the counts, and room for the cursor and a line above."""


@dataclass(frozen=True)
class JobLine:
    """A job that runs."""

    name: str
    epoch: int
    """The last that is done."""
    epochs: int | None
    """None for a command that has none."""
    metric: str
    """The name of what follows, such as val/accuracy."""
    value: float | None
    best: float | None


class JobsDisplay:
    """The progress of a sweep, in a `with`.

    `total` jobs are asked for. Without `live` it is lines on a terminal, too: the jobs write there themselves.
    """

    def __init__(self, total: int, *, live: bool) -> None:
        self._total = total
        self._live = _Jobs() if live and is_terminal(sys.stderr) else None
        self._last_drawing = -math.inf

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def started(self, place: int, name: str, remark: str = "") -> None:
        """Tell of the job at that place, 1 for the first; on a live table it is seen in any case."""
        self._last_drawing = -math.inf
        if not self._live:
            tell(f"[{place}/{self._total}] {name}{f': {remark}' if remark else ''}")

    def ended(self, name: str, what: str, to_go: str = "") -> None:
        """Tell what came of a job, above the live table; without that, what is to go, too."""
        self._last_drawing = -math.inf
        if self._live:
            self._live.write(f"{name}: {what}")
        else:
            link = "\n  " if len(what) > LONG else "; "
            tell(f"{name}: {what}{link if to_go else ''}{to_go}")

    def draw(self, running: Callable[[], tuple[Sequence[JobLine], float | None]], done: int, failed: int) -> None:
        """Draw the live table, if a job has started or ended or a second has gone by.

        Args:
            running: the jobs that run, and the seconds that are left for all; it is called only if they are drawn.
            done: jobs that have ended. failed: those of them that failed.
        """
        now = time.monotonic()
        if self._live is None or now - self._last_drawing < SECONDS_BETWEEN_DRAWINGS:
            return
        self._last_drawing = now
        lines, left = running()
        waiting = self._total - done - len(lines)
        facts = [f"{done}/{self._total} done", f"{failed} failed" if failed else "", f"{waiting} to come"]
        facts += [time_left(left)] if left is not None else []
        self._live.draw(lines, ", ".join(filter(None, facts)))


class _Jobs(Foot):
    """A table of jobs, at most as high as the terminal."""

    def draw(self, lines: Sequence[JobLine], foot: str) -> None:
        from rich.text import Text

        room = max(self.height - LINES_BESIDE_JOBS, 1)
        shown = lines if len(lines) <= room else lines[: room - 1]
        more = [] if len(shown) == len(lines) else [Text(f"and {len(lines) - len(shown)} more that run")]
        table = [_table(shown)] if shown else []
        self.show(*table, *more, Text(foot, style="dim"))


def _table(lines: Sequence[JobLine]) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    names = {line.metric for line in lines}
    metric = names.pop() if len(names) == 1 else "metric"
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for _ in range(3):
        table.add_column(no_wrap=True, justify="right")
    table.add_row(*(Text(word, style="dim") for word in ("running", "epoch", metric, "best")))
    for line in lines:
        epoch = "" if line.epochs is None else f"{line.epoch}/{line.epochs}"
        table.add_row(Text(line.name), epoch, _number(line.value), _number(line.best))
    return table


def _number(value: float | None) -> str:
    return "" if value is None else number(value)
