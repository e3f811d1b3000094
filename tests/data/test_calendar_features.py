"""What the calendar says, against days looked up by hand. Run: pytest tests/data/test_calendar_features.py"""

import sys

import numpy as np
import pandas as pd
import pytest

from cnnrun.data.calendar_features import calendar_channels, holiday_channels, require_varying
from cnnrun.errors import ConfigError


def at(channels, index, stamp):
    """The values of all channels at a stamp, those that are not 0."""
    row = index.get_loc(pd.Timestamp(stamp, tz=index.tz))
    return {name: round(float(values[row]), 6) for name, values in channels.items() if abs(values[row]) > 1e-12}


def test_each_weekday_has_a_channel_and_the_weekend_another():
    index = pd.date_range("2024-02-26", periods=14)
    channels = calendar_channels(index, ["day_of_week", "weekend"])
    assert at(channels, index, "2024-02-29") == {"thursday": 1}
    assert at(channels, index, "2024-03-03") == {"sunday": 1, "weekend": 1}
    assert sum(values.sum() for name, values in channels.items() if name != "weekend") == 14


def test_a_cycle_is_a_sine_and_a_cosine_that_close():
    index = pd.date_range("2024-01-01", periods=24 * 366 * 4, freq="15min")
    hour = calendar_channels(index, ["hour"])
    assert at(hour, index, "2024-05-05 06:00") == {"hour_sin": 1}
    assert at(hour, index, "2024-05-05 00:00") == {"hour_cos": 1}
    assert at(hour, index, "2024-05-05 16:30") == {"hour_sin": -0.92388, "hour_cos": -0.382683}
    month = calendar_channels(index, ["month"])
    assert at(month, index, "2024-10-31") == {"month_sin": -1}
    year = calendar_channels(index, ["day_of_year"])
    half_way = {"day_of_year_cos": -1, "day_of_year_2_cos": 1, "day_of_year_3_cos": -1}
    assert at(year, index, "2024-07-02") == half_way, "day 184 of 366"
    circle = year["day_of_year_sin"] ** 2 + year["day_of_year_cos"] ** 2
    np.testing.assert_allclose(circle, 1)


def test_the_hour_is_the_local_one():
    index = pd.date_range("2024-07-01", periods=48, freq="h", tz="Europe/Berlin")
    assert at(calendar_channels(index, ["hour"]), index, "2024-07-01 06:00") == {"hour_sin": 1}


def test_a_feature_that_never_varies_is_refused():
    index = pd.date_range("2024-01-01", periods=100)
    require_varying(index, ["day_of_week", "weekend", "month"])
    with pytest.raises(ConfigError, match=r"dataset.calendar: 'hour' is the same in all 100 rows; leave it out"):
        require_varying(index, ["month", "hour"])


@pytest.fixture
def _holidays():
    pytest.importorskip("holidays")


@pytest.mark.usefixtures("_holidays")
def test_german_holidays_their_neighbours_and_bridge_days():
    index = pd.date_range("2016-12-20", "2018-01-03")
    channels = holiday_channels(index, "DE")
    assert list(channels) == ["holiday", "weekend_holiday", "before_holiday", "after_holiday", "bridge_day"]
    assert at(channels, index, "2017-01-01") == {"holiday": 1, "weekend_holiday": 1}
    assert at(channels, index, "2017-12-25") == {"holiday": 1}
    assert at(channels, index, "2017-12-24") == {"before_holiday": 1}
    assert at(channels, index, "2017-12-27") == {"after_holiday": 1}
    assert at(channels, index, "2017-10-02") == {"before_holiday": 1, "bridge_day": 1}, "Monday, Unity Day follows"
    assert at(channels, index, "2017-05-26") == {"after_holiday": 1, "bridge_day": 1}, "Friday after Ascension"
    assert at(channels, index, "2017-05-24") == {"before_holiday": 1}
    assert at(channels, index, "2017-03-08") == {}


@pytest.mark.usefixtures("_holidays")
def test_a_holiday_of_some_states_counts_as_their_share_of_the_people():
    index = pd.date_range("2017-06-01", "2017-06-30")
    channels = holiday_channels(index, "DE")
    share = (10.99 + 12.96 + 6.23 + 17.90 + 4.07 + 1.00) / 82.65  # BW, BY, HE, NW, RP and SL of all, millions
    assert at(channels, index, "2017-06-15") == {"holiday": round(share, 6)}, "Corpus Christi"
    assert at(channels, index, "2017-06-14") == {"before_holiday": round(share, 6)}
    friday = at(channels, index, "2017-06-16")
    assert friday == {"after_holiday": round(share, 6), "bridge_day": round(share, 6)}


@pytest.mark.usefixtures("_holidays")
@pytest.mark.usefixtures("_holidays")
def test_states_count_alike_where_nobody_counted_their_people():
    import holidays

    index = pd.date_range("2017-06-01", "2017-06-30")
    cantons = holidays.country_holidays("CH", years=2017).subdivisions
    off = [canton for canton in cantons if "2017-06-15" in holidays.country_holidays("CH", subdiv=canton, years=2017)]
    assert 0 < len(off) < len(cantons)
    assert holiday_channels(index, "CH")["holiday"][14] == pytest.approx(len(off) / len(cantons))


def test_the_end_of_the_year_is_told_day_by_day():
    index = pd.date_range("2018-12-01", "2019-01-31")
    channels = calendar_channels(index, ["year_end"])
    monday = {"christmas_or_new_years_eve": 1, "christmas_week": 1, "near_new_year": 0.125, "around_new_year": 0.533333}
    assert at(channels, index, "2018-12-24") == monday
    friday = {"between_the_years": 1, "christmas_week": 1, "near_new_year": 0.625, "around_new_year": 0.8}
    assert at(channels, index, "2018-12-28") == friday
    assert at(channels, index, "2019-01-05") == {"near_new_year": 0.5, "around_new_year": 0.733333}
    assert at(channels, index, "2019-01-20") == {}


@pytest.mark.usefixtures("_holidays")
def test_a_subdivision_has_its_own_holidays():
    index = pd.date_range("2017-01-01", "2017-12-31")
    bavaria, berlin = (holiday_channels(index, place) for place in ("DE-BY", "DE-BE"))
    assert at(bavaria, index, "2017-06-15") == {"holiday": 1}
    assert at(berlin, index, "2017-06-15") == {}


@pytest.mark.usefixtures("_holidays")
def test_the_first_and_last_day_know_the_holidays_beyond_the_series():
    index = pd.date_range("2017-12-27", "2017-12-31")
    channels = holiday_channels(index, "DE")
    assert at(channels, index, "2017-12-27") == {"after_holiday": 1}
    assert at(channels, index, "2017-12-31") == {"before_holiday": 1}


@pytest.mark.usefixtures("_holidays")
def test_every_hour_of_a_local_holiday_is_one():
    index = pd.date_range("2017-12-24", "2017-12-28", freq="h", tz="Europe/Berlin", inclusive="left")
    np.testing.assert_array_equal(holiday_channels(index, "DE")["holiday"], np.repeat([0, 1, 1, 0], 24))


@pytest.mark.usefixtures("_holidays")
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("XX", "dataset.holidays=XX: no such country"),
        ("utils", "dataset.holidays=utils: no such country"),
        ("de", "dataset.holidays=de: no such country; give its two letters, for example DE"),
        ("DE-XX", r"dataset.holidays=DE-XX: DE has no 'XX' \(there are BB, BE, BW, "),
    ],
)
def test_an_unknown_place_is_refused(place, message):
    with pytest.raises(ConfigError, match=message):
        holiday_channels(pd.date_range("2017-01-01", periods=3), place)


def test_without_the_package_its_installation_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ConfigError) as error:
        holiday_channels(pd.date_range("2017-01-01", periods=3), "DE")
    assert str(error.value) == "dataset.holidays=DE needs the package holidays: pip install holidays"
