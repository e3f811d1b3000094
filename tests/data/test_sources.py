"""The synthetic series and published files. Run: pytest tests/data/test_sources.py"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cnnrun.data import energy_demo as demo
from cnnrun.data.sources import PUBLISHED, read_source
from cnnrun.errors import CnnrunError, ConfigError, DataError

READING: dict[str, Any] = {
    "time": "auto",
    "frequency": None,
    "timezone": None,
    "decimal": "auto",
    "separator": "auto",
    "date_format": "auto",
    "duplicates": "mean",
    "gaps": "forward",
    "gap_limit": 24,
}
OPSD = "Date,Consumption,Wind,Solar,Wind+Solar\n2006-01-01,1069.184,,,\n2006-01-02,1380.521,,,\n"


def test_the_synthetic_series_is_six_years_of_days_without_repairs() -> None:
    series, warnings = read_source("energy_demo", None, columns=["Consumption", "Temperature"], **READING)
    assert warnings == []
    assert series.repairs == ()
    assert series.frequency == "D"
    assert series.index is not None
    assert (str(series.index[0].date()), str(series.index[-1].date())) == ("2018-01-01", "2023-12-31")
    np.testing.assert_array_equal(series.values, demo.energy_demo()[["Consumption", "Temperature"]].to_numpy())


def test_the_synthetic_series_is_a_function_of_its_seed() -> None:
    pd.testing.assert_frame_equal(demo.energy_demo(3), demo.energy_demo(3))
    assert not demo.energy_demo(3).equals(demo.energy_demo(4))


def test_the_synthetic_series_is_made_of_what_its_documentation_says() -> None:
    frame = demo.energy_demo()
    day, temperature = frame.Date.dt.day_of_year.to_numpy(), frame.Temperature.to_numpy()
    working = (~frame.Date.dt.date.isin([day for year in range(2018, 2024) for day in demo.holidays(year)])).to_numpy()
    weekdays = np.stack([(frame.Date.dt.day_of_week == number).to_numpy(float) for number in range(7)], axis=1)
    drivers = np.column_stack(
        [
            np.arange(len(frame)) / 365.25,
            np.cos(2 * np.pi * (day + 10) / 365.25),
            np.maximum(demo.HEATED_BELOW - temperature, 0),
            np.maximum(temperature - demo.COOLED_ABOVE, 0),
            weekdays,
        ]
    )[working]
    found, *_ = np.linalg.lstsq(drivers, frame.Consumption.to_numpy()[working], rcond=None)
    noise = frame.Consumption.to_numpy()[working] - drivers @ found
    kept, deviation = demo.NOISE
    assert noise.std() == pytest.approx(deviation / np.sqrt(1 - kept**2), rel=0.15)
    expected = [demo.TREND, demo.LIGHT, demo.HEATING, demo.COOLING, *(demo.LEVEL + np.array(demo.WEEK))]
    variances = noise.var() * np.diag(np.linalg.inv(drivers.T @ drivers)) * (1 + kept) / (1 - kept)
    assert (np.abs(found - expected) < 4 * np.sqrt(variances)).all()


def test_its_holidays_are_those_of_germany() -> None:
    holidays = pytest.importorskip("holidays")
    for year in range(2018, 2024):
        assert sorted(demo.holidays(year)) == sorted(holidays.country_holidays("DE", years=year))


def test_a_holiday_weighs_as_much_as_it_says() -> None:
    days = pd.date_range("2019-05-01", periods=3)  # Labour Day, a Wednesday, and two days after it
    parts = demo.calendar_part(days) - demo.TREND * np.arange(3) / 365.25 - demo.LEVEL
    assert parts.tolist() == pytest.approx([demo.HOLIDAY, demo.WEEK[3], demo.WEEK[4]])
    bridge = demo.calendar_part(pd.DatetimeIndex(["2019-05-31"]))  # the Friday after Ascension Day
    assert bridge[0] == demo.LEVEL + demo.WEEK[4] + demo.BRIDGE


def test_an_unknown_column_of_the_synthetic_series_is_named() -> None:
    with pytest.raises(DataError, match=r"energy_demo has no column 'Comsumption'.*did you mean 'Consumption'"):
        read_source("energy_demo", None, columns=["Comsumption"], **READING)


def test_a_file_for_the_synthetic_series_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dataset.csv=my.csv is not read: the series is synthetic"):
        read_source("energy_demo", "my.csv", columns=["Consumption"], **READING)


@pytest.mark.parametrize("source", ["opsd_germany", "etth1"])
@pytest.mark.parametrize("csv", [None, "nowhere/data.csv"])
def test_a_missing_file_is_told_with_its_address_and_setting(source: Any, csv: str | None) -> None:
    with pytest.raises(CnnrunError) as told:
        read_source(source, csv, columns=["OT"], **READING)
    assert PUBLISHED[source].url in str(told.value)
    assert "dataset.csv=" in str(told.value)


def test_a_csv_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"dataset.csv=FILE must name the table to read$"):
        read_source("csv", None, columns=["y"], **READING)


def test_another_file_than_the_published_one_is_read_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "opsd.csv"
    path.write_text(OPSD)
    series, warnings = read_source("opsd_germany", str(path), columns=["Consumption"], **READING)
    assert series.values[:, 0].tolist() == [1069.184, 1380.521]
    assert len(warnings) == 1
    assert f"{path} is not the published file" in warnings[0]
    assert PUBLISHED["opsd_germany"].url in warnings[0]
    assert read_source("csv", str(path), columns=["Consumption"], **READING)[1] == []


def test_the_published_file_is_read_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "opsd.csv"
    path.write_text(OPSD)
    published = replace(PUBLISHED["opsd_germany"], sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(PUBLISHED, "opsd_germany", published)
    assert read_source("opsd_germany", str(path), columns=["Consumption"], **READING)[1] == []


def test_a_damaged_published_file_is_refused_for_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with pytest.raises(DataError, match=r"empty.csv is empty$"):
        read_source("etth1", str(tmp_path / "empty.csv"), columns=["OT"], **READING)
