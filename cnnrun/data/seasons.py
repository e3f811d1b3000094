"""How many steps a season has, and which windows suit it, where the frequency tells."""

import re
from dataclasses import dataclass

from cnnrun.data.calendar_features import CalendarFeature

STEPS = {"D": 7, "B": 5, "W": 52, "MS": 12, "ME": 12, "QS": 4, "QE": 4, "YS": 1, "YE": 1}
"""A week of days, a year of weeks, months or quarters; steps below a day: see `season_of`."""
SECONDS = {"h": 3600, "min": 60, "s": 1}


def season_of(frequency: str | None) -> int:
    """Steps of the seasonal-naive forecast: a day where steps are shorter than that and part it evenly.

    Args:
        frequency: as pandas writes it, such as 15min, D or W-SUN.
    Returns:
        1, which is the naive forecast, where the frequency is not known or tells nothing.
    """
    found = re.fullmatch(r"(\d*)([A-Za-z]+)(-\w+)?", frequency or "")
    if not found:
        return 1
    count, unit = int(found[1] or 1), found[2]
    if unit in SECONDS:
        season, rest = divmod(86_400, count * SECONDS[unit])
        return 1 if rest or not season else season if season > 1 else STEPS["D"]
    return STEPS.get(unit, 1) if count == 1 else 1


@dataclass(frozen=True)
class Windows:
    """What a series is forecast with that nobody chose windows for."""

    lookback: int
    horizon: int
    calendar: tuple[CalendarFeature, ...]


OF_UNIT = {
    "D": Windows(28, 7, ("day_of_week", "day_of_year", "year_end")),
    "B": Windows(20, 5, ("day_of_week", "day_of_year", "year_end")),
    "W": Windows(52, 4, ("day_of_year",)),
    "MS": Windows(24, 6, ("month",)),
    "ME": Windows(24, 6, ("month",)),
}
OTHERWISE = Windows(12, 1, ())
MOST_STEPS = 96
"""In a day that is forecast as a whole; of a minute meter a week is 10,080 steps, too many to begin with."""
OF_SHORT_STEPS = Windows(168, 24, ("hour", "day_of_week"))


def windows_for(frequency: str | None) -> Windows:
    """A week of days from four, half a year of months from two years; a day of shorter steps from a week."""
    season = season_of(frequency)
    unit = re.sub(r"-.*", "", frequency or "")
    if unit in OF_UNIT or season == 1 or unit in STEPS:
        return OF_UNIT.get(unit, OTHERWISE)
    if season > MOST_STEPS:
        return OF_SHORT_STEPS
    return Windows(7 * season, season, ("hour", "day_of_week"))
