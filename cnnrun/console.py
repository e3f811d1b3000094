"""What a person sees while a command works: progress and warnings on stderr, tables of results on stdout.

On a terminal rich draws it; in a pipe or a log file it is plain lines, never wrapped, without escape codes. Work does
not end because nobody reads it any more: what cannot be written is left out.
"""

import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from numbers import Integral, Real
from typing import Any, Self, TextIO

from cnnrun.training.records import Epoch, Filling, Step

GAP = "_gap"
"""How the name of a metric ends that is a difference between two splits."""
RIVAL = "/"
"""Between a metric and the baseline that it is of: mae/naive."""
OF_ONE = "["
"""Between a metric and the one of several series that it is of: mae[load]."""
SECONDS_BETWEEN_DRAWINGS = 0.1
SECONDS_BETWEEN_LINES = 10.0
"""Of the progress of a download, in a pipe."""


def tell(line: str) -> None:
    """Write a line on stderr."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def note(sentence: str) -> None:
    """Tell on stderr what is good to know."""
    tell(f"note: {sentence}")


def warn(sentence: str) -> None:
    """Tell on stderr that something deserves a look."""
    tell(f"warning: {sentence}")


def tell_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a small table on stderr, indented."""
    columns, texts, rightward = _columns(rows)
    for line in _aligned([columns, *texts], rightward):
        tell(f"  {line}")


def tell_all(warnings: Iterable[str], notes: Iterable[str]) -> None:
    """Warn of the ones, then note the others."""
    for sentence in warnings:
        warn(sentence)
    for sentence in notes:
        note(sentence)


class Display:
    """The progress of training, in a `with`: a line an epoch, and on a terminal a live bar below them.

    `monitor` names the column of history.csv that picks the best epoch. `best` is its best value so far and the epoch
    of it, for a run that goes on.
    """

    def __init__(self, epochs: int, monitor: str, best: tuple[float, int] | None = None) -> None:
        self._epochs = epochs
        self._monitor = monitor
        self._best = best
        self._bar = _Bar() if _is_terminal(sys.stderr) else None
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
        if now - self._last_drawing < (SECONDS_BETWEEN_DRAWINGS if self._bar else SECONDS_BETWEEN_LINES):
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
        facts = [f"loss {_number(step.loss)}", f"{step.samples_per_second:,.0f} samples/s"]
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
        facts |= {name: _number(row[name]) for name in names}
        facts["best"] = self._describe_best()
        speed, seconds = f"{epoch.samples_per_second:,.0f}", f"{epoch.seconds:.1f}"
        if self._bar is None:
            words = [f"{name} {fact}" for name, fact in facts.items()]
            tell("  ".join([*words, f"{speed} samples/s", f"{seconds} s"]))
        else:
            self._write_row(self._bar, facts | {"samples/s": speed, "seconds": seconds}, epoch.is_best)

    def _write_row(self, bar: "_Bar", facts: Mapping[str, str], is_best: bool) -> None:
        """The facts in columns, the first that the terminal has room for, under a heading that is written once."""
        widths = {name: max(len(name), 12 if name == "best" else 7) for name in facts}
        while len(widths) > 1 and sum(widths.values()) + 2 * (len(widths) - 1) > bar.width:
            widths.popitem()
        if not self._has_heading:
            bar.write("  ".join(name.rjust(width) for name, width in widths.items()), "dim")
            self._has_heading = True
        bar.write("  ".join(facts[name].rjust(width) for name, width in widths.items()), "bold" if is_best else "")

    def _describe_best(self) -> str:
        return f"{_number(self._best[0])} ({self._best[1]})" if self._best else "-"

    def _time_left(self, now: float, done: float, epochs: int) -> str:
        """At the pace since the first step that was seen, validation included."""
        assert self._first_step is not None
        began, done_before = self._first_step
        if done <= done_before:
            return ""
        seconds = round((now - began) / (done - done_before) * (epochs - done))
        return _clock(seconds)


def _clock(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02}:{seconds % 60:02} left" if hours else f"{minutes}:{seconds % 60:02} left"


@contextmanager
def downloads() -> Iterator[Callable[..., None]]:
    """Gives `report(bytes done, bytes in all or None, file name)`: a bar on a terminal, else a line now and then.

    With a unit behind them, the numbers are of that, and the name says what is done: 70 of 100 pictures, reading.
    """
    told: dict[str, float] = {}

    with _bar_of_terminal() as bar:

        def report(done: int, total: int | None, what: str, unit: str = "") -> None:
            now = time.monotonic()
            pause = SECONDS_BETWEEN_DRAWINGS if bar else SECONDS_BETWEEN_LINES
            if what in told and now - told[what] < pause and done != total:
                return
            told[what] = now
            size = _progress(done, total, unit)
            if bar:
                bar.draw(what, done / total if total else 0.0, size, "")
            else:
                tell(f"{what if unit else f'downloading {what}'}{size and f': {size}'}")

        yield report


@contextmanager
def files(total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Gives `report(files done)`: a bar with files/s on a terminal, else a line now and then.

    Args:
        done: files that were done before.
    """
    began = told = time.monotonic()

    with _bar_of_terminal() as bar:

        def report(now_done: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told < (SECONDS_BETWEEN_DRAWINGS if bar else SECONDS_BETWEEN_LINES):
                return
            told = now
            rate = (now_done - done) / (now - began)
            left = _clock(round((total - now_done) / rate)) if rate else ""
            if bar:
                bar.draw(f"{now_done:,}/{total:,} files", now_done / total, left, f"{rate:,.0f} files/s")
            else:
                tell(f"{now_done:,} of {total:,} files  {rate:,.0f} files/s  {left}")

        yield report


def _progress(done: int, total: int | None, unit: str) -> str:
    """Empty where nothing is done of what nobody has counted."""
    if not unit:
        return f"{done / 1e6:,.1f} MB" if total is None else f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
    if total is None:
        return f"{done:,} {unit}" if done else ""
    return f"{done:,} of {total:,} {unit}"


def results(rows: Sequence[Mapping[str, Any]], folder: object, unit: str = "") -> None:
    """Write the table that ends a run: a line a metric, a column a split, and where the run lies.

    Args:
        rows: of tables.RESULTS. The interval is that of the last split: test, if it was read. Of a difference between
            two splits, such as accuracy_gap, the value and the interval stand below the table; metrics of baselines,
            such as mae/naive, in a table of their own, for the last split.
        unit: of the metrics that have one. Metrics of one of several series, such as mae[load], are left to the file.
    """
    gaps = [row for row in rows if row["metric"].endswith(GAP)]
    rivals = [row for row in rows if RIVAL in row["metric"]]
    own = [row for row in rows if row not in gaps and row not in rivals and OF_ONE not in row["metric"]]
    splits = list(dict.fromkeys(row["split"] for row in own))
    interval = f"95 % of {splits[-1]}"
    lines: dict[str, dict[str, Any]] = {}
    for row in own:
        line = lines.setdefault(row["metric"], {"metric": row["metric"], **dict.fromkeys(splits)})
        line |= {row["split"]: row["value"]} | ({interval: _interval(row)} if row["split"] == splits[-1] else {})
    counts = {split: max(row["n"] for row in own if row["split"] == split) for split in splits}
    with output():
        _write_table([*lines.values(), {"metric": "samples", **counts}], splits[:-1])
        for row in gaps:
            print(f"\n{_gap(row)}")
        if unit and "mae" in lines:
            print(f"\nmae, rmse, bias and interval_width in {unit}, mape and smape in percent")
        if rivals:
            print()
            _write_table(_beside_rivals(own, rivals, splits[-1]))
        print(f"\nrun folder: {folder}", flush=True)


def _beside_rivals(
    own: Sequence[Mapping[str, Any]], rivals: Sequence[Mapping[str, Any]], split: str
) -> list[dict[str, Any]]:
    """A line for the network and one for each baseline, with the metrics that both have."""
    heading = f"on {split}"
    lines: dict[str, dict[str, Any]] = {}
    for row in rivals:
        metric, _, name = row["metric"].partition(RIVAL)
        if row["split"] == split:
            lines.setdefault(name, {heading: name})[metric] = row["value"]
    shared = {metric for line in lines.values() for metric in line} - {heading}
    network = {row["metric"]: row["value"] for row in own if row["split"] == split and row["metric"] in shared}
    return [{heading: "network"} | network, *lines.values()]


def _gap(row: Mapping[str, Any]) -> str:
    name, split = row["metric"].removesuffix(GAP), row["split"]
    return f"{name} on train - {name} on {split}: {_number(row['value'])} (95 %: {_interval(row)})"


def table(rows: Sequence[Mapping[str, Any]], foot: Sequence[str] = (), dispensable: Sequence[str] = ()) -> None:
    """Write rows on stdout under the names of their columns; numbers are aligned at the right.

    Args:
        foot: lines below it. dispensable: columns that a narrow terminal leaves out, the first first.
    """
    with output():
        _write_table(rows, dispensable)
        print(*foot, sep="\n", end="\n" if foot else "", flush=True)


@contextmanager
def output() -> Iterator[None]:
    """Write on stdout as long as somebody reads it."""
    try:
        yield
    except BrokenPipeError:
        pass
    except OSError as error:
        warn(f"could not write to the standard output: {error.strerror}")


def _write_table(rows: Sequence[Mapping[str, Any]], dispensable: Sequence[str] = ()) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if _is_terminal(sys.stdout):
        dropped = 0
        while dropped < len(dispensable) and _width(rows, columns) > shutil.get_terminal_size().columns:
            columns.remove(dispensable[dropped])
            dropped += 1
    _, texts, rightward = _columns(rows, columns)
    if _is_terminal(sys.stdout) and _draw_table(columns, texts, rightward, _width(rows, columns)):
        return
    print(*_aligned([columns, *texts], rightward), sep="\n")


def _columns(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()
) -> tuple[list[str], list[list[str]], list[bool]]:
    """The columns, the cells as text, and which columns hold numbers, to be set to the right."""
    names = list(columns or dict.fromkeys(column for row in rows for column in row))
    texts = [[_cell(row.get(name)) for name in names] for row in rows]
    return names, texts, [all(isinstance(row.get(name), Real | None) for row in rows) for name in names]


def _aligned(lines: Sequence[Sequence[str]], rightward: Sequence[bool]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = zip(line, widths, rightward, strict=True)
        yield "  ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in padded).rstrip()


def _width(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> int:
    """Characters across, with two between the columns."""
    return sum(max(len(text) for text in [name, *(_cell(row.get(name)) for row in rows)]) + 2 for name in columns)


def _draw_table(columns: Sequence[str], texts: Sequence[Sequence[str]], rightward: Sequence[bool], width: int) -> bool:
    """Draw it with rich, unless the terminal is too narrow: rich would break the words."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if width > console.width:
        return False
    drawing = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column, right in zip(columns, rightward, strict=True):
        drawing.add_column(Text(column), justify="right" if right else "left", no_wrap=True)
    for line in texts:
        drawing.add_row(*map(Text, line))
    console.print(drawing)
    return True


class _Bar:
    """A bar with a line of facts at the foot of the terminal; what is written meanwhile scrolls above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # Drawn when told to: a thread that refreshes would take its time from the training.
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    @property
    def width(self) -> int:
        """Of the terminal, in characters."""
        return self._live.console.width

    def start(self) -> None:
        with suppress(OSError):
            self._live.start()

    def stop(self) -> None:
        with suppress(OSError):
            self._live.stop()

    def draw(self, heading: str, share: float, remark: str, facts: str) -> None:
        """`share` of the bar is filled, between the heading and the remark; the facts stand below."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        line.add_row(Text(heading), ProgressBar(total=1.0, completed=share), Text(remark))
        below = [Text(facts, no_wrap=True, overflow="ellipsis")] if facts else []
        with suppress(OSError):
            self._live.update(Group(line, *below), refresh=True)

    def write(self, line: str, style: str) -> None:
        from rich.text import Text

        with suppress(OSError):
            self._live.console.print(Text(line, style=style, no_wrap=True, overflow="ellipsis"))


@contextmanager
def _bar_of_terminal() -> Iterator[_Bar | None]:
    """A bar while it lasts; None where nobody watches."""
    bar = _Bar() if _is_terminal(sys.stderr) else None
    if bar:
        bar.start()
    try:
        yield bar
    finally:
        if bar:
            bar.stop()


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether a person watches: rich would also take environment variables for one. A closed stream is None."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def _number(value: float) -> str:
    """Four decimals, or four digits of a small one."""
    return f"{value:.4f}" if abs(value) >= 0.01 else f"{value:.4g}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    return f"{value:,}" if isinstance(value, Integral) else _number(float(value))


def _interval(row: Mapping[str, Any]) -> str:
    """Empty where a metric has none: its ends are None, empty or not a number."""
    if not all(isinstance(row[end], Real) and math.isfinite(row[end]) for end in ("low", "high")):
        return ""
    return f"{_number(row['low'])} to {_number(row['high'])}"
