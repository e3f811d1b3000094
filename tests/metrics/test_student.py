"""Means with the interval of Student's t, against scipy: pytest tests/metrics/test_student.py"""

import math

import numpy as np
import pytest
from scipy import stats

from cnnrun.metrics.student import mean_interval, t_quantile, t_quantile_between, two_sided_p


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30, 1000])
def test_the_quantile_is_that_of_student(freedom):
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-7)


def test_the_interval_is_that_of_a_t_test():
    values = [3.0, 4.5, 2.5, 3.5, 5.0]
    found = mean_interval(values)
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))


def test_one_value_has_no_interval():
    found = mean_interval([2.0])
    assert found.value == 2.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 14, 20, 101])
@pytest.mark.parametrize("t", [0.0, 0.3, -1.9, 2.5, 8.0])
def test_the_p_value_is_scipys(t, freedom):
    assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), abs=1e-12)


@pytest.mark.parametrize("freedom", [3, 5, 16.6, 51, 1000])
def test_the_quantile_of_a_fraction_is_near_scipys(freedom):
    assert t_quantile_between(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=0.03 if freedom < 4 else 0.003)
