"""What every tracker is told of a training, and when; a class of the user's own can be one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Begun:
    """A training that begins or goes on."""

    folder: Path
    """Of the run."""
    events: Path
    """A folder in it, which may not exist yet, for a tracker that writes files of its own."""
    settings: dict[str, Any]
    """By dotted name."""
    tags: dict[str, str]
    """Folder, git commit, seed, and the option of each group."""
    epoch: int
    """Epochs that are done; what the tracker knows of later ones was lost."""
    known: str | None
    """What `begin` returned when the run was begun; None for a new one."""


class Tracker(Protocol):
    """All its methods are called in one thread, in this order; whatever they raise ends the tracking and no more.

    Of a class that stands in LOGGERS, `package` names the module that it needs, which its extra installs.
    """

    def begin(self, begun: Begun) -> str:
        """Returns a text by which the tracker finds this run again, to go on with it."""
        ...

    def epoch(self, row: dict[str, float]) -> None:
        """A row of tables.HISTORY, after each epoch."""
        ...

    def results(self, metrics: dict[str, float], figures: list[Path]) -> None:
        """What the best weights reach, as `best/test/accuracy`, and the PNG files of the figures; once, in the end."""
        ...

    def end(self, status: str, reason: str) -> None:
        """The last call: finished, failed, interrupted or pruned, and why."""
        ...
