"""What the outputs of a classifier mean: the loss, the metrics of an epoch, and the tables of a split.

Letters: N samples, K classes. Outputs are raw (before the softmax); targets are class indices (N,), or probabilities
(N, K) where samples were mixed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from cnnrun.metrics.classification import METRICS
from cnnrun.metrics.sums import Samples, log_softmax
from cnnrun.tasks import findings
from cnnrun.tasks.losses import balanced_weights, cross_entropy, focal_loss
from cnnrun.values import Probability

if TYPE_CHECKING:
    import pandas as pd

    from cnnrun.tasks.results import Row

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
        """Args: class_counts: (K,) samples of each class in train."""
        self.class_names = class_names
        self.num_outputs = len(class_names)
        self.monitor = monitor
        self.higher_is_better = monitor != "loss"
        self._label_smoothing = label_smoothing
        self._focal_gamma = focal_gamma
        self._weights = balanced_weights(class_counts) if class_weights == "balanced" else None
        self._class_counts = class_counts

    def to(self, device: torch.device) -> Self:
        """Keep the class weights where training needs them at every step."""
        if self._weights is not None:
            self._weights = self._weights.to(device)
        return self

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """() float32, the sum over the samples: divide by N for the mean."""
        # Outputs of a whole split come on the CPU, wherever the training is.
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
        sums = _samples(outputs, targets).total()
        loss = self.loss(outputs, targets).item() / len(targets)
        return {"loss": loss} | {name: float(METRICS[name](sums)) for name in EPOCH_METRICS}

    def results(self, outputs: Tensor, targets: Tensor, split: str) -> "list[Row]":
        """Rows of tables.RESULTS: the headline metrics with their intervals. Arguments as for `epoch_metrics`."""
        from cnnrun.tasks.results import result_rows

        return result_rows(_samples(outputs, targets), split)

    def gap(self, train: "Sequence[Row]", val: "Sequence[Row]") -> "Row":
        """A row of tables.RESULTS: what the accuracy loses from train to val, given the `results` of both."""
        from cnnrun.tasks.results import gap_row

        return gap_row(train, val)

    def tables(self, outputs: Tensor, targets: Tensor, ids: Sequence[str]) -> "dict[str, pd.DataFrame]":
        """per_class, confusion, predictions and calibration, as tables.py has them; an id a sample."""
        from cnnrun.tasks import results

        samples = _samples(outputs, targets)
        probabilities = np.exp(log_softmax(outputs.numpy()))
        return {
            "per_class": results.per_class(samples, self.class_names),
            "confusion": results.confusion(samples, self.class_names),
            "predictions": results.predictions(samples, probabilities, ids, self.class_names),
            "calibration": results.calibration(samples),
        }

    def findings(
        self, outputs: Tensor, targets: Tensor, train_losses: Sequence[float], train: "Sequence[Row]"
    ) -> list[str]:
        """Why the run is dead, a sentence each; empty for one that learned.

        Args:
            outputs, targets: of the val split, at `best`.
            train_losses: mean of each epoch. train: the `results` of the train split, at `best`.
        """
        samples = _samples(outputs, targets)
        found = [findings.one_class_predicted(samples, self.class_names)]
        if train_losses and not self._knows(train):
            found.append(findings.stuck_loss(train_losses[-1], self._guess_loss(), samples))
        return [sentence for sentence in found if sentence]

    def notes(self, gap: "Row") -> list[str]:
        """What else is worth a sentence, given the row of `gap`."""
        note = findings.overfitting(float(gap["value"]), float(gap["low"]))
        return [note] if note else []

    def _knows(self, train: "Sequence[Row]") -> bool:
        """Whether the accuracy on train is better than chance; the mean loss of an epoch may lie far behind its end."""
        from cnnrun.tasks.results import accuracy

        most_frequent = float(self._class_counts.max() / self._class_counts.sum())
        return accuracy(train).low > most_frequent

    def _guess_loss(self) -> float:
        """Mean over train of the loss of equal probabilities: ln K, if no weights or focal loss change it."""
        shares = self._class_counts / self._class_counts.sum()
        return self.loss(torch.zeros(1, self.num_outputs), shares[None]).item()


def _samples(outputs: Tensor, targets: Tensor) -> Samples:
    return Samples.of(log_softmax(outputs.numpy()), targets.numpy())
