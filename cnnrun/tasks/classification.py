"""What the outputs of a classifier mean: the loss, the metrics of an epoch, and the tables of a split.

Letters: N samples, K classes. Outputs are raw (before the softmax); targets are class indices (N,), or probabilities
(N, K) where samples were mixed.
"""

from typing import Literal, Self

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from cnnrun.metrics.classification import METRICS
from cnnrun.metrics.sums import Samples, log_softmax
from cnnrun.tasks.losses import balanced_weights, cross_entropy, focal_loss
from cnnrun.values import Probability

EPOCH_METRICS = ("accuracy", "balanced_accuracy", "f1_macro")
"""Of METRICS, those that stand in the history beside the loss."""


class Classification:
    """One class a sample, of K that exclude each other."""

    def __init__(
        self,
        class_names: tuple[str, ...],
        class_counts: Tensor,
        *,
        monitor: Literal["accuracy", "loss", "balanced_accuracy", "f1_macro"],
        label_smoothing: Probability,
        class_weights: Literal["none", "balanced"],
        focal_gamma: NonNegativeFloat,
    ) -> None:
        """Args: class_counts (K,): samples of each class in train."""
        self.class_names = class_names
        self.num_outputs = len(class_names)
        self.monitor = monitor
        self.higher_is_better = monitor != "loss"
        self._label_smoothing = label_smoothing
        self._focal_gamma = focal_gamma
        self._weights = balanced_weights(class_counts) if class_weights == "balanced" else None

    def to(self, device: torch.device) -> Self:
        """Move the class weights to where the outputs are."""
        if self._weights is not None:
            self._weights = self._weights.to(device)
        return self

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """() float32, the sum over the samples: divide by N for the mean."""
        weights = None if self._weights is None else self._weights.to(outputs.device)
        if self._focal_gamma:
            return focal_loss(outputs, targets, weights, self._label_smoothing, self._focal_gamma)
        return cross_entropy(outputs, targets, weights, self._label_smoothing)

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """() int64 on the device of the outputs: samples whose (most probable) target is the prediction."""
        if targets.is_floating_point():
            targets = targets.argmax(dim=1)
        return (outputs.argmax(dim=1) == targets).sum()

    def epoch_metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The metrics of the history: mean loss as trained (weights and smoothing included) and EPOCH_METRICS.

        Args: outputs (N, K) and targets (N,) of a whole split, on the CPU.
        """
        sums = Samples.of(log_softmax(outputs.numpy()), targets.numpy()).total()
        loss = self.loss(outputs, targets).item() / len(targets)
        return {"loss": loss} | {name: float(METRICS[name](sums)) for name in EPOCH_METRICS}
