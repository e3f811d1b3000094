"""The moving-block bootstrap against theory, loops and simulation: pytest tests/metrics"""

import time

import numpy as np
import pytest

from cnnrun.metrics.block_bootstrap import MIN_BLOCKS, estimate, resampled


def interval(columns, block):
    mean = resampled(columns, block) / len(columns)
    return estimate(columns.mean(), mean, len(columns) / block)


def test_blocks_of_one_give_the_width_that_theory_has_for_independent_windows():
    losses = np.random.default_rng(0).exponential(size=1000)
    got = interval(losses, 1)
    assert got.high - got.low == pytest.approx(2 * 1.96 * losses.std() / np.sqrt(1000), rel=0.08)


def test_windows_that_resemble_their_neighbours_get_wider_intervals():
    losses = np.repeat(np.random.default_rng(0).exponential(size=200), 10)
    alone, together = interval(losses, 1), interval(losses, 50)
    expected = 2 * 1.96 * losses.std() / np.sqrt(200)
    assert alone.high - alone.low < 0.5 * expected
    assert together.high - together.low == pytest.approx(expected, rel=0.15)


def test_a_resample_is_what_adding_its_blocks_gives():
    columns = np.random.default_rng(1).normal(size=(50, 2, 3))
    starts, generator = [], np.random.default_rng(7)
    for length in (8, 8, 8, 8, 8, 8, 2):
        starts.append((generator.integers(50 - length + 1, size=5), length))
    for number in range(5):
        windows = np.concatenate([np.arange(start[number], start[number] + length) for start, length in starts])
        assert len(windows) == 50
        expected = columns[windows].sum(axis=0)
        np.testing.assert_allclose(resampled(columns, 8, num_resamples=5, seed=7)[number], expected)


def test_two_forecasts_of_the_same_windows_get_the_same_blocks():
    columns = np.random.default_rng(1).normal(size=(50, 1))
    np.testing.assert_allclose(resampled(3 * columns, 5), 3 * resampled(columns, 5))


def test_too_few_blocks_give_no_interval():
    columns = np.ones((MIN_BLOCKS * 7 - 1, 1))
    assert resampled(columns, 7) is None
    assert np.isnan([estimate(1.0, None, 3.9).low, estimate(1.0, None, 3.9).high]).all()
    assert resampled(np.ones((MIN_BLOCKS * 7, 1)), 7) is not None


def test_an_interval_holds_its_value():
    assert estimate(5.0, np.linspace(0, 1, 1000), 20).high == 5
    assert estimate(-5.0, np.linspace(0, 1, 1000), 20).low == -5


def test_a_resample_without_the_metric_leaves_no_interval():
    assert np.isnan(estimate(0.5, np.array([0.4, np.nan]), 20).low)


def test_with_many_blocks_the_interval_is_the_central_95_percent():
    values = np.linspace(0, 1, 1001)
    got = estimate(0.5, values, 1e6)
    assert (got.low, got.high) == pytest.approx((0.025, 0.975), abs=1e-4)


def test_a_thousand_resamples_of_a_split_of_etth1_take_well_below_a_second():
    columns = np.random.default_rng(0).normal(size=(2785, 7, 12))
    began = time.process_time()
    resampled(columns, 168)
    assert time.process_time() - began < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "block", "alike", "least"), [(2785, 168, 96, 0.88), (365, 7, 1, 0.93), (700, 168, 96, 0.8)]
)
def test_the_interval_holds_the_truth_about_as_often_as_its_docstring_says(n, block, alike, least):
    generator, held = np.random.default_rng(1), 0
    for _ in range(400):
        noise = generator.normal(size=n + alike - 1)
        losses = np.abs(np.convolve(noise, np.ones(alike) / np.sqrt(alike), "valid"))
        got = interval(losses, block)
        held += got.low <= np.sqrt(2 / np.pi) <= got.high
    assert least <= held / 400 <= 0.98
