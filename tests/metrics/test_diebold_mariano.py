"""The test of equal skill against scipy, a plain sum and simulation: pytest tests/metrics"""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from cnnrun.metrics.diebold_mariano import diebold_mariano, long_run_variance


def test_the_long_run_variance_of_white_noise_is_its_variance():
    values = np.random.default_rng(0).normal(0, 3, size=100_000)
    assert long_run_variance(values, 500) == pytest.approx(9, rel=0.15)


def test_the_long_run_variance_of_an_autoregression_is_known():
    values = lfilter([1], [1, -0.6], np.random.default_rng(0).normal(size=200_000))
    assert long_run_variance(values, 500) == pytest.approx(1 / 0.4**2, rel=0.15)


def test_the_statistic_is_the_mean_over_its_standard_error():
    differences = np.random.default_rng(0).normal(0.1, 1, size=365)
    n, waves = 365, []
    for j in range(1, 21):
        waves.append(np.sqrt(2 / n) * sum(np.cos(np.pi * j * (t + 0.5) / n) * differences[t] for t in range(n)))
    expected = differences.mean() / np.sqrt(np.mean(np.square(waves)) / n)
    got = diebold_mariano(differences, 1)
    assert got.statistic == pytest.approx(expected)
    assert got.p_value == pytest.approx(2 * stats.t.sf(abs(expected), 20))
    assert (got.n, got.mean_difference) == (365, differences.mean())


def test_a_clear_difference_is_seen_and_its_sign_tells_who_is_better():
    generator = np.random.default_rng(0)
    better = diebold_mariano(generator.normal(-0.5, 1, size=365), 1)
    assert better.p_value < 0.001
    assert better.statistic < 0


def test_windows_that_overlap_count_for_less():
    differences = np.convolve(np.random.default_rng(1).normal(0.15, 1, size=1023), np.ones(24) / 24, "valid")
    assert diebold_mariano(differences, 24).p_value > 2 * diebold_mariano(differences, 1).p_value


def test_a_window_without_a_difference_is_left_out():
    differences = np.random.default_rng(0).normal(size=200)
    holes = np.insert(differences, [3, 50, 199], np.nan)
    assert diebold_mariano(holes, 1) == diebold_mariano(differences, 1)


def test_too_few_windows_are_not_tested():
    got = diebold_mariano(np.arange(95.0), 12)
    assert np.isnan([got.statistic, got.p_value]).all()
    assert (got.mean_difference, got.n) == (47.0, 95)
    assert diebold_mariano(np.arange(96.0), 12).p_value < 0.05
    assert np.isnan(diebold_mariano(np.array([np.nan]), 1).mean_difference)


def test_forecasts_that_are_the_same_do_not_differ():
    assert diebold_mariano(np.zeros(100), 1).p_value == 1


def test_forecasts_that_differ_by_the_same_everywhere_differ_beyond_doubt():
    assert diebold_mariano(np.full(100, 0.1), 1).p_value == 0


def simulated(kind, n, horizon, generator):
    """Differences of two losses of equal skill."""
    noise = generator.normal(size=(2, n + horizon + 100))
    if kind == "autocorrelated":
        noise = lfilter([1], [1, -0.5], noise)
    losses = np.abs(noise)[:, -(n + horizon - 1) :]
    first, second = (np.convolve(part, np.ones(horizon) / horizon, "valid") for part in losses)
    return first - second


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["white", "autocorrelated"])
@pytest.mark.parametrize(("n", "horizon"), [(365, 1), (365, 7), (1000, 24), (192, 24)])
def test_of_a_thousand_pairs_of_equal_skill_3_to_7_percent_are_told_apart(kind, n, horizon):
    generator = np.random.default_rng(0)
    told = sum(diebold_mariano(simulated(kind, n, horizon, generator), horizon).p_value < 0.05 for _ in range(1000))
    assert 0.03 <= told / 1000 <= 0.07
