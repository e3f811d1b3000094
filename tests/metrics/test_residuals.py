"""Residual diagnostics against numpy, scipy and simulation: pytest tests/metrics"""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from cnnrun.metrics.residuals import (
    autocorrelation,
    excess_kurtosis,
    independent_size,
    ljung_box,
    skewness,
    useful_lags,
)

ERRORS = lfilter([1], [1, -0.6], np.random.default_rng(0).exponential(size=400))


@pytest.mark.parametrize("lag", [1, 2, 7, 100])
def test_the_autocorrelation_is_numpys(lag):
    centred = ERRORS - ERRORS.mean()
    expected = np.correlate(centred, centred, "full")[399 + lag] / (centred**2).sum()
    assert autocorrelation(ERRORS, lag) == pytest.approx(expected)


def test_missing_errors_do_not_change_the_autocorrelation_much():
    errors = lfilter([1], [1, -0.6], np.random.default_rng(0).normal(size=20_000))
    holes = np.where(np.random.default_rng(1).random(20_000) < 0.3, np.nan, errors)
    assert autocorrelation(holes, 1) == pytest.approx(0.6, abs=0.03)


def test_an_autocorrelation_that_does_not_exist_is_no_number():
    assert np.isnan(autocorrelation(np.ones(10), 1))
    assert np.isnan(autocorrelation(ERRORS[:5], 5))
    assert np.isnan(autocorrelation(np.full(5, np.nan), 1))


def test_ljung_box_is_its_formula_with_scipys_chi_square():
    errors = np.random.default_rng(3).normal(size=200)
    q = 200 * 202 * sum(autocorrelation(errors, k) ** 2 / (200 - k) for k in range(1, 11))
    assert ljung_box(errors, 10) == pytest.approx(stats.chi2.sf(q, 10), rel=1e-9)


def test_ljung_box_sees_memory_and_only_that():
    assert ljung_box(ERRORS, 10) < 1e-6
    generator = np.random.default_rng(0)
    rejected = sum(ljung_box(generator.normal(size=200), 10) < 0.05 for _ in range(300))
    assert 0.02 <= rejected / 300 <= 0.09


@pytest.mark.parametrize("missing", [0.1, 0.5, 0.8])
def test_gaps_are_no_memory(missing):
    generator = np.random.default_rng(0)
    rejected, outside = [], []
    for _ in range(300):
        errors = np.where(generator.random(300) < missing, np.nan, generator.normal(size=300))
        rejected.append(ljung_box(errors, 10) < 0.05)
        outside.append(abs(autocorrelation(errors, 1)) > 1.96 / np.sqrt(independent_size(errors, 1)))
    assert 0.02 <= np.mean(rejected) <= 0.09
    assert 0.02 <= np.mean(outside) <= 0.09


def test_lags_that_no_pair_has_do_not_count():
    errors = np.random.default_rng(0).normal(size=60)
    every_third = np.where(np.arange(60) % 3 == 0, errors, np.nan)
    q = sum(60 * 62 * autocorrelation(every_third, k) ** 2 * (20 - k // 3) / (60 - k) ** 2 for k in (3, 6, 9))
    assert ljung_box(every_third, 10) == pytest.approx(stats.chi2.sf(q, 3), rel=1e-9)
    assert np.isnan(ljung_box(every_third, 2))


def test_skewness_and_kurtosis_are_scipys():
    holes = np.insert(ERRORS, 7, np.nan)
    assert skewness(holes) == pytest.approx(stats.skew(ERRORS))
    assert excess_kurtosis(holes) == pytest.approx(stats.kurtosis(ERRORS))
    assert np.isnan(skewness(np.ones(5)))


def test_lags_that_too_few_errors_reach_are_left_out():
    assert useful_lags(365, [7, 364]) == [1, 7]
    assert useful_lags(2785, [24, 168]) == [1, 24, 168]
    assert useful_lags(3, [7]) == [1]
