"""Signs that a classifier learned nothing, or learned train by heart: a sentence each, with its evidence, or None."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cnnrun.metrics.intervals import wilson_interval
from cnnrun.metrics.sums import Samples

STUCK_SHARE = 0.98
"""A mean train loss above this share of the loss of equal guesses counts as stuck there."""

OVERFITTING_GAP = 0.05
"""Named where the whole interval of the gap between train and val lies above it: any network that learned shows a gap
above 0 once val is large enough, and one on a small val may be noise."""
MOST_NAMED = 5
"""Classes that a sentence names."""


def one_class_predicted(samples: Samples, class_names: Sequence[str]) -> str | None:
    """Of the val split."""
    first, n = samples.predictions[0], len(samples.targets)
    if (samples.predictions != first).any() or (samples.targets == first).all():
        return None
    return (
        f"one class predicted: all {n:,} samples of val are called '{class_names[first]}'; "
        f"val/accuracy {samples.correct.mean():.3f} is the share of that class"
    )


def classes_without_samples(targets: Tensor, class_names: Sequence[str], split: str) -> list[str]:
    """A sentence on what the means over the classes are of, where not all have samples; targets (N,)."""
    counts = torch.bincount(targets, minlength=len(class_names)).tolist()
    absent = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if not absent:
        return []
    named = ", ".join(absent[:MOST_NAMED]) + (", ..." if len(absent) > MOST_NAMED else "")
    return [
        f"{split} has samples of {len(counts) - len(absent)} of {len(counts)} classes, and none of {named}: "
        "balanced_accuracy is the mean over those that it has, and the macro means are over these and what else was "
        "predicted, as in scikit-learn"
    ]


def stuck_loss(train_loss: float, guess_loss: float, samples: Samples) -> str | None:
    """Named only if the accuracy on val is no better than chance either: strong regularisation raises the loss too.

    Args:
        train_loss: mean over the last epoch. guess_loss: of equal probabilities for all classes.
        samples: of the val split.
    """
    accuracy = float(samples.correct.mean())
    most_frequent = float(np.bincount(samples.targets).max() / len(samples.targets))
    if train_loss < STUCK_SHARE * guess_loss or wilson_interval(accuracy, len(samples.targets))[0] > most_frequent:
        return None
    k = samples.num_classes
    is_plain = math.isclose(guess_loss, math.log(k), rel_tol=1e-3)
    reference = f"{guess_loss:.3f}{f' (ln {k})' if is_plain else ''}"
    relation = "above" if train_loss > guess_loss / STUCK_SHARE else "close to"
    is_better = accuracy > most_frequent
    verdict = "may have learned nothing" if is_better else "learned nothing"
    than = f"hardly better, for {len(samples.targets):,} samples," if is_better else "no better"
    return (
        f"{verdict}: train/loss {train_loss:.3f} is {relation} {reference}, the loss of equal guesses among {k} "
        f"classes, and val/accuracy {accuracy:.3f} is {than} than always naming the most frequent "
        f"class ({most_frequent:.3f}); another optimizer.lr, mostly a smaller one, or more epochs may help"
    )


def overfitting(gap: float, low: float) -> str | None:
    """Args: gap: accuracy on train minus that on val, both at `best`; low: the lower end of its interval."""
    if low <= OVERFITTING_GAP:
        return None
    return (
        f"over-fitted: at best, the accuracy on train is {gap:.3f} above that on val; more data, augmentation "
        "(augment=...), dropout or weight decay may help"
    )
