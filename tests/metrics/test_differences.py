"""Tests of two means, and Holm's correction, against scipy and by hand. `pytest tests/metrics/test_differences.py`"""

import math

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.multitest import multipletests

from cnnrun.metrics.differences import holm, incomplete_beta, paired_p, t_two_sided, welch_p

FIRST, SECOND = [0.991, 0.989, 0.992, 0.990], [0.986, 0.990, 0.985, 0.987]


def test_p_values_are_those_of_scipy():
    assert paired_p(FIRST, SECOND) == pytest.approx(stats.ttest_rel(FIRST, SECOND).pvalue, rel=1e-10)
    assert welch_p(FIRST, SECOND) == pytest.approx(stats.ttest_ind(FIRST, SECOND, equal_var=False).pvalue, rel=1e-10)
    unequal = FIRST[:2]
    assert welch_p(unequal, SECOND) == pytest.approx(stats.ttest_ind(unequal, SECOND, equal_var=False).pvalue, rel=1e-9)


def test_random_samples_agree_with_scipy():
    random = np.random.default_rng(0)
    for _ in range(200):
        one, other = random.normal(size=random.integers(2, 9)), random.normal(0.5, 3, size=random.integers(2, 9))
        assert welch_p(one, other) == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue, rel=1e-9)
        pairs = random.normal(size=(2, 5))
        assert paired_p(*pairs) == pytest.approx(stats.ttest_rel(*pairs).pvalue, rel=1e-9)


@pytest.mark.parametrize("freedom", [0.5, 1, 1.7, 2, 30.5, 1000])
@pytest.mark.parametrize("t", [0.0, 0.01, -1.3, 4.0, 60.0])
def test_t_of_a_fraction_of_degrees_is_that_of_scipy(t, freedom):
    assert t_two_sided(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-9, abs=1e-300)


def test_the_incomplete_beta_function_is_that_of_scipy():
    random = np.random.default_rng(1)
    for a, b, x in zip(*random.uniform(0.2, 40, (2, 500)), random.uniform(0, 1, 500), strict=True):
        assert incomplete_beta(x, a, b) == pytest.approx(special.betainc(a, b, x), abs=1e-12)
    assert (incomplete_beta(0, 2, 3), incomplete_beta(1, 2, 3)) == (0, 1)


def test_one_value_allows_no_test():
    assert math.isnan(paired_p([0.5], [0.6]))
    assert math.isnan(welch_p([0.5], [0.6, 0.7]))


def test_differences_without_any_deviation_leave_no_doubt():
    assert paired_p([0.5, 0.6], [0.4, 0.5]) == 0
    assert paired_p([0.5, 0.6], [0.5, 0.6]) == 1
    assert welch_p([0.5, 0.5], [0.4, 0.4]) == 0
    assert welch_p([0.1] * 3, [0.1] * 3) == 1


def test_holm_multiplies_the_smallest_by_their_number_and_never_falls():
    # sorted .01 .02 .04: 3 x .01, 2 x .02, and .04, which may not be below the one before
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.03, 0.02, 0.5]) == pytest.approx([0.06, 0.06, 0.5])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([]) == []


def test_holm_counts_only_tests_that_could_be_made():
    adjusted = holm([0.01, math.nan, 0.02])
    assert adjusted[::2] == pytest.approx([0.02, 0.02])
    assert math.isnan(adjusted[1])


def test_holm_is_that_of_statsmodels():
    random = np.random.default_rng(2)
    for size in range(1, 20):
        values = random.uniform(0, 0.2, size)
        assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])
