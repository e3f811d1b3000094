"""Where val, test and what follows begin: by date or by fraction, in the order of time."""

from typing import TYPE_CHECKING

from cnnrun.data.series_preprocessing import Recipe, SplitName
from cnnrun.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from cnnrun.data.series import Series

Bounds = dict[SplitName, tuple[int, int]]
"""First row of each split, and first row behind it."""


def bounds_of(
    series: "Series", begin: int, *, val: float | str, test: float | str, end: str | None, train_on_val: bool
) -> Bounds:
    """The rows of train, val and test.

    Args:
        begin: first row of train.
        val, test: where they begin, as a date; or which share of the rows before `end` they take.
        end: date of the first row that is left out.
        train_on_val: whether train goes on to the end of val.
    Raises:
        ConfigError: if a date cannot be read, or there are no stamps to compare it with.
        DataError: if a date is not within the series, or they are not in order.
    """
    stop = len(series.values) if end is None else _row_of(series, "end", end)
    test_row = stop - round(test * stop) if isinstance(test, float) else _row_of(series, "test", test)
    val_row = test_row - round(val * stop) if isinstance(val, float) else _row_of(series, "val", val)
    if not begin < val_row < test_row < stop:
        raise DataError(
            f"dataset.val={val} begins at row {val_row}, dataset.test={test} at row {test_row}, and they end at row "
            f"{stop}; rows must remain for train (from row {begin}), val and test, in this order"
        )
    return {
        "train": (begin, test_row if train_on_val else val_row),
        "val": (val_row, test_row),
        "test": (test_row, stop),
    }


def _row_of(series: "Series", name: str, date: str) -> int:
    """The first row at or after a date."""
    import pandas as pd

    if series.index is None:
        raise ConfigError(
            f"dataset.{name}={date}: the series has no stamps to compare a date with; "
            + ("leave it out" if name == "end" else "give a fraction of the rows, such as 0.2")
        )
    try:
        stamp = pd.Timestamp(date)
    except ValueError as error:
        raise ConfigError(
            f"dataset.{name}={date}: not a date; write it as 2017-01-31 or '2017-01-31 12:00'"
            + ("" if name == "end" else ", or give a fraction such as 0.2")
        ) from error
    stamp = _in_zone(stamp, series.index)
    first, last = series.index[0], series.index[-1]
    if first < stamp <= last or (name == "end" and last < stamp <= last + (series.index[-1] - series.index[-2])):
        return int(series.index.searchsorted(stamp))
    raise DataError(f"dataset.{name}={date} is not within the series, which goes from {first} to {last}")


def _in_zone(stamp: "pd.Timestamp", index: "pd.DatetimeIndex") -> "pd.Timestamp":
    if index.tz is None or stamp.tzinfo is not None:
        return stamp.tz_localize(None) if index.tz is None else stamp
    return stamp.tz_localize(index.tz, ambiguous=True, nonexistent="shift_forward")


def require_room(bounds: Bounds, recipe: Recipe) -> None:
    """Raise DataError unless each split has room for a window."""
    begin, stop = bounds["train"]
    needed = recipe.history + recipe.lookback + recipe.horizon
    parts = [f"dataset.lookback={recipe.lookback}", f"dataset.horizon={recipe.horizon}"]
    if recipe.difference is not None:
        parts.append(f"dataset.difference={recipe.difference}")
    if recipe.history > (recipe.difference or 0):
        parts.append(f"dataset.seasonal_lags={list(recipe.seasonal_lags)}")
    if stop - begin < needed:
        raise DataError(
            f"the series is too short: train has {stop - begin:,} rows, and its first window takes {needed:,} "
            f"({', '.join(parts)}); reduce one of these, or begin val later"
        )
    splits: tuple[SplitName, ...] = ("val", "test")
    for name in splits:
        rows = bounds[name][1] - bounds[name][0]
        if rows < recipe.horizon:
            raise DataError(
                f"{name} has {rows:,} rows, too few for the {recipe.horizon:,} targets of one window; "
                f"take a smaller dataset.horizon, or a longer {name}"
            )
