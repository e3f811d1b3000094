"""Windows of a series against a slow loop, and what may not leak. Run: pytest tests/data/test_windows.py"""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from cnnrun.data.channels import stamps_until
from cnnrun.data.fit_series import fit_series
from cnnrun.data.series import Series
from cnnrun.data.series_preprocessing import Recipe
from cnnrun.data.windows import SeriesData, SeriesPreprocessing, SeriesSplit
from cnnrun.errors import ConfigError, DataError

RECIPE = Recipe(
    lookback=10,
    horizon=3,
    clean="none",
    clean_window=9,
    clean_threshold=1.5,
    scale="zscore",
    calendar=(),
    holidays=None,
    seasonal_lags=(),
    difference=None,
)
ALL = {"calendar": ("day_of_week", "day_of_year"), "seasonal_lags": (7, 14), "clean": "zscore"}
RECIPES = {
    "plain": RECIPE,
    "all": replace(RECIPE, **ALL),
    "differenced": replace(RECIPE, difference=7, **ALL),
    "differenced over two distances": replace(RECIPE, difference=2, horizon=5),
    "one step": replace(RECIPE, lookback=15, horizon=1, scale="minmax", clean="hampel"),
}


def made(rows=120, columns=3, seed=0, index=True, frequency="D") -> Series:
    generator = np.random.default_rng(seed)
    values = 50 + generator.normal(size=(rows, columns)).cumsum(axis=0)
    stamps = pd.date_range("2020-01-01", periods=rows, freq=frequency) if index else None
    names = ("load", "price", "temperature")[:columns]
    return Series(names, values, np.ones(values.shape, bool), stamps, frequency if index else None, ())


def fitted(series=None, recipe=RECIPE, num_targets=2, **changes) -> SeriesData:
    settings = {"unit": "MW", "end": None, "train_on_val": False, "season": None}
    settings |= {"val": "2020-03-01", "test": "2020-04-01"}
    return fit_series(made() if series is None else series, num_targets, recipe, **settings | changes)


def splits(data: SeriesData) -> list[SeriesSplit]:
    return [data.train, data.val, data.test]


def changed_from(series: Series, row: int) -> Series:
    """Other numbers, 1000 times as large, in all rows from `row` on."""
    values = series.values.copy()
    values[row:] = 1e3 * np.random.default_rng(9).normal(size=values[row:].shape)
    return replace(series, values=values)


def expected_target(values, target, row, step, steps):
    """The target for `row`, `step` steps ahead: in the unit, and what differencing takes away."""
    base = 0.0 if steps is None else values[row - steps * math.ceil(step / steps), target]
    return values[row, target] - base, base


@pytest.mark.parametrize("name", RECIPES)
def test_windows_are_those_of_a_slow_loop(name):
    series, recipe = made(), RECIPES[name]
    data = fitted(series, recipe)
    values, scalers = series.values, [data.preprocessing.scalers[name] for name in series.names]
    seen = pd.DataFrame(values)
    if recipe.clean == "zscore":
        mean, std = seen.rolling(9).mean(), seen.rolling(9).std(ddof=0)
        seen = seen.mask((seen - mean).abs() > 1.5 * std, mean)
    elif recipe.clean == "hampel":
        median = seen.rolling(9).median()
        mad = seen.rolling(9).apply(lambda x: np.median(np.abs(x - np.median(x))))
        seen = seen.mask((seen - median).abs() > 1.5 * 1.4826022185056018 * mad, median)
    own = seen - seen.shift(recipe.difference) if recipe.difference else seen
    for split in splits(data):
        for n in range(len(split)):
            first = split.first + n
            for row in range(first, first + recipe.horizon):
                for target in range(2):
                    step = row - first + 1
                    value, base = expected_target(values, target, row, step, recipe.difference)
                    scaled = (value - scalers[target].shift) / scalers[target].scale
                    assert abs(split.targets[n, target, step - 1] - scaled) < 1e-4
                    assert split.actual[n, target, step - 1] == values[row, target]
                    if split.base is not None:
                        assert split.base[n, target, step - 1] == base
            past = range(first - recipe.lookback, first)
            for channel, label in enumerate(data.preprocessing.channels):
                found = split.inputs[n, channel].tolist()
                if label in series.names:
                    column = series.names.index(label)
                    source = own if column < 2 else seen
                    expected = [scalers[column].apply(source.iloc[row, column]) for row in past]
                elif "_lag_" in label:
                    column, lag = series.names.index(label.split("_")[0]), int(label.split("_")[-1])
                    rows = [row + recipe.horizon - lag for row in past]
                    expected = [scalers[column].apply(own.iloc[row, column]) for row in rows]
                else:
                    days = [pd.Timestamp("2020-01-01") + pd.Timedelta(row + recipe.horizon, "D") for row in past]
                    expected = [known_of(label, day) for day in days]
                np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=f"{label}, {split.name} {n}")


def known_of(label: str, day: pd.Timestamp) -> float:
    if label.startswith("day_of_year"):
        periods = next((n for n in (2, 3) if f"_{n}_" in label), 1)
        turn = 2 * math.pi * periods * (day.day_of_year - 1) / (366 if day.is_leap_year else 365)
        return math.sin(turn) if label.endswith("sin") else math.cos(turn)
    return float(day.day_name().lower() == label)


@pytest.mark.parametrize("name", RECIPES)
def test_no_window_is_dropped_and_each_is_in_the_split_of_all_its_targets(name):
    recipe = RECIPES[name]
    data = fitted(recipe=recipe)
    assert data.bounds == {"train": (0, 60), "val": (60, 91), "test": (91, 120)}
    train_first = recipe.lookback + recipe.history
    assert data.train.first == train_first
    assert len(data.train) == 60 - recipe.horizon + 1 - train_first
    assert (data.val.first, len(data.val)) == (60, 31 - recipe.horizon + 1)
    assert (data.test.first, len(data.test)) == (91, 29 - recipe.horizon + 1)
    for split in splits(data):
        assert split.inputs.shape == (len(split), *data.input_shape)
        assert split.targets.shape == split.actual.shape == (len(split), 2, recipe.horizon)
        assert torch.isfinite(split.inputs).all()
        assert torch.isfinite(split.targets).all()


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("scale", ["zscore", "minmax", "robust"])
def test_nothing_that_is_fitted_and_no_window_of_train_knows_the_rows_after_it(name, scale):
    series, recipe = made(), replace(RECIPES[name], scale=scale)
    before, after = fitted(series, recipe), fitted(changed_from(series, 60), recipe)
    assert before.preprocessing == after.preprocessing
    assert torch.equal(before.train.inputs, after.train.inputs)
    assert torch.equal(before.train.targets, after.train.targets)
    assert not torch.equal(before.val.targets, after.val.targets)


@pytest.mark.parametrize("name", RECIPES)
def test_no_window_of_val_knows_the_rows_of_test(name):
    series, recipe = made(), RECIPES[name]
    before, after = fitted(series, recipe), fitted(changed_from(series, 91), recipe)
    assert before.preprocessing == after.preprocessing
    for split in ("train", "val"):
        assert torch.equal(getattr(before, split).inputs, getattr(after, split).inputs)
        assert torch.equal(getattr(before, split).targets, getattr(after, split).targets)
    assert torch.equal(before.test.inputs[0], after.test.inputs[0]), "it sees only rows before test"


@pytest.mark.parametrize("name", RECIPES)
def test_no_input_knows_a_target_of_its_window(name):
    series, recipe = made(), RECIPES[name]
    before = fitted(series, recipe).test
    for n in (0, 7, len(before) - 1):
        after = fitted(changed_from(series, before.first + n), recipe).test
        assert torch.equal(before.inputs[n], after.inputs[n])
        assert recipe.difference is None or np.array_equal(before.base[n], after.base[n])


def test_reference_replaces_the_target_with_what_the_future_tells_and_says_so():
    series, recipe = made(), replace(RECIPE, clean="reference", clean_window=15, clean_threshold=1.0)
    data, plain = fitted(series, recipe), fitted(series)
    (warning,) = data.warnings
    assert "reads the future" in warning
    assert "the target that is scored" in warning
    assert plain.warnings == []
    rolling = pd.DataFrame(series.values).rolling(15, min_periods=1, center=True)
    mean, std = rolling.mean().to_numpy(), rolling.std(ddof=0).to_numpy()
    expected = np.where(np.abs(series.values - mean) <= std, series.values, mean)
    np.testing.assert_allclose(data.history, expected[:, :2])
    np.testing.assert_allclose(data.test.actual[0, :, 0], expected[91, :2])
    after = fitted(changed_from(series, 60), recipe)
    assert not torch.equal(data.train.targets, after.train.targets)


@pytest.mark.parametrize("clean", ["zscore", "hampel"])
def test_cleaning_leaves_what_is_scored_and_what_baselines_see_alone(clean):
    series = made()
    plain, cleaned = fitted(series), fitted(series, replace(RECIPE, clean=clean))
    assert not torch.equal(plain.train.inputs, cleaned.train.inputs)
    assert cleaned.preprocessing.scalers == plain.preprocessing.scalers
    np.testing.assert_array_equal(cleaned.history, series.values[:, :2])
    for ours, theirs in zip(splits(cleaned), splits(plain), strict=True):
        assert torch.equal(ours.targets, theirs.targets)
        np.testing.assert_array_equal(ours.actual, theirs.actual)


def test_what_was_filled_in_is_seen_but_neither_scored_nor_fitted_on():
    series = made()
    values, observed = series.values.copy(), series.observed.copy()
    values[30, 0], observed[30, 0] = 1e6, False
    values[95, 1], observed[95, 1] = 1e6, False
    data, plain = fitted(replace(series, values=values, observed=observed)), fitted(series)
    assert data.preprocessing.scalers["price"] == plain.preprocessing.scalers["price"]
    assert data.preprocessing.scalers["load"].scale < 100
    assert data.forecast.mase_scale[0] < 100
    assert data.train.targets.isnan().sum() == 3, "once for each step ahead"
    assert np.isnan(data.test.actual).sum() == data.test.targets.isnan().sum() == 3
    assert np.isnan(data.test.actual[4, 1, 0])
    assert data.history[95, 1] == 1e6
    assert torch.isfinite(data.test.inputs).all()


@pytest.mark.parametrize("name", ["plain", "all", "differenced", "one step"])
def test_windows_share_the_memory_of_the_series(name):
    data = fitted(made(rows=400), RECIPES[name])
    inputs, targets = (
        {getattr(s, part).untyped_storage().data_ptr() for s in splits(data)} for part in ("inputs", "targets")
    )
    assert len(inputs) == len(targets) == 1
    channels, _lookback = data.input_shape
    assert data.train.inputs.untyped_storage().nbytes() == 4 * channels * 400
    assert data.test.targets.untyped_storage().nbytes() <= 4 * 2 * (400 + 7)
    for split in splits(data):
        assert split.inputs.stride() == (1, 400, 1)
        assert np.shares_memory(split.actual, data.test.actual) or split is not data.test
        assert split.actual.strides[0] == split.actual.strides[2] == 8
        assert split.base is None or np.shares_memory(split.base, data.history)


@pytest.mark.parametrize("name", RECIPES)
def test_a_device_gets_the_rows_once_and_cuts_the_same_windows(name, monkeypatch):
    data = fitted(recipe=RECIPES[name])
    moved = []
    move = torch.Tensor.to

    def to(tensor, device):
        moved.append(tensor.numel())
        return move(tensor, device).clone()

    monkeypatch.setattr(torch.Tensor, "to", to)
    there = data.val.to("cpu")
    assert torch.equal(there.inputs, data.val.inputs)
    torch.testing.assert_close(there.targets, data.val.targets, equal_nan=True)
    channels, lookback = data.input_shape
    assert moved[0] == channels * (len(data.val) + lookback - 1)
    assert there.inputs.stride()[::2] == (1, 1)
    assert there.first == data.val.first


def test_seasonal_lags_that_are_not_known_in_time_are_refused():
    with pytest.raises(ConfigError) as error:
        fitted(recipe=replace(RECIPE, seasonal_lags=(7, 2)))
    assert str(error.value) == (
        "dataset.seasonal_lags=[7, 2]: the value 2 steps before a forecast step is not known 3 steps ahead; "
        "take lags of at least dataset.horizon=3"
    )
    with pytest.raises(ConfigError, match=r"seasonal_lags=\[7, 7\]: one stands there twice"):
        fitted(recipe=replace(RECIPE, seasonal_lags=(7, 7)))


def test_a_series_that_is_too_short_says_by_how_much_and_what_to_reduce():
    recipe = replace(RECIPE, lookback=40, horizon=5, seasonal_lags=(14,), difference=7)
    with pytest.raises(DataError) as error:
        fitted(recipe=recipe)
    assert str(error.value) == (
        "the series is too short: train has 60 rows, and its first window takes 61 (dataset.lookback=40, "
        "dataset.horizon=5, dataset.difference=7, dataset.seasonal_lags=[14]); reduce one of these, or begin val later"
    )
    assert len(fitted(recipe=replace(recipe, lookback=39)).train) == 1
    with pytest.raises(DataError, match="test has 2 rows, too few for the 3 targets of one window"):
        fitted(test="2020-04-28")


def test_splits_may_be_shares_of_the_rows():
    data = fitted(made(200), val=0.1, test=0.2)
    assert data.bounds == {"train": (0, 140), "val": (140, 160), "test": (160, 200)}
    assert fitted(made(120, index=False), val=0.25, test=0.25).bounds["test"] == (90, 120)
    assert fitted(val=0.25, test="2020-04-01").bounds == {"train": (0, 61), "val": (61, 91), "test": (91, 120)}


def test_end_leaves_the_rows_behind_it_out():
    data = fitted(end="2020-04-20")
    assert data.bounds["test"] == (91, 110)
    assert len(data.history) == len(data.series.values) == len(data.series.index) == 110
    np.testing.assert_array_equal(data.test.actual[-1, 0], made().values[107:110, 0])
    assert fitted(end="2020-04-30").fingerprint() == fitted().fingerprint()


def test_local_dates_are_understood_in_the_zone_of_the_series():
    series = made(240, frequency="h")
    local = replace(series, index=series.index.tz_localize("UTC").tz_convert("America/New_York"))
    data = fitted(local, val="2020-01-06", test="2020-01-08 12:00")
    assert str(data.stamps(data.val)[0]) == "2020-01-06 00:00:00-05:00"
    assert data.val.ids[0] == "2020-01-06 00:00:00-05:00"
    assert str(data.stamps(data.test)[0]) == "2020-01-08 12:00:00-05:00"


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"val": "spring"}, ConfigError, "dataset.val=spring: not a date; write it as 2017-01-31 or"),
        (
            {"test": "2031-01-01"},
            DataError,
            "dataset.test=2031-01-01 is not within the series, which goes from 2020-01-01",
        ),
        ({"end": "2020-06-01"}, DataError, "dataset.end=2020-06-01 is not within the series"),
        ({"val": "2020-04-10"}, DataError, "val=2020-04-10 begins at row 100, dataset.test=2020-04-01 at row 91"),
        ({"val": 0.6, "test": 0.5}, DataError, "rows must remain for train"),
    ],
)
def test_borders_that_cannot_be_are_refused(changes, kind, message):
    with pytest.raises(kind, match=message):
        fitted(**changes)


def test_a_date_needs_stamps_and_so_does_the_calendar():
    with pytest.raises(ConfigError, match=r"val=2020-03-01: the series has no stamps .* give a fraction of the rows"):
        fitted(made(index=False), test=0.2)
    with pytest.raises(ConfigError, match=r"dataset.calendar needs stamps; name their column: dataset.time=COLUMN"):
        fitted(made(index=False), replace(RECIPE, calendar=("month",)), val=0.2, test=0.2)


def test_train_may_go_on_to_the_end_of_val():
    data = fitted(train_on_val=True)
    assert data.bounds == {"train": (0, 91), "val": (60, 91), "test": (91, 120)}
    assert len(data.train) == 91 - 3 + 1 - 10
    values = made().values[:91]
    assert data.preprocessing.scalers["load"].shift == pytest.approx(values[:, 0].mean())
    assert "train goes on to the end of val" in data.notes[0]
    assert data.preprocessing.stamps["train"] == ("2020-01-01 00:00:00", "2020-03-31 00:00:00")


def test_rows_in_which_a_feature_has_not_begun_are_left_out_of_train_and_that_is_noted():
    series = made()
    values = series.values.copy()
    values[:20, 2] = np.nan
    data = fitted(replace(series, values=values, observed=np.isfinite(values)))
    assert data.bounds["train"] == (20, 60)
    assert data.train.first == 30
    assert data.notes == [
        "train begins at 2020-01-21 00:00:00, for temperature has no value before: 17% of the rows are not used; "
        "without that column they would be"
    ]
    assert data.preprocessing.scalers["load"].shift == pytest.approx(values[20:60, 0].mean())
    assert torch.isfinite(data.train.inputs).all()
    assert len(data.val) == 31 - 3 + 1


def test_a_hole_in_the_middle_is_refused():
    series = made()
    values = series.values.copy()
    values[50, 2] = np.nan
    with pytest.raises(DataError, match="column 'temperature' has no value in row 50, in the middle of the series"):
        fitted(replace(series, values=values))


def test_a_target_that_never_changes_in_train_is_refused():
    series = made()
    values = series.values.copy()
    values[:60, 1] = 3.0
    with pytest.raises(DataError, match="target 'price' is 3 in every row of train: there is nothing to learn"):
        fitted(replace(series, values=values))
    values[:60, 1] = np.arange(60)
    with pytest.raises(DataError, match="target 'price' less its value 2 steps before is 2 in every row of train"):
        fitted(replace(series, values=values), replace(RECIPE, difference=2))


@pytest.mark.parametrize(("split", "rows"), [("val", slice(60, 91)), ("test", slice(91, 120))])
def test_a_split_without_an_observed_target_is_refused(split, rows):
    series = made()
    series.observed[rows, :2] = False
    with pytest.raises(DataError, match=f"nothing was observed in {split}, rows {rows.start} to {rows.stop - 1}: "):
        fitted(series)
    series.observed[rows.stop - 1, 1] = True
    assert np.isfinite(getattr(fitted(series), split).actual).sum() == 1


def test_mase_scale_is_the_mean_seasonal_change_of_train():
    series = made()
    train = series.values[:60, :2]
    assert fitted(series).forecast.season == 7
    np.testing.assert_allclose(fitted(series).forecast.mase_scale, np.abs(train[7:] - train[:-7]).mean(axis=0))
    np.testing.assert_allclose(
        fitted(series, season=3).forecast.mase_scale, np.abs(train[3:] - train[:-3]).mean(axis=0)
    )
    assert np.isnan(fitted(series, season=70).forecast.mase_scale).all()


def test_ids_are_stamps_or_rows_and_are_written_when_asked_for():
    daily, hourly, numbered = (
        fitted(made(200), val=0.2, test=0.2),
        fitted(made(200, frequency="h"), val=0.2, test=0.2),
        fitted(made(200, index=False), val=0.2, test=0.2),
    )
    assert daily.test.ids[:2] == ["2020-06-09", "2020-06-10"]
    assert hourly.test.ids[-1] == "2020-01-09 05:00:00"
    assert numbered.test.ids[0] == "160"
    for data in (daily, hourly, numbered):
        assert len(data.test.ids) == len(data.test) == len(data.stamps(data.test)) == len(list(data.test.ids))


@pytest.mark.parametrize("days", [306, 307, 308], ids=["before", "on", "after"])
def test_stamps_go_on_where_a_zone_skips_midnight(days):
    # In Brazil 2018-11-04 began at 01:00: the 308th day of that year.
    zone = "America/Sao_Paulo"
    stamps = pd.date_range("2018-01-01", periods=days).tz_localize(zone, nonexistent="shift_forward")
    future = stamps_until(stamps, "D", days + 4)[days:]
    whole = pd.date_range("2018-01-01", periods=days + 4)[days:]
    assert list(future.tz_localize(None).normalize()) == list(whole)
    assert [stamp.hour for stamp in future] == [int(day == pd.Timestamp("2018-11-04")) for day in whole]


def test_hours_go_on_over_a_change_of_the_clock():
    stamps = pd.date_range("2020-10-24", periods=24, freq="h", tz="Europe/Berlin")
    assert (np.diff(stamps_until(stamps, "h", 72).asi8) == stamps.asi8[1] - stamps.asi8[0]).all()


@pytest.mark.parametrize(("setting", "value"), [("lookback", 100_000), ("difference", 3000)])
def test_stored_windows_that_the_series_has_no_room_for_are_refused(setting, value):
    data = fitted()
    stored = data.stored()
    stored["recipe"][setting] = value
    with pytest.raises(DataError, match=f"the series is too short: .*dataset.{setting}={value}"):
        data.with_preprocessing(stored)


def test_the_fingerprint_changes_with_values_stamps_and_splits_and_not_with_scaling():
    series = made()
    same = fitted(series).fingerprint()
    assert same == fitted(made()).fingerprint()
    assert len(same) == 16
    assert same == fitted(series, replace(RECIPE, scale="minmax")).fingerprint()
    values = series.values.copy()
    values[77, 0] += 1e-9
    observed = series.observed.copy()
    observed[77, 0] = False
    others = [
        fitted(replace(series, values=values)),
        fitted(replace(series, observed=observed)),
        fitted(replace(series, index=series.index + pd.Timedelta(1, "h"))),
        fitted(series, val="2020-03-02"),
        fitted(series, replace(RECIPE, lookback=11)),
        fitted(series, replace(RECIPE, horizon=4)),
    ]
    assert len({same, *(data.fingerprint() for data in others)}) == 7


def test_what_was_fitted_survives_json_and_prepares_the_same_windows():
    data = fitted(recipe=RECIPES["differenced"])
    stored = json.loads(json.dumps(data.preprocessing.to_dict()))
    assert SeriesPreprocessing.from_dict(stored) == data.preprocessing
    again = data.with_preprocessing(stored)
    for ours, theirs in zip(splits(again), splits(data), strict=True):
        assert torch.equal(ours.inputs, theirs.inputs)
        assert torch.equal(ours.targets, theirs.targets)
    stored["scalers"]["load"]["scale"] *= 2
    torch.testing.assert_close(2 * data.with_preprocessing(stored).test.targets[:, 0], data.test.targets[:, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda stored: stored["scalers"]["load"].update(scale=0),
            r"stored preprocessing, scalers.load.scale: Input should",
        ),
        (lambda stored: stored["scalers"].pop("price"), "stored preprocessing, scalers: there is none for 'price'"),
        (lambda stored: stored["recipe"].update(clean="wash"), "stored preprocessing, recipe.clean: Input should be"),
        (lambda stored: stored.update(mase_scale=[1.0]), "mase_scale: 1 numbers for 2 targets"),
        (lambda stored: stored["recipe"].update(seasonal_lags=[1]), "recipe: dataset.seasonal_lags"),
        (lambda stored: stored.update(features=["wind"]), "scalers: there is none for 'wind'"),
        (
            lambda stored: stored.update(channels=["load"]),
            "gives the channels load, price, temperature, and the run was",
        ),
    ],
)
def test_a_stored_value_that_is_broken_is_named(change, message):
    data = fitted()
    stored = data.preprocessing.to_dict()
    change(stored)
    with pytest.raises(DataError, match=message):
        data.with_preprocessing(stored)
