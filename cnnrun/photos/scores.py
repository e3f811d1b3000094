"""How well predictions agree with the truth, from the rows of the table alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cnnrun.data.image_walk import counted
from cnnrun.metrics.classification import TOP5_NEEDS
from cnnrun.metrics.sums import Samples
from cnnrun.photos.classes import Classes
from cnnrun.photos.rows import Row

if TYPE_CHECKING:
    import pandas as pd

    from cnnrun.tasks.results import Row as Result

SPLIT = "photos"
"""In results.csv."""
SMALLEST = 1e-300
"""Probability that the log loss counts with: the table has 0 for less."""


def judged(rows: Sequence[Row], classes: Classes) -> "tuple[list[Result], dict[str, pd.DataFrame]]":
    """Rows of tables.RESULTS, and the tables per_class, confusion and calibration, of the photos that have a truth.

    Classes that are neither true nor predicted anywhere change no metric; they are left out of the tables, of which
    ImageNet would fill a million cells.
    """
    from cnnrun.tasks import results

    scored = [row for row in rows if row.truth is not None and not row.is_broken]
    if not scored:
        return [], {}
    samples, occurring = _samples(scored, len(classes))
    names = [classes.unique_names[index] for index in occurring]
    met = replace(samples, num_classes=len(names))
    tables = {
        "per_class": results.per_class(met, names),
        "confusion": results.confusion(met, names),
        "calibration": results.calibration(met),
    }
    return results.result_rows(samples, SPLIT), tables


def remarks(rows: Sequence[Row]) -> list[str]:
    """Why means over the classes differ: a class that was only predicted counts in some."""
    scored = [row for row in rows if row.truth is not None and not row.is_broken]
    true = {row.truth.index for row in scored if row.truth is not None}
    only = {row.guesses[0].index for row in scored} - true
    if not only:
        return []
    of_truth, more = (counted(len(found), "class", "classes") for found in (true, only))
    verb = "is" if len(only) == 1 else "are"
    return [
        f"balanced_accuracy is the mean over the {of_truth} of the truth; the macro means are over these and {more} "
        f"that {verb} predicted and never true, as in scikit-learn"
    ]


def _samples(rows: Sequence[Row], count: int) -> tuple[Samples, list[int]]:
    """With the classes renumbered to those that occur, and what these are; `num_classes` keeps the metrics' rules."""
    targets = [row.truth.index for row in rows if row.truth is not None]
    predictions = [row.guesses[0].index for row in rows]
    occurring = sorted({*targets, *predictions})
    place = {index: number for number, index in enumerate(occurring)}
    ranks = np.array([row.truth.rank for row in rows if row.truth is not None])
    of_truth = np.array([row.truth.probability for row in rows if row.truth is not None], dtype=np.float64)
    samples = Samples(
        num_classes=max(len(occurring), min(count, TOP5_NEEDS)),
        targets=np.array([place[index] for index in targets]),
        predictions=np.array([place[index] for index in predictions]),
        confidences=np.array([row.guesses[0].probability for row in rows]),
        log_loss=-np.log(np.maximum(of_truth, SMALLEST)),
        in_top5=ranks <= 5,
    )
    return samples, occurring
