"""The tables of a classifier on one split, with the columns of tables.py.

Letters: N samples, K classes.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cnnrun import tables
from cnnrun.metrics.classification import f1_scores, precisions, recalls
from cnnrun.metrics.intervals import Estimate, difference_interval, estimate_all
from cnnrun.metrics.sums import NUM_BINS, Array, Samples

Row = dict[str, str | float]

_DIGITS = 6
"""Of a probability in a table."""


def result_rows(samples: Samples, split: str) -> list[Row]:
    """Rows of tables.RESULTS: each metric with its interval."""
    return [_row(split, name, estimate, len(samples.targets)) for name, estimate in estimate_all(samples).items()]


def gap_row(train: Sequence[Row], val: Sequence[Row]) -> Row:
    """A row of tables.RESULTS: by how much the accuracy on train is above that on val, from the rows of both."""
    on_train, on_val = accuracy(train), accuracy(val)
    low, high = difference_interval(on_train, on_val)
    gap = Estimate(on_train.value - on_val.value, low, high)
    return _row("val", "accuracy_gap", gap, int(val[0]["n"]))


def per_class(samples: Samples, class_names: Sequence[str]) -> pd.DataFrame:
    """tables.PER_CLASS; a share of no samples is 0."""
    sums = samples.total()
    columns = [
        list(class_names),
        sums.support.astype(np.int64),
        sums.predicted.astype(np.int64),
        precisions(sums),
        recalls(sums),
        f1_scores(sums),
    ]
    return pd.DataFrame(dict(zip(tables.PER_CLASS.names, columns, strict=True)))


def confusion(samples: Samples, class_names: Sequence[str]) -> pd.DataFrame:
    """tables.CONFUSION: a row a target, a column a prediction."""
    k = samples.num_classes
    counts = np.bincount(samples.targets * k + samples.predictions, minlength=k * k).reshape(k, k)
    table = pd.DataFrame(counts, columns=list(class_names))
    # A class may be called "target" too.
    table.insert(0, tables.CONFUSION.names[0], list(class_names), allow_duplicates=True)
    return table


def predictions(samples: Samples, probabilities: Array, ids: Sequence[str], class_names: Sequence[str]) -> pd.DataFrame:
    """tables.PREDICTIONS: a row a sample, in the order of the split; probabilities (N, K) rounded to 6 digits."""
    names = np.array(class_names, dtype=object)
    columns = [
        list(ids),
        names[samples.targets],
        names[samples.predictions],
        samples.correct,
        samples.confidences.round(_DIGITS),
    ]
    table = pd.DataFrame(dict(zip(tables.PREDICTIONS.names, columns, strict=True)))
    wide = pd.DataFrame(probabilities.round(_DIGITS), columns=[f"p/{name}" for name in class_names])
    return pd.concat([table, wide], axis=1)


def calibration(samples: Samples) -> pd.DataFrame:
    """tables.CALIBRATION: every bin, with no mean where it is empty."""
    n = np.bincount(samples.bins, minlength=NUM_BINS)
    confidences = np.bincount(samples.bins, weights=samples.confidences, minlength=NUM_BINS)
    correct = np.bincount(samples.bins, weights=samples.correct, minlength=NUM_BINS)
    filled = np.where(n > 0, n, np.nan)
    edges = np.arange(NUM_BINS + 1) / NUM_BINS
    columns = [edges[:-1], edges[1:], n, confidences / filled, correct / filled]
    return pd.DataFrame(dict(zip(tables.CALIBRATION.names, columns, strict=True)))


def _row(split: str, metric: str, estimate: Estimate, n: int) -> Row:
    values: list[str | float] = [split, metric, estimate.value, estimate.low, estimate.high, n]
    return dict(zip(tables.RESULTS.names, values, strict=True))


def accuracy(rows: Sequence[Row]) -> Estimate:
    """That of a split, from its rows of tables.RESULTS."""
    row = next(row for row in rows if row["metric"] == "accuracy")
    return Estimate(float(row["value"]), float(row["low"]), float(row["high"]))
