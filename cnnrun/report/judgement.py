"""What every kind of report has in common."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from cnnrun.data.loaders import ResidentLoader
from cnnrun.run import Run

Outputs = dict[str, Tensor]
"""The outputs (N, K) of the model for whole splits, by name."""


@dataclass
class Judgement:
    """How a model did."""

    rows: list[dict[str, Any]]
    """Of tables.RESULTS."""
    warnings: list[str] = field(default_factory=list)
    """Why the run is dead, a sentence each."""
    doubts: list[str] = field(default_factory=list)
    """What makes the numbers better than they will be in use."""
    notes: list[str] = field(default_factory=list)
    """What else is worth a sentence."""


class Report(Protocol):
    """What a run leaves for people, from the outputs of its model."""

    def judge(self, outputs: Outputs, train_losses: Sequence[float]) -> Judgement:
        """The results on each of the splits; what there is to say only where train and val are among them.

        Args: train_losses: mean of each epoch.
        """
        ...

    def stored(self) -> dict[str, Any]:
        """What preprocessing.json holds once the run was judged."""
        ...

    def write_tables(self, run: Run, outputs: Outputs, split: str) -> None:
        """Write tables/ of one split."""
        ...

    def draw_data(self, run: Run, training: ResidentLoader) -> None:
        """Draw what the model was trained on."""
        ...

    def draw_split(self, run: Run, split: str) -> None:
        """Draw how it did on a split, from the tables."""
        ...
