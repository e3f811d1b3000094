"""The metrics of a forecast against scikit-learn, loops and hand arithmetic: pytest tests/metrics"""

import numpy as np
import pytest
from sklearn import metrics as oracle

from cnnrun.metrics import forecast as module
from cnnrun.metrics.forecast import IN_UNITS, METRICS, skill, tally


def example(n=50, m=3, h=4, seed=0, missing=0.0):
    generator = np.random.default_rng(seed)
    actual = generator.normal(1000, 50, size=(n, m, h))
    actual[generator.random(actual.shape) < missing] = np.nan
    return actual, np.nan_to_num(actual, nan=0.0) + generator.normal(5, 20, size=(n, m, h))


def sums_of(actual, forecast, **options):
    options = {"season_error": np.full(actual.shape[1], 30.0)} | options
    return tally(actual, forecast, **options).by_window.total()


ORACLES = {
    "mae": oracle.mean_absolute_error,
    "rmse": oracle.root_mean_squared_error,
    "mse": oracle.mean_squared_error,
    "mape": lambda a, f: 100 * oracle.mean_absolute_percentage_error(a, f),
    "smape": lambda a, f: 100 * np.mean(2 * np.abs(f - a) / (np.abs(a) + np.abs(f))),
    "mase": lambda a, f: oracle.mean_absolute_error(a, f) / 30,
    "r2": oracle.r2_score,
    "bias": lambda a, f: np.mean(f - a),
}


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("name", ORACLES)
def test_each_metric_of_one_target_is_scikit_learns_over_what_was_observed(name, missing):
    actual, forecast = example(m=1, missing=missing)
    seen = ~np.isnan(actual)
    assert METRICS[name](sums_of(actual, forecast)) == pytest.approx(ORACLES[name](actual[seen], forecast[seen]))


@pytest.mark.parametrize("name", ["mae", "mse", "mape", "smape", "mase"])
def test_several_targets_are_one_heap_of_cells(name):
    actual, forecast = example(missing=0.2)
    seen = ~np.isnan(actual)
    assert METRICS[name](sums_of(actual, forecast)) == pytest.approx(ORACLES[name](actual[seen], forecast[seen]))


def test_r2_of_several_targets_is_the_mean_of_theirs():
    actual, forecast = example()
    rows = [part.transpose(0, 2, 1).reshape(-1, 3) for part in (actual, forecast)]
    assert METRICS["r2"](sums_of(actual, forecast)) == pytest.approx(oracle.r2_score(*rows))


def test_r2_is_exact_far_from_zero():
    actual, forecast = example(m=1)
    near = METRICS["r2"](sums_of(actual, forecast))
    assert METRICS["r2"](sums_of(actual + 1e7, forecast + 1e7)) == pytest.approx(near, rel=1e-6)


def test_scaled_metrics_are_those_of_scaled_values():
    actual, forecast = example()
    scale = np.array([2.0, 10.0, 0.5])
    scaled = sums_of(actual, forecast).scaled(scale)
    divided = [part / scale[:, None] for part in (actual, forecast)]
    expected = sums_of(*divided, season_error=30 / scale)
    for name in ("mae", "rmse", "mse", "bias", "r2", "mape", "mase"):
        assert METRICS[name](scaled) == pytest.approx(METRICS[name](expected)), name


def test_one_target_has_the_metrics_that_it_has_alone():
    actual, forecast = example(missing=0.1)
    of_second = sums_of(actual, forecast).of(1)
    alone = sums_of(actual[:, 1:2], forecast[:, 1:2])
    for name in ORACLES:
        assert METRICS[name](of_second) == pytest.approx(METRICS[name](alone)), name


def test_each_step_of_the_horizon_has_its_own_sums():
    actual, forecast = example(missing=0.1)
    by_step = tally(actual, forecast, season_error=np.ones(3)).by_step
    for step in range(4):
        seen = ~np.isnan(actual[:, :, step])
        expected = oracle.mean_absolute_error(actual[:, :, step][seen], forecast[:, :, step][seen])
        assert METRICS["mae"](by_step)[step] == pytest.approx(expected)


def test_chunks_do_not_change_the_sums(monkeypatch):
    actual, forecast = example(missing=0.1)
    options = {"season_error": np.ones(3), "low": forecast - 9, "high": forecast + 9}
    whole = tally(actual, forecast, **options)
    monkeypatch.setattr(module, "_CHUNK", 40)
    parts = tally(actual, forecast, **options)
    np.testing.assert_allclose(parts.by_window.columns(), whole.by_window.columns())
    np.testing.assert_allclose(parts.by_step.columns(), whole.by_step.columns())


def test_coverage_and_width_of_an_interval_are_counted_by_hand():
    actual = np.array([[[1.0, 2.0, np.nan]], [[3.0, 4.0, 5.0]]])
    low, high = np.full(actual.shape, 2.0), np.full(actual.shape, 4.0)
    sums = sums_of(actual, np.zeros(actual.shape), low=low, high=high)
    assert METRICS["coverage"](sums) == pytest.approx(3 / 5)
    assert METRICS["interval_width"](sums) == 2


def test_what_is_undefined_is_no_number():
    actual, forecast = example(m=1)
    assert np.isnan(METRICS["coverage"](sums_of(actual, forecast)))
    assert np.isnan(METRICS["mase"](sums_of(actual, forecast, season_error=np.zeros(1))))
    assert np.isnan(METRICS["r2"](sums_of(np.full_like(actual, 3.3), forecast)))
    actual[0, 0, 0] = 0
    assert np.isnan(METRICS["mape"](sums_of(actual, forecast)))
    assert np.isfinite(METRICS["smape"](sums_of(actual, forecast)))
    nothing = sums_of(np.full_like(actual, np.nan), forecast)
    assert all(np.isnan(METRICS[name](nothing)) for name in METRICS)


def test_smape_of_two_zeros_is_0():
    assert METRICS["smape"](sums_of(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))) == 0


def test_a_forecast_that_is_no_number_spoils_the_metrics_and_is_not_dropped():
    actual, forecast = example(m=1)
    forecast[3, 0, 1] = np.nan
    assert np.isnan(METRICS["mae"](sums_of(actual, forecast)))


def test_skill_is_the_share_of_the_baselines_error_that_is_gone():
    actual, forecast = example(m=1)
    baseline = actual + 2 * (forecast - actual)
    assert skill(sums_of(actual, forecast), sums_of(actual, baseline)) == pytest.approx(0.5)


def test_metrics_of_resamples_come_out_one_each():
    actual, forecast = example()
    columns = tally(actual, forecast, season_error=np.ones(3)).by_window.columns()
    draws = [np.random.default_rng(seed).integers(50, size=50) for seed in range(3)]
    many = module.Sums.unpack(np.stack([columns[draw].sum(axis=0) for draw in draws]))
    for name in ORACLES:
        got = METRICS[name](many)
        expected = [METRICS[name](sums_of(actual[draw], forecast[draw], season_error=np.ones(3))) for draw in draws]
        np.testing.assert_allclose(got, expected)


def test_metrics_with_a_unit_are_named():
    assert set(IN_UNITS) < set(METRICS)
