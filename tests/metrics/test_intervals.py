"""Intervals against closed forms, scipy and simulation: pytest tests/metrics"""

import time

import numpy as np
import pytest
from scipy import stats

from cnnrun.metrics.classification import METRICS
from cnnrun.metrics.intervals import (
    Estimate,
    bootstrap,
    difference_interval,
    estimate_all,
    percentile_interval,
    reflected_interval,
    wilson_interval,
)
from cnnrun.metrics.sums import Samples, log_softmax


def samples(n, num_classes, seed=0, signal=2.0):
    generator = np.random.default_rng(seed)
    targets = generator.integers(num_classes, size=n)
    outputs = generator.normal(size=(n, num_classes))
    outputs[np.arange(n), targets] += signal
    return Samples.of(log_softmax(outputs), targets)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (1, 3), (9830, 10000), (40, 360)])
def test_the_wilson_interval_is_scipys(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson_interval(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_the_wilson_interval_holds_its_share_also_at_the_ends():
    for n in range(1, 2000):
        assert wilson_interval(0.0, n)[0] == 0
        assert wilson_interval(1.0, n)[1] == 1


def test_the_interval_of_a_difference_is_newcombes_published_one():
    # Newcombe, Statistics in Medicine 17 (1998), table II, method 10: 56/70 - 48/80.
    first, second = (Estimate(k / n, *wilson_interval(k / n, n)) for k, n in ((56, 70), (48, 80)))
    assert difference_interval(first, second) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_the_percentile_interval_is_the_central_95_percent():
    assert percentile_interval(np.arange(1001.0)) == (25.0, 975.0)


def test_a_reflected_interval_holds_its_value_and_is_not_negative():
    assert reflected_interval(0.5, np.linspace(0.4, 0.7, 1001)) == pytest.approx((0.3075, 0.5925))
    assert reflected_interval(0.01, np.linspace(0.02, 0.03, 1001)) == (0, 0.01)


def test_the_bootstrap_of_a_mean_has_the_width_that_theory_gives():
    given = samples(2000, 10)
    low, high = percentile_interval(METRICS["log_loss"](bootstrap(given)))
    expected = 2 * 1.96 * given.log_loss.std() / np.sqrt(2000)
    assert high - low == pytest.approx(expected, rel=0.08)


def test_the_bootstrap_of_accuracy_agrees_with_wilson():
    given = samples(2000, 10)
    resampled = percentile_interval(METRICS["accuracy"](bootstrap(given)))
    assert resampled == pytest.approx(wilson_interval(given.correct.mean(), 2000), abs=0.003)


def test_a_resample_is_what_counting_its_draws_gives():
    given, generator = samples(50, 4), np.random.default_rng(0)
    resampled = bootstrap(given, num_resamples=3)
    for i in range(3):
        draw = generator.integers(50, size=50)
        parts = [vars(given)[name][draw] for name in ("targets", "predictions", "confidences", "log_loss", "in_top5")]
        for name, expected in vars(Samples(4, *parts).total()).items():
            np.testing.assert_allclose(vars(resampled)[name][i], expected, rtol=1e-5, atol=1e-5)


def test_every_estimate_lies_inside_its_interval_and_is_repeatable():
    for given in (samples(300, 10), samples(40, 3), samples(500, 20, signal=0.0), samples(100, 2, signal=50.0)):
        estimates = estimate_all(given)
        assert all(estimate.low <= estimate.value <= estimate.high for estimate in estimates.values())
        assert estimate_all(given) == estimates


def test_top5_is_estimated_only_where_it_means_something():
    assert set(estimate_all(samples(50, 10))) == set(METRICS)
    assert set(estimate_all(samples(50, 9))) == set(METRICS) - {"top5_accuracy"}


@pytest.mark.slow
def test_the_interval_of_f1_holds_the_truth_in_about_95_percent_of_the_splits():
    truth = float(METRICS["f1_macro"](samples(400_000, 5, seed=999).total()))
    held = 0
    for seed in range(200):
        low, high = percentile_interval(METRICS["f1_macro"](bootstrap(samples(400, 5, seed), num_resamples=400)))
        held += low <= truth <= high
    assert 0.90 <= held / 200 <= 0.99


@pytest.mark.slow
def test_estimating_ten_thousand_samples_of_ten_classes_takes_under_a_second_of_processor_time():
    given = samples(10_000, 10)
    began = time.process_time()
    estimate_all(given)
    assert time.process_time() - began < 1.0
