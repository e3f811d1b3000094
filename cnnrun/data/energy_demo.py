"""A synthetic daily series, so that a first forecast needs no file; every part of it is known."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

FIRST_DAY, NUM_DAYS = "2018-01-01", 2191
"""Six years, to the end of 2023."""
SEED = 0

LEVEL = 1200.0  # MWh on a working day, when nobody heats
TREND = 18.0  # MWh more each year
WEEK = (0.0, 12.0, 15.0, 10.0, -15.0, -160.0, -230.0)  # MWh, Monday to Sunday
HOLIDAY = -210.0  # MWh on a holiday that is no Saturday or Sunday
BRIDGE = -60.0  # MWh on a Monday before, or a Friday after a holiday
LIGHT = 45.0  # MWh more at the winter solstice than on average
HEATING, HEATED_BELOW = 9.0, 15.0  # MWh for each degree Celsius below
COOLING, COOLED_ABOVE = 6.0, 20.0  # MWh for each degree Celsius above
TEMPERATURE, SWING, COLDEST_DAY = 10.0, 9.0, 20  # yearly mean and amplitude in degrees Celsius, day of the year
WEATHER = (0.8, 2.2)  # of the temperature's deviation: what is left of it a day later, degrees Celsius added each day
NOISE = (0.5, 14.0)  # of consumption: the same, in MWh; nobody can forecast better than the second number


def energy_demo(seed: int = SEED) -> pd.DataFrame:
    """(T, 3): Date, Consumption in MWh, Temperature in degrees Celsius; the same for a seed everywhere.

    Consumption is the sum of level, trend, week, holidays, light, heating, cooling, and autoregressive noise. The
    day's temperature drives it, so yesterday's tells only part.
    """
    generator = np.random.default_rng(seed)
    days = pd.date_range(FIRST_DAY, periods=NUM_DAYS)
    year = 2 * np.pi / 365.25
    season = np.cos(year * (days.day_of_year.to_numpy() - COLDEST_DAY))
    temperature = np.round(TEMPERATURE - SWING * season + _autoregressive(generator, *WEATHER), 1)
    consumption = calendar_part(days) + LIGHT * np.cos(year * (days.day_of_year.to_numpy() + 10))
    consumption += HEATING * np.maximum(HEATED_BELOW - temperature, 0)
    consumption += COOLING * np.maximum(temperature - COOLED_ABOVE, 0)
    consumption += _autoregressive(generator, *NOISE)
    return pd.DataFrame({"Date": days, "Consumption": np.round(consumption, 2), "Temperature": temperature})


def calendar_part(days: pd.DatetimeIndex) -> np.ndarray:
    """(T,) MWh of level, trend, week and holidays."""
    weekday = days.day_of_week.to_numpy()
    free = {day for year in days.year.unique() for day in holidays(int(year))}
    bridges = {day - timedelta(1) for day in free if day.weekday() == 1} | {
        day + timedelta(1) for day in free if day.weekday() == 3
    }
    is_free, is_bridge = (np.array([day in found for day in days.date]) for found in (free, bridges - free))
    week = np.asarray(WEEK)[weekday]
    trend = TREND * np.arange(len(days)) / 365.25
    return LEVEL + trend + np.where(is_free & (weekday < 5), HOLIDAY, week + BRIDGE * is_bridge)


def holidays(year: int) -> list[date]:
    """Those of all German states, so that dataset.holidays=DE fits."""
    fixed = [date(year, 1, 1), date(year, 5, 1), date(year, 10, 3), date(year, 12, 25), date(year, 12, 26)]
    easter = pd.offsets.Easter().rollforward(pd.Timestamp(year, 1, 1)).date()
    return fixed + [easter + timedelta(days) for days in (-2, 1, 39, 50)]


def _autoregressive(generator: np.random.Generator, kept: float, deviation: float) -> np.ndarray:
    """(T,) x[t] = kept x[t-1] + a normal number of this deviation."""
    values = generator.normal(0, deviation, NUM_DAYS)
    for day in range(1, NUM_DAYS):
        values[day] += kept * values[day - 1]
    return values
