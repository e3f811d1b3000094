"""A tracker that notes what it is told, and fails, hangs or sends a signal where it is told to."""

import os
import signal
import threading
from typing import Literal

CALLS: list[tuple[str, object]] = []
RELEASED = threading.Event()


class Toy:
    def __init__(self, *, fails_in: str, how: Literal["raises", "exits", "hangs", "interrupts"]) -> None:
        self.fails_in = fails_in
        self.how = how
        self.note("init", None)

    def note(self, method: str, told: object) -> None:
        CALLS.append((method, told))
        if method != self.fails_in:
            return
        if self.how == "raises":
            raise ConnectionError(f"no server\nin {method}")
        if self.how == "exits":
            raise SystemExit(3)
        if self.how == "interrupts":
            os.kill(os.getpid(), signal.SIGINT)
        if self.how == "hangs":
            RELEASED.wait(60)

    def begin(self, begun) -> str:
        self.note("begin", begun)
        return "the-17th"

    def epoch(self, row) -> None:
        self.note("epoch", row)

    def results(self, metrics, figures) -> None:
        self.note("results", (metrics, figures))

    def end(self, status, reason) -> None:
        self.note("end", (status, reason))
