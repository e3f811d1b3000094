"""Sentences on stderr, the tables' way to stdout, and whether a person watches."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


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


def tell_all(warnings: Iterable[str], notes: Iterable[str]) -> None:
    """Warn of the ones, then note the others."""
    for sentence in warnings:
        warn(sentence)
    for sentence in notes:
        note(sentence)


@contextmanager
def output() -> Iterator[None]:
    """Write on stdout as long as somebody reads it."""
    try:
        yield
    except BrokenPipeError:
        pass
    except OSError as error:
        warn(f"could not write to the standard output: {error.strerror}")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person watches: rich would also take environment variables for one. A closed stream is None."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
