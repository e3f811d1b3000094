"""Figures of a forecast hold the numbers of their tables, whatever the series is like. `pytest tests/plots`"""

import io
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.dates import num2date
from matplotlib.figure import Figure

from cnnrun import tables
from cnnrun.plots.ahead import ahead
from cnnrun.plots.canvas import png
from cnnrun.plots.forecast import follow_on, forecast, forecast_zoom, last_windows
from cnnrun.plots.forecast_comparison import backtest, baselines
from cnnrun.plots.forecast_errors import error_by_horizon, error_by_time
from cnnrun.plots.forecast_scatter import forecast_scatter
from cnnrun.plots.residuals import autocorrelation, residuals
from cnnrun.plots.series import series
from cnnrun.plots.time_axis import BUCKETS, extremes, times_of

DAYS = pd.date_range("2017-01-01", periods=40).strftime("%Y-%m-%d")
KINDS = {
    "days": DAYS,
    "one day": DAYS[:1],
    "months": pd.date_range("1999-11-01", periods=30, freq="MS").strftime("%Y-%m-%d"),
    "hours over the end of summer time": pd.date_range("2017-10-27", periods=100, freq="h", tz="Europe/Berlin"),
    "rows": np.arange(4000, 4090),
    "one row": np.array([0]),
}


def read_back(table: pd.DataFrame) -> pd.DataFrame:
    """As it lies in a run."""
    return pd.read_csv(io.StringIO(table.to_csv(index=False)), keep_default_na=False, na_values=[""])


def walk(count: int, seed: int = 0) -> np.ndarray:
    return 1000 + np.random.default_rng(seed).normal(0, 5, count).cumsum()


def series_table(stamps: object, names: tuple[str, ...] = ("load",), filled: tuple[int, ...] = ()) -> pd.DataFrame:
    stamps = pd.Index(stamps)
    count = len(stamps)
    split = np.repeat(["", "train", "val", "test"], [count // 8, count - 3 * (count // 8), count // 8, count // 8])
    leading = [stamps, split, ~np.isin(np.arange(count), filled)]
    table = pd.DataFrame(dict(zip(tables.SERIES.names, leading, strict=True)))
    targets = {name: walk(count, seed) for seed, name in enumerate(names)}
    return read_back(pd.concat([table, pd.DataFrame(targets)], axis=1))


def forecast_table(
    stamps: object, horizon: int = 1, names: tuple[str, ...] = ("load",), every: int = 1
) -> pd.DataFrame:
    """Windows of all stamps, begun `every` steps; the forecasts are step / 10 too high."""
    stamps = pd.Index(stamps)
    rows = []
    for start in range(0, len(stamps) - horizon + 1, every):
        for seed, name in enumerate(names):
            actual = walk(len(stamps), seed)[start : start + horizon]
            steps = np.arange(1, horizon + 1)
            point = actual + steps / 10 + 0.01 * (start % 3)
            columns = [start - 1, stamps[start : start + horizon], steps, name, actual, point, point - 1, point + 1]
            rows.append(pd.DataFrame(dict(zip(tables.FORECAST.names, columns, strict=True))))
    return read_back(pd.concat(rows))


def line(axes: Axes, label: str) -> np.ndarray:
    """(2, n) of the line with that label."""
    (found,) = [drawn for drawn in axes.lines if drawn.get_label() == label]
    return np.array([found.get_xdata(), found.get_ydata()])


def labels_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("kind", KINDS)
def test_figures_of_a_forecast_fit_whatever_the_stamps_are(kind: str, assert_nothing_is_clipped: Callable) -> None:
    table = forecast_table(KINDS[kind])
    figures = [plot(table, "test", "GWh") for plot in (forecast, forecast_zoom, forecast_scatter, residuals)]
    for figure in [*figures, series(series_table(KINDS[kind], filled=(0,)), ["load"], "GWh")]:
        assert_nothing_is_clipped(figure)
        for axes in figure.axes:
            ticks = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
            inside = [box for box in ticks if axes.bbox.x0 - 1 <= (box.x0 + box.x1) / 2 <= axes.bbox.x1 + 1]
            assert all(left.x1 < right.x0 for left, right in pairwise(inside))


def test_a_forecast_is_drawn_over_the_actual_values_and_their_interval() -> None:
    table = forecast_table(DAYS)
    figure = forecast(table, "test", "GWh")
    (axes,) = figure.axes
    times, actual = line(axes, "actual")
    np.testing.assert_array_equal(actual, table["actual"])
    np.testing.assert_array_equal(line(axes, "forecast")[1], table["forecast"])
    assert [f"{num2date(time):%Y-%m-%d}" for time in times] == list(DAYS)
    assert figure.get_suptitle() == "forecast on test, 1 step ahead"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time", "load\nGWh")
    assert labels_of(figure) == ["interval", "actual", "forecast"]


def test_a_forecast_without_interval_and_actual_values_has_no_legend_for_them() -> None:
    table = forecast_table(DAYS).assign(low=np.nan, high=np.nan, actual=np.nan)
    figure = forecast(table, "predict", "")
    assert labels_of(figure) == ["forecast"]
    assert figure.axes[0].get_ylabel() == "load"


@pytest.mark.parametrize("count", [12, 13, 17, 18])
def test_windows_that_follow_on_hold_each_time_once(count: int) -> None:
    stamps = pd.date_range("2017-01-01", periods=count)
    table = forecast_table(stamps, horizon=6)
    chosen = follow_on(table)
    assert list(pd.to_datetime(chosen["timestamp"])) == list(stamps)
    whole = chosen[chosen["origin"] % 6 == 5]
    assert list(whole["horizon"]) == [1, 2, 3, 4, 5, 6] * (count // 6)
    pd.testing.assert_frame_equal(follow_on(table[table["origin"] % 6 == 5]), table[table["origin"] % 6 == 5])


def test_the_last_windows_do_not_overlap() -> None:
    table = forecast_table(np.arange(50), horizon=6)
    assert list(last_windows(table, 20)["timestamp"]) == list(range(32, 50))
    assert list(last_windows(table, 2)["timestamp"]) == list(range(44, 50))
    apart = forecast_table(np.arange(50), horizon=6, every=6)
    assert list(last_windows(apart, 12)["timestamp"]) == list(range(36, 48))
    assert len(last_windows(forecast_table(np.arange(50)), 20)) == 20


@pytest.mark.parametrize(
    ("frequency", "steps"), [("D", 56), ("h", 14 * 24), ("15min", 14 * 96), ("MS", 120), ("W", 120), (None, 120)]
)
def test_the_zoom_is_as_long_as_the_frequency_asks_for(frequency: str | None, steps: int) -> None:
    stamps = np.arange(1500) if frequency is None else pd.date_range("1900-01-01", periods=1500, freq=frequency)
    table = pd.DataFrame({"timestamp": stamps, "origin": np.arange(1500), "horizon": 1, "series": "load"})
    table = table.assign(actual=walk(1500), forecast=walk(1500, 1), low=np.nan, high=np.nan)
    (axes,) = forecast_zoom(table, "test", "GWh").axes
    np.testing.assert_array_equal(line(axes, "actual")[1], table["actual"].iloc[-steps:])


def test_the_zoom_shows_where_a_new_forecast_begins() -> None:
    figure = forecast_zoom(forecast_table(DAYS, horizon=10), "val", "GWh")
    (axes,) = figure.axes
    (borders,) = [drawn for drawn in axes.collections if drawn.get_label() == "a new forecast begins"]
    assert len(borders.get_segments()) == 3
    assert np.isnan(line(axes, "forecast")[1]).sum() == 3
    assert axes.get_ylim()[0] > 900, "the borders must not stretch the axis to 0"
    assert figure.get_suptitle() == "the end of the forecast on val, 1 to 10 steps ahead"


def test_a_zoom_on_one_forecast_has_no_legend_for_the_next() -> None:
    figure = forecast_zoom(forecast_table(KINDS["months"][:14], horizon=12), "test", "GWh")
    assert labels_of(figure) == ["interval", "actual", "forecast"]


@pytest.mark.parametrize(("steps", "title"), [(1, "forecast of the next step"), (3, "forecast of the next 3 steps")])
def test_the_forecast_after_the_end_follows_the_last_steps(steps: int, title: str) -> None:
    table = series_table(DAYS[:30], ("load", "wind"))
    rows = [
        (day, name, value, value - 1, value + 1)
        for name, value in (("load", 7.0), ("wind", 9.0))
        for day in DAYS[30 : 30 + steps]
    ]
    figure = ahead(table, read_back(pd.DataFrame(rows, columns=tables.AHEAD.names)), "GWh")
    assert figure.get_suptitle() == title
    for axes, name, value in zip(figure.axes, ("load", "wind"), (7.0, 9.0), strict=True):
        np.testing.assert_array_equal(line(axes, "actual")[1], table[name])
        times, point = line(axes, "forecast")
        assert point.tolist() == [value] * steps
        assert times[0] == line(axes, "actual")[0][-1] + 1


def test_what_was_filled_in_before_a_forecast_is_marked() -> None:
    table = series_table(DAYS[:30], filled=(28, 29))
    rows = [(day, "load", 1.0, 0.0, 2.0) for day in DAYS[30:33]]
    (axes,) = ahead(table, read_back(pd.DataFrame(rows, columns=tables.AHEAD.names)), "GWh").axes
    np.testing.assert_array_equal(line(axes, "filled in"), line(axes, "actual")[:, 28:])


def test_targets_may_be_named_as_numbers_or_as_columns_of_the_tables(assert_nothing_is_clipped: Callable) -> None:
    names = ("101", "102")
    rows = [(step, name, 3, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0) for name in ("", *names) for step in range(1, 4)]
    by_horizon = read_back(pd.DataFrame(rows, columns=tables.BY_HORIZON.names))
    assert by_horizon["series"].dtype == float
    figure = error_by_horizon(by_horizon, "test", "GWh")
    assert_nothing_is_clipped(figure)
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    for names in (("101", "102"), ("split", "timestamp")):
        table = series_table(DAYS[:30], names)
        rows = [(day, name, 1.0, 0.0, 2.0) for name in names for day in DAYS[30:]]
        figure = ahead(table, read_back(pd.DataFrame(rows, columns=tables.AHEAD.names)), "GWh")
        assert [axes.get_ylabel() for axes in figure.axes] == [f"{name}\nGWh" for name in names]
        for number, axes in enumerate(figure.axes):
            np.testing.assert_array_equal(line(axes, "actual")[1], table.iloc[:, 3 + number])


def test_of_many_targets_the_first_seven_are_drawn() -> None:
    names = tuple(f"meter {number}" for number in range(9))
    note = ", the first 7 of 9 targets"
    figures = [forecast(forecast_table(DAYS[:5], names=names), "test", "kWh")]
    figures.append(series(series_table(DAYS, names), names, "kWh"))
    for figure in figures:
        assert [axes.get_ylabel() for axes in figure.axes] == [f"{name}\nkWh" for name in names[:7]]
        assert [axes.get_xlabel() for axes in figure.axes] == [""] * 6 + ["time"]
        assert figure.get_suptitle().endswith(note)
    table = forecast_table(DAYS[:5], names=names)
    table.loc[table["series"] == "meter 0", "actual"] = np.nan
    assert [axes.get_title("left")[:7] for axes in forecast_scatter(table, "test", "kWh").axes] == list(names[1:8])
    assert [axes.get_ylabel()[:7] for axes in residuals(table, "test", "kWh").axes[::3]] == list(names[1:8])


def test_the_series_is_coloured_by_split_and_marked_where_it_was_filled_in() -> None:
    table = series_table(DAYS, filled=(3, 20, 21))
    figure = series(table, ["load"], "GWh")
    (axes,) = figure.axes
    assert labels_of(figure) == ["train, 25", "val, 5", "test, 5", "in no split, 5", "filled in, 3"]
    for split, label in (("train", "train, 25"), ("val", "val, 5"), ("test", "test, 5")):
        expected = table["load"].where(table["split"] == split)
        np.testing.assert_array_equal(line(axes, label)[1], expected)
    np.testing.assert_array_equal(line(axes, "filled in, 3")[1], table["load"].iloc[[3, 20, 21]])
    assert figure.get_suptitle() == "the series: n = 40, of these 3 filled in"


def test_a_target_may_be_named_as_a_column_of_the_table() -> None:
    (axes,) = series(series_table(DAYS, ("split",)), ["split"], "").axes
    np.testing.assert_array_equal(line(axes, "val, 5")[1][30:35], walk(40)[30:35])


def test_a_long_series_is_drawn_by_its_extremes() -> None:
    count = 120_000
    table = pd.DataFrame({"timestamp": np.arange(count), "split": "train", "observed": True, "load": walk(count)})
    table.loc[777, "load"], table.loc[99_999, "load"] = 5000.0, -5000.0
    (axes,) = series(table, ["load"], "MW").axes
    (drawn,) = axes.lines
    x, y = drawn.get_xdata(), drawn.get_ydata()
    assert len(x) <= 2 * BUCKETS + 2
    assert (y.min(), y.max(), x[0], x[-1]) == (-5000, 5000, 0, count - 1)
    np.testing.assert_array_equal(y, table["load"].to_numpy()[x.astype(int)])


def test_extremes_are_those_of_each_part_and_gaps_stay() -> None:
    values = walk(10 * BUCKETS)
    values[200:400] = np.nan
    kept = extremes(values)
    parts = values.reshape(BUCKETS, 10)
    for number in (0, 19, 40, BUCKETS - 1):
        of_part = values[kept[(kept >= 10 * number) & (kept < 10 * number + 10)]]
        assert {parts[number].min(), parts[number].max()} <= set(of_part)
    assert np.isnan(values[kept]).sum() == 20
    np.testing.assert_array_equal(extremes(values[: 2 * BUCKETS]), np.arange(2 * BUCKETS))


def test_a_long_band_reaches_as_far_as_the_whole_interval() -> None:
    count = 5000
    table = pd.DataFrame(
        {"origin": np.arange(count), "timestamp": np.arange(count) + 1, "horizon": 1, "series": "load"}
    )
    table = table.assign(actual=walk(count), forecast=walk(count), low=walk(count) - 9, high=walk(count) + 9)
    (axes,) = forecast(table, "test", "MW").axes
    box = axes.collections[0].get_paths()[0].get_extents()
    np.testing.assert_allclose([box.ymin, box.ymax], [table["low"].min(), table["high"].max()])


def test_a_value_between_gaps_is_a_dot_and_its_interval_a_stroke() -> None:
    table = forecast_table(np.arange(100))
    table.loc[[40, 42], ["actual", "low", "high"]] = np.nan
    (axes,) = forecast(table, "test", "MW").axes
    (actual,) = [drawn for drawn in axes.lines if drawn.get_label() == "actual"]
    assert list(np.flatnonzero(actual.get_markevery())) == [41]
    (stroke,) = axes.collections[1].get_segments()
    np.testing.assert_allclose(stroke[:, 1], table.loc[41, ["low", "high"]].astype(float))


def test_local_time_keeps_the_offset_of_its_first_row() -> None:
    stamps = pd.Series(pd.date_range("2017-10-28 23:00", periods=6, freq="h", tz="Europe/Berlin")).astype(str)
    times = times_of(stamps)
    np.testing.assert_allclose(np.diff(times.values), 1 / 24)
    assert f"{num2date(times.values[0]):%Y-%m-%d %H:%M}" == "2017-10-28 23:00"
    assert times.label == "time (UTC+02:00)"
    assert times_of(pd.Series(["2017-01-01"])).label == "time"
    assert times_of(pd.Series([3, 4])).label == "row"


def test_the_error_of_each_step_stands_beside_the_best_baseline(assert_nothing_is_clipped: Callable) -> None:
    for horizon in (1, 96):
        mae = np.sqrt(np.arange(1, horizon + 1))
        columns = [np.arange(1, horizon + 1), None, 300, *[mae] * 6, 2 * mae]
        table = read_back(pd.DataFrame(dict(zip(tables.BY_HORIZON.names, columns, strict=True))))
        figure = error_by_horizon(table, "test", "GWh")
        (axes,) = figure.axes
        np.testing.assert_allclose(line(axes, "model"), [np.arange(1, horizon + 1), mae])
        np.testing.assert_allclose(line(axes, "best baseline")[1], 2 * mae)
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("steps ahead", "mean absolute error (GWh)")
        assert axes.get_ylim()[0] == 0
        assert_nothing_is_clipped(figure)


def test_the_errors_of_several_targets_have_a_panel_each_and_one_for_all(assert_nothing_is_clipped: Callable) -> None:
    steps = pd.DataFrame({"horizon": [1, 2, 3], "mae": [1.0, 2.0, 3.0], "baseline_mae": np.nan})
    table = read_back(pd.concat([steps.assign(series=name) for name in ("", "a", "b", "c", "d")]))
    figure = error_by_horizon(table, "test", "°C")
    headings = ["all targets (scaled units)", "a (°C)", "b (°C)", "c (°C)", "d (°C)"]
    assert [axes.get_title("left") for axes in figure.axes] == headings
    assert labels_of(figure) == ["model"]
    assert_nothing_is_clipped(figure)


def time_table(parts: dict[str, range]) -> pd.DataFrame:
    rows = [(part, value, 9, 2.0 + value, 3.0 + value, -1.0) for part, values in parts.items() for value in values]
    return read_back(pd.DataFrame(rows, columns=tables.BY_TIME.names))


def test_errors_by_time_have_a_panel_for_each_part_that_there_is(assert_nothing_is_clipped: Callable) -> None:
    table = time_table({"weekday": range(7), "month": range(3, 6)})
    figure = error_by_time(table, "test", "GWh")
    assert [axes.get_xlabel() for axes in figure.axes] == ["day of the week", "month"]
    assert figure.axes[0].get_ylabel() == "error (GWh)"
    month = figure.axes[1]
    bars = [path.get_extents() for path in month.collections[0].get_paths()]
    np.testing.assert_allclose([[(bar.x0 + bar.x1) / 2, bar.y1] for bar in bars], [[3, 5], [4, 6], [5, 7]])
    np.testing.assert_array_equal(line(month, "root mean squared error"), [[3, 4, 5], [6, 7, 8]])
    texts = dict(zip(month.get_xticks(), (text.get_text() for text in month.get_xticklabels()), strict=True))
    assert (texts[1], texts[3], texts[12]) == ("Jan", "Mar", "Dec")
    assert_nothing_is_clipped(figure)
    assert_nothing_is_clipped(error_by_time(time_table({"hour": range(24), "weekday": range(7)}), "test", ""))
    assert_nothing_is_clipped(error_by_time(time_table({"month": range(4, 5)}), "test", "a long unit of the data"))


def test_the_scatter_tells_r2_on_equal_axes() -> None:
    table = forecast_table(DAYS)
    figure = forecast_scatter(table, "test", "GWh")
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), table["actual"])
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), table["forecast"])
    from sklearn.metrics import r2_score

    assert figure.get_suptitle() == f"forecast on test: R² {r2_score(table['actual'], table['forecast']):.3f}, n = 40"
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.bbox.width == pytest.approx(axes.bbox.height)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("actual (GWh)", "forecast (GWh)")


def test_many_points_are_counted_in_cells() -> None:
    table = forecast_table(np.arange(300), horizon=10)
    (axes,) = forecast_scatter(table, "test", "GWh").axes
    assert axes.images[0].get_array().sum() == len(table)


def test_values_that_are_all_the_same_are_drawn(assert_nothing_is_clipped: Callable) -> None:
    table = forecast_table(DAYS).assign(actual=5.0, forecast=5.0, low=5.0, high=5.0)
    figures = [plot(table, "test", "GWh") for plot in (forecast, forecast_zoom, forecast_scatter, residuals)]
    for figure in figures:
        assert_nothing_is_clipped(figure)
    assert "R² undefined" in figures[2].get_suptitle()
    assert [text.get_text() for text in figures[3].axes[2].texts] == ["no two errors differ"]


def test_residuals_show_errors_their_histogram_and_their_autocorrelation() -> None:
    table = forecast_table(DAYS, horizon=4)
    table.loc[table["timestamp"] == DAYS[7], "actual"] = np.nan
    errors = table["forecast"] - table["actual"]
    figure = residuals(table, "test", "GWh")
    over_time, histogram, lags = figure.axes
    expected = follow_on(table)
    np.testing.assert_array_equal(over_time.lines[0].get_ydata(), expected["forecast"] - expected["actual"])
    assert histogram.patches[0].get_data().values.sum() == errors.notna().sum()
    np.testing.assert_allclose(line(histogram, "mean error")[0], errors.mean())
    first = errors[table["horizon"] == 1].to_numpy()
    bars = [segment[1, 1] for segment in lags.collections[0].get_segments()]
    np.testing.assert_allclose(bars, autocorrelation(first, 36))
    assert over_time.get_ylabel() == "load\nerror (GWh)"
    assert lags.get_xlabel() == "lag (steps), of errors 1 step ahead"
    assert labels_of(figure) == ["mean error", "95 % band of independent errors"]


def test_autocorrelation_of_the_plot_is_that_of_the_table() -> None:
    from cnnrun.metrics import residuals as metric

    errors = np.random.default_rng(0).normal(0, 1, 200)
    centred = errors - errors.mean()
    assert autocorrelation(errors, 3)[2] == pytest.approx((centred[3:] * centred[:-3]).sum() / (centred**2).sum())
    errors[[3, 50, 51, 120]] = np.nan
    np.testing.assert_allclose(autocorrelation(errors, 5), [metric.autocorrelation(errors, lag) for lag in range(1, 6)])
    assert np.isnan(autocorrelation(np.full(9, 0.1), 2)).all()


def test_the_band_of_independent_errors_is_wider_with_gaps() -> None:
    from cnnrun.metrics.residuals import independent_size

    table = forecast_table(DAYS)
    table["forecast"] += np.random.default_rng(0).normal(size=len(table))
    table.loc[table.index % 4 == 1, "actual"] = np.nan
    errors = (table["forecast"] - table["actual"]).to_numpy()
    lags = residuals(table, "test", "GWh").axes[2]
    (band,) = [drawn for drawn in lags.collections if drawn.get_label() == "95 % band of independent errors"]
    corners = band.get_paths()[0].vertices
    for lag in (1, 4, 10):
        height = corners[np.abs(corners[:, 0] - lag - 0.5) < 0.01, 1].max()
        assert 1.96 / np.sqrt(independent_size(errors, lag)) <= height + 1e-9
    assert corners[:, 1].max() == pytest.approx(
        max(1.96 / np.sqrt(independent_size(errors, lag)) for lag in range(1, 40))
    )


def test_lags_of_windows_that_do_not_overlap_are_counted_in_windows() -> None:
    figure = residuals(forecast_table(np.arange(60), horizon=6, every=6), "test", "GWh")
    assert figure.axes[2].get_xlabel() == "lag (windows), of errors 1 step ahead"


def baselines_table(metrics: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        (name, split, metric, worse + 1.0, worse + 0.5, np.nan if name == "ridge" else worse + 1.5, 365)
        for worse, name in enumerate(("model", "naive", "seasonal_naive", "ridge"))
        for split in ("val", "test")
        for metric in metrics
    ]
    return read_back(pd.DataFrame(rows, columns=tables.BASELINES.names))


def test_baselines_stand_below_the_model_with_their_intervals(assert_nothing_is_clipped: Callable) -> None:
    figure = baselines(baselines_table(("mape", "mae", "mae_scaled", "bias", "r2")), "test", "GWh")
    assert [axes.get_xlabel() for axes in figure.axes] == ["MAE (GWh)", "MAPE (%)", "R²"]
    mae = figure.axes[0]
    assert [drawn.get_xdata()[0] for drawn in mae.lines] == [1, 2, 3, 4]
    assert mae.collections[0].get_segments()[1].tolist() == [[1.5, 1], [2.5, 1]]
    assert [text.get_text() for text in mae.get_yticklabels()] == ["model", "naive", "seasonal\nnaive", "ridge"]
    assert figure.get_suptitle() == "model and baselines on test, n = 365 windows"
    assert_nothing_is_clipped(figure)


def test_baselines_of_several_targets_are_in_scaled_units() -> None:
    figure = baselines(baselines_table(("mae_scaled", "mse_scaled", "mase")), "val", "GWh")
    assert [axes.get_xlabel() for axes in figure.axes] == ["MAE (scaled units)", "MSE (scaled units)", "MASE"]


@pytest.mark.parametrize("folds", [1, 6, 25])
def test_a_backtest_shows_the_metric_of_each_fold(folds: int, assert_nothing_is_clipped: Callable) -> None:
    begin = pd.date_range("2016-01-01", periods=folds, freq="30D").strftime("%Y-%m-%d")
    table = pd.DataFrame({"fold": np.arange(folds) + 1, "begin": begin, "mae": 9.0})
    table = read_back(table.assign(mape=walk(folds), **{"mape/naive": walk(folds, 1), "mape/ridge": np.nan}))
    figure = backtest(table, "mape", "GWh")
    (axes,) = figure.axes
    np.testing.assert_allclose(line(axes, "model"), [np.arange(folds), walk(folds)])
    np.testing.assert_allclose(line(axes, "naive")[1], walk(folds, 1))
    assert axes.get_ylabel() == "MAPE (%)"
    assert len(axes.get_xticks()) <= 10
    assert figure.get_suptitle().startswith("1 fold," if folds == 1 else f"{folds} folds,")
    assert_nothing_is_clipped(figure)


def test_long_names_and_units_stay_in_the_picture(assert_nothing_is_clipped: Callable) -> None:
    name = "the consumption of the whole grid in Germany and its neighbours in $ a day"
    for count in (1, 2):
        names = tuple(f"{name} {number}" for number in range(count))
        table = forecast_table(DAYS, names=names)
        for plot in (forecast, forecast_scatter, residuals):
            assert_nothing_is_clipped(plot(table, "test", "thousand barrels of oil equivalent"))
        assert_nothing_is_clipped(series(series_table(DAYS, names), names, "thousand barrels of oil equivalent"))


def test_figures_have_few_parts() -> None:
    """Each is drawn at the end of every run: what has no number to show costs time."""
    table = forecast_table(np.arange(365))
    for plot, most in ((forecast, 3), (forecast_zoom, 3), (forecast_scatter, 2), (residuals, 9)):
        parts = [len(axes.lines) + len(axes.collections) + len(axes.patches) for axes in plot(table, "test", "MW").axes]
        assert sum(parts) <= most


@pytest.mark.parametrize("plot", [forecast, forecast_zoom, forecast_scatter, residuals])
def test_a_figure_is_the_same_from_a_table_in_memory(plot: Callable[..., Figure]) -> None:
    table = forecast_table(DAYS, horizon=3).assign(series="load")
    typed = table.assign(timestamp=pd.to_datetime(table["timestamp"]))
    assert png(plot(typed, "test", "MW")) == png(plot(table, "test", "MW"))
