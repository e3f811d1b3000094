"""The step between timestamps: inferred from them, or given and checked."""

import re

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset

from cnnrun.errors import ConfigError, DataError

MICROSECONDS = {"D": 86_400_000_000, "h": 3_600_000_000, "min": 60_000_000, "s": 1_000_000, "ms": 1_000}
DAY = MICROSECONDS["D"]
OLD_NAMES = {"H": "h", "T": "min", "S": "s", "M": "ME", "Q": "QE", "Y": "YE", "A": "YE"}
"""What older versions of pandas called them."""
ANCHORED = {"W", "QS", "QE", "YS", "YE"}
MONTHS = {(28, 31): 1, (59, 62): 2, (89, 92): 3, (120, 123): 4, (181, 184): 6, (365, 366): 12}
"""Steps in days that are so many months."""
LEAST_SHARE = 0.5
"""Of the steps that must be the most common one before it is taken for the frequency."""


def offset_of(frequency: str, first: pd.Timestamp) -> BaseOffset:
    """What a frequency stands for; `W`, quarters and years without a day or month take that of the first stamp.

    Raises:
        ConfigError: if it names no step forward.
    """
    found = re.fullmatch(r"(\d*)([A-Za-z]+)(-[A-Z]{3})?", frequency.strip())
    name = found[1] + OLD_NAMES.get(found[2], found[2]) + (found[3] or "") if found else frequency
    if name in ANCHORED:
        name = anchored(name, first)
    try:
        offset = to_offset(name)
    except ValueError:
        offset = None
    if offset is None or offset.n < 1:
        raise ConfigError(f"dataset.frequency={frequency} is no step, such as h, 15min, D, B, W-SUN or MS")
    return offset


def fixed_step(offset: BaseOffset) -> int | None:
    """Microseconds of a step that always has the same length; None for months and business days."""
    if isinstance(offset, pd.offsets.Day):
        return offset.n * DAY
    if isinstance(offset, pd.offsets.Week):
        return offset.n * 7 * DAY
    return pd.Timedelta(offset) // pd.Timedelta(1, "us") if isinstance(offset, pd.offsets.Tick) else None


def infer_frequency(stamps: pd.DatetimeIndex, name: str, *, aware: bool = False) -> str:
    """The pandas alias of the most common step, of which all others must be multiples: those are gaps.

    Args:
        stamps: at least one, naive, rising, no two equal. name: what messages call the file.
        aware: whether they were taken from stamps with a zone.
    Raises:
        DataError: naming the two most common steps.
    """
    if len(stamps) < 2:
        raise DataError(f"{name} has one timestamp; set dataset.frequency")
    steps, counts = np.unique(np.diff(stamps.as_unit("us").asi8), return_counts=True)
    common = int(steps[counts.argmax()])
    calendar = _in_months(stamps, steps, common) or _in_business_days(stamps, common)
    if calendar:
        return calendar
    regular = not (steps % common).any()
    if not regular or counts.max() < LEAST_SHARE * counts.sum():
        order = np.argsort(-counts, kind="stable")[:2]
        named = " and ".join(f"{alias(int(steps[i]))} ({counts[i]:,} of {counts.sum():,})" for i in order)
        zone = ", dataset.timezone where days follow a local clock," if aware else ""
        raise DataError(
            f"{name}: its frequency cannot be inferred, the most common steps between rows are {named}; "
            f"set dataset.frequency{zone} or make the rows equally spaced"
        )
    if common == 7 * DAY:
        return anchored("W", stamps[0])
    return alias(common)


def alias(step: int) -> str:
    """`15min` for so many microseconds."""
    for name, size in MICROSECONDS.items():
        if step % size == 0:
            return f"{step // size if step != size else ''}{name}"
    return f"{step}us"


def anchored(name: str, first: pd.Timestamp) -> str:
    """`W-SUN`, `QE-DEC`: quarters by the month in which the first of a year begins, or the last one ends."""
    if name == "W":
        return f"W-{first:%a}".upper()
    month = first.month
    if name == "QS":
        month = (month - 1) % 3 + 1
    elif name == "QE":
        month = (month - 1) % 3 + 10
    return f"{name}-{first.replace(month=month, day=1):%b}".upper()


def _in_months(stamps: pd.DatetimeIndex, steps: np.ndarray, common: int) -> str | None:
    """Where all stamps are the first or all the last days of months."""
    months = next((count for (low, high), count in MONTHS.items() if low <= common / DAY <= high), None)
    if months is None or (steps % DAY).any() or (steps < 28 * DAY).any():
        return None
    if (stamps.day == 1).all():
        kind = "S"
    elif stamps.is_month_end.all():
        kind = "E"
    else:
        return None
    number = stamps.year * 12 + stamps.month
    if ((number - number[0]) % months).any():
        return None
    if months in (3, 12):
        return anchored(("Q" if months == 3 else "Y") + kind, stamps[0])
    return f"{months if months > 1 else ''}M{kind}"


def _in_business_days(stamps: pd.DatetimeIndex, common: int) -> str | None:
    """Where days are missing at weekends, at all of them, and as a rule only there."""
    if common != DAY or (stamps.day_of_week > 4).any() or (np.diff(stamps.asi8) % DAY).any():
        return None
    expected = len(pd.bdate_range(stamps[0], stamps[-1]))
    return "B" if len(stamps) > 5 and len(stamps) >= LEAST_SHARE * expected else None
