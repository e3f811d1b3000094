"""The data set `series`, from a table to windows and on to the steps after its end.

Run: pytest tests/data/test_forecasting_data.py
"""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from cnnrun import config as configs
from cnnrun.cli import COMMANDS
from cnnrun.config import compose
from cnnrun.data.fit_series import fit_series
from cnnrun.data.forecasting import read_more, series
from cnnrun.data.seasons import windows_for
from cnnrun.data.series import Series
from cnnrun.data.series_prediction import for_prediction
from cnnrun.data.series_preprocessing import Recipe
from cnnrun.errors import ConfigError, DataError

CONF = Path(__file__).parents[2] / "conf" / "dataset"


def settings_of(option: str, **changes) -> dict:
    """The settings of a dataset's YAML, with changes."""
    node = yaml.safe_load((CONF / f"{option}.yaml").read_text())
    return {key: value for key, value in node.items() if key not in ("defaults", "name")} | changes


@pytest.fixture
def meter(tmp_path) -> Path:
    """200 days of load and temperature."""
    return write(tmp_path / "meter.csv", 200)


def write(path: Path, rows: int, first: str = "2020-01-01") -> Path:
    generator = np.random.default_rng(0)
    days = pd.date_range("2020-01-01", periods=400)
    load = 100 + 10 * (days.day_of_week < 5) + generator.normal(size=400)
    table = pd.DataFrame({"day": days, "load": load, "temperature": generator.normal(size=400)})
    begin = table.index[table["day"] == first][0]
    table.iloc[begin : begin + rows].to_csv(path, index=False)
    return path


SMALL = {"target": "load", "features": ["temperature"], "lookback": 14, "horizon": 3, "calendar": [], "unit": "kWh"}


def test_a_table_becomes_windows_of_its_columns(meter):
    data = series(**settings_of("energy", csv=str(meter), **SMALL))
    assert data.kind == "forecasting"
    assert data.input_shape == (2, 14)
    assert data.num_targets == 1
    assert data.preprocessing.channels == ("load", "temperature")
    assert data.bounds == {"train": (0, 160), "val": (160, 180), "test": (180, 200)}
    table = pd.read_csv(meter)
    assert data.test.actual[-1, 0].tolist() == table["load"].tolist()[-3:]
    train = table["temperature"][:160]
    expected = (table["temperature"][166:180] - train.mean()) / train.std(ddof=0)
    np.testing.assert_allclose(data.test.inputs[0, 1], expected, rtol=1e-4)
    assert (data.forecast.unit, data.forecast.frequency, data.forecast.season) == ("kWh", "D", 7)
    assert data.warnings == data.notes == []


def test_several_targets_come_first(meter):
    targets = {"target": ["temperature", "load"], "features": []}
    data = series(**settings_of("energy", csv=str(meter), **SMALL | targets))
    assert data.forecast.names == ("temperature", "load")
    assert data.test.targets.shape == (18, 2, 3)
    with pytest.raises(ConfigError, match=r"dataset.target=\[\]: name the column to forecast"):
        series(**settings_of("energy", csv=str(meter), **SMALL | {"target": []}))


def test_the_synthetic_series_needs_no_file():
    data = series(**settings_of("energy_demo"))
    assert data.input_shape == (20, 28)
    assert [len(split) for split in (data.train, data.val, data.test)] == [1461 - 7 + 1 - 28, 359, 359]
    assert str(data.stamps(data.test)[0].date()) == "2023-01-01"
    assert len(data.test) == 365 - 7 + 1


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("energy", ["csv=a.csv", "target=load"]),
        ("energy_demo", []),
        ("opsd_germany", ["csv=a.csv"]),
        ("etth1", ["csv=a.csv"]),
    ],
)
def test_an_option_is_accepted_and_brings_a_task_and_a_model_along(option, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = (f"dataset={option}", *(f"dataset.{word}" for word in given))
    config = compose.one(configs.Request("train", COMMANDS["train"].function, words)).config
    configs.check("train", config)
    assert config["task"]["name"] == "forecasting"
    assert config["model"]["padding"] == "causal"
    words = (*words, "model=mlp")
    config = compose.one(configs.Request("train", COMMANDS["train"].function, words)).config
    assert config["model"]["name"] == "mlp", "one may take another"


def test_a_missing_file_is_an_error_that_tells_where_the_published_one_is(tmp_path):
    with pytest.raises(DataError, match=r"opsd_germany_daily\.csv"):
        series(**settings_of("opsd_germany", csv=str(tmp_path / "none.csv")))


@pytest.mark.parametrize(("gap", "is_warned"), [(slice(0, 5), False), (slice(197, 200), False), (slice(50, 52), True)])
def test_only_gaps_between_values_are_warned_of(tmp_path, gap, is_warned):
    path = write(tmp_path / "gaps.csv", 200)
    table = pd.read_csv(path)
    table.loc[gap.start : gap.stop - 1, "load"] = np.nan
    table.to_csv(path, index=False)
    settings = settings_of("energy", csv=str(path), **SMALL | {"gaps": "interpolate"})
    assert len(series(**settings).warnings) == is_warned
    if gap.start == 50:
        split = {"val": 0.2, "test": 0.2}
        assert series(**settings | split | {"end": "2020-02-20"}).warnings == []
        assert series(**settings | split | {"end": "2020-02-21"}).warnings, "it was filled from a row behind the end"


def test_interpolated_gaps_are_warned_of(tmp_path):
    table = pd.read_csv(write(tmp_path / "whole.csv", 200)).drop(index=[50, 51])
    table.to_csv(tmp_path / "gap.csv", index=False)
    settings = settings_of("energy", csv=str(tmp_path / "gap.csv"), **SMALL)
    (warning,) = series(**settings | {"gaps": "interpolate"}).warnings
    assert warning.startswith("dataset.gaps=interpolate reads the future")
    assert series(**settings).warnings == []
    assert series(**settings).train.targets.isnan().sum() == 2 * 3


def r2_of_least_squares(data) -> float:
    """On test, of the linear model from a whole window that is best on train."""

    def design(split):
        inputs = split.inputs.flatten(1).double().numpy()
        return np.hstack([inputs, np.ones((len(inputs), 1))])

    scale, shift = data.forecast.scale[0], data.forecast.shift[0]
    weights = np.linalg.lstsq(design(data.train), data.train.actual[:, 0, 0], rcond=None)[0]
    actual, errors = data.test.actual[:, 0, 0], data.test.actual[:, 0, 0] - design(data.test) @ weights
    np.testing.assert_allclose(data.test.targets[:, 0, 0] * scale + shift, actual, atol=1e-4)
    return 1 - (errors**2).sum() / ((actual - data.train.actual.mean()) ** 2).sum()


def noise(seed: int, clean: str, **changes):
    values = np.random.default_rng(seed).normal(size=(6000, 1))
    made = Series(("noise",), values, np.ones(values.shape, bool), None, None, ())
    recipe = Recipe(
        lookback=15,
        horizon=1,
        clean=clean,
        clean_window=15,
        clean_threshold=1.0,
        scale="minmax",
        calendar=(),
        holidays=None,
        seasonal_lags=(),
        difference=None,
    )
    return fit_series(
        made,
        1,
        replace(recipe, **changes),
        unit="",
        val=0.1,
        test=0.3,
        end=None,
        train_on_val=False,
        season=None,
    )


@pytest.mark.parametrize("clean", ["none", "zscore", "hampel"])
@pytest.mark.parametrize("changes", [{}, {"seasonal_lags": (1, 7), "scale": "robust"}], ids=["plain", "lags"])
def test_white_noise_stays_unpredictable_under_every_cleaning_that_looks_back(clean, changes):
    scores = [r2_of_least_squares(noise(seed, clean, **changes)) for seed in range(20)]
    assert np.mean(scores) <= 0.01
    assert max(scores) <= 0.05


def test_white_noise_becomes_predictable_where_cleaning_reads_the_future():
    assert np.mean([r2_of_least_squares(noise(seed, "reference")) for seed in range(5)]) > 0.1


FULL = {
    "clean": "zscore",
    "clean_window": 9,
    "clean_threshold": 1.5,
    "calendar": ["day_of_week"],
    "seasonal_lags": [7],
    "difference": 7,
}


@pytest.mark.parametrize("changes", [{}, FULL, FULL | {"difference": 2}], ids=["plain", "full", "two distances"])
def test_a_longer_file_is_prepared_as_the_run_was_and_scored_behind_what_the_run_has_seen(meter, tmp_path, changes):
    settings = settings_of("energy", csv=str(meter), **SMALL | changes)
    data = series(**settings)
    longer = write(tmp_path / "longer.csv", 230)
    prediction = for_prediction(read_more(settings, str(longer)), data.stored())
    assert prediction.data.bounds == {"train": (0, 160), "val": (160, 180), "test": (200, 230)}
    for name in ("train", "val"):
        ours, theirs = getattr(prediction.data, name), getattr(data, name)
        assert torch.equal(ours.inputs, theirs.inputs)
        assert torch.equal(ours.targets, theirs.targets)
    scored = prediction.data.test
    assert (scored.first, len(scored)) == (200, 30 - 3 + 1)
    table = pd.read_csv(longer)
    np.testing.assert_array_equal(scored.actual[-1, 0], table["load"].to_numpy()[-3:])
    assert scored.ids[0] == "2020-07-19"

    whole = for_prediction(read_more(settings, str(write(tmp_path / "whole.csv", 233))), data.stored())
    same = whole.data.test
    assert torch.equal(same.inputs[30], prediction.ahead.inputs[0]), "what lies after the end changes no input"
    assert [str(stamp.date()) for stamp in prediction.stamps] == ["2020-08-18", "2020-08-19", "2020-08-20"]
    assert prediction.ahead.ids[0] == same.ids[30] == "2020-08-18"
    assert torch.isnan(prediction.ahead.targets).all()
    assert np.isnan(prediction.ahead.actual).all()
    if same.base is not None:
        np.testing.assert_array_equal(same.base[30], prediction.ahead.base[0])
    assert torch.equal(same.inputs[:28], scored.inputs)


def test_a_file_that_begins_after_the_run_needs_only_a_look_back(meter, tmp_path):
    settings = settings_of("energy", csv=str(meter), **SMALL)
    stored = series(**settings).stored()
    later = for_prediction(read_more(settings, str(write(tmp_path / "later.csv", 20, "2020-09-01"))), stored)
    assert (len(later.data.train), len(later.data.val), len(later.data.test)) == (0, 0, 20 - 14 - 3 + 1)
    assert later.data.test.ids[0] == "2020-09-15"
    short = read_more(settings, str(write(tmp_path / "short.csv", 14, "2020-09-01")))
    assert len(for_prediction(short, stored).data.test) == 0
    assert for_prediction(short, stored).ahead.inputs.shape == (1, 2, 14)
    with pytest.raises(DataError, match="the file has 13 rows, and a forecast takes the last 14"):
        for_prediction(read_more(settings, str(write(tmp_path / "shorter.csv", 13, "2020-09-01"))), stored)


def test_a_file_that_the_run_has_seen_is_forecast_from_and_not_scored(meter):
    settings = settings_of("energy", csv=str(meter), **SMALL)
    prediction = for_prediction(read_more(settings, str(meter)), series(**settings).stored())
    assert len(prediction.data.test) == 0
    assert prediction.notes == ["the run has seen all rows of this file; nothing is scored"]
    assert prediction.ahead.ids[0] == "2020-07-19"


@pytest.mark.parametrize("empty", [[], [*range(200, 230)]], ids=["too short", "nothing observed"])
def test_new_rows_that_cannot_be_scored_are_noted(meter, tmp_path, empty):
    settings = settings_of("energy", csv=str(meter), **SMALL | {"gap_limit": 30})
    longer = write(tmp_path / "longer.csv", 230 if empty else 202)
    table = pd.read_csv(longer)
    table.loc[empty, "load"] = np.nan
    table.to_csv(longer, index=False)
    prediction = for_prediction(read_more(settings, str(longer)), series(**settings).stored())
    assert len(prediction.data.test) == 0
    assert prediction.notes == [
        f"the {len(table) - 200} rows that the run has not seen hold no window of 3 steps of which anything was "
        "observed; nothing is scored"
    ]
    assert len(prediction.ahead) == 1


def test_rows_without_stamps_are_counted(meter, tmp_path):
    settings = settings_of("energy", csv=str(meter), **SMALL | {"time": None})
    stored = series(**settings).stored()
    prediction = for_prediction(read_more(settings, str(write(tmp_path / "longer.csv", 230))), stored)
    assert prediction.stamps.tolist() == [230, 231, 232]
    assert prediction.data.bounds["test"] == (200, 230)


def test_a_short_file_that_would_be_cleaned_otherwise_is_noted(meter, tmp_path):
    settings = settings_of("energy", csv=str(meter), **SMALL | {"clean": "zscore", "clean_window": 12})
    later = read_more(settings, str(write(tmp_path / "later.csv", 20, "2020-09-01")))
    assert for_prediction(later, series(**settings).stored()).notes == [
        "the first rows of the file are not cleaned, for zscore judges the last of 12 rows; give at least 25 rows"
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda found: replace(found, frequency="h"),
            "the file has a step of h, and the run was trained on steps of D",
        ),
        (
            lambda found: replace(found, index=None, frequency=None),
            "read without stamps, and the run .* with; see dataset.time",
        ),
        (
            lambda found: replace(found, names=("load", "wind")),
            "has the columns load, wind, and the run was trained on load, temp",
        ),
        (
            lambda found: replace(found, index=found.index.tz_localize("UTC")),
            "the time zone UTC, and the run was trained on a series with None",
        ),
    ],
)
def test_a_file_of_another_kind_is_refused(meter, change, message):
    settings = settings_of("energy", csv=str(meter), **SMALL)
    with pytest.raises(DataError, match=message):
        for_prediction(change(read_more(settings, str(meter))), series(**settings).stored())


def test_fourteen_years_of_hours_are_prepared_in_well_below_a_second():
    hours = pd.date_range("2004-10-01", periods=121_000, freq="h")
    values = np.random.default_rng(0).normal(size=(len(hours), 1))
    made = Series(("load",), values, np.ones(values.shape, bool), hours, "h", ())
    recipe = Recipe(
        lookback=168,
        horizon=24,
        clean="hampel",
        clean_window=24,
        clean_threshold=3.0,
        scale="zscore",
        calendar=("hour", "day_of_week", "weekend", "day_of_year", "month"),
        holidays=None,
        seasonal_lags=(168,),
        difference=24,
    )
    seconds = []
    for _ in range(2):
        begin = time.perf_counter()
        fit_series(made, 1, recipe, unit="", val=0.1, test=0.1, end=None, train_on_val=False, season=None).fingerprint()
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 1.0


@pytest.mark.parametrize(
    ("frequency", "windows", "calendar"),
    [
        ("D", (28, 7), ["day_of_week", "day_of_year", "year_end"]),
        ("h", (168, 24), ["hour", "day_of_week"]),
        ("15min", (672, 96), ["hour", "day_of_week"]),
        ("min", (168, 24), ["hour", "day_of_week"]),
        ("5s", (168, 24), ["hour", "day_of_week"]),
        ("MS", (24, 6), ["month"]),
        ("W-SUN", (52, 4), ["day_of_year"]),
        ("YS-JAN", (12, 1), []),
        (None, (12, 1), []),
    ],
)
def test_windows_that_nobody_chose_follow_the_step(frequency, windows, calendar):
    usual = windows_for(frequency)
    assert (usual.lookback, usual.horizon) == windows
    assert list(usual.calendar) == calendar


def test_a_series_of_a_user_is_forecast_with_the_windows_of_its_step(tmp_path):
    months = pd.date_range("2005-01-01", periods=180, freq="MS")
    level = 10 + np.sin(2 * np.pi * months.month / 12) + np.random.default_rng(0).normal(size=180) / 10
    pd.DataFrame({"month": months, "kWh": level}).to_csv(tmp_path / "bill.csv", index=False)
    data = series(**settings_of("energy", csv=str(tmp_path / "bill.csv"), target="kWh"))
    assert (data.input_shape, data.forecast.horizon) == ((3, 24), 6)
    assert data.remarks[-1] == (
        "6 steps of MS are forecast (dataset.horizon) from 24 (dataset.lookback); dataset.calendar: month"
    )


def test_a_split_that_was_mostly_filled_in_is_doubted(tmp_path):
    days = pd.date_range("2020-01-01", periods=300)
    frame = pd.DataFrame({"day": days, "kWh": np.random.default_rng(0).normal(size=300)})
    frame.drop(index=range(275, 298)).to_csv(tmp_path / "gap.csv", index=False)
    data = series(**settings_of("energy", csv=str(tmp_path / "gap.csv"), target="kWh"))
    assert data.warnings == ["of test only 23% was observed, and the rest filled in: its figures are of few values"]


def test_the_usual_calendar_leaves_out_what_never_changes_in_a_series(tmp_path):
    days = pd.date_range("2020-02-01", "2020-11-30")
    frame = pd.DataFrame({"day": days, "kWh": np.random.default_rng(0).normal(size=len(days))})
    frame.to_csv(tmp_path / "summer.csv", index=False)
    given = {"csv": str(tmp_path / "summer.csv"), "target": "kWh"}
    data = series(**settings_of("energy", **given))
    assert data.preprocessing.recipe.calendar == ("day_of_week", "day_of_year")
    with pytest.raises(ConfigError, match=r"dataset.calendar: 'year_end' is the same in all 304 rows"):
        series(**settings_of("energy", **given, calendar=["day_of_week", "year_end"]))
