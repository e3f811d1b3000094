"""Text to timestamps: the format that every row agrees with, and a question back where two readings do."""

import re
from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd

from cnnrun.errors import ConfigError, DataError

YEAR_FIRST = re.compile(r"\d{4}([-/. ]\d{1,2}([-/. ]\d{1,2}.*)?)?$|\d{4}[01]\d[0-3]\d([ T].*)?$")
"""ISO 8601 and its near relatives: year, month, day, in this order, always."""
PARTS = re.compile(r"(\d{1,4})([-/. ])(\d{1,2})\2(\d{4}|\d{2})(?=\D|$)")
ORDERS = {"4": ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y"), "2": ("%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d")}
"""By the digits of the last part."""
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
EPOCHS: dict[int, Literal["s", "ms"]] = {10: "s", 13: "ms"}
"""Digits of a number of seconds or milliseconds since 1970, in this century, and pandas' unit."""

Place = Callable[[int], str]
"""What a message calls a row: file, line, column."""


class AmbiguousDates(DataError):
    """Every row can be read in more than one way, and they differ."""


def parse_stamps(texts: pd.Series, date_format: str, place: Place) -> pd.DatetimeIndex:
    """(T,) in microseconds; naive, or where the texts carry UTC offsets, aware: in UTC if the offsets differ.

    Args:
        texts: (T,) str, none missing. date_format: `auto`, or as strptime has it.
    Raises:
        DataError: with line and text where one is no date; AmbiguousDates: with all readings of an example.
    """
    if date_format != "auto":
        return _given(texts, date_format, place)
    texts = texts.str.strip()
    first = texts.iloc[0]
    if YEAR_FIRST.match(first):
        stamps = _iso(texts, place)
    elif first.isdigit() and len(first) in EPOCHS:
        numbers = pd.to_numeric(texts, errors="coerce")
        stamps = pd.to_datetime(pd.Index(numbers), unit=EPOCHS[len(first)], utc=True, errors="coerce")
    else:
        stamps = _by_format(texts, _settled(texts, place))
    _refuse_missing(stamps, texts, place, "see dataset.date_format")
    return stamps.as_unit("us")


def are_dates(texts: pd.Series, date_format: str) -> bool:
    """Whether a few cells are dates, in whatever reading; plain numbers are not, but for 20170131."""
    if texts.empty or texts.str.fullmatch(r"\s*[-+]?\d{1,7}(\.\d*)?\s*|\s*\d{9,}\s*").any():
        return False
    try:
        parse_stamps(texts, date_format, lambda _: "")
    except AmbiguousDates:
        return True
    except DataError:
        return False
    return True


def _given(texts: pd.Series, date_format: str, place: Place) -> pd.DatetimeIndex:
    try:
        stamps = _read(texts, date_format)
    except (ValueError, re.error) as error:
        raise ConfigError(f"dataset.date_format={date_format}: {error}") from error
    index = pd.DatetimeIndex(stamps)
    _refuse_missing(index, texts, place, f"it does not fit dataset.date_format={date_format}")
    return index.as_unit("us")


def _iso(texts: pd.Series, place: Place) -> pd.DatetimeIndex:
    try:
        stamps = pd.to_datetime(texts, format="ISO8601", errors="coerce")
    except ValueError:  # offsets that differ, or rows with and without one
        naive = ~texts.str.contains(r"(?:[zZ]|[+-]\d\d:?(?:\d\d)?)$", regex=True)
        if naive.any():
            row = int(naive.to_numpy().argmax())
            raise DataError(
                f"{place(row)}: '{texts.iloc[row]}' has no UTC offset, and other rows have one; write all alike"
            ) from None
        stamps = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    return pd.DatetimeIndex(stamps)


def _settled(texts: pd.Series, place: Place) -> str:
    """The format of the dates, without time of day, that fits more of the file than any other."""
    first = texts.iloc[0]
    parts = PARTS.match(first)
    if parts is None:
        return _worded(first, place)
    days = pd.Series(list(dict.fromkeys(text[: _length_of_date(text)] for text in texts)))
    readings = {}
    for order in ORDERS[str(len(parts[4]))]:
        date_format = order.format(parts[2])
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
    from pandas.tseries.api import guess_datetime_format

    guess = guess_datetime_format(first)
    if guess is None or "%Y" not in guess or not any(code in guess for code in ("%b", "%B")):
        raise DataError(f"{place(0)}: '{first}' is no date; see dataset.date_format")
    return re.split(r"[ T]%[HI]", guess)[0]


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
    try:
        return pd.to_datetime(texts, format=date_format, errors="coerce")
    except ValueError:
        return pd.to_datetime(texts, format=date_format, errors="coerce", utc=True)


def _refuse_missing(stamps: pd.DatetimeIndex, texts: pd.Series, place: Place, remedy: str) -> None:
    missing = np.asarray(stamps.isna())
    if missing.any():
        row = int(missing.argmax())
        more = f" (the first of {missing.sum():,} such cells)" if missing.sum() > 1 else ""
        raise DataError(f"{place(row)}: '{texts.iloc[row]}' is no date{more}; {remedy}")
