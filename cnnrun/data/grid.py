"""Put rows on a regular index, in the clock in which they are equally spaced."""

from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
import pandas as pd
from pandas.tseries.offsets import BaseOffset

from cnnrun.data.frequencies import DAY, alias, fixed_step, infer_frequency, offset_of
from cnnrun.data.repairs import Gaps, Rows, stamp_text
from cnnrun.errors import DataError


@dataclass(frozen=True)
class Grid:
    index: pd.DatetimeIndex
    """(T,), regular."""
    positions: np.ndarray
    """(R,) int64: where in the index each row stands."""
    frequency: str
    step: pd.Timedelta | None
    """None where steps differ in length, as months do."""


def grid_of(rows: Rows, frequency: str | None, timezone: tzinfo | None, gap_limit: int, gaps: Gaps) -> Grid:
    """The index that the rows' timestamps belong to.

    Hours and minutes are counted in UTC, days and more by the local calendar, where the stamps are aware.

    Args:
        rows: sorted, no two stamps equal. timezone: of naive stamps, which are local then.
    Raises:
        DataError: if the stamps are not equally spaced, not as the frequency says, or have a gap above the limit.
    """
    assert rows.stamps is not None
    timezone = rows.stamps.tz or timezone
    clock, local = _clock(rows.stamps)
    name = frequency or infer_frequency(clock, rows.name, aware=rows.stamps.tz is not None)
    offset = offset_of(name, clock[0])
    step = fixed_step(offset)
    positions = _positions(rows, clock, offset, name)
    _refuse_long_gaps(rows, positions, gap_limit, gaps)
    index = pd.date_range(clock[0], periods=int(positions[-1]) + 1, freq=offset).as_unit("us")
    if timezone is not None:
        index = _back(index, timezone, local)
    return Grid(index, positions, offset.freqstr, None if step is None else pd.Timedelta(step, "us"))


def _clock(stamps: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, bool]:
    """Naive stamps that are equally spaced if any are, and whether they are local."""
    if stamps.tz is None:
        return stamps, True
    local, utc = stamps.tz_localize(None), stamps.tz_convert("UTC").tz_localize(None)
    is_local = at_one_hour(local) or (not _is_regular(utc) and _is_regular(local))
    return (local, True) if is_local else (utc, False)


def at_one_hour(stamps: pd.DatetimeIndex) -> bool:
    """Whether all have the same time of day, so that they stand for whole days."""
    return bool((stamps.asi8 % DAY == stamps.asi8[0] % DAY).all())


def _is_regular(stamps: pd.DatetimeIndex) -> bool:
    """Whether all steps are multiples of the most common one."""
    steps, counts = np.unique(np.diff(stamps.asi8), return_counts=True)
    return not len(steps) or bool(steps.min() > 0 and not (steps % steps[counts.argmax()]).any())


def _positions(rows: Rows, clock: pd.DatetimeIndex, offset: BaseOffset, name: str) -> np.ndarray:
    """(R,) the number of steps from the first stamp to each."""
    step = fixed_step(offset)
    distance = clock.asi8 - clock.asi8[0]
    if not offset.is_on_offset(clock[0]):
        positions = np.full(len(clock), -1)
    elif step is not None:
        positions = np.where(distance % step == 0, distance // step, -1)
    else:
        positions = pd.date_range(clock[0], clock[-1], freq=offset).as_unit("us").get_indexer(clock)
    off = positions < 0
    if off.any():
        first = int(off.argmax())
        raise DataError(
            f"{rows.place(int(rows.rows[first]))}: {stamp_text(clock[first])} is not on a step of {name} "
            f"({off.sum():,} such rows){_most_common(clock)}; see dataset.frequency"
        )
    steps, counts = np.unique(np.diff(positions), return_counts=True)
    if len(steps) and steps[counts.argmax()] > 1:
        raise DataError(f"{rows.name}: dataset.frequency={name}{_most_common(clock)}; see dataset.frequency")
    return positions


def _most_common(clock: pd.DatetimeIndex) -> str:
    steps, counts = np.unique(np.diff(clock.asi8), return_counts=True)
    return f", and the most common step between rows is {alias(int(steps[counts.argmax()]))}" if len(steps) else ""


def _refuse_long_gaps(rows: Rows, positions: np.ndarray, limit: int, gaps: Gaps) -> None:
    """Before a row is made for each step: one mistaken year would make millions."""
    assert rows.stamps is not None
    missing = np.diff(positions, prepend=positions[0] - 1) - 1
    allowed = 0 if gaps == "error" else limit
    if missing.max() <= allowed:
        return
    number = int((missing > 0).argmax() if gaps == "error" else missing.argmax())
    remedy = (
        "dataset.gaps=error; set it to forward or interpolate, or complete the file"
        if gaps == "error"
        else f"dataset.gap_limit={limit}; raise it, complete the file, or cut it there"
    )
    raise DataError(
        f"{rows.place(int(rows.rows[number]))}: {missing[number]:,} rows are missing between "
        f"{stamp_text(rows.stamps[number - 1])} and {stamp_text(rows.stamps[number])}, and {remedy}"
    )


def _back(index: pd.DatetimeIndex, timezone: tzinfo, local: bool) -> pd.DatetimeIndex:
    if local:
        return index.tz_localize(timezone, ambiguous=np.ones(len(index), bool), nonexistent="shift_forward")
    return index.tz_localize("UTC").tz_convert(timezone)
