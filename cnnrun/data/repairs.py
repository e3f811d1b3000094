"""What is put right in rows that were read, and the count of it: their order, duplicates, and gaps."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from cnnrun.errors import DataError

Duplicates = Literal["mean", "first", "last", "error"]
Gaps = Literal["forward", "interpolate", "error"]

LEAST_DISTINCT = 0.5
"""Of the timestamps: below it, rows with equal stamps are no accident but several series."""


@dataclass(frozen=True)
class Repair:
    """One kind of thing that was found, and what was done about it."""

    kind: str
    column: str
    """Empty where it concerns whole rows."""
    count: int
    first: str
    last: str
    """Timestamps or rows; empty where it concerns the file."""
    treatment: str

    def __str__(self) -> str:
        where = f" in {self.column}" if self.column else ""
        span = self.first if self.first == self.last else f"{self.first} to {self.last}"
        return f"{self.kind}{where}: {self.count:,}{f' ({span})' if span else ''}, {self.treatment}"


@dataclass(frozen=True)
class Rows:
    """What was read: stamps (T,) or None, values (T, C), and rows (T,), their numbers in the file."""

    name: str
    names: tuple[str, ...]
    stamps: pd.DatetimeIndex | None
    values: np.ndarray
    rows: np.ndarray
    place: Callable[[int], str]
    """What a message calls a row of the file."""


def stamp_text(stamp: pd.Timestamp) -> str:
    """`2017-01-31`, or `2017-01-31 13:00:00` and the UTC offset where there is one."""
    return str(stamp).removesuffix(" 00:00:00")


def repair_of_stamps(kind: str, stamps: pd.DatetimeIndex, treatment: str, column: str = "") -> Repair:
    """All of the stamps are counted; there is at least one."""
    return Repair(kind, column, len(stamps), stamp_text(stamps.min()), stamp_text(stamps.max()), treatment)


def sort(rows: Rows) -> tuple[Rows, list[Repair]]:
    """By time; rows with equal stamps keep the order of the file."""
    stamps = _stamps(rows)
    behind = stamps.asi8 < np.maximum.accumulate(stamps.asi8)
    if not behind.any():
        return rows, []
    return _take(rows, np.argsort(stamps.asi8, kind="stable")), [
        repair_of_stamps("rows out of order", stamps[behind], "sorted by time")
    ]


def merge_duplicates(rows: Rows, policy: Duplicates) -> tuple[Rows, list[Repair]]:
    """Leave one row for each timestamp.

    Args:
        rows: sorted.
    Raises:
        DataError: by the policy, or if most stamps come more than once.
    """
    stamps = _stamps(rows)
    again = stamps.duplicated()
    if not again.any():
        return rows, []
    if policy == "error" or (~again).mean() < LEAST_DISTINCT:
        raise DataError(_complaint_of_duplicates(rows, stamps, again))
    repair = repair_of_stamps("duplicate timestamps", stamps[again], f"{policy} taken")
    if policy == "last":
        return _take(rows, np.flatnonzero(~stamps.duplicated(keep="last"))), [repair]
    kept = _take(rows, np.flatnonzero(~again))
    if policy == "mean":
        kept = replace(kept, values=_means(rows.values, np.cumsum(~again) - 1))
    return kept, [repair]


def _complaint_of_duplicates(rows: Rows, stamps: pd.DatetimeIndex, again: np.ndarray) -> str:
    first = int(again.argmax())
    example = f"{rows.place(int(rows.rows[first]))}: {stamp_text(stamps[first])} stands there again"
    if (~again).mean() >= LEAST_DISTINCT:
        return f"{example}; take it out, or set dataset.duplicates to mean, first or last"
    return (
        f"{example}, and {len(stamps):,} rows have only {(~again).sum():,} different timestamps; "
        "the time column must hold date and time of day, and each series its own column"
    )


def fill_gaps(
    rows: Rows, values: np.ndarray, missing_rows: np.ndarray, index: pd.DatetimeIndex | None, policy: Gaps, limit: int
) -> tuple[np.ndarray, list[Repair]]:
    """Fill what is NaN in each column; what stands before its first number stays NaN.

    Args:
        rows: for their names. values: (T, C), equally spaced. missing_rows: (T,) bool, not in the file at all.
        index: (T,), or None where rows are numbered. limit: steps of the longest gap that is filled.
    Raises:
        DataError: naming column and place of a gap that is longer, of any by the policy, and a column without numbers.
    """
    filled = np.empty_like(values)
    repairs = []
    if missing_rows.any():
        repairs.append(_repair("missing rows", "", missing_rows, index, _treatment(policy)))
    for number, name in enumerate(rows.names):
        column = values[:, number]
        known = np.flatnonzero(~np.isnan(column))
        if not len(known):
            raise DataError(f"{rows.name}: column '{name}' holds no number")
        leading = np.arange(len(column)) < known[0]
        missing = np.isnan(column) & ~leading
        _refuse_gaps(rows.name, name, missing, index, policy, limit)
        filled[:, number] = _fill(column, known, policy)
        if (missing & ~missing_rows).any():
            repairs.append(_repair("missing values", name, missing & ~missing_rows, index, _treatment(policy)))
        if leading.any():
            repairs.append(_repair("missing at the start", name, leading, index, "left empty: nothing comes before"))
    return filled, repairs


def longest_run(missing: np.ndarray) -> tuple[int, int]:
    """(begin, length) of the longest stretch of True."""
    edges = np.diff(np.concatenate([[0], missing.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(begins):
        return 0, 0
    longest = int((ends - begins).argmax())
    return int(begins[longest]), int(ends[longest] - begins[longest])


def _refuse_gaps(
    file: str, name: str, missing: np.ndarray, index: pd.DatetimeIndex | None, policy: Gaps, limit: int
) -> None:
    begin, length = longest_run(missing)
    if not length or (policy != "error" and length <= limit):
        return
    if policy == "error":
        begin, what = int(missing.argmax()), "a gap; set dataset.gaps to forward or interpolate, or complete the file"
    else:
        what = f"a gap of {length:,} steps, and dataset.gap_limit={limit}; raise it, complete the file, or cut it there"
    raise DataError(f"{file}: column '{name}' has from {_where(begin, index)} {what}")


def _fill(column: np.ndarray, known: np.ndarray, policy: Gaps) -> np.ndarray:
    """Trailing gaps are filled forward by each policy."""
    positions = np.arange(len(column))
    if policy == "interpolate":
        filled = np.interp(positions, known, column[known])
    else:
        filled = column[np.maximum.accumulate(np.where(np.isnan(column), 0, positions))]
    filled[: known[0]] = np.nan
    return filled


def _treatment(policy: Gaps) -> str:
    return {
        "forward": "filled with the last value before",
        "interpolate": "filled on the straight line to the next value, which reads what comes after",
        "error": "",
    }[policy]


def _means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(G, C) of (T, C), without NaN where there is a number. groups (T,): rising."""
    return pd.DataFrame(values).groupby(groups).mean().to_numpy()


def _repair(kind: str, column: str, rows: np.ndarray, index: pd.DatetimeIndex | None, treatment: str) -> Repair:
    found = np.flatnonzero(rows)
    return Repair(kind, column, len(found), _where(int(found[0]), index), _where(int(found[-1]), index), treatment)


def _where(position: int, index: pd.DatetimeIndex | None) -> str:
    return f"row {position}" if index is None else stamp_text(index[position])


def _take(rows: Rows, order: np.ndarray) -> Rows:
    return replace(rows, stamps=_stamps(rows)[order], values=rows.values[order], rows=rows.rows[order])


def _stamps(rows: Rows) -> pd.DatetimeIndex:
    assert rows.stamps is not None
    return rows.stamps
