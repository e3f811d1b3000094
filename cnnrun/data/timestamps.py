"""Text to timestamps: the format that every row agrees with, and a question back where two readings do."""

import re
import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from cnnrun.errors import ConfigError, DataError

YEAR_FIRST = re.compile(r"\d{4}([-/. ]\d{1,2}([-/. ]\d{1,2}.*)?)?$|\d{4}[01]\d[0-3]\d([ T].*)?$")
"""ISO 8601 and its near relatives: year, month, day, in this order, always."""
PARTS = re.compile(r"(\d{1,4})([-/. ])(\d{1,2})\2(\d{4}|\d{2})(?=\D|$)")
ORDERS = ("%d{0}%m{0}%{1}", "%m{0}%d{0}%{1}")
YEAR_FIRST_ORDER = "%y-%m-%d"
"""Of two digits only: nobody writes 17.01.31 or 17/01/31 with the year first."""
OFFSET = re.compile(r"(?:[zZ]|[+-]\d\d(?::?\d\d)?)$")
TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    "T%H:%M",
    "T%H:%M:%S",
    " %H:%M:%S.%f",
    "T%H:%M:%S.%f",
    " %I:%M %p",
    " %I:%M:%S %p",
    " %H:%M%z",
    " %H:%M:%S%z",
    "T%H:%M:%S%z",
)
LEAST_SHARE = 0.5
"""Of a column's cells that must look like dates before it is taken for the time."""
EPOCHS: dict[int, Literal["s", "ms"]] = {10: "s", 13: "ms"}
"""Digits of a number of seconds or milliseconds since 1970, in this century, and pandas' unit."""

Place = Callable[[int], str]
"""What a message calls a row: file, line, column."""


class AmbiguousDates(DataError):
    """Every row can be read in more than one way, and they differ."""


def parse_stamps(texts: pd.Series, date_format: str, place: Place) -> pd.DatetimeIndex:
    """(T,) in microseconds; naive, or where the texts carry UTC offsets, aware: in UTC if the offsets differ.

    Args:
        texts: (T,) str, none missing, without spaces around them. date_format: `auto`, or as strptime has it.
    Raises:
        DataError: with line and text where one is no date; AmbiguousDates: with all readings of an example.
    """
    if date_format != "auto":
        return _given(texts, date_format, place)
    first = texts.iloc[0]
    if YEAR_FIRST.match(first):
        stamps = _iso(texts, place)
    elif first.isdigit() and len(first) in EPOCHS:
        numbers = pd.to_numeric(texts, errors="coerce")
        stamps = pd.to_datetime(pd.Index(numbers), unit=EPOCHS[len(first)], utc=True, errors="coerce")
    else:
        stamps = _by_format(texts, _settled(texts, place))
        _refuse_exchanged(stamps, texts, place)
    _refuse_missing(stamps, texts, place, "see dataset.date_format")
    return stamps.as_unit("us")


def _refuse_exchanged(stamps: pd.DatetimeIndex, texts: pd.Series, place: Place) -> None:
    """Raise DataError for dates that are in order once day and month are exchanged wherever both readings are dates.

    A spreadsheet leaves such a file that took 02/01/2020 for its own kind of date, and 13/01/2020 for text.
    """
    if stamps.hasnans or stamps.is_monotonic_increasing or stamps.is_monotonic_decreasing:
        return
    both = stamps.day <= 12
    days = pd.DataFrame({"year": stamps.year, "month": stamps.month, "day": stamps.day})
    days.loc[both, ["month", "day"]] = days.loc[both, ["day", "month"]].to_numpy()
    exchanged = pd.DatetimeIndex(pd.to_datetime(days)) + (
        stamps.tz_localize(None) - stamps.tz_localize(None).normalize()
    )
    if exchanged.is_monotonic_increasing or exchanged.is_monotonic_decreasing:
        row = int((np.diff(stamps.asi8) < 0).argmax()) + 1
        raise DataError(
            f"{place(row)}: '{texts.iloc[row]}' is before the row above it, and all rows are in order if day and month "
            "are exchanged wherever the day is 12 or less, as a spreadsheet may leave them; write dates as 2017-01-31"
        )


def are_dates(texts: pd.Series, date_format: str) -> bool:
    """Whether most of a few cells look like dates; plain numbers do not, but for 20170131."""
    if texts.empty:
        return False
    if date_format != "auto":
        return bool(_read_as_told(texts, date_format).notna().mean() >= LEAST_SHARE)
    return sum(map(_is_date, texts)) >= LEAST_SHARE * len(texts)


def offsets_differ(texts: pd.Series) -> bool:
    return len({found[0] if (found := OFFSET.search(text)) else "" for text in texts}) > 1


def _is_date(text: str) -> bool:
    if text.replace(".", "", 1).isdigit() and len(text) != 8:
        return False
    return bool(YEAR_FIRST.match(text) or PARTS.match(text)) or _guess(text) is not None


def _given(texts: pd.Series, date_format: str, place: Place) -> pd.DatetimeIndex:
    index = pd.DatetimeIndex(_read_as_told(texts, date_format))
    _refuse_missing(index, texts, place, f"it does not fit dataset.date_format={date_format}")
    return index.as_unit("us")


def _read_as_told(texts: pd.Series, date_format: str) -> pd.Series:
    try:
        return _read(texts, date_format)
    except (ValueError, re.error) as error:
        raise ConfigError(f"dataset.date_format={date_format}: {error}") from error


def _iso(texts: pd.Series, place: Place) -> pd.DatetimeIndex:
    stamps = pd.DatetimeIndex(_read(texts, "ISO8601"))
    if stamps.tz is not None:
        naive = [OFFSET.search(text) is None for text in texts]
        if any(naive):
            row = naive.index(True)
            raise DataError(
                f"{place(row)}: '{texts.iloc[row]}' has no UTC offset, and other rows have one; write all alike"
            )
    return stamps


def _settled(texts: pd.Series, place: Place) -> str:
    """The format of the dates, without time of day, that fits more of the file than any other."""
    first = texts.iloc[0]
    parts = PARTS.match(first)
    if parts is None:
        return _worded(first, place)
    days = pd.Series(list(dict.fromkeys(text[: _length_of_date(text)] for text in texts)))
    readings = {}
    formats = [order.format(parts[2], "y" if len(parts[4]) == 2 else "Y") for order in ORDERS]
    for date_format in formats + [YEAR_FIRST_ORDER] * (parts[2] == "-" and len(parts[4]) == len(parts[1]) == 2):
        readings[date_format] = pd.to_datetime(days, format=date_format, errors="coerce")
    fitting = [date_format for date_format, reading in readings.items() if reading.notna().all()]
    differ = {name: readings[name] for name in fitting if not readings[name].equals(readings[fitting[0]])}
    if differ:
        _ask(texts, days, readings[fitting[0]], {fitting[0]: readings[fitting[0]], **differ}, place)
    return max(readings, key=lambda name: readings[name].notna().sum())


def _length_of_date(text: str) -> int:
    found = PARTS.match(text)
    return found.end() if found else len(text)


def _ask(texts: pd.Series, days: pd.Series, one: pd.Series, readings: dict[str, pd.Series], place: Place) -> None:
    """Raise the question which of the readings is meant, by a day at which they differ."""
    other = list(readings.values())[1]
    number = int((one != other).to_numpy().argmax())
    row = next(row for row, text in enumerate(texts) if text.startswith(days[number]))
    meant = " or ".join(f"{reading[number]:%-d %B %Y}" for reading in readings.values())
    settings = " or ".join(f"dataset.date_format={name}{_time_of(texts.iloc[row])}" for name in readings)
    raise AmbiguousDates(
        f"{place(row)}: '{texts.iloc[row]}' may be {meant}, and no other row settles it; set {settings}"
    )


def _time_of(text: str) -> str:
    """The strptime format of what follows the date."""
    tail = text[_length_of_date(text) :]
    for time in TIMES:
        if pd.notna(pd.to_datetime(f"2000{tail}", format=f"%Y{time}", errors="coerce")):
            return time
    return ""


def _worded(first: str, place: Place) -> str:
    """The format of a date with the month's name."""
    guess = _guess(first)
    if guess is None:
        raise DataError(f"{place(0)}: '{first}' is no date; see dataset.date_format")
    return re.split(r"[ T]%[HI]", guess)[0]


def _guess(text: str) -> str | None:
    guess = guess_datetime_format(text)
    return guess if guess and "%Y" in guess and ("%b" in guess or "%B" in guess) else None


def _by_format(texts: pd.Series, date_format: str) -> pd.DatetimeIndex:
    """Rows may differ in their time of day: exports leave it out at midnight."""
    first = _time_of(texts.iloc[0])
    stamps = _read(texts, date_format + first)
    for time in TIMES:
        rest = stamps.isna()
        if not rest.any():
            break
        if ("%z" in time) == ("%z" in first) and time != first:
            stamps = stamps.where(~rest, _read(texts.where(rest), date_format + time))
    return pd.DatetimeIndex(stamps)


def _read(texts: pd.Series, date_format: str) -> pd.Series:
    """As naive times, or with one offset for all; in UTC where offsets differ."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # how pandas 2 tells offsets that differ
        try:
            return pd.to_datetime(texts, format=date_format, errors="coerce")
        except (ValueError, FutureWarning):
            return pd.to_datetime(texts, format=date_format, errors="coerce", utc=True)


def _refuse_missing(stamps: pd.DatetimeIndex, texts: pd.Series, place: Place, remedy: str) -> None:
    missing = np.asarray(stamps.isna())
    if missing.any():
        row = int(missing.argmax())
        more = f" (the first of {missing.sum():,} such cells)" if missing.sum() > 1 else ""
        raise DataError(f"{place(row)}: '{texts.iloc[row]}' is no date{more}; {remedy}")
