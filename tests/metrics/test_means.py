"""Means with the interval of Student's t, against scipy: pytest tests/metrics/test_means.py"""

import math

import numpy as np
import pytest
from scipy import stats

from cnnrun.metrics.means import mean_interval, t_quantile


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
