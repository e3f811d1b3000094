"""Local timestamps to instants where clocks are changed, and the marks that a change leaves where no zone is given."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import pandas as pd

from cnnrun.data.repairs import Repair, repair_of_stamps
from cnnrun.errors import ConfigError, near_miss

EXAMPLES = ("Europe/Berlin", "America/New_York", "Australia/Sydney")
"""Zones whose days of change are looked for in stamps without a zone."""
NIGHT_HOURS = 4
"""Clocks are changed before this hour."""


def zone(timezone: str) -> ZoneInfo:
    """Raises: ConfigError: with near misses."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        hint = near_miss(timezone, available_timezones()) or "; names are such as Europe/Berlin or UTC"
        raise ConfigError(f"dataset.timezone={timezone} is no time zone{hint}") from error


def localise(stamps: pd.DatetimeIndex, timezone: str) -> tuple[pd.DatetimeIndex, list[Repair]]:
    """(T,) naive local stamps, in the order of the file, to aware ones.

    The hour that comes twice in autumn is told apart by the order of the rows. Stamps may be the beginnings of their
    intervals or the ends: an hour that ends at 03:00 may exist where one that begins then does not. Of the two
    readings, that one is taken which leaves fewer stamps that do not exist or come twice.
    """
    zone(timezone)
    falling = (np.diff(stamps.asi8) < 0).mean() > 0.5 if len(stamps) > 1 else False
    forward = stamps[::-1] if falling else stamps
    step = _common_step(stamps)
    aware, skipped = _as_starts(forward, timezone)
    at_end = False
    if step is not None and step < pd.Timedelta(1, "D") and _misfits(aware, skipped):
        shifted, fewer = _as_starts(forward - step, timezone)
        if _misfits(shifted, fewer) < _misfits(aware, skipped):
            aware, skipped, at_end = shifted + step, fewer, True
    repairs = []
    if at_end:
        treatment = "timestamps read as the ends of their intervals, as then they fit the changes of the clock"
        repairs.append(Repair("interval ends", "", len(stamps), "", "", treatment))
    if skipped.any():
        repairs.append(
            repair_of_stamps("local times that do not exist", forward[skipped], "read as if the clock had not changed")
        )
    return (aware[::-1] if falling else aware).as_unit("us"), repairs


def changed_days(index: pd.DatetimeIndex) -> list[Repair]:
    """Days of 23 and 25 hours that an aware index covers; they are no repairs, only counted."""
    repairs = []
    for hours, days in days_by_hours(index[0], index[-1]).items():
        repairs.append(repair_of_stamps(f"days of {hours:g} hours", days, "kept: the clock was changed"))
    return repairs


def days_by_hours(first: pd.Timestamp, last: pd.Timestamp) -> dict[float, pd.DatetimeIndex]:
    """The local days between two aware stamps that have not 24 hours, by their hours."""
    days = pd.date_range(first.tz_localize(None).normalize(), last.tz_localize(None).normalize() + pd.Timedelta(1, "D"))
    midnights = _standard(days, str(first.tz)).tz_convert("UTC").tz_localize(None)
    hours = np.diff(midnights.as_unit("us").asi8) / 3.6e9
    return {value: days[:-1][hours == value] for value in np.unique(hours[hours != 24])}


def looks_like_daylight_saving(
    duplicates: pd.DatetimeIndex, before_gaps: pd.DatetimeIndex, first: pd.Timestamp, last: pd.Timestamp
) -> list[Repair]:
    """Tell where nightly duplicates and gaps of one hour fall on the days on which some zone changes its clock.

    Args:
        duplicates: stamps that come twice. before_gaps: the first missing stamp of each short gap. All naive.
    """
    best = max(
        (_on_changed_days(duplicates, before_gaps, first, last, name) for name in EXAMPLES),
        key=lambda found: len(found[0]),
    )
    days, name = best
    if not len(days):
        return []
    treatment = f"left as they are; dataset.timezone={name}, or the place of the data, keeps these hours apart"
    return [repair_of_stamps("looks like daylight saving", days, treatment)]


def _on_changed_days(
    duplicates: pd.DatetimeIndex, gaps: pd.DatetimeIndex, first: pd.Timestamp, last: pd.Timestamp, name: str
) -> tuple[pd.DatetimeIndex, str]:
    by_hours = days_by_hours(
        first.tz_localize(name, ambiguous=True, nonexistent="shift_forward"),
        last.tz_localize(name, ambiguous=True, nonexistent="shift_forward"),
    )
    none = pd.DatetimeIndex([])
    at_night = [stamps[stamps.hour < NIGHT_HOURS].normalize() for stamps in (duplicates, gaps)]
    long = at_night[0].intersection(by_hours.get(25.0, none))
    short = at_night[1].intersection(by_hours.get(23.0, none))
    return long.union(short).unique(), name


def _as_starts(stamps: pd.DatetimeIndex, timezone: str) -> tuple[pd.DatetimeIndex, np.ndarray]:
    """Aware stamps, and which of them the clock skips."""
    everywhere = np.ones(len(stamps), bool)
    skipped = np.asarray(stamps.tz_localize(timezone, ambiguous=everywhere, nonexistent="NaT").isna())
    unclear = np.asarray(stamps.tz_localize(timezone, ambiguous="NaT", nonexistent="shift_forward").isna())
    summer = everywhere.copy()
    if unclear.any():
        summer[unclear] = pd.Series(stamps[unclear]).groupby(stamps[unclear]).cumcount().to_numpy() == 0
    aware = stamps.tz_localize(timezone, ambiguous=summer, nonexistent="shift_forward")
    if skipped.any():
        aware = aware.where(~skipped, _standard(stamps, timezone))
    return aware, skipped


def _standard(stamps: pd.DatetimeIndex, timezone: str) -> pd.DatetimeIndex:
    """Aware stamps; one that the clock skips gets the instant it would have had without the change."""
    day = pd.Timedelta(1, "D")
    everywhere = np.ones(len(stamps), bool)
    known = stamps.tz_localize(timezone, ambiguous=everywhere, nonexistent="NaT")
    before = (stamps - day).tz_localize(timezone, ambiguous=everywhere, nonexistent="shift_forward")
    return known.where(known.notna(), (before.tz_convert("UTC") + day).tz_convert(timezone))


def _misfits(aware: pd.DatetimeIndex, skipped: np.ndarray) -> int:
    return int(skipped.sum()) + int(aware.duplicated().sum())


def _common_step(stamps: pd.DatetimeIndex) -> pd.Timedelta | None:
    steps = np.diff(np.unique(stamps.as_unit("us").asi8))
    if not len(steps):
        return None
    values, counts = np.unique(steps, return_counts=True)
    return pd.Timedelta(int(values[counts.argmax()]), "us")
