"""What `fit` yields: a Step now and then for a display, an Epoch at the end of each epoch for the record."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """Where training is; at most a few a second, so that reading the loss costs nothing."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    samples_per_second: float


@dataclass(frozen=True)
class Filling:
    """How far the activations of a split are computed, before the first step; a few times a second."""

    split: str
    done: int
    total: int


@dataclass(frozen=True)
class Filled:
    """What is done with the frozen layers: a sentence, and plain values for run.json. Before the first step."""

    sentence: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Epoch:
    """One epoch, validated. `samples_per_second` counts training steps only, `seconds` everything."""

    number: int
    step: int
    train: dict[str, float]
    val: dict[str, float]
    lr: float
    seconds: float
    samples_per_second: float
    is_best: bool
    stop: str | None
    """Why training ends here (epochs, patience, max_seconds), else None."""

    def row(self) -> dict[str, float]:
        """Its line in history.csv (tables.HISTORY)."""
        row: dict[str, float] = {"epoch": self.number, "step": self.step}
        row |= {f"train/{name}": value for name, value in self.train.items()}
        row |= {f"val/{name}": value for name, value in self.val.items()}
        return row | {"lr": self.lr, "seconds": self.seconds, "samples_per_second": self.samples_per_second}


@dataclass(frozen=True)
class Stopped:
    """Training was asked to stop and did, after this step of this epoch; nothing is lost if the state is saved now."""

    epoch: int
    step: int
