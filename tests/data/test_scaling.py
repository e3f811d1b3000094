"""Scalers against scikit-learn's. Run: pytest tests/data/test_scaling.py"""

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from cnnrun.data.scaling import Scaler, fit_scaler
from cnnrun.errors import DataError

THEIRS = {"zscore": StandardScaler(), "minmax": MinMaxScaler(), "robust": RobustScaler()}
TRAIN = np.random.default_rng(0).gamma(2.0, 300.0, size=500)


@pytest.mark.parametrize("method", THEIRS)
def test_a_scaler_maps_as_the_one_of_scikit_learn(method):
    later = np.linspace(-100, 5000, 50)
    expected = THEIRS[method].fit(TRAIN[:, None]).transform(later[:, None])[:, 0]
    np.testing.assert_allclose(fit_scaler(TRAIN, method, "load").apply(later), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", [*THEIRS, "none"])
def test_scale_and_shift_lead_back_to_the_unit(method):
    scaler = fit_scaler(TRAIN, method, "load")
    np.testing.assert_allclose(scaler.apply(TRAIN) * scaler.scale + scaler.shift, TRAIN, rtol=1e-12)


def test_none_leaves_values_as_they_are():
    assert fit_scaler(TRAIN, "none", "load") == Scaler(1.0, 0.0)


@pytest.mark.parametrize("method", THEIRS)
def test_a_constant_column_becomes_zero(method):
    constant = np.full(30, 0.1)
    np.testing.assert_allclose(fit_scaler(constant, method, "load").apply(constant), 0, atol=1e-15)


@pytest.mark.parametrize("method", [*THEIRS, "none"])
def test_missing_values_are_not_fitted_on(method):
    holes = np.insert(TRAIN, [0, 100, 300], np.nan)
    assert fit_scaler(holes, method, "load") == fit_scaler(TRAIN, method, "load")


def test_a_column_without_a_value_is_refused():
    with pytest.raises(DataError, match="column 'wind' has no value in train; begin val later"):
        fit_scaler(np.full(5, np.nan), "zscore", "wind")


def test_quartiles_that_are_equal_are_refused():
    nights = np.r_[np.zeros(90), np.arange(10.0)]
    with pytest.raises(DataError, match=r"dataset.scale=robust: half of the values of 'solar' in train are 0"):
        fit_scaler(nights, "robust", "solar")
