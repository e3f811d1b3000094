"""What the calendar says of every step, and so of steps that are yet to come: hour, day, season, public holidays."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from cnnrun.errors import ConfigError

if TYPE_CHECKING:
    import holidays
    import pandas as pd

CalendarFeature = Literal["hour", "day_of_week", "weekend", "day_of_year", "month", "year_end"]
"""hour and month: a sine and a cosine, so that the last is next to the first; day_of_year: three of each, with one to
three periods a year; day_of_week: seven columns of 0 and 1, for a weekday is like no other; weekend: 1 on Saturday and
Sunday; year_end: the days around Christmas and New Year, five columns."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEIGHTS = {
    "DE": {"BB": 2.50, "BE": 3.59, "BW": 10.99, "BY": 12.96, "HB": 0.68, "HE": 6.23, "HH": 1.82, "MV": 1.61, "NI": 7.95}
    | {"NW": 17.90, "RP": 4.07, "SH": 2.89, "SL": 1.00, "SN": 4.08, "ST": 2.23, "TH": 2.15},
}
"""Millions of people in the subdivisions of a country (Federal Statistical Office, mean of 2017, rounded); where there
are no numbers, all subdivisions count alike."""
FURTHER = {"DE-BY": ("catholic",)}
"""Kinds of days that the package holidays tells from public ones, and that most people there have off."""
Channels = dict[str, np.ndarray]
"""(T,) float64 each, by name."""


def calendar_channels(index: "pd.DatetimeIndex", features: Sequence[CalendarFeature]) -> Channels:
    """The channels of these features at every stamp of the index, in local time where it has a zone."""
    channels: Channels = {}
    for feature in features:
        channels |= CALENDAR[feature](index)
    return channels


def varies(index: "pd.DatetimeIndex", feature: CalendarFeature) -> bool:
    """Whether a feature tells one stamp from another; the hour of daily data does not."""
    return any(np.ptp(channel) > 0 for channel in CALENDAR[feature](index).values())


def require_varying(index: "pd.DatetimeIndex", features: Sequence[CalendarFeature]) -> None:
    """Raise ConfigError for a feature that is the same at every stamp."""
    for feature in features:
        if not varies(index, feature):
            raise ConfigError(f"dataset.calendar: '{feature}' is the same in all {len(index):,} rows; leave it out")


def holiday_channels(index: "pd.DatetimeIndex", place: str) -> Channels:
    """Public holidays at the stamps of a sorted index, and the days around them on which people take leave.

    `holiday` is the share of the place's people who have one, by its subdivisions: 1 on a holiday of the whole place;
    `weekend_holiday` is the same on a weekend, where it changes less. `before_holiday` and `after_holiday` are the
    shares of the days beside one, `bridge_day` of working days between two that are not. (A ridge on 28 lags and the
    calendar errs by 1.24 % on the OPSD series, mean of 2014 to 2016, and by 1.39 % if a day is a holiday of the whole
    country or none.)

    Args:
        place: a country as the package `holidays` writes it, such as DE, or one of its subdivisions, such as DE-BY.
    Raises:
        ConfigError: if the package is not installed, or does not know the place.
    """
    days = index.tz_localize(None).to_numpy().astype("datetime64[D]")
    first = days[0] - 1
    every = np.arange(first, days[-1] + 2)
    rows = (days - first).astype(int)
    return {name: channel[rows] for name, channel in _holidays_of(every, place).items()}


def _holidays_of(days: np.ndarray, place: str) -> Channels:
    """The channels of consecutive days (D,) datetime64[D]; the first and last only serve as neighbours."""
    years = range(days[0].astype(object).year, days[-1].astype(object).year + 1)
    calendar = _calendar(place, years)
    holiday = _share(days, place, years, calendar)
    weekend = np.isin((days.astype(int) + 3) % 7, list(calendar.weekend))  # 1970-01-01 was a Thursday
    off = np.maximum(holiday, weekend)
    return {
        "holiday": holiday,
        "weekend_holiday": holiday * weekend,
        "before_holiday": np.roll(holiday, -1) * (1 - holiday),
        "after_holiday": np.roll(holiday, 1) * (1 - holiday),
        "bridge_day": np.roll(off, 1) * (1 - off) * np.roll(off, -1),
    }


def _share(days: np.ndarray, place: str, years: range, calendar: "holidays.HolidayBase") -> np.ndarray:
    """Of the place's people who have a holiday on each day."""
    parts = {} if "-" in place else WEIGHTS.get(place) or dict.fromkeys(calendar.subdivisions, 1.0)
    if not parts:
        return np.isin(days, _dates(calendar)).astype(np.float64)
    count = np.zeros(len(days))
    for part, weight in parts.items():
        count += weight * np.isin(days, _dates(_calendar(f"{place}-{part}", years)))
    return count / sum(parts.values())


def _dates(calendar: "holidays.HolidayBase") -> np.ndarray:
    return np.array(sorted(calendar), dtype="datetime64[D]")


def _calendar(place: str, years: range) -> "holidays.HolidayBase":
    try:
        import holidays
    except ImportError as error:
        raise ConfigError(f"dataset.holidays={place} needs the package holidays: pip install holidays") from error
    country, _, subdivision = place.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        raise ConfigError(f"dataset.holidays={place}: no such country; give its two letters, for example DE")
    try:
        categories = ("public", *FURTHER.get(place, ()))
        return holidays.country_holidays(country, subdiv=subdivision or None, years=years, categories=categories)
    except NotImplementedError as error:
        raise ConfigError(
            f"dataset.holidays={place}: {country} has no '{subdivision}' (there are {', '.join(known[country])})"
        ) from error


def _circle(name: str, part: np.ndarray) -> Channels:
    """Sine and cosine of a part (T,) of a whole turn, 0 to 1."""
    return {f"{name}_sin": np.sin(2 * np.pi * part), f"{name}_cos": np.cos(2 * np.pi * part)}


def _hour(index: "pd.DatetimeIndex") -> Channels:
    return _circle("hour", (index.hour.to_numpy() + index.minute.to_numpy() / 60) / 24)


def _day_of_year(index: "pd.DatetimeIndex") -> Channels:
    year = (index.day_of_year.to_numpy() - 1) / np.where(index.is_leap_year, 366, 365)
    return _circle("day_of_year", year) | _circle("day_of_year_2", 2 * year) | _circle("day_of_year_3", 3 * year)


def _month(index: "pd.DatetimeIndex") -> Channels:
    return _circle("month", (index.month.to_numpy() - 1) / 12)


def _day_of_week(index: "pd.DatetimeIndex") -> Channels:
    today = index.day_of_week.to_numpy()
    return {name: (today == day).astype(np.float64) for day, name in enumerate(DAYS)}


def _weekend(index: "pd.DatetimeIndex") -> Channels:
    return {"weekend": (index.day_of_week.to_numpy() >= 5).astype(np.float64)}


def _year_end(index: "pd.DatetimeIndex") -> Channels:
    month, day = index.month.to_numpy(), index.day.to_numpy()
    december, january = month == 12, month == 1
    eve = december & ((day == 24) | (day == 31))
    days_off = np.where(december, 31 - day, np.where(january, day - 1, 31))  # from the nearest of Dec 31 and Jan 1
    channels = {
        "christmas_or_new_years_eve": eve & (index.day_of_week.to_numpy() < 5),
        "between_the_years": december & (day >= 27) & (day <= 30),
        "christmas_week": (december & (day >= 24)) | (january & (day == 1)),
        "near_new_year": np.clip(1 - days_off / 8, 0, 1),
        "around_new_year": np.clip(1 - days_off / 15, 0, 1),
    }
    return {name: channel.astype(np.float64) for name, channel in channels.items()}


CALENDAR: dict[CalendarFeature, Callable[["pd.DatetimeIndex"], Channels]] = {
    "hour": _hour,
    "day_of_week": _day_of_week,
    "weekend": _weekend,
    "day_of_year": _day_of_year,
    "month": _month,
    "year_end": _year_end,
}
