"""The progress of training: a line an epoch, and on a terminal a live bar below them."""

import math
import sys
import time
from collections.abc import Mapping
from typing import Self

from cnnrun.console.bar import SECONDS_BETWEEN_DRAWINGS, Bar, pause
from cnnrun.console.numbers import number, time_left
from cnnrun.console.streams import is_terminal, note, tell
from cnnrun.training.records import Epoch, Filling, Step


class Display:
    """The progress of training, in a `with`: a line an epoch, and on a terminal a live bar below them.

    `monitor` names the column of history.csv that picks the best epoch. `best` is its best value so far and the epoch
    of it, for a run that goes on.
    """

    def __init__(self, epochs: int, monitor: str, best: tuple[float, int] | None = None) -> None:
        self._epochs = epochs
        self._monitor = monitor
        self._best = best
        self._bar = Bar() if is_terminal(sys.stderr) else None
        self._has_heading = False
        self._last_drawing = -math.inf
        self._first_step: tuple[float, float] | None = None
        """When the first step was seen, and how many epochs were done by then."""

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def filling(self, filling: Filling) -> None:
        """Show how far the frozen layers are computed, before the first step; in lines only if it takes a while."""
        now = time.monotonic()
        if self._bar is None and self._last_drawing == -math.inf:
            self._last_drawing = now
        if now - self._last_drawing < pause(self._bar):
            return
        self._last_drawing = now
        heading = f"frozen layers, {filling.split}: {filling.done:,}/{filling.total:,}"
        if self._bar:
            self._bar.draw(heading, filling.done / filling.total, "", "")
        else:
            tell(heading)

    def note(self, sentence: str) -> None:
        """Tell what is good to know, above the bar."""
        if self._bar is None:
            note(sentence)
        else:
            self._bar.write(f"note: {sentence}", "")

    def step(self, step: Step) -> None:
        """Redraw the bar, at most ten times a second."""
        now = time.monotonic()
        if self._bar is None or now - self._last_drawing < SECONDS_BETWEEN_DRAWINGS:
            return
        self._last_drawing = now
        done = step.epoch - 1 + step.step / step.steps
        self._first_step = self._first_step or (now, done)
        facts = [f"loss {number(step.loss)}", f"{step.samples_per_second:,.0f} samples/s"]
        if self._best:
            facts.append(f"best {self._monitor} {self._describe_best()}")
        heading = f"epoch {step.epoch}/{step.epochs}  step {step.step:,}/{step.steps:,}"
        self._bar.draw(heading, done / step.epochs, self._time_left(now, done, step.epochs), "  ".join(facts))

    def epoch(self, epoch: Epoch) -> None:
        """Write the line of an epoch."""
        row = epoch.row()
        if epoch.is_best:
            self._best = row[self._monitor], epoch.number
        names = dict.fromkeys(("train/loss", "val/loss", self._monitor))
        facts = {"epoch": f"{epoch.number:>{len(str(self._epochs))}}/{self._epochs}"}
        facts |= {name: number(row[name]) for name in names}
        facts["best"] = self._describe_best()
        speed, seconds = f"{epoch.samples_per_second:,.0f}", f"{epoch.seconds:.1f}"
        if self._bar is None:
            words = [f"{name} {fact}" for name, fact in facts.items()]
            tell("  ".join([*words, f"{speed} samples/s", f"{seconds} s"]))
        else:
            self._write_row(self._bar, facts | {"samples/s": speed, "seconds": seconds}, epoch.is_best)

    def _write_row(self, bar: Bar, facts: Mapping[str, str], is_best: bool) -> None:
        """The facts in columns, the first that the terminal has room for, under a heading that is written once."""
        widths = {name: max(len(name), 12 if name == "best" else 7) for name in facts}
        while len(widths) > 1 and sum(widths.values()) + 2 * (len(widths) - 1) > bar.width:
            widths.popitem()
        if not self._has_heading:
            bar.write("  ".join(name.rjust(width) for name, width in widths.items()), "dim")
            self._has_heading = True
        bar.write("  ".join(facts[name].rjust(width) for name, width in widths.items()), "bold" if is_best else "")

    def _describe_best(self) -> str:
        return f"{number(self._best[0])} ({self._best[1]})" if self._best else "-"

    def _time_left(self, now: float, done: float, epochs: int) -> str:
        """At the pace since the first step that was seen, validation included."""
        assert self._first_step is not None
        began, done_before = self._first_step
        if done <= done_before:
            return ""
        return time_left((now - began) / (done - done_before) * (epochs - done))
