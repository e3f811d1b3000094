"""The progress of downloads, and of files that are read: a bar on a terminal, else a line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cnnrun.console.bar import bar_of_terminal, pause
from cnnrun.console.numbers import time_left
from cnnrun.console.streams import tell


@contextmanager
def downloads() -> Iterator[Callable[..., None]]:
    """Gives `report(bytes done, bytes in all or None, file name)`.

    With a unit behind them, the numbers are of that, and the name says what is done: 70 of 100 pictures, reading.
    """
    told: dict[str, float] = {}

    with bar_of_terminal() as bar:

        def report(done: int, total: int | None, what: str, unit: str = "") -> None:
            now = time.monotonic()
            if what in told and now - told[what] < pause(bar) and done != total:
                return
            told[what] = now
            size = _size(done, total, unit)
            if bar:
                bar.draw(what, done / total if total else 0.0, size, "")
            else:
                tell(f"{what if unit else f'downloading {what}'}{size and f': {size}'}")

        yield report


@contextmanager
def files(total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Gives `report(files done)`, which tells files/s and the time that is left.

    Args:
        done: files that were done before.
    """
    began = told = time.monotonic()

    with bar_of_terminal() as bar:

        def report(now_done: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told < pause(bar):
                return
            told = now
            rate = (now_done - done) / (now - began)
            left = time_left((total - now_done) / rate) if rate else ""
            if bar:
                bar.draw(f"{now_done:,}/{total:,} files", now_done / total, left, f"{rate:,.0f} files/s")
            else:
                tell(f"{now_done:,} of {total:,} files  {rate:,.0f} files/s  {left}")

        yield report


def _size(done: int, total: int | None, unit: str) -> str:
    """Empty where nothing is done of what nobody has counted."""
    if not unit:
        return f"{done / 1e6:,.1f} MB" if total is None else f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
    if total is None:
        return f"{done:,} {unit}" if done else ""
    return f"{done:,} of {total:,} {unit}"
