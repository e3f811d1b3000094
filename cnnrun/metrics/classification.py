"""The headline metrics of a classifier. A new one is a function of `Sums` and its line in METRICS, below.

Each returns (...) for sums (..., K): one number for a split, B numbers for its B bootstrap resamples.

A precision whose class was never predicted, a recall whose class has no sample and an F1 of neither are 0. Macro means
run over the classes that occur among the targets or the predictions, weighted ones weigh by the number of targets:
what scikit-learn does by default, with zero_division=0. Balanced accuracy leaves out classes without a sample.
"""

from collections.abc import Callable

import numpy as np

from cnnrun.metrics.sums import Array, Sums

TOP5_NEEDS = 10
"""Classes from which on a top-5 accuracy means something."""


def accuracy(sums: Sums) -> Array:
    return sums.hits.sum(axis=-1) / sums.n


def balanced_accuracy(sums: Sums) -> Array:
    return _mean(recalls(sums), where=sums.support > 0)


def top5_accuracy(sums: Sums) -> Array:
    """NaN below TOP5_NEEDS classes."""
    return sums.top5_hits / sums.n if sums.support.shape[-1] >= TOP5_NEEDS else np.full_like(sums.n, np.nan)


def precision_macro(sums: Sums) -> Array:
    return _mean(precisions(sums), where=_occurs(sums))


def recall_macro(sums: Sums) -> Array:
    return _mean(recalls(sums), where=_occurs(sums))


def f1_macro(sums: Sums) -> Array:
    return _mean(f1_scores(sums), where=_occurs(sums))


def precision_weighted(sums: Sums) -> Array:
    return (precisions(sums) * sums.support).sum(axis=-1) / sums.n


def recall_weighted(sums: Sums) -> Array:
    """The accuracy, by arithmetic; tables of the literature print both."""
    return (recalls(sums) * sums.support).sum(axis=-1) / sums.n


def f1_weighted(sums: Sums) -> Array:
    return (f1_scores(sums) * sums.support).sum(axis=-1) / sums.n


def log_loss(sums: Sums) -> Array:
    """Nats a sample; probabilities are not clipped."""
    return sums.log_loss / sums.n


def calibration_error(sums: Sums) -> Array:
    """Expected calibration error: |mean confidence - accuracy| of each confidence bin, weighted by its samples."""
    return np.abs(sums.overconfidence).sum(axis=-1) / sums.n


METRICS: dict[str, Callable[[Sums], Array]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "top5_accuracy": top5_accuracy,
    "precision_macro": precision_macro,
    "recall_macro": recall_macro,
    "f1_macro": f1_macro,
    "precision_weighted": precision_weighted,
    "recall_weighted": recall_weighted,
    "f1_weighted": f1_weighted,
    "log_loss": log_loss,
    "calibration_error": calibration_error,
}

SHARES = tuple(name for name in METRICS if name not in ("log_loss", "calibration_error"))
"""Those between 0 and 1 that tell how much is right."""
PROPORTIONS = ("accuracy", "top5_accuracy", "recall_weighted")
"""Shares of samples, which have an interval in closed form; the others are bootstrapped."""


def precisions(sums: Sums) -> Array:
    """(..., K) of each class."""
    return _share(sums.hits, sums.predicted)


def recalls(sums: Sums) -> Array:
    """(..., K) of each class."""
    return _share(sums.hits, sums.support)


def f1_scores(sums: Sums) -> Array:
    """(..., K) of each class: 2 PR / (P + R) = 2 hits / (support + predicted)."""
    return _share(2 * sums.hits, sums.support + sums.predicted)


def _occurs(sums: Sums) -> Array:
    return sums.support + sums.predicted > 0


def _share(part: Array, whole: Array) -> Array:
    return part / np.maximum(whole, 1)


def _mean(values: Array, where: Array) -> Array:
    return np.mean(values, axis=-1, where=where)
