"""What a classifier did on a split, reduced to sums over its samples: every headline metric is a function of them.

The sums of many bootstrap resamples have the same form with one axis more in front, and come from one product of
sample weights with sample values, so each metric is written once and its interval costs little.

Letters: N samples, K classes, B resamples; `...` is nothing or (B,).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NUM_BINS = 15
"""Confidence bins of equal width, as in Guo et al., On Calibration of Modern Neural Networks (2017)."""


@dataclass(frozen=True)
class Sums:
    """Sums over the samples of a split, or of B resamples of it."""

    n: Array
    """(...) samples."""
    support: Array
    """(..., K) samples of each class."""
    predicted: Array
    """(..., K) samples predicted as each class."""
    hits: Array
    """(..., K) samples of each class that were predicted as it."""
    top5_hits: Array
    """(...) samples whose class is among the five most probable."""
    log_loss: Array
    """(...) minus the log-probability of the target, in nats."""
    overconfidence: Array
    """(..., NUM_BINS) confidence, minus 1 where the prediction is correct, in each confidence bin."""


@dataclass(frozen=True)
class Samples:
    """What each sample of a split adds to the sums."""

    num_classes: int
    targets: Array
    """(N,) class indices."""
    predictions: Array
    """(N,) class indices; the first of equally probable classes."""
    confidences: Array
    """(N,) probability of the prediction."""
    log_loss: Array
    """(N,) nats."""
    in_top5: Array
    """(N,) booleans."""

    @classmethod
    def of(cls, log_probabilities: Array, targets: Array) -> "Samples":
        """Args: log_probabilities (N, K) as `log_softmax` gives them, targets (N,) class indices."""
        rows = np.arange(len(targets))
        of_target = log_probabilities[rows, targets]
        predictions = log_probabilities.argmax(axis=1)
        return cls(
            num_classes=log_probabilities.shape[1],
            targets=targets,
            predictions=predictions,
            confidences=np.exp(log_probabilities[rows, predictions]),
            log_loss=-of_target,
            in_top5=_ranks(log_probabilities, targets) < 5,
        )

    @property
    def correct(self) -> Array:
        """(N,) booleans."""
        return self.predictions == self.targets

    @property
    def bins(self) -> Array:
        """(N,) confidence bin; bin i holds i / NUM_BINS < confidence <= (i + 1) / NUM_BINS."""
        return np.clip(np.ceil(self.confidences * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)

    def total(self) -> Sums:
        """The sums over all samples, each counted once."""
        return Sums(
            n=np.array(float(len(self.targets))),
            support=self._count(self.targets),
            predicted=self._count(self.predictions),
            hits=self._count(self.targets[self.correct]),
            top5_hits=np.array(float(self.in_top5.sum())),
            log_loss=self.log_loss.sum(),
            overconfidence=np.bincount(self.bins, weights=self.confidences - self.correct, minlength=NUM_BINS),
        )

    def _count(self, classes: Array) -> Array:
        return np.bincount(classes, minlength=self.num_classes).astype(np.float64)

    def columns(self) -> Array:
        """(N, 3 K + NUM_BINS + 2) float32: row i is what sample i adds to each of the sums that `unpack` names."""
        classes = np.eye(self.num_classes, dtype=np.float32)
        support = classes[self.targets]
        gaps = (self.confidences - self.correct)[:, None] * np.eye(NUM_BINS)[self.bins]
        rest = np.column_stack([self.in_top5, self.log_loss])
        parts: list[Array] = [support, classes[self.predictions], support * self.correct[:, None], gaps, rest]
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)


def unpack(columns: Array, n: int, num_classes: int) -> Sums:
    """The sums over samples of `Samples.columns`: columns (B, 3 K + NUM_BINS + 2), each over n samples."""
    ends = np.cumsum([num_classes, num_classes, num_classes, NUM_BINS])
    support, predicted, hits, overconfidence, rest = np.split(columns.astype(np.float64), ends, axis=1)
    return Sums(np.full(len(columns), float(n)), support, predicted, hits, rest[:, 0], rest[:, 1], overconfidence)


def log_softmax(outputs: Array) -> Array:
    """Log-probabilities (N, K) of raw outputs (N, K); in float64, where the order of the classes stays what it was."""
    shifted = outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _ranks(log_probabilities: Array, targets: Array) -> Array:
    """(N,) how many classes stand before the target; of equally probable ones the lower index does, as in argmax."""
    of_target = log_probabilities[np.arange(len(targets)), targets][:, None]
    is_lower = np.arange(log_probabilities.shape[1]) < targets[:, None]
    return ((log_probabilities > of_target) | ((log_probabilities == of_target) & is_lower)).sum(axis=1)
