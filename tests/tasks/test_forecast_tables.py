"""The tables of a forecast against pandas and plain sums: pytest tests/tasks"""

import io

import numpy as np
import pandas as pd
import pytest

from cnnrun import tables
from cnnrun.data.repairs import Repair
from cnnrun.metrics.diebold_mariano import diebold_mariano
from cnnrun.metrics.residuals import autocorrelation
from cnnrun.tasks import forecast_tables

TABLES = {
    "forecast": tables.FORECAST,
    "baselines": tables.BASELINES,
    "by_series": tables.BY_SERIES,
    "by_horizon": tables.BY_HORIZON,
    "by_time": tables.BY_TIME,
    "residuals": tables.RESIDUALS,
    "comparison": tables.COMPARISON,
    "repairs": tables.REPAIRS,
}


@pytest.fixture
def made(judged):
    def tables_of(data):
        task, outputs = judged(data)
        task.calibrate(outputs["val"], data.val)
        return task.tables(outputs, data, "test")

    return tables_of


def test_each_has_the_columns_of_its_table(make_data, values, made):
    found = made(make_data(values(m=2), horizon=3))
    assert set(found) == {*TABLES, "series"}
    for name, table in TABLES.items():
        assert list(found[name]) == table.names, name
    assert list(found["series"]) == [*tables.SERIES.names, "load", "wind"]


def test_one_series_needs_no_table_by_series(make_data, values, made):
    assert "by_series" not in made(make_data(values()))


def test_they_survive_a_csv(make_data, values, made):
    for name, table in made(make_data(values(m=2), horizon=3)).items():
        read = pd.read_csv(io.StringIO(table.to_csv(index=False)), keep_default_na=False, na_values=[""])
        assert len(read) == len(table), name
        numbers = table.select_dtypes("number")
        np.testing.assert_allclose(read[list(numbers)], numbers, err_msg=name)


class TestForecast:
    def test_there_is_a_row_a_window_target_and_step(self, make_data, values, made):
        given = values(m=2)
        data = make_data(given, horizon=3)
        table = made(data)["forecast"]
        assert len(table) == len(data.test) * 2 * 3
        stamps = data.series.index
        for row in (table.iloc[0], table.iloc[4], table.iloc[-1]):
            origin = stamps.get_loc(row["origin"])
            assert stamps.get_loc(row["timestamp"]) == origin + row["horizon"]
            assert row["actual"] == pytest.approx(
                given[origin + row["horizon"], int(row["series"] == "wind")], rel=1e-6
            )
        assert table["origin"].iloc[0] == stamps[data.test.first - 1]
        assert table["timestamp"].iloc[-1] == stamps[-1]

    def test_the_intervals_lie_around_the_forecasts(self, make_data, values, made):
        table = made(make_data(values(m=2), horizon=3))["forecast"]
        assert (table["low"] < table["forecast"]).all()
        assert (table["forecast"] < table["high"]).all()
        assert ((table["low"] <= table["actual"]) & (table["actual"] <= table["high"])).mean() > 0.8

    def test_a_target_that_was_not_observed_has_no_actual_value(self, make_data, values, made):
        observed = np.ones((400, 1), dtype=bool)
        observed[-3:] = False
        table = made(make_data(values(), horizon=1, observed=observed))["forecast"]
        assert table["actual"].isna().tolist() == [False] * (len(table) - 3) + [True] * 3
        assert table["forecast"].notna().all()

    def test_of_too_many_rows_windows_that_do_not_overlap_are_written(self, make_data, monkeypatch, values, made):
        data = make_data(values(), horizon=3)
        monkeypatch.setattr(forecast_tables, "MOST_ROWS", 100)
        table = made(data)["forecast"]
        assert table["timestamp"].is_unique
        assert len(table) == 3 * -(-len(data.test) // 3)

    def test_a_series_without_stamps_has_row_numbers(self, make_data, values, made):
        data = make_data(values(), frequency=None)
        table = made(data)["forecast"]
        assert table["origin"].iloc[0] == data.test.first - 1
        assert (table["timestamp"] == table["origin"] + table["horizon"]).all()

    def test_numbers_are_rounded_to_what_their_scale_makes_worth_while(self, make_data, values, made):
        for factor in (1e6, 1.0, 1e-9):
            data = make_data(values() * factor)
            table = made(data)["forecast"]
            digits = data.forecast.scale[0] * 1e-6
            actual = data.test.actual.ravel()
            assert np.abs(table["actual"] - actual).max() <= digits
            assert table["actual"].nunique() == len(np.unique(actual))


def test_baselines_hold_every_split_and_forecast(make_data, values, made):
    table = made(make_data(values(m=2)))["baselines"]
    assert set(table["split"]) == {"train", "val", "test"}
    assert list(table["forecast"].unique()) == ["model", "naive", "seasonal_naive", "ridge"]
    of_one = table[(table["split"] == "test") & (table["forecast"] == "ridge")]
    assert of_one["metric"].is_unique
    assert "mae_scaled" in set(of_one["metric"])


def test_by_series_has_each_alone_in_its_unit(make_data, values, made):
    data = make_data(values(m=2) * np.array([1.0, 100.0]))
    found = made(data)
    table = found["by_series"]
    rows = table[(table["series"] == "wind") & (table["split"] == "test") & (table["forecast"] == "model")]
    forecast = found["forecast"]
    errors = (forecast["forecast"] - forecast["actual"])[forecast["series"] == "wind"]
    assert rows.set_index("metric").loc["mae", "value"] == pytest.approx(errors.abs().mean(), rel=1e-5)


class TestByHorizon:
    def test_each_step_is_what_grouping_the_forecasts_gives(self, make_data, values, made):
        found = made(make_data(values(), horizon=4))
        table, forecast = found["by_horizon"], found["forecast"]
        errors = forecast["forecast"] - forecast["actual"]
        assert table["horizon"].tolist() == [1, 2, 3, 4]
        assert (table["series"] == "").all()
        np.testing.assert_allclose(table["mae"], errors.abs().groupby(forecast["horizon"]).mean(), rtol=1e-5)
        np.testing.assert_allclose(table["rmse"] ** 2, table["mse"])
        assert table["n"].tolist() == [len(forecast) // 4] * 4

    def test_several_targets_have_rows_together_and_alone(self, make_data, values, made):
        data = make_data(values(m=3) * np.array([1.0, 1e3, 1e-3]), horizon=2)
        table = made(data)["by_horizon"]
        assert table["series"].tolist() == [""] * 2 + ["load"] * 2 + ["wind"] * 2 + ["sun"] * 2
        alone = table[table["series"] != ""]["mae"].to_numpy().reshape(3, 2)
        np.testing.assert_allclose(table["mae"][:2], (alone / data.forecast.scale[:, None]).mean(axis=0))

    def test_the_best_baseline_stands_beside_it(self, make_data, values, made):
        data = make_data(values(), horizon=2)
        found = made(data)
        baselines = found["baselines"]
        of_test = baselines[(baselines["split"] == "test") & (baselines["metric"] == "mae")]
        best = of_test[of_test["forecast"] != "model"]["value"].min()
        assert found["by_horizon"]["baseline_mae"].mean() == pytest.approx(best)


class TestByTime:
    @pytest.mark.parametrize(
        ("frequency", "parts"),
        [("D", ["weekday", "month"]), ("h", ["hour", "weekday", "month"]), ("MS", ["month"]), ("W", ["month"])],
    )
    def test_the_frequency_tells_which_parts_there_are(self, make_data, frequency, parts, values, made):
        table = made(make_data(values(600), frequency=frequency))["by_time"]
        assert table["part"].unique().tolist() == parts

    def test_a_year_has_no_parts(self, make_data, values, made):
        assert made(make_data(values(200), frequency="YS"))["by_time"].empty

    @pytest.mark.parametrize("m", [1, 2])
    def test_each_part_is_what_grouping_the_forecasts_gives(self, make_data, m, values, made):
        observed = np.random.default_rng(1).random((900, m)) > 0.1
        data = make_data(values(900, m), horizon=3, observed=observed, frequency="h")
        found = made(data)
        forecast = found["forecast"].dropna(subset="actual")
        scale = (
            1.0 if m == 1 else forecast["series"].map(dict(zip(data.forecast.names, data.forecast.scale, strict=True)))
        )
        errors = (forecast["forecast"] - forecast["actual"]) / scale
        for part, by in (("hour", forecast["timestamp"].dt.hour), ("weekday", forecast["timestamp"].dt.day_of_week)):
            table = found["by_time"][found["by_time"]["part"] == part]
            grouped = errors.groupby(by)
            assert table["value"].tolist() == sorted(by.unique())
            assert table["n"].tolist() == grouped.size().tolist()
            np.testing.assert_allclose(table["bias"], grouped.mean(), rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(table["mae"], errors.abs().groupby(by).mean(), rtol=1e-4)
            np.testing.assert_allclose(table["rmse"], (errors**2).groupby(by).mean() ** 0.5, rtol=1e-4)


class TestResiduals:
    def test_they_are_of_the_first_step_of_each_series(self, make_data, values, made):
        found = made(make_data(values(m=2), horizon=3))
        forecast = found["forecast"]
        for name in ("load", "wind"):
            first = forecast[(forecast["series"] == name) & (forecast["horizon"] == 1)]
            errors = (first["forecast"] - first["actual"]).to_numpy()
            table = found["residuals"]
            statistics = table[table["series"] == name].set_index("statistic")["value"]
            assert statistics["n"] == len(errors)
            assert statistics["bias"] == pytest.approx(errors.mean(), abs=1e-5)
            assert statistics["bias_low"] < statistics["bias"] < statistics["bias_high"]
            assert statistics["deviation"] == pytest.approx(errors.std(), rel=1e-4)
            assert statistics["autocorrelation_7"] == pytest.approx(autocorrelation(errors, 7), abs=1e-4)

    def test_few_errors_say_little_and_do_not_fail(self, make_data, values, made):
        observed = np.ones((400, 1), dtype=bool)
        observed[-78:] = False
        table = made(make_data(values(), horizon=1, observed=observed))["residuals"]
        assert table["statistic"].iloc[0] == "n"


def test_the_comparison_is_that_of_the_errors_of_each_window(make_data, values, judged):
    data = make_data(values(m=2), horizon=2)
    task, outputs = judged(data)
    table = task.tables(outputs, data, "test")["comparison"].set_index("baseline")
    forecast = task.forecasts(outputs["test"]).point
    naive = data.history[data.test.first - 1 :][: len(forecast), :, None]
    scale = data.forecast.scale[:, None]
    losses = [np.abs((point - data.test.actual) / scale).mean(axis=(1, 2)) for point in (forecast, naive)]
    expected = diebold_mariano(losses[0] - losses[1], 2)
    row = table.loc["naive"]
    assert row["statistic"] == pytest.approx(expected.statistic)
    assert row["p_value"] == pytest.approx(expected.p_value)
    assert row["mean_loss_difference"] == pytest.approx(expected.mean_difference)
    assert row["n"] == len(data.test)


def test_the_series_is_told_row_by_row_with_its_splits(make_data, values, made):
    observed = np.ones((400, 2), dtype=bool)
    observed[7, 1] = False
    given = values(m=2)
    data = make_data(given, observed=observed)
    table = made(data)["series"]
    assert (table["timestamp"] == data.series.index).all()
    for name, (begin, stop) in data.bounds.items():
        assert (table["split"][begin:stop] == name).all()
    assert np.flatnonzero(~table["observed"]).tolist() == [7]
    np.testing.assert_array_equal(table[["load", "wind"]], given)


def test_a_row_of_val_that_was_trained_on_is_one_of_val(make_data, values, made):
    data = make_data(values(), train_on_val=True)
    begin, stop = data.bounds["val"]
    assert (made(data)["series"]["split"][begin:stop] == "val").all()


def test_repairs_are_listed(make_data, values, made):
    from dataclasses import replace

    data = make_data(values())
    repair = Repair("gap", "load", 3, "2020-01-05", "2020-01-07", "carried forward")
    data = replace(data, series=replace(data.series, repairs=(repair,)))
    assert made(data)["repairs"].iloc[0].tolist() == ["gap", "load", 3, "2020-01-05", "2020-01-07", "carried forward"]
