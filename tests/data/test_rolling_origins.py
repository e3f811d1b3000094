"""Folds of a series: pytest tests/data/test_rolling_origins.py"""

import numpy as np
import pandas as pd
import pytest

from cnnrun.data.fit_series import fit_series
from cnnrun.data.rolling_origins import rolling_origins
from cnnrun.data.series import Series
from cnnrun.data.series_preprocessing import Recipe
from cnnrun.errors import DataError

RECIPE = Recipe(
    lookback=4,
    horizon=2,
    clean="none",
    clean_window=5,
    clean_threshold=3.0,
    scale="zscore",
    calendar=(),
    holidays=None,
    seasonal_lags=(),
    difference=None,
)


def data_of(rows=100, stamps=True, train_on_val=False):
    values = np.random.default_rng(0).normal(size=(rows, 1)).cumsum(0)
    index = pd.date_range("2020-01-01", periods=rows, freq="D") if stamps else None
    series = Series(("load",), values, np.ones((rows, 1), bool), index, "D" if stamps else None, ())
    return fit_series(series, 1, RECIPE, unit="MWh", val=0.2, test=0.1, end=None, train_on_val=train_on_val, season=7)


@pytest.mark.parametrize("stamps", [True, False])
def test_the_folds_follow_on_each_other_and_end_where_test_begins(stamps):
    data = data_of(stamps=stamps)
    assert data.bounds == {"train": (0, 70), "val": (70, 90), "test": (90, 100)}
    bounds = [fold.bounds for fold in rolling_origins(data, 3)]
    assert bounds == [
        {"train": (0, 10), "val": (10, 30), "test": (30, 50)},
        {"train": (0, 30), "val": (30, 50), "test": (50, 70)},
        {"train": (0, 50), "val": (50, 70), "test": (70, 90)},
    ]


def test_a_fold_is_fitted_on_its_own_train_and_holds_no_row_of_test():
    data = data_of()
    last = list(rolling_origins(data, 2))[-1]
    assert len(last.series.values) == 90
    assert last.forecast.shift[0] == pytest.approx(data.history[:50].mean())
    assert np.array_equal(last.test.actual[:, 0, 0], data.history[70:89, 0])


def test_folds_train_on_their_val_where_the_data_do():
    fold = next(rolling_origins(data_of(train_on_val=True), 1))
    assert fold.trains_on_val
    assert fold.bounds["train"] == (0, 70)


def test_too_many_folds_are_refused_before_the_first_is_trained():
    with pytest.raises(DataError, match=r"backtest\.folds=4: each fold takes 20 rows .* take fewer folds"):
        next(rolling_origins(data_of(), 4))
