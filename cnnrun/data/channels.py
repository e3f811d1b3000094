"""From a series to the channels that a model sees, each as long as the series, and to the values it is judged by.

Letters: T rows, M targets, K columns (targets, then features), C channels, H horizon.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnrun.data.calendar_features import Channels, calendar_channels, holiday_channels
from cnnrun.data.cleaning import clean
from cnnrun.data.scaling import Scaler, fit_scaler
from cnnrun.data.series_preprocessing import Recipe
from cnnrun.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from cnnrun.data.series import Series


@dataclass(frozen=True)
class Unscaled:
    """All that a series gives before anything fitted is applied, in its units."""

    true: np.ndarray
    """(T, K) float64, what is forecast and judged: as it was read; `clean=reference` alone has replaced values here."""
    seen: np.ndarray
    """(T, K) float64, what a model sees: cleaned."""
    known: Channels
    """(T + H,) each: calendar and holidays of every row and of the H steps that follow."""

    @classmethod
    def of(cls, series: "Series", recipe: Recipe) -> "Unscaled":
        """Clean a series, and look its stamps up in the calendar.

        Raises:
            ConfigError: if there are no stamps to look up, or the holidays are not known.
        """
        seen = clean(series.values, recipe.clean, window=recipe.clean_window, threshold=recipe.clean_threshold)
        true = seen if recipe.clean == "reference" else series.values
        return cls(true, seen, _known_channels(series, recipe))


def leading_rows(series: "Series") -> int:
    """Rows before the first in which every column has a value.

    Raises:
        DataError: if a value is missing later than that.
    """
    known = np.isfinite(series.values)
    rows = known.all(axis=1)
    first = int(rows.argmax()) if rows.any() else len(rows)
    if first < len(rows) and rows[first:].all():
        return first
    column = int((~known[first:]).any(axis=0).argmax()) if first < len(rows) else int((~known).sum(axis=0).argmax())
    if first == len(rows):
        raise DataError(f"there is no row in which all of {', '.join(series.names)} have a value")
    missing = first + int((~known[first:, column]).argmax())
    raise DataError(
        f"column '{series.names[column]}' has no value in row {missing}, in the middle of the series; "
        "dataset.gaps=forward fills it, or leave the column out"
    )


def fit_scalers(
    true: np.ndarray, observed: np.ndarray, names: tuple[str, ...], num_targets: int, train: slice, recipe: Recipe
) -> dict[str, Scaler]:
    """A scaler for each column, from what was observed in the rows of train.

    Args:
        true: (T, K). observed: (T, K) bool. A differenced target is fitted on its differences.
    Raises:
        DataError: if a target never changes in train, or a column has no value there.
    """
    values = np.where(observed, true, np.nan)[train]
    scalers = {}
    for number, name in enumerate(names):
        column = values[:, number]
        if number < num_targets:
            column = difference(column, recipe.difference)
            _require_change(column, name, recipe)
        scalers[name] = fit_scaler(column, recipe.scale, name)
    return scalers


def _require_change(column: np.ndarray, name: str, recipe: Recipe) -> None:
    known = column[np.isfinite(column)]
    if len(known) and np.ptp(known) == 0:
        what = "is" if recipe.difference is None else f"less its value {recipe.difference} steps before is"
        raise DataError(
            f"target '{name}' {what} {known[0]:g} in every row of train: there is nothing to learn; name another "
            "target, or begin val later"
        )


def difference(values: np.ndarray, steps: int | None) -> np.ndarray:
    """(T, ...) less the value `steps` rows before; NaN in the first rows, which have none. None changes nothing."""
    if steps is None:
        return values
    changes = np.full_like(values, np.nan)
    changes[steps:] = values[steps:] - values[:-steps]
    return changes


def channel_names(names: tuple[str, ...], num_targets: int, known: Channels, recipe: Recipe) -> tuple[str, ...]:
    """What `channels` gives, in order."""
    lagged = (f"{name}_lag_{lag}" for name in names[:num_targets] for lag in recipe.seasonal_lags)
    return (*names, *known, *lagged)


def channels(
    unscaled: Unscaled, names: tuple[str, ...], num_targets: int, scalers: dict[str, Scaler], recipe: Recipe
) -> np.ndarray:
    """What a model sees at each row.

    Args:
        names: of the columns.
    Returns:
        (C, T) float32: the targets (differenced, scaled), the features (scaled), then, shifted by the horizon so that
        row t holds what belongs to row t + H, what the calendar knows and the seasonal lags of each target. NaN in the
        first rows, where there is nothing to difference, or no such lag.
    """
    length, horizon = len(unscaled.seen), recipe.horizon
    num_channels = len(channel_names(names, num_targets, unscaled.known, recipe))
    values = np.full((num_channels, length), np.nan, dtype=np.float32)
    for row, name in enumerate(names):
        column = unscaled.seen[:, row]
        values[row] = scalers[name].apply(difference(column, recipe.difference) if row < num_targets else column)
    for row, channel in enumerate(unscaled.known.values(), len(names)):
        values[row] = channel[horizon:]
    lagged = [(target, lag - horizon) for target in range(num_targets) for lag in recipe.seasonal_lags]
    for row, (target, late) in enumerate(lagged, len(names) + len(unscaled.known)):
        values[row, late:] = values[target, : max(length - late, 0)]
    return values


def _known_channels(series: "Series", recipe: Recipe) -> Channels:
    if not recipe.calendar and recipe.holidays is None:
        return {}
    if series.index is None:
        knob = "calendar" if recipe.calendar else "holidays"
        raise ConfigError(f"dataset.{knob} needs stamps; name their column: dataset.time=COLUMN")
    index = stamps_until(series.index, series.frequency, len(series.index) + recipe.horizon)
    known = calendar_channels(index, recipe.calendar)
    return known if recipe.holidays is None else known | holiday_channels(index, recipe.holidays)


def stamps_until(index: "pd.DatetimeIndex", frequency: str | None, length: int) -> "pd.DatetimeIndex":
    """(length,) stamps: those of the index, and those that follow at its frequency.

    Days and longer steps follow the local calendar; where a zone skips midnight, that day begins when it may.
    """
    import pandas as pd

    count = length - len(index)
    if index.tz is None or isinstance(pd.tseries.frequencies.to_offset(frequency), pd.offsets.Tick):
        future = pd.date_range(index[-1], periods=count + 1, freq=frequency)[1:]
    else:
        last = pd.Timestamp.combine(index[-1].date(), min(index[:2].time))  # of two stamps, at most one is late
        local = pd.date_range(last, periods=count + 1, freq=frequency)[1:]
        future = local.tz_localize(index.tz, ambiguous=np.ones(count, bool), nonexistent="shift_forward")
    return pd.DatetimeIndex(index.append(future))
