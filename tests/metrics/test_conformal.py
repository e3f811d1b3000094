"""Margins of split conformal prediction, by hand and in simulation: pytest tests/metrics"""

import numpy as np
import pytest

from cnnrun.metrics.conformal import least_errors, margins_of


def test_the_margins_are_the_order_statistics_that_theory_names():
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 100.0))[:, None]
    # Of 99 errors: 100 * 0.95 = 95th of them, and the 5th.
    assert margins_of(errors, 0.9).tolist() == [[5.0, 95.0]]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_too_few_errors_give_none(level):
    least = least_errors(level)
    errors = np.random.default_rng(0).normal(size=(least, 1))
    # Between the outermost of n errors lie (n - 1) / (n + 1) of new ones.
    assert (least - 1) / (least + 1) >= level - 1e-9 > (least - 2) / least
    assert margins_of(errors, level).tolist() == [[errors.min(), errors.max()]]
    assert np.isnan(margins_of(errors[1:], level)).all()
    assert np.isnan(margins_of(errors[:1], level)).all()


def test_each_place_has_its_own_and_what_is_missing_counts_nowhere():
    errors = np.arange(1.0, 100.0)[:, None] * np.array([1.0, 2.0])
    holes = np.concatenate([errors, np.full((7, 2), np.nan)])
    assert margins_of(holes, 0.9).tolist() == [[5.0, 95.0], [10.0, 190.0]]
    assert np.isnan(margins_of(np.full((4, 1), np.nan), 0.9)).all()


@pytest.mark.parametrize("n", [19, 60, 365])
def test_the_interval_covers_new_errors_at_least_as_often_as_it_says(n):
    generator = np.random.default_rng(0)
    low, high = margins_of(generator.standard_t(4, size=(n, 2000)), 0.9).T
    new = generator.standard_t(4, size=2000)
    covered = ((low <= new) & (new <= high)).mean()
    assert 0.885 <= covered <= 0.9 + 2 / n + 0.015
