"""The figure of class counts. Run: pytest tests/plots/test_class_counts.py"""

from collections.abc import Callable

import pandas as pd
import pytest

from cnnrun.plots.class_counts import class_counts
from cnnrun.tables import CLASSES


def table(count: int) -> pd.DataFrame:
    rows = [
        (f"class $ {number}" + " long" * (number % 9), 10 * number + 5, number, 2 * number) for number in range(count)
    ]
    return pd.DataFrame(rows, columns=CLASSES.names)


@pytest.mark.parametrize("count", [2, 10, 150, 1000])
def test_bars_are_sorted_and_as_long_as_the_table_says(count: int, assert_nothing_is_clipped: Callable) -> None:
    figure = class_counts(table(count))
    (axes,) = figure.axes
    for bars, split in zip(axes.containers, ("train", "val", "test"), strict=True):
        assert [bar.get_width() for bar in bars] == sorted(table(count)[split], reverse=True)
        assert bars.get_label() == split
    ends = [bar.get_x() + bar.get_width() for bar in axes.containers[2]]
    assert ends == sorted(table(count)[["train", "val", "test"]].sum(axis=1), reverse=True)
    assert axes.get_xlabel() == "samples"
    assert_nothing_is_clipped(figure)


def test_the_title_tells_how_uneven_train_is() -> None:
    title = class_counts(table(3)).get_suptitle()
    assert title == "54 samples of 3 classes; the largest in train is 5.00 times the smallest"


def test_a_class_without_samples_has_no_bar_and_no_ratio() -> None:
    classes = pd.DataFrame([("a", 5, 1, 1), ("b", 0, 0, 0)], columns=CLASSES.names)
    assert class_counts(classes).get_suptitle() == "7 samples of 2 classes"


def test_the_title_has_no_ratio_where_train_is_even() -> None:
    classes = pd.DataFrame([("a", 5, 1, 1), ("b", 5, 1, 2)], columns=CLASSES.names)
    assert class_counts(classes).get_suptitle() == "15 samples of 2 classes"
