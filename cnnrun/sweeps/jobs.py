"""One job of a sweep: what it was asked for, how its process ended, and what came of it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cnnrun.config import Invocation, config_of, overrides
from cnnrun.run import Run

AUTOMATIC = "auto"
"""A run stores what `auto` came to; either is the same setting."""


@dataclass(frozen=True)
class Asked:
    """A config, and the words that asked for it."""

    words: dict[str, str]
    choices: dict[str, str]
    config: dict[str, Any]

    @classmethod
    def of(cls, run: Run) -> Self:
        """What a run was asked for."""
        words = dict(map(overrides.split, run.record.get("overrides", [])))
        return cls(words, run.record.get("choices", {}), config_of(run)[0])

    def value(self, key: str) -> Any:
        """The option of a group, or the value of a dotted key; None where it has none."""
        value: Any = self.config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return self.choices.get(key, value)

    def text(self, key: str) -> str:
        """The same as it was typed, or could have been."""
        value = self.value(key)
        return self.words.get(key) or (value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))


@dataclass(frozen=True)
class Job:
    """One point of a sweep, checked and ready to run."""

    name: str
    """Of its folder."""
    folder: Path
    config: dict[str, Any]
    """Plain values."""
    invocation: Invocation
    asked: Asked
    settings: dict[str, str]
    """The swept keys and this job's values."""
    finished: bool | None
    """Whether it has nothing left to do; None if it was never begun."""
    damage: str = ""
    """Why what stands in its folder cannot be read, which keeps it from running."""


@dataclass(frozen=True)
class Ended:
    """A job whose process is gone. What came of it stands in its folder."""

    job: Job
    reason: str = ""
    """Why it ended, where its own folder cannot say it, as when it was killed."""


@dataclass(frozen=True)
class Outcome:
    """A row of sweep.csv."""

    settings: dict[str, str]
    """The swept keys and this job's values."""
    folder: Path
    status: str
    error: str = ""
    seconds: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    """From its results, by name such as test/f1_macro."""
    monitor: str = ""
    """The metric on val that chose its checkpoint, such as val/accuracy; of an evaluation: that of the run's."""
    best_value: float | None = None
    """Of that metric, at the chosen checkpoint."""
    higher_is_better: bool = True
    subject: str = ""
    """What a run forecasts, how far ahead; empty for classes. Errors of different subjects do not compare."""
    dead: bool = False
    """Whether it learned nothing."""
