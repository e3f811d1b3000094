"""Series that tests of forecasting make of plain numbers."""

import numpy as np
import pandas as pd
import pytest
import torch

from cnnrun.data.fit_series import fit_series
from cnnrun.data.series import Series
from cnnrun.data.series_preprocessing import Recipe
from cnnrun.tasks.forecasting import Forecasting

KNOBS = {
    "monitor": "mae",
    "loss": "mse",
    "huber_delta": 1.0,
    "quantiles": [0.05, 0.5, 0.95],
    "ridge_lags": None,
    "ridge_from_last": False,
}
SPLITS = ("train", "val", "test")


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


def series_values(n=400, m=1, seed=0):
    """A week, noise, and a level that wanders."""
    generator = np.random.default_rng(seed)
    week = 10 * np.sin(2 * np.pi * np.arange(n) / 7)[:, None]
    return 100 + week + generator.normal(size=(n, m)).cumsum(axis=0) * 0.3 + generator.normal(size=(n, m))


def judged_outputs(data, noise=0.2, seed=0, **knobs):
    """A task, and outputs that are the targets and some noise."""
    task = Forecasting(data.forecast, **(KNOBS | knobs))
    generator = torch.Generator().manual_seed(seed)
    outputs = {}
    for name in SPLITS:
        targets = torch.nan_to_num(getattr(data, name).targets)
        shifts = torch.tensor([-0.3, 0.0, 0.3]) if task.quantiles else torch.zeros(1)
        noisy = targets + noise * torch.randn(targets.shape, generator=generator)
        outputs[name] = (noisy[..., None] + shifts).flatten(1).float()
    return task, outputs


@pytest.fixture
def make_data():
    return made


@pytest.fixture
def values():
    return series_values


@pytest.fixture
def judged():
    return judged_outputs
