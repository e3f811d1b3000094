"""What is told of the forecasts of a split, against scikit-learn and plain sums: pytest tests/tasks"""

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

from cnnrun import tables
from cnnrun.tasks.forecast_scores import block_length

SPLITS = ("train", "val", "test")


def by_metric(rows, split="test"):
    return {row["metric"]: row for row in rows if row["split"] == split}


def in_unit(data, outputs, split):
    scale, shift = data.forecast.scale[:, None], data.forecast.shift[:, None]
    part = getattr(data, split)
    point = outputs[split].numpy().astype(np.float64).reshape(part.actual.shape) * scale + shift
    return part.actual, point if part.base is None else point + part.base


class TestForecasts:
    def test_they_are_in_the_unit_and_differences_are_undone(self, make_data, values, judged):
        for difference in (None, 7, 1):
            data = make_data(values(m=2), horizon=3, difference=difference)
            task, outputs = judged(data, noise=0.0)
            forecast = task.forecasts(outputs["test"], data.test.base)
            np.testing.assert_allclose(forecast.point, data.test.actual, rtol=1e-5)
            assert forecast.low is None

    def test_quantiles_that_cross_are_put_in_order(self, make_data, values, judged):
        data = make_data(values(), horizon=1)
        task, _ = judged(data, loss="quantile")
        forecast = task.forecasts(torch.tensor([[2.0, -1.0, 0.5]]))
        unit = [x * data.forecast.scale[0] + data.forecast.shift[0] for x in (-1, 0.5, 2)]
        assert [forecast.low.item(), forecast.point.item(), forecast.high.item()] == pytest.approx(unit)
        assert task.interval_level == pytest.approx(0.9)

    def test_margins_from_val_enclose_nine_tenths_of_val(self, make_data, values, judged):
        data = make_data(values(1000, 2), horizon=2)
        task, outputs = judged(data)
        task.calibrate(outputs["val"], data.val)
        assert task.margins.shape == (2, 2, 2)
        forecast = task.forecasts(outputs["val"])
        inside = (forecast.low <= data.val.actual) & (data.val.actual <= forecast.high)
        assert inside.mean(axis=0) == pytest.approx(np.full((2, 2), 0.9), abs=0.02)

    def test_margins_of_a_run_can_be_given_back(self, make_data, values, judged):
        data = make_data(values(), horizon=2)
        task, outputs = judged(data)
        task.calibrate(outputs["val"], data.val)
        other, _ = judged(data)
        other.margins = np.array(task.margins.tolist())
        assert (other.forecasts(outputs["test"]).low == task.forecasts(outputs["test"]).low).all()

    def test_quantiles_need_no_margins(self, make_data, values, judged):
        data = make_data(values())
        task, outputs = judged(data, loss="quantile")
        task.calibrate(outputs["val"], data.val)
        assert task.margins is None


class TestResults:
    def test_of_one_series_they_are_scikit_learns_in_its_unit(self, make_data, values, judged):
        data = make_data(values(), horizon=2)
        task, outputs = judged(data)
        rows = by_metric(task.results(outputs, data, SPLITS))
        actual, point = (part.ravel() for part in in_unit(data, outputs, "test"))
        expected = {
            "mae": oracle.mean_absolute_error(actual, point),
            "rmse": oracle.root_mean_squared_error(actual, point),
            "mse": oracle.mean_squared_error(actual, point),
            "mape": 100 * oracle.mean_absolute_percentage_error(actual, point),
            "r2": oracle.r2_score(actual, point),
            "bias": np.mean(point - actual),
            "mase": oracle.mean_absolute_error(actual, point) / data.forecast.mase_scale[0],
            "mae_scaled": oracle.mean_absolute_error(actual, point) / data.forecast.scale[0],
            "mse_scaled": oracle.mean_squared_error(actual, point) / data.forecast.scale[0] ** 2,
        }
        assert {name: rows[name]["value"] for name in expected} == pytest.approx(expected)

    def test_they_repeat_what_the_epoch_said(self, make_data, values, judged):
        for m, suffix in ((1, ""), (3, "_scaled")):
            data = make_data(values(m=m), horizon=2, difference=7)
            task, outputs = judged(data)
            epoch = task.epoch_metrics(outputs["val"], data.val.targets)
            rows = by_metric(task.results(outputs, data, ["val"]), "val")
            for name in ("mae", "rmse"):
                assert rows[name + suffix]["value"] == pytest.approx(epoch[name], rel=1e-5)

    def test_every_row_has_the_columns_of_the_table_and_holds_its_value(self, make_data, values, judged):
        data = make_data(values())
        task, outputs = judged(data)
        task.calibrate(outputs["val"], data.val)
        rows = task.results(outputs, data, SPLITS)
        assert all(list(row) == tables.RESULTS.names for row in rows)
        assert [row["split"] for row in rows] == sorted((row["split"] for row in rows), key=SPLITS.index)
        for row in rows:
            assert row["n"] == len(getattr(data, row["split"]))
            if row["metric"] == "interval_level":
                assert (row["value"], row["low"], row["high"]) == (0.9, None, None)
            else:
                assert row["low"] <= row["value"] <= row["high"], row

    def test_several_series_are_scaled_together_and_each_has_rows_in_its_unit(self, make_data, values, judged):
        given = values(m=3) * np.array([1.0, 1000.0, 0.01])
        data = make_data(given, horizon=2)
        task, outputs = judged(data)
        rows = by_metric(task.results(outputs, data, ["test"]))
        actual, point = in_unit(data, outputs, "test")
        assert "mae" not in rows
        scaled = np.abs(point - actual) / data.forecast.scale[:, None]
        assert rows["mae_scaled"]["value"] == pytest.approx(scaled.mean())
        for number, name in enumerate(("load", "wind", "sun")):
            expected = np.abs(point - actual)[:, number].mean()
            assert rows[f"mae[{name}]"]["value"] == pytest.approx(expected)
            assert rows[f"rmse[{name}]"]["value"] > rows[f"mae[{name}]"]["value"]

    def test_the_baselines_have_rows_of_their_own(self, make_data, values, judged):
        data = make_data(values(), horizon=1)
        task, outputs = judged(data)
        rows = by_metric(task.results(outputs, data, ["test"]))
        first, n = data.test.first, len(data.test)
        forecasts = {"naive": data.history[first - 1 : first - 1 + n], "seasonal_naive": data.history[first - 7 :][:n]}
        for name, forecast in forecasts.items():
            actual = data.history[first : first + n]
            expected = oracle.mean_absolute_error(actual, forecast)
            assert rows[f"mae/{name}"]["value"] == pytest.approx(expected)
            assert rows[f"r2/{name}"]["value"] == pytest.approx(oracle.r2_score(actual, forecast))
        assert rows["mae/ridge"]["value"] < rows["mae/naive"]["value"]

    def test_skill_is_against_the_best_baseline(self, make_data, values, judged):
        data = make_data(values(), horizon=1)
        task, outputs = judged(data)
        rows = by_metric(task.results(outputs, data, ["test"]))
        best = min(rows[f"mae/{name}"]["value"] for name in ("naive", "seasonal_naive", "ridge"))
        assert rows["skill"]["value"] == pytest.approx(1 - rows["mae"]["value"] / best)

    def test_targets_that_were_not_observed_count_nowhere(self, make_data, values, judged):
        observed = np.ones((400, 1), dtype=bool)
        observed[-20:] = False
        given = values()
        data = make_data(given, horizon=1, observed=observed)
        task, outputs = judged(data)
        before = by_metric(task.results(outputs, data, ["test"]))
        assert before["mae"]["n"] == len(data.test) - 20
        outputs["test"] = outputs["test"].clone()
        outputs["test"][-20:] = 1e6
        after = by_metric(task.results(outputs, data, ["test"]))
        assert after["mae"] == before["mae"]

    def test_a_percentage_of_zero_is_left_out(self, make_data, values, judged):
        given = values()
        given[-5] = 0
        data = make_data(given)
        task, outputs = judged(data)
        assert "mape" not in by_metric(task.results(outputs, data, ["test"]))
        assert "mape/ridge" not in by_metric(task.results(outputs, data, ["test"]))
        assert "mape" in by_metric(task.results(outputs, data, ["val"]), "val")

    def test_coverage_is_measured_for_quantiles_and_margins_alike(self, make_data, values, judged):
        data = make_data(values(2000), horizon=1)
        for loss in ("mse", "quantile"):
            task, outputs = judged(data, loss=loss)
            task.calibrate(outputs["val"], data.val)
            rows = by_metric(task.results(outputs, data, ["test"]))
            part = task.forecasts(outputs["test"])
            inside = (part.low <= data.test.actual) & (data.test.actual <= part.high)
            assert rows["coverage"]["value"] == pytest.approx(inside.mean())
            assert 0.8 < rows["coverage"]["value"] < 0.97

    def test_without_intervals_there_is_no_coverage(self, make_data, values, judged):
        data = make_data(values())
        task, outputs = judged(data)
        assert not {"coverage", "interval_level"} & set(by_metric(task.results(outputs, data, ["test"])))

    def test_new_margins_and_new_outputs_are_noticed(self, make_data, values, judged):
        data = make_data(values())
        task, outputs = judged(data)
        before = by_metric(task.results(outputs, data, ["test"]))
        task.calibrate(outputs["val"], data.val)
        after = by_metric(task.results(outputs, data, ["test"]))
        assert "coverage" not in before
        assert "coverage" in after
        worse = by_metric(task.results({"test": outputs["test"] + 1}, data, ["test"]))
        assert worse["mae"]["value"] > after["mae"]["value"]

    def test_a_split_of_few_windows_has_no_intervals(self, make_data, values, judged):
        data = make_data(values(100))
        task, outputs = judged(data)
        row = by_metric(task.results(outputs, data, ["test"]))["mae"]
        assert (row["low"], row["high"]) == (None, None)


@pytest.mark.parametrize(
    ("frequency", "horizon", "windows", "expected"),
    [
        ("D", 1, 365, 7),
        ("D", 7, 365, 14),
        ("h", 96, 2785, 192),
        ("h", 24, 2785, 168),
        ("h", 96, 600, 168),
        ("D", 30, 200, 50),
        ("D", 30, 100, 30),
        ("D", 1, 4000, 20),
        (None, 1, 365, 5),
    ],
)
def test_a_block_holds_two_horizons_or_a_week(make_data, values, frequency, horizon, windows, expected):
    data = make_data(values(900), frequency=frequency, horizon=horizon, season=5)
    assert block_length(data.series, data.forecast, windows) == expected


@pytest.mark.parametrize("frequency", [None, "D", "h", "15min", "MS"])
def test_a_series_of_any_frequency_is_judged(make_data, frequency, values, judged):
    data = make_data(values(900, 2), frequency=frequency)
    task, outputs = judged(data)
    task.calibrate(outputs["val"], data.val)
    rows = task.results(outputs, data, SPLITS)
    made = task.tables(outputs, data, "test")
    assert np.isfinite([row["value"] for row in rows]).all()
    assert ("by_time" in made) is (frequency is not None)
