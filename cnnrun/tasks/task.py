"""What training asks of a task, whatever its outputs mean."""

from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor


class Task(Protocol):
    """Letters: N samples, K outputs. The targets are those of the data set that the task belongs to."""

    num_outputs: int
    monitor: str
    """The name in `epoch_metrics` that picks the best epoch."""
    higher_is_better: bool

    def to(self, device: torch.device) -> Self:
        """Keep what the loss needs at every step there."""
        ...

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """() float32, the sum over the samples of (N, K) outputs: divide by N for the mean."""
        ...

    def epoch_metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Of a whole split, on the CPU: `loss` and what else the history tells."""
        ...


@runtime_checkable
class CountsCorrect(Protocol):
    """A task whose answers are right or wrong, so that training can count them as it goes."""

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """() int64 on the device of the outputs."""
        ...
