"""Clocks that are changed; zones of the system are the oracle. Run: pytest tests/data/test_daylight_saving.py"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cnnrun.data.series import Series

Read = Callable[..., Series]

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Sydney", "UTC"]
CHANGES = {"Europe/Berlin": ("2021-03-28", "2021-10-31"), "America/New_York": ("2021-03-14", "2021-11-07")}


def instants(zone: str, frequency: str = "h", begin: str = "2021-01-01", end: str = "2021-12-31") -> pd.DatetimeIndex:
    return pd.date_range(begin, end, freq=frequency, tz=zone).as_unit("us")


def csv(stamps: pd.DatetimeIndex, date_format: str = "%Y-%m-%d %H:%M", *, last_first: bool = False) -> str:
    rows = [f"{text},{number}" for number, text in enumerate(stamps.strftime(date_format))]
    return "\n".join(["t,y", *(reversed(rows) if last_first else rows), ""])


def counts(series: Series) -> dict[str, int]:
    return {repair.kind: repair.count for repair in series.repairs}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("frequency", ["15min", "h", "D"])
def test_local_stamps_with_their_zone_need_no_repair(read: Read, zone: str, frequency: str) -> None:
    index = instants(zone, frequency)
    for last_first in (False, True):
        series = read(csv(index, last_first=last_first), timezone=zone)
        assert series.index is not None
        assert series.index.equals(index)
        assert series.frequency == frequency
        assert series.values[:, 0].tolist() == list(range(len(index)))
        found = set(counts(series)) - ({"rows out of order"} if last_first else set())
        assert all(kind.startswith("days of") for kind in found)


@pytest.mark.parametrize(("zone", "days"), CHANGES.items())
def test_days_of_23_and_25_hours_are_counted(read: Read, zone: str, days: tuple[str, str]) -> None:
    series = read(csv(instants(zone)), timezone=zone)
    assert [(repair.kind, repair.count, repair.first, repair.last) for repair in series.repairs] == [
        ("days of 23 hours", 1, days[0], days[0]),
        ("days of 25 hours", 1, days[1], days[1]),
    ]


@pytest.mark.parametrize("zone", CHANGES)
def test_stamps_at_the_end_of_their_interval_fit_the_clock_too(read: Read, zone: str) -> None:
    begins = instants(zone)
    local_ends = (begins.tz_localize(None) + pd.Timedelta(1, "h")).strftime("%Y-%m-%d %H:%M")
    text = "\n".join(["t,y", *(f"{end},{number}" for number, end in enumerate(local_ends)), ""])
    series = read(text, timezone=zone)
    assert series.index is not None
    assert series.index.equals(begins + pd.Timedelta(1, "h"))
    assert series.observed.all()
    assert set(counts(series)) == {"interval ends", "days of 23 hours", "days of 25 hours"}


@pytest.mark.parametrize("zone", CHANGES)
def test_without_the_zone_the_report_says_what_it_looks_like(read: Read, zone: str) -> None:
    series = read(csv(instants(zone)))
    assert series.index is not None
    assert series.index.equals(instants("UTC").tz_localize(None))
    assert {kind: counts(series)[kind] for kind in ("duplicate timestamps", "missing rows")} == {
        "duplicate timestamps": 1,
        "missing rows": 1,
    }
    repair = series.repairs[-1]
    assert (repair.kind, repair.count) == ("looks like daylight saving", 2)
    assert (repair.first, repair.last) == CHANGES[zone]
    assert f"dataset.timezone={zone}" in repair.treatment


def test_other_gaps_do_not_look_like_daylight_saving(read: Read) -> None:
    stamps = instants("UTC").tz_localize(None)
    series = read(csv(stamps.delete([100, 5000])))
    assert counts(series) == {"missing rows": 2}


def test_offsets_that_differ_give_the_same_instants_with_and_without_a_zone(read: Read) -> None:
    index = instants("Europe/Berlin")
    text = csv(index, "%Y-%m-%dT%H:%M%z")
    local, universal = read(text, timezone="Europe/Berlin"), read(text)
    assert local.index is not None
    assert local.index.equals(index)
    assert universal.index is not None
    assert universal.index.equals(index.tz_convert("UTC"))
    assert counts(universal) == {"UTC offsets that differ": len(index)}
    assert set(counts(local)) == {"days of 23 hours", "days of 25 hours"}


def test_days_with_offsets_are_days_of_the_zone(read: Read) -> None:
    index = instants("Europe/Berlin", "D")
    series = read(csv(index, "%Y-%m-%dT%H:%M%z"), timezone="Europe/Berlin")
    assert series.index is not None
    assert series.index.equals(index)
    assert series.frequency == "D"


def test_a_stamp_that_the_clock_skips_is_read_an_hour_later_and_counted(read: Read) -> None:
    stamps = pd.date_range("2021-03-27", "2021-03-29", freq="h")  # 02:00 on the 28th does not exist in Berlin
    series = read(csv(stamps), timezone="Europe/Berlin")
    assert series.index is not None
    assert len(series.index) == 48
    assert counts(series) == {"local times that do not exist": 1, "duplicate timestamps": 1, "days of 23 hours": 1}


def test_an_hour_that_stands_only_once_leaves_a_gap(read: Read) -> None:
    stamps = pd.date_range("2021-10-30", "2021-11-01", freq="h")
    series = read(csv(stamps), timezone="Europe/Berlin")
    assert np.flatnonzero(~series.observed[:, 0]).tolist() == [27]
    assert counts(series) == {"missing rows": 1, "days of 25 hours": 1}


def test_a_midnight_that_the_clock_skips_is_still_a_day(read: Read) -> None:
    stamps = pd.date_range("2018-11-01", periods=10)  # in São Paulo the 4th begins at one
    series = read(csv(stamps), timezone="America/Sao_Paulo")
    assert series.repairs == ()
    assert series.index is not None
    assert series.index.tz_localize(None).normalize().tolist() == stamps.tolist()


def test_steps_of_four_local_hours_are_regular_by_the_local_clock(read: Read) -> None:
    stamps = pd.date_range("2021-03-20", "2021-04-05", freq="4h")
    series = read(csv(stamps), timezone="Europe/Berlin")
    assert series.frequency == "4h"
    assert series.index is not None
    assert series.index.tz_localize(None).tolist() == stamps.tolist()
    assert series.observed.all()
