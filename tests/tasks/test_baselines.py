"""The baselines against loops and scikit-learn: pytest tests/tasks"""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from cnnrun.tasks import baselines as module
from cnnrun.tasks.baselines import PENALTIES, Baselines, fit_ridge, known_past


def walk(n=200, m=1, seed=0):
    return 100 + np.random.default_rng(seed).normal(size=(n, m)).cumsum(axis=0)


def forecasts(data, split="test", lags=None, from_last=False):
    return Baselines(data, lags, from_last=from_last).forecasts(getattr(data, split))


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("horizon", [1, 3])
def test_the_naive_forecast_is_the_last_value_before_the_window(make_data, split, horizon):
    values = walk(m=2)
    data = make_data(values, horizon=horizon)
    part, got = getattr(data, split), forecasts(data, split)["naive"]
    assert got.shape == part.actual.shape
    for n in range(len(got)):
        assert (got[n] == values[part.first + n - 1][:, None]).all()


@pytest.mark.parametrize(("season", "horizon"), [(7, 1), (7, 10), (3, 7), (1, 4)])
def test_the_seasonal_naive_forecast_repeats_the_last_season_that_is_known(make_data, season, horizon):
    values = walk(m=2)
    data = make_data(values, season=season, horizon=horizon)
    got = forecasts(data)["seasonal_naive"]
    for n in range(len(got)):
        origin = data.test.first + n - 1
        for step in range(1, horizon + 1):
            row = origin + step
            while row > origin:
                row -= season
            assert (got[n, :, step - 1] == values[row]).all()


def test_a_season_from_before_the_series_is_replaced_by_the_last_value(make_data):
    data = make_data(walk(), season=30, lookback=5, horizon=1)
    got = forecasts(data, "train")
    assert (got["seasonal_naive"][:25] == got["naive"][:25]).all()
    assert (got["seasonal_naive"][25:] != got["naive"][25:]).any()


def test_no_baseline_sees_its_targets_or_what_comes_after(make_data):
    values = walk(m=2)
    before = forecasts(make_data(values), lags=9)
    changed = values.copy()
    changed[make_data(values).test.first + 10 :] += 1e3
    after = forecasts(make_data(changed), lags=9)
    for name in module.NAMES:
        np.testing.assert_allclose(after[name][:11], before[name][:11])
        assert not np.allclose(after[name][11:], before[name][11:])


def test_what_was_not_observed_is_carried_forward_whatever_filled_it(make_data):
    values, observed = walk(), np.ones((200, 1), dtype=bool)
    observed[170:174] = False
    values[170:174] = 1e6
    data = make_data(values, observed=observed)
    assert (known_past(data)[169:174] == values[169]).all()
    assert all(np.abs(got).max() < 1e3 for got in forecasts(data).values())


def rows_of(values, split, lags, horizon):
    """(N * M, lags) past and (N * M, horizon) future, window by window."""
    pairs = [
        (values[row - lags : row, m], values[row : row + horizon, m])
        for row in range(split.first, split.first + len(split.actual))
        for m in range(values.shape[1])
        if row >= lags
    ]
    return (np.array(part) for part in zip(*pairs, strict=True))


@pytest.mark.parametrize("from_last", [False, True])
@pytest.mark.parametrize("chunk", [1 << 21, 64])
def test_the_ridge_is_scikit_learns_with_the_penalty_that_is_best_on_val(make_data, from_last, chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    values = walk(m=2)
    data = make_data(values, horizon=3)
    stop = data.bounds["train"][1]
    scaled = (values - values[:stop].mean(axis=0)) / values[:stop].std(axis=0)

    def pairs(split):
        x, y = rows_of(scaled, split, 8, 3)
        last = x[:, -1:] if from_last else 0.0
        return x - last, y - last, last

    x, y, _ = pairs(data.train)
    x_val, y_val, _ = pairs(data.val)
    oracles = [Ridge(alpha=penalty, fit_intercept=not from_last).fit(x, y) for penalty in PENALTIES]
    best = min(oracles, key=lambda oracle: np.square(oracle.predict(x_val) - y_val).mean())
    x_test, _, last = pairs(data.test)
    expected = (best.predict(x_test) + last).reshape(-1, 2, 3) * values[:stop].std(axis=0)[:, None]
    expected += values[:stop].mean(axis=0)[:, None]
    np.testing.assert_allclose(forecasts(data, lags=8, from_last=from_last)["ridge"], expected)


def test_where_train_holds_val_the_ridge_is_fitted_on_both(make_data):
    values = walk()
    data = make_data(values, horizon=1, train_on_val=True)
    past = known_past(data)
    ridge = fit_ridge(data, past, 8, from_last=False)
    stop = data.bounds["train"][1]
    scaled = (values - values[:stop].mean()) / values[:stop].std()
    x, y = rows_of(scaled, data.train, 8, 1)
    weights = [Ridge(alpha=penalty).fit(x, y).coef_ for penalty in PENALTIES]
    assert any(np.allclose(ridge.weights[:, 0], weight.ravel()) for weight in weights)


def test_windows_with_targets_that_were_not_observed_are_left_out_of_the_fit(make_data):
    values, observed = walk(), np.ones((200, 1), dtype=bool)
    observed[40:60] = False
    one = fit_ridge(
        make_data(values, observed=observed), known_past(make_data(values, observed=observed)), 5, from_last=0
    )
    values[40:60] = 1e4
    data = make_data(values, observed=observed)
    two = fit_ridge(data, known_past(data), 5, from_last=False)
    np.testing.assert_allclose(one.weights, two.weights)


def test_the_ridge_looks_as_far_back_as_the_network_unless_told(make_data):
    data = make_data(walk(), lookback=11)
    assert fit_ridge(data, known_past(data), 11, from_last=False).weights.shape == (11, 2)
    np.testing.assert_allclose(forecasts(data)["ridge"], forecasts(data, lags=11)["ridge"])


def test_a_past_that_no_window_of_train_has_makes_no_ridge(make_data):
    assert list(forecasts(make_data(walk()), lags=150)) == ["naive", "seasonal_naive"]


def test_of_white_noise_the_ridge_can_tell_nothing(make_data):
    scores = []
    for seed in range(20):
        data = make_data(np.random.default_rng(seed).normal(50, 5, size=1000), horizon=1, lookback=15)
        actual, forecast = data.test.actual, forecasts(data)["ridge"]
        scores.append(1 - np.square(forecast - actual).sum() / np.square(actual - actual.mean()).sum())
    assert -0.1 < np.mean(scores) <= 0.01
    assert max(scores) <= 0.05
