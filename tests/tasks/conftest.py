"""Series that tests of forecasting make of plain numbers."""

import numpy as np
import pandas as pd
import pytest

from cnnrun.data.fit_series import fit_series
from cnnrun.data.series import Series
from cnnrun.data.series_preprocessing import Recipe


def made(values, *, observed=None, frequency="D", lookback=5, horizon=2, season=7, difference=None, **split):
    """SeriesData of values (T,) or (T, M); without a frequency there are no stamps."""
    values = np.atleast_2d(np.asarray(values, dtype=np.float64).T).T
    seen = np.ones(values.shape, dtype=bool) if observed is None else np.asarray(observed).reshape(values.shape)
    names = ("load", "wind", "sun")[: values.shape[1]]
    index = None if frequency is None else pd.date_range("2020-01-01", periods=len(values), freq=frequency)
    recipe = Recipe(
        lookback=lookback,
        horizon=horizon,
        clean="none",
        clean_window=3,
        clean_threshold=3.0,
        scale="zscore",
        calendar=(),
        holidays=None,
        seasonal_lags=(),
        difference=difference,
    )
    series = Series(names, values, seen, index, frequency, repairs=())
    split = {"val": 0.2, "test": 0.2, "end": None, "train_on_val": False} | split
    return fit_series(series, len(names), recipe, unit="MW", season=season, **split)


@pytest.fixture
def make_data():
    return made
