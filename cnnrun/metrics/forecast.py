"""The metrics of a forecast. A new one is a function of `Sums` and its line in METRICS, below.

Each returns (...) for sums (..., M): one number for a split or a step of the horizon, B for its B bootstrap resamples.
All are means over cells, a cell being one target at one step of one window; only those that were observed count. An
error is forecast minus actual.

Letters: N windows, M targets, H horizon, B resamples; `...` is nothing, (N,), (H,) or (B,).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_CHUNK = 1 << 16
"""Cells at a time: what is computed of each stays in the cache; 1 << 20 takes five times as long."""


@dataclass(frozen=True)
class Sums:
    """Sums over cells: (..., M), a column a target."""

    cells: Array
    """Count of what was observed."""
    error: Array
    absolute: Array
    squared: Array
    actual: Array
    """Actual values, less a constant a target that keeps the next sum accurate."""
    actual_squared: Array
    """Their squares."""
    percentage: Array
    """|error / actual| where the actual is not 0."""
    zeros: Array
    """Count of actual values that are 0."""
    symmetric: Array
    """2 |error| / (|actual| + |forecast|), 0 where both are 0."""
    seasonal: Array
    """|error| over the mean error of the seasonal naive forecast in train."""
    inside: Array
    """Count of actual values inside the interval; NaN without one."""
    width: Array
    """Of the interval; NaN without one."""

    @classmethod
    def unpack(cls, columns: Array) -> "Sums":
        """From (..., M, fields), as `columns` gives them."""
        return cls(*np.moveaxis(columns, -1, 0))

    def columns(self) -> Array:
        """(..., M, fields)."""
        return np.stack([getattr(self, field.name) for field in fields(self)], axis=-1)

    def total(self) -> "Sums":
        """Over the first axis."""
        return Sums.unpack(self.columns().sum(axis=0))

    def of(self, target: int) -> "Sums":
        """(..., 1) of one target."""
        return Sums.unpack(self.columns()[..., target : target + 1, :])

    def scaled(self, scale: Array) -> "Sums":
        """As if all values had been divided by the scale (M,) of their target, so that targets can be added."""
        linear = {name: getattr(self, name) / scale for name in ("error", "absolute", "actual", "width")}
        square = {name: getattr(self, name) / scale**2 for name in ("squared", "actual_squared")}
        return replace(self, **linear, **square)


@dataclass(frozen=True)
class Tally:
    """The cells of a split, added up in two ways."""

    by_window: Sums
    """(N, M)."""
    by_step: Sums
    """(H, M)."""


def tally(
    actual: Array, forecast: Array, *, season_error: Array, low: Array | None = None, high: Array | None = None
) -> Tally:
    """Add up what a forecast did on a split.

    Args:
        actual: (N, M, H), NaN where nothing was observed. forecast, low, high: the same shape and unit.
        season_error: (M,) mean error of the seasonal naive forecast in train: the scale of MASE.
    """
    n, m, h = actual.shape
    centre = _means(actual)
    by_window, by_step = [], np.zeros((h, m, len(fields(Sums))))
    size = max(_CHUNK // (m * h), 1)
    for start in range(0, n, size):
        part = slice(start, start + size)
        bounds = None if low is None or high is None else (low[part], high[part])
        cells = _cells(actual[part], forecast[part], bounds, centre, season_error)
        by_window.append(np.stack([term.sum(axis=2) for term in cells], axis=-1))
        by_step += np.stack([term.sum(axis=0).T for term in cells], axis=-1)
    return Tally(Sums.unpack(np.concatenate(by_window)), Sums.unpack(by_step))


def _means(actual: Array) -> Array:
    """(M,) of what was observed, 0 where nothing was."""
    seen = ~np.isnan(actual)
    total = np.where(seen, actual, 0.0).sum(axis=(0, 2))
    return total / np.maximum(seen.sum(axis=(0, 2)), 1)


def _cells(
    actual: Array, forecast: Array, bounds: tuple[Array, Array] | None, centre: Array, season_error: Array
) -> list[Array]:
    """What each cell (N, M, H) adds to each of Sums, in the order of its fields; 0 where nothing was observed."""
    seen = ~np.isnan(actual)
    error = np.where(seen, forecast - actual, 0.0)
    absolute, size = np.abs(error), np.where(seen, np.abs(actual), 0.0)
    centred = np.where(seen, actual - centre[:, None], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        percentage = np.where(size > 0, absolute / size, 0.0)
        both = size + np.abs(forecast)
        symmetric = np.where(seen & (both != 0), 2 * absolute / both, 0.0)
        seasonal = absolute / np.where(season_error > 0, season_error, np.nan)[:, None]
    return [
        seen.astype(float),
        error,
        absolute,
        error**2,
        centred,
        centred**2,
        percentage,
        (seen & (size == 0)).astype(float),
        symmetric,
        seasonal,
        *_interval_cells(actual, seen, bounds),
    ]


def _interval_cells(actual: Array, seen: Array, bounds: tuple[Array, Array] | None) -> list[Array]:
    if bounds is None:
        return [np.full(actual.shape, np.nan)] * 2
    low, high = bounds
    return [((low <= actual) & (actual <= high)).astype(float), np.where(seen, high - low, 0.0)]


def mae(sums: Sums) -> Array:
    return _mean(sums.absolute, sums)


def rmse(sums: Sums) -> Array:
    return np.sqrt(mse(sums))


def mse(sums: Sums) -> Array:
    return _mean(sums.squared, sums)


def mape(sums: Sums) -> Array:
    """Percent; NaN where an actual value is 0."""
    return np.where(sums.zeros.sum(axis=-1) > 0, np.nan, 100 * _mean(sums.percentage, sums))


def smape(sums: Sums) -> Array:
    """Percent, from 0 to 200: 2 |f - a| / (|a| + |f|), the M4 competition's."""
    return 100 * _mean(sums.symmetric, sums)


def mase(sums: Sums) -> Array:
    """Errors in units of the seasonal naive's in train: Hyndman and Koehler (2006). NaN where those are all 0."""
    return _mean(sums.seasonal, sums)


def r2(sums: Sums) -> Array:
    """Mean over the targets of 1 - squared errors / squared deviations of the actual values from their mean here.

    A target whose actual values are all the same has none; NaN if no target has.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = sums.actual_squared - sums.actual**2 / sums.cells
        # What rounding leaves of deviations that are 0.
        exists = deviations > 1e-12 * sums.actual_squared
        each = np.where(exists, 1 - sums.squared / deviations, 0.0)
        return each.sum(axis=-1) / np.where(exists.any(axis=-1), exists.sum(axis=-1), np.nan)


def bias(sums: Sums) -> Array:
    """Mean error: above 0 the forecasts are too high."""
    return _mean(sums.error, sums)


def coverage(sums: Sums) -> Array:
    """Share of the actual values inside their interval; NaN without intervals."""
    return _mean(sums.inside, sums)


def interval_width(sums: Sums) -> Array:
    """Mean width of the intervals; NaN without them."""
    return _mean(sums.width, sums)


METRICS: dict[str, Callable[[Sums], Array]] = {
    "mae": mae,
    "rmse": rmse,
    "mape": mape,
    "r2": r2,
    "mse": mse,
    "smape": smape,
    "mase": mase,
    "bias": bias,
    "coverage": coverage,
    "interval_width": interval_width,
}

IN_UNITS = ("mae", "rmse", "mse", "bias", "interval_width")
"""Those that have the unit of the data (mse: its square); the others are shares, percentages or ratios."""


def skill(sums: Sums, baseline: Sums) -> Array:
    """1 - MAE / MAE of a baseline on the same cells: 0 is no better, 1 perfect."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - mae(sums) / mae(baseline)


def _mean(total: Array, sums: Sums) -> Array:
    """Over the cells of all targets; NaN without any."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return total.sum(axis=-1) / sums.cells.sum(axis=-1)
