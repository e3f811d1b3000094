"""What counts as an outlier, against slow loops and scipy. Run: pytest tests/data/test_cleaning.py"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import median_abs_deviation

from cnnrun.data.cleaning import clean
from cnnrun.errors import ConfigError


def spiky(rows: int = 300, columns: int = 2) -> np.ndarray:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(rows, columns)).cumsum(axis=0)
    values[generator.integers(0, rows, 20)] += 25
    return values


@pytest.mark.parametrize("window", [9, 10])
def test_zscore_replaces_what_lies_beyond_the_deviations_of_the_window_that_ends_with_it(window):
    values = spiky()
    expected = values.copy()
    for column in range(2):
        for row in range(window - 1, len(values)):
            seen = values[row - window + 1 : row + 1, column]
            if abs(values[row, column] - seen.mean()) > 1.5 * seen.std():
                expected[row, column] = seen.mean()
    found = clean(values, "zscore", window=window, threshold=1.5)
    assert (found != values).sum() > 20
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("window", [9, 10])
def test_hampel_replaces_what_lies_beyond_the_median_deviations_that_scipy_finds(window):
    values = spiky()
    expected = values.copy()
    for column in range(2):
        for row in range(window - 1, len(values)):
            seen = values[row - window + 1 : row + 1, column]
            deviation = median_abs_deviation(seen, scale="normal")
            if abs(values[row, column] - np.median(seen)) > 3 * deviation:
                expected[row, column] = np.median(seen)
    found = clean(values, "hampel", window=window, threshold=3.0)
    assert (found != values).sum() > 20
    np.testing.assert_allclose(found, expected, atol=1e-9)


def zscore_of_the_reference(s, window, thresh=1, return_all=False):
    """As printed in section 5 of reference 000."""
    roll = s.rolling(window=window, min_periods=1, center=True)
    avg = roll.mean()
    std = roll.std(ddof=0)
    z = s.sub(avg).div(std)
    m = z.between(-thresh, thresh)
    if return_all:
        return z, avg, std, m
    return s.where(m, avg)


@pytest.mark.parametrize("window", [2, 3, 10, 15])
@pytest.mark.parametrize("threshold", [1.0, 2.0])
def test_reference_gives_what_the_code_of_the_reference_gives(window, threshold):
    values = spiky()
    expected = pd.DataFrame(values).apply(zscore_of_the_reference, window=window, thresh=threshold)
    np.testing.assert_array_equal(clean(values, "reference", window=window, threshold=threshold), expected)


@pytest.mark.parametrize("method", ["zscore", "hampel"])
def test_a_value_tells_nothing_of_those_after_it(method):
    values, changed = spiky(), spiky()
    changed[200:] = 1e6 * np.random.default_rng(1).normal(size=(100, 2))
    before, after = (clean(some, method, window=12, threshold=1.5) for some in (values, changed))
    np.testing.assert_array_equal(before[:200], after[:200])


def test_reference_does_look_ahead():
    values, changed = spiky(), spiky()
    changed[200:] += 100
    before, after = (clean(some, "reference", window=15, threshold=1.0) for some in (values, changed))
    assert not np.array_equal(before[:200], after[:200])
    np.testing.assert_array_equal(before[:193], after[:193])


@pytest.mark.parametrize("method", ["zscore", "hampel"])
def test_a_window_without_spread_and_one_that_is_not_full_judge_nothing(method):
    values = np.full((40, 1), 5.0)
    values[3] = 100
    np.testing.assert_array_equal(clean(values, method, window=5, threshold=1.0)[:4], values[:4])
    flat = np.full((40, 1), 0.1)
    np.testing.assert_array_equal(clean(flat, method, window=5, threshold=1.0), flat)
    short = spiky(4)
    assert clean(short, method, window=5, threshold=1.0) is short


@pytest.mark.parametrize("method", ["zscore", "hampel", "reference"])
def test_missing_values_at_the_beginning_stay_missing_and_judge_nothing(method):
    values = spiky()
    late = values.copy()
    late[:30] = np.nan
    found = clean(late, method, window=9, threshold=1.5)
    assert np.isnan(found[:30]).all()
    np.testing.assert_allclose(found[39:], clean(values, method, window=9, threshold=1.5)[39:])


def test_none_does_nothing():
    values = spiky()
    assert clean(values, "none", window=3, threshold=1.0) is values


def test_a_threshold_that_no_value_of_its_window_can_pass_is_refused():
    with pytest.raises(ConfigError) as error:
        clean(spiky(), "zscore", window=7, threshold=3.0)
    assert str(error.value) == (
        "dataset.clean=zscore with clean_window=7 and clean_threshold=3 would never replace anything: a value lies at "
        "most 2.45 deviations from the middle of 7 values that it is one of; take a longer window or a lower threshold"
    )
    largest = np.r_[np.zeros(6), 1.0]
    assert abs((largest[-1] - largest.mean()) / largest.std() - np.sqrt(6)) < 1e-12
    with pytest.raises(ConfigError, match="clean=hampel with clean_window=2"):
        clean(spiky(), "hampel", window=2, threshold=3.0)
