"""The tables of a forecast, with the columns of tables.py.

Letters: N windows, M targets, H horizon, T rows of the series. An error is forecast minus actual.
"""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cnnrun import tables
from cnnrun.metrics.block_bootstrap import estimate, resampled
from cnnrun.metrics.forecast import IN_UNITS, METRICS, Sums
from cnnrun.metrics.intervals import Estimate
from cnnrun.metrics.residuals import (
    autocorrelation,
    excess_kurtosis,
    independent_size,
    ljung_box,
    skewness,
    useful_lags,
)
from cnnrun.tasks.baselines import NAMES
from cnnrun.tasks.forecast_scores import MODEL, SplitScores, step_of, week_of

if TYPE_CHECKING:
    from cnnrun.data.windows import SeriesData, SeriesSplit
    from cnnrun.tasks.forecasting import Forecast

Array = NDArray[Any]
Row = dict[str, str | float | None]

MOST_ROWS = 500_000
"""Of the forecast table; above that only windows that do not overlap are written."""

_DIGITS = 7
"""Of a forecast, before and after the point together, counted from the scale of its target."""

OF_BASELINES = {False: ("mae", "rmse", "mape", "r2"), True: ("mae_scaled", "mse_scaled")}
"""Metrics of the baselines that stand among the results; for several targets, those in scaled units."""

OF_SERIES = ("mae", "rmse")
"""Metrics of each of several targets that stand among the results."""

LJUNG_BOX_LAGS = 10
"""At least, if a fifth of the errors reaches so far; more where there is a longer cycle."""


def result_rows(scores: SplitScores, interval_level: float) -> list[Row]:
    """Rows of tables.RESULTS."""
    several = len(scores.target.names) > 1
    model = scores.estimates(MODEL)
    rows = [_result(scores, metric, found) for metric, found in model.items()]
    if "coverage" in model:
        rows.append(_result(scores, "interval_level", Estimate(interval_level, math.nan, math.nan)))
    if math.isfinite((skill := scores.skill()).value):
        rows.append(_result(scores, "skill", skill))
    for number, name in enumerate(scores.target.names if several else ()):
        estimates = scores.estimates(MODEL, number)
        rows += [_result(scores, f"{metric}[{name}]", estimates[metric]) for metric in OF_SERIES if metric in estimates]
    for baseline in scores.baselines:
        estimates = scores.estimates(baseline)
        named = [metric for metric in OF_BASELINES[several] if metric in estimates]
        rows += [_result(scores, f"{metric}/{baseline}", estimates[metric]) for metric in named]
    return rows


def result_names(targets: Sequence[str]) -> list[str]:
    """The metrics that `result_rows` may hold; some may be missing, as where an actual value of 0 forbids MAPE."""
    several = len(targets) > 1
    names = [name for name in METRICS if not several or name not in IN_UNITS]
    names += [f"{name}_scaled" for name in (IN_UNITS if several else ("mae", "mse"))]
    names += [f"{metric}[{target}]" for target in targets for metric in OF_SERIES if several]
    of_baselines = [f"{metric}/{baseline}" for baseline in NAMES for metric in OF_BASELINES[several]]
    return [*names, "interval_level", "skill", *of_baselines]


def _result(scores: SplitScores, metric: str, found: Estimate) -> Row:
    values: list[str | float | None] = [scores.split, metric, found.value, _end(found.low), _end(found.high), scores.n]
    return dict(zip(tables.RESULTS.names, values, strict=True))


def _end(value: float) -> float | None:
    """Nothing rather than the word nan in a CSV."""
    return None if math.isnan(value) else value


def baselines_table(scores: Iterable[SplitScores]) -> pd.DataFrame:
    """tables.BASELINES: network and baselines, all targets together."""
    rows = [row for of_split in scores for row in _metric_rows(of_split, None)]
    return pd.DataFrame(rows, columns=tables.BASELINES.names)


def by_series_table(scores: Iterable[SplitScores]) -> pd.DataFrame:
    """tables.BY_SERIES: the same, target by target."""
    rows = [
        (name, *row)
        for of_split in scores
        for number, name in enumerate(of_split.target.names)
        for row in _metric_rows(of_split, number)
    ]
    return pd.DataFrame(rows, columns=tables.BY_SERIES.names)


def _metric_rows(scores: SplitScores, series: int | None) -> list[tuple[Any, ...]]:
    return [
        (name, scores.split, metric, found.value, found.low, found.high, scores.n)
        for name in scores.tallies
        for metric, found in scores.estimates(name, series).items()
    ]


def forecast_table(forecast: "Forecast", split: "SeriesSplit", data: "SeriesData") -> pd.DataFrame:
    """tables.FORECAST: window by window, target by target, step by step; of too many rows every H-th window."""
    windows = np.arange(len(forecast.point))[:: stride(forecast.point.shape)]
    n, m, h = len(windows), *forecast.point.shape[1:]
    rows = split.first + windows[:, None, None] + np.arange(h) + np.zeros((1, m, 1), dtype=np.int64)
    origins = np.broadcast_to((split.first - 1 + windows)[:, None, None], (n, m, h))
    missing = np.full((n, m, h), np.nan)
    numbers = [split.actual[windows]]
    numbers += [missing if part is None else part[windows] for part in (forecast.point, forecast.low, forecast.high)]
    columns = [
        _stamps(data, origins.ravel()),
        _stamps(data, rows.ravel()),
        np.broadcast_to(np.arange(1, h + 1), (n, m, h)).ravel(),
        np.array(data.forecast.names, dtype=object)[np.broadcast_to(np.arange(m)[:, None], (n, m, h)).ravel()],
        *(_rounded(values, data.forecast.scale).ravel() for values in numbers),
    ]
    return pd.DataFrame(dict(zip(tables.FORECAST.names, columns, strict=True)))


def stride(shape: Sequence[int]) -> int:
    """Windows from one in the forecast table to the next, for forecasts of shape (N, M, H)."""
    return shape[2] if math.prod(shape) > MOST_ROWS else 1


def ahead_table(forecast: "Forecast", stamps: "pd.Index", data: "SeriesData") -> pd.DataFrame:
    """tables.AHEAD: of one window, target by target. Args: stamps: (H,) of its steps."""
    names = data.forecast.names
    missing = np.full(forecast.point.shape, np.nan)
    parts = [missing if part is None else part for part in (forecast.point, forecast.low, forecast.high)]
    columns = [
        stamps.append([stamps] * (len(names) - 1)),
        np.repeat(np.array(names, dtype=object), len(stamps)),
        *(_rounded(part, data.forecast.scale).ravel() for part in parts),
    ]
    return pd.DataFrame(dict(zip(tables.AHEAD.names, columns, strict=True)))


def _stamps(data: "SeriesData", rows: Array) -> Any:
    """The stamp of each row; the row numbers of a series without stamps."""
    return rows if data.series.index is None else data.series.index[rows]


def _rounded(values: Array, scale: Array) -> Array:
    """(N, M, H), each target to the digits that its scale makes worth while."""
    with np.errstate(divide="ignore"):
        digits = np.where(scale > 0, _DIGITS - 1 - np.floor(np.log10(scale)), _DIGITS).astype(int)
    return np.stack([values[:, m].round(digits[m]) for m in range(len(scale))], axis=1)


def by_horizon_table(scores: SplitScores) -> pd.DataFrame:
    """tables.BY_HORIZON: all targets together, and each of several alone."""
    model, best = scores.tallies[MODEL].by_step, scores.tallies[scores.best_baseline].by_step
    parts = [_by_step("", scores.together(model), scores.together(best))]
    if len(scores.target.names) > 1:
        names = enumerate(scores.target.names)
        parts += [_by_step(name, model.of(number), best.of(number)) for number, name in names]
    return pd.concat(parts, ignore_index=True)


def _by_step(name: str, model: Sums, baseline: Sums) -> pd.DataFrame:
    cells = model.cells.sum(axis=-1)
    columns: list[Any] = [np.arange(1, len(cells) + 1), name, cells.astype(np.int64)]
    columns += [METRICS[metric](model) for metric in ("mse", "rmse", "mae", "mape", "smape", "mase")]
    columns.append(METRICS["mae"](baseline))
    return pd.DataFrame(dict(zip(tables.BY_HORIZON.names, columns, strict=True)))


def by_time_table(forecast: "Forecast", split: "SeriesSplit", data: "SeriesData") -> pd.DataFrame:
    """tables.BY_TIME: the parts that the steps of the series tell apart, local time where it has a time zone."""
    index, step = data.series.index, step_of(data.series)
    assert index is not None, "a series without stamps has no time"
    assert step is not None
    parts = {
        "hour": (index.hour, 86_400),
        "weekday": (index.day_of_week, 7 * 86_400),
        "month": (index.month, 32 * 86_400),
    }
    sums = _sums_by_row(forecast, split, data)
    frames = [_by_part(name, np.asarray(values), sums) for name, (values, cycle) in parts.items() if step < cycle]
    empty = pd.DataFrame(columns=tables.BY_TIME.names)
    return pd.concat(frames, ignore_index=True) if frames else empty


def _sums_by_row(forecast: "Forecast", split: "SeriesSplit", data: "SeriesData") -> Array:
    """(T, 4): of each row of the series, count and sums of error, |error| and error² over windows and targets."""
    errors = forecast.point - split.actual
    if len(data.forecast.names) > 1:
        errors = errors / data.forecast.scale[:, None]
    seen = ~np.isnan(split.actual)
    errors = np.where(seen, errors, 0.0)
    n, _, h = errors.shape
    sums = np.zeros((len(data.history), 4))
    for step in range(h):
        cells = [seen[:, :, step], errors[:, :, step], np.abs(errors[:, :, step]), errors[:, :, step] ** 2]
        sums[split.first + step : split.first + step + n] += np.stack([cell.sum(axis=1) for cell in cells], axis=1)
    return sums


def _by_part(name: str, values: Array, sums: Array) -> pd.DataFrame:
    count, error, absolute, squared = (np.bincount(values, weights=column) for column in sums.T)
    found = np.flatnonzero(count)
    n = count[found]
    columns = [name, found, n.astype(np.int64), absolute[found] / n, np.sqrt(squared[found] / n), error[found] / n]
    return pd.DataFrame(dict(zip(tables.BY_TIME.names, columns, strict=True)))


def residuals_table(
    forecast: "Forecast", split: "SeriesSplit", data: "SeriesData", scores: SplitScores
) -> pd.DataFrame:
    """tables.RESIDUALS: of the errors one step ahead, target by target."""
    errors = forecast.point[:, :, 0] - split.actual[:, :, 0]
    cycles = [data.forecast.season, week_of(data.series) or 1]
    rows = [
        (name, *row)
        for number, name in enumerate(data.forecast.names)
        for row in _residual_rows(errors[:, number], cycles, scores.block)
    ]
    return pd.DataFrame(rows, columns=tables.RESIDUALS.names)


def _residual_rows(errors: Array, cycles: Sequence[int], block: int) -> list[tuple[str, float, str]]:
    """Errors (N,), NaN where nothing was observed."""
    seen = ~np.isnan(errors)
    n = int(seen.sum())
    if n < 2:
        return [("n", n, "too few errors to say more")]
    bias = _mean_estimate(errors, block)
    within = bias.low <= 0 <= bias.high
    judged = "" if math.isnan(bias.low) else "0 is within its 95 % interval" if within else "0 is outside its interval"
    rows = [
        ("n", float(n), "errors one step ahead"),
        ("bias", bias.value, f"mean; above 0 the forecasts are too high{judged and '; ' + judged}"),
        ("bias_low", bias.low, "lower end of its 95 % interval, from a moving-block bootstrap"),
        ("bias_high", bias.high, "upper end"),
        ("deviation", float(np.std(errors[seen])), "standard deviation"),
    ]
    lags = useful_lags(len(errors), cycles)
    rows += [_autocorrelation_row(errors, lag) for lag in lags if independent_size(errors, lag)]
    box = min(max(LJUNG_BOX_LAGS, *lags), len(errors) // 5)
    if box:
        p = ljung_box(errors, box)
        told = "an error tells something of later ones" if p < 0.05 else "no sign that errors tell of later ones"
        rows.append(("ljung_box_p", p, f"up to lag {box}: {told}"))
    return [
        *rows,
        ("skewness", skewness(errors), "0 for errors that lie alike on both sides"),
        ("excess_kurtosis", excess_kurtosis(errors), "0 for normal errors, above 0 with more outliers"),
    ]


def _mean_estimate(errors: Array, block: int) -> Estimate:
    columns = np.stack([np.nan_to_num(errors), ~np.isnan(errors)], axis=1)
    many = resampled(columns, block)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = None if many is None else many[:, 0] / many[:, 1]
    return estimate(float(np.nanmean(errors)), means, len(errors) / block)


def _autocorrelation_row(errors: Array, lag: int) -> tuple[str, float, str]:
    value, band = autocorrelation(errors, lag), 1.96 / math.sqrt(independent_size(errors, lag))
    place = "within" if abs(value) <= band else "outside"
    return f"autocorrelation_{lag}", value, f"{place} ±{band:.3f}, where 95 % of those of independent errors lie"


def comparison_table(scores: SplitScores) -> pd.DataFrame:
    """tables.COMPARISON."""
    found = {name: scores.compared(name) for name in scores.baselines}
    rows = [(name, it.statistic, it.p_value, it.mean_difference, it.n) for name, it in found.items()]
    return pd.DataFrame(rows, columns=tables.COMPARISON.names)


def series_table(data: "SeriesData") -> pd.DataFrame:
    """tables.SERIES: every row that the run has read."""
    series, num_targets = data.series, len(data.forecast.names)
    splits = np.full(len(series.values), "", dtype=object)
    for name in ("train", "val", "test"):
        begin, stop = data.bounds[name]
        splits[begin:stop] = name
    columns = [
        _stamps(data, np.arange(len(series.values))),
        splits,
        series.observed[:, :num_targets].all(axis=1),
    ]
    table = pd.DataFrame(dict(zip(tables.SERIES.names, columns, strict=True)))
    # A column of the data may be called "split" too.
    return pd.concat([table, pd.DataFrame(series.values, columns=list(series.names))], axis=1)


def repairs_table(data: "SeriesData") -> pd.DataFrame:
    """tables.REPAIRS."""
    rows = [[getattr(repair, name) for name in tables.REPAIRS.names] for repair in data.series.repairs]
    return pd.DataFrame(rows, columns=tables.REPAIRS.names)
