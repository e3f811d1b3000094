"""Dead forecasts and winning baselines are named, and only they: pytest tests/tasks"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cnnrun.data.assemble_series import assemble_series
from cnnrun.tasks import forecast_findings, forecast_tables
from cnnrun.tasks.baselines import Baselines


def scaled(data, point, split):
    """Outputs that forecast a point (N, M, H) in the unit."""
    given = (point - data.forecast.shift[:, None]) / data.forecast.scale[:, None]
    return torch.from_numpy(np.broadcast_to(given, getattr(data, split).actual.shape).copy()).flatten(1).float()


class TestFindings:
    def test_a_run_that_learned_has_none(self, make_data, values, judged):
        data = make_data(values(m=2))
        task, outputs = judged(data)
        assert task.findings(outputs, data) == []

    def test_constant_forecasts_are_named(self, make_data, values, judged):
        data = make_data(values(m=2))
        task, outputs = judged(data)
        point = data.val.actual.copy()
        point[:, 1] = point[:, 1].mean() + 0.01 * (point[:, 1] - point[:, 1].mean())
        (sentence,) = task.findings({"val": scaled(data, point, "val")}, data)
        assert sentence == (
            "constant forecasts: of wind those on val vary by less than 1% of the variance of the actual values"
        )
        assert task.findings(outputs, data) == []

    def test_what_is_no_better_than_the_mean_of_train_is_named(self, make_data, judged):
        data = make_data(np.random.default_rng(0).normal(50, 5, size=400), horizon=1)
        task, _ = judged(data)
        begin, stop = data.bounds["train"]
        mean = data.history[begin:stop].mean()
        noise = np.random.default_rng(1).normal(0, 3, size=data.val.actual.shape)
        (sentence,) = task.findings({"val": scaled(data, mean + noise, "val")}, data)
        ours, means = (np.sqrt(np.square(point - data.val.actual).mean()) for point in (mean + noise, mean))
        assert sentence == (
            f"learned nothing: the RMSE on val, {ours:.4g} MW, is no better than that of always forecasting the mean "
            f"of train, {means:.4g} MW"
        )

    def test_forecasts_that_are_no_numbers_are_named(self, make_data, values, judged):
        data = make_data(values())
        task, outputs = judged(data)
        outputs["val"][3:5] = torch.nan
        n = len(data.val)
        assert task.findings(outputs, data) == [f"forecasts that are no numbers: for 2 of {n} windows of val"]
        assert "val has no metrics: there are forecasts that are no numbers" in task.notes(outputs, data, "test")
        assert "mae" not in {row["metric"] for row in task.results(outputs, data, ["val"])}

    def test_targets_that_were_not_observed_count_nowhere(self, make_data, values, judged):
        observed = np.ones((400, 1), dtype=bool)
        observed[300] = False
        data = make_data(values(), observed=observed, horizon=1)
        task, outputs = judged(data)
        assert task.findings(outputs, data) == []


@pytest.fixture
def notes(judged):
    def notes_of(data, outputs=None, noise=0.05, **knobs):
        task, noisy = judged(data, noise, **knobs)
        task.calibrate(noisy["val"], data.val)
        return task.notes(noisy | (outputs or {}), data, "test")

    return notes_of


class TestNotes:
    def test_a_good_run_has_none(self, make_data, values, notes):
        assert notes(make_data(values(1000))) == []

    def test_a_baseline_that_wins_is_named_with_both_numbers(self, make_data, values, notes):
        data = make_data(values(1000), horizon=1, lookback=14)
        found = notes(data, {"test": scaled(data, data.test.actual + 20, "test")})
        best = Baselines(data, None, from_last=False).forecasts(data.test)["ridge"]
        error = np.abs(best - data.test.actual).mean()
        assert found[0] == (
            f"ridge is better than the network on test: MAE {error:.4g} MW against 20 MW (Diebold-Mariano p < 0.001)"
        )
        assert [sentence.split()[0] for sentence in found] == ["ridge", "seasonal_naive", "naive"]

    def test_a_lead_that_may_be_chance_is_said_to_be_one(self, make_data, values, notes):
        data = make_data(values(1000), horizon=1, lookback=14)
        ridge = Baselines(data, None, from_last=False).forecasts(data.test)["ridge"]
        noise = np.random.default_rng(0).normal(0, 0.01, size=ridge.shape)
        better = ridge + noise
        if np.abs(better - data.test.actual).mean() > np.abs(ridge - data.test.actual).mean():
            better = ridge - noise
        (sentence,) = notes(data, {"test": scaled(data, better, "test")})
        assert sentence.startswith("the network may be better than ridge on test: MAE ")
        assert "(Diebold-Mariano p = " in sentence

    def test_of_too_few_windows_no_lead_is_certain(self, make_data, values, notes):
        found = notes(make_data(values(100), horizon=6))
        assert any("(there are too few windows for a test)" in sentence for sentence in found)
        said = {sentence.split()[0]: sentence for sentence in found if " has no 95 % intervals: " in sentence}
        assert said["test"] == "test has no 95 % intervals: its 15 windows are too few for blocks of 7"
        assert said["val"] == (
            "val has no 95 % intervals: its 15 windows are too few for blocks of 7; what it chose, the epoch and the "
            "ridge's penalty, may be chance"
        )

    def test_over_fitting_is_named_where_ridge_does_not_find_val_harder(self, make_data, values, notes):
        data = make_data(values(1000), horizon=1)
        ridge = Baselines(data, None, from_last=False).forecasts(data.val)["ridge"]
        closer = data.val.actual + 0.9 * (ridge - data.val.actual)
        found = notes(data, {"val": scaled(data, closer, "val")}, noise=0.01)
        (sentence,) = [sentence for sentence in found if sentence.startswith("over-fitted")]
        assert "times that on train, and 1." in sentence or "times that on train, and 0." in sentence

    def test_val_that_was_trained_on_has_no_say(self, make_data, values, notes):
        data = make_data(values(1000), horizon=1, train_on_val=True)
        (sentence,) = notes(data, {"val": scaled(data, data.val.actual + 50, "val")})
        assert sentence.startswith("the intervals of the forecasts come from errors on val, which was trained on")
        assert notes(data, loss="quantile") == []

    def test_a_ridge_that_cannot_be_fitted_is_told_after_the_training(self, make_data, values, notes):
        told = "ridge is left out: no window of train has task.ridge_lags known steps before it; take fewer"
        assert told in notes(make_data(values(1000)), ridge_lags=700)
        assert told not in notes(make_data(values(1000)), ridge_lags=500)

    def test_without_train_there_is_no_ridge_and_that_is_told(self, make_data, values, judged):
        data = make_data(values(1000))
        empty = replace(data.train, targets=data.train.targets[:0], actual=data.train.actual[:0])
        task, outputs = judged(data)
        found = task.notes({"test": outputs["test"]}, replace(data, train=empty), "test")
        assert "ridge is left out: the rows of train that it would be fitted on are not all in the file" in found

    def test_intervals_from_too_few_errors_are_not_given(self, make_data, values, judged, notes):
        told = (
            "the forecasts have no intervals: those of 90% take 19 errors of each step on val, and there are fewer; "
            "take a longer val, or task.loss=quantile"
        )
        for rows, is_told in ((19, True), (20, False)):  # of two steps: a window less
            data = make_data(values(1000), val=rows / 1000, horizon=2)
            task, outputs = judged(data)
            task.calibrate(outputs["val"], data.val)
            assert (task.margins is None) is is_told
            assert (told in task.notes(outputs, data, "test")) is is_told
            assert ("coverage" in {row["metric"] for row in task.results(outputs, data, ["test"])}) is not is_told
            assert told not in notes(data, loss="quantile")

    def test_of_too_few_windows_of_val_over_fitting_is_not_told(self, make_data, values, notes):
        data = make_data(values(1000), val=0.02, horizon=1)
        found = notes(data, {"val": scaled(data, data.val.actual + 50, "val")}, noise=0.01)
        assert not any(sentence.startswith("over-fitted") for sentence in found)

    def test_a_season_longer_than_train_has_no_mase(self, make_data, values, notes):
        found = notes(make_data(values(1000), season=700))
        assert found[-1] == (
            "mase is left out on train, val, test: in train the seasonal naive forecast (700 steps) has no error, or "
            "no past"
        )

    def test_what_is_left_out_is_said_once(self, make_data, values, notes):
        given, observed = values(1000), np.ones((1000, 1), dtype=bool)
        given[[5, -5]] = 0
        observed[-3] = False
        data = make_data(given, observed=observed, horizon=1)
        found = notes(data)
        assert found == [
            "mape is left out on train, test: there are actual values of 0",
            "1 of 200 target values of test were not observed; they count nowhere",
        ]

    @pytest.mark.parametrize("hidden", [slice(600, 800), slice(800, 1000)])
    def test_a_split_of_which_nothing_was_observed_has_no_metrics(self, make_data, values, judged, notes, hidden):
        whole = make_data(values(1000), horizon=1)
        observed = np.ones((1000, 1), dtype=bool)
        observed[hidden] = False
        series = replace(whole.series, observed=observed)  # as in a file that a run predicts from
        data = assemble_series(series, whole.preprocessing, whole.bounds, warnings=[], notes=[])
        split = "val" if hidden.start == 600 else "test"
        told = f"200 of 200 target values of {split} were not observed; they count nowhere"
        assert told in notes(data)
        task, outputs = judged(data)
        assert task.findings(outputs, data) == []
        assert {row["split"] for row in task.results(outputs, data, list(outputs))} == {"train", "val", "test"} - {
            split
        }
        assert set(task.tables(outputs, data, "test")) >= {"forecast", "by_horizon", "residuals"}

    def test_a_thinned_table_is_said_to_be_one(self, make_data, monkeypatch, values, notes):
        for module in (forecast_tables, forecast_findings):
            monkeypatch.setattr(module, "MOST_ROWS", 300)
        data = make_data(values(1000), horizon=3)
        n = len(data.test)
        assert notes(data) == [
            f"the forecast table holds one window in 3 of test, {-(-n // 3)} of {n}: all of them would be more than "
            "300 rows"
        ]


@pytest.mark.parametrize("seed", range(3))
def test_white_noise_teaches_nothing_and_that_is_said(make_data, seed, judged):
    data = make_data(np.random.default_rng(seed).normal(50, 5, size=1000), horizon=1)
    ridge = Baselines(data, 15, from_last=False).forecasts(data.val)["ridge"]
    task, outputs = judged(data)
    found = task.findings(outputs | {"val": scaled(data, ridge, "val")}, data)
    assert all(sentence.startswith(("constant forecasts", "learned nothing")) for sentence in found)
