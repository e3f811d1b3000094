"""Turn Ctrl-C and termination into a wish that a loop can look at between two steps."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

from cnnrun.errors import Interrupted

ALWAYS = [signal.SIGINT, signal.SIGTERM]
NOTED = [*ALWAYS, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
"""Ctrl-C, terminate, and a terminal that was closed."""
WORDS = {signal.SIGINT: "Ctrl-C"}
"""For signals that the user knows by another name."""


class Signals:
    """While active, the first of NOTED is only noted; a second one interrupts at once.

    After `interrupt_at_once`, for work that has no steps, the first one does.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._at_once = False
        self._before: dict[int, Any] = {}

    @property
    def number(self) -> int:
        """Of the signal that has come; another process may have been the one to get it."""
        return self.received or signal.SIGINT

    def __call__(self) -> bool:
        """Whether one has come."""
        return self.received is not None

    def __enter__(self) -> Self:
        for signum in NOTED:
            if signum not in ALWAYS and signal.getsignal(signum) == signal.SIG_IGN:
                continue  # nohup was asked for
            self._before[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def interrupt_at_once(self) -> None:
        """From now on a signal raises Interrupted wherever the program is.

        Raises:
            Interrupted: if one has come already.
        """
        self._at_once = True
        if self.received is not None:
            raise self.interrupted()

    def interrupted(self) -> Interrupted:
        """The error to raise for what has come."""
        signum = signal.Signals(self.number)
        return Interrupted(f"stopped by {WORDS.get(signum, signum.name)}", self.number)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        again = self.received is not None
        self.received = signum
        if again or self._at_once:
            raise self.interrupted()
