"""Forecasts that a network must beat: the last value, the last season, and a ridge regression on past values.

They use the values as they were observed, never cleaned ones, and nothing from a window's first target step on. What
was not observed is carried forward from before, whatever the gaps were filled with: an interpolation knows what comes
after.

Letters: T rows of the series, N windows of a split, M targets, H horizon, P past steps of the ridge.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cnnrun.data.windows import SeriesData, SeriesSplit

Array = NDArray[Any]

NAMES = ("naive", "seasonal_naive", "ridge")

PENALTIES = (1.0, 1e2, 1e4, 1e6)
"""Of the sum of squared weights, against a sum of squared errors in standard deviations. The steps are coarse as val
says little of fine ones; these give 2.85 % / .852 on OPSD (15 past steps), as published, and .3634 / .3910 on ETTh1
(512 past steps, from_last)."""

_CHUNK = 1 << 21
"""Past values at a time: keeps windows that are laid out densely, and so no views any more, at 16 MiB."""


class Baselines:
    """What the baselines forecast on the splits of one data set."""

    def __init__(self, data: "SeriesData", ridge_lags: int | None, *, from_last: bool) -> None:
        """Without a window of train, as in a file that begins after it, there is no ridge.

        Args: ridge_lags: P, the look-back of the network if None. from_last: as for `fit_ridge`.
        """
        self._past = known_past(data)
        self._season, self._horizon = data.forecast.season, data.forecast.horizon
        self._ridge: Ridge | None = None
        if len(data.train.actual):
            self._ridge = fit_ridge(data, self._past, ridge_lags or data.input_shape[1], from_last=from_last)

    def forecasts(self, split: "SeriesSplit") -> dict[str, Array]:
        """(N, M, H) in the unit, by each of NAMES; where the past does not reach back so far, the naive one."""
        first, count = split.first, len(split.actual)
        naive = self._past[first - 1 : first - 1 + count, :, None].repeat(self._horizon, axis=2)
        others = {"seasonal_naive": seasonal_naive(self._past, first, count, self._horizon, self._season)}
        if self._ridge is not None:
            others["ridge"] = self._ridge.forecast(self._past, first, count)
        return {"naive": naive} | {
            name: np.where(np.isnan(forecast), naive, forecast) for name, forecast in others.items()
        }


def known_past(data: "SeriesData") -> Array:
    """(T, M) true values in the unit; where one was not observed, the last that was; NaN before the first."""
    num_targets = data.history.shape[1]
    observed = data.series.observed[:, :num_targets]
    rows = np.where(observed, np.arange(len(observed))[:, None], -1)
    last = np.maximum.accumulate(rows, axis=0)
    return np.where(last < 0, np.nan, np.take_along_axis(data.history, np.maximum(last, 0), axis=0))


def seasonal_naive(past: Array, first: int, count: int, horizon: int, season: int) -> Array:
    """(N, M, H): step h of a window that begins at row p is y[p - 1 + h - s ceil(h / s)]; NaN before the series."""
    steps = np.arange(1, horizon + 1)
    rows = first - 1 + np.arange(count)[:, None] + steps - season * -(-steps // season)
    values = np.where((rows >= 0)[..., None], past[np.maximum(rows, 0)], np.nan)
    return values.transpose(0, 2, 1)


@dataclass(frozen=True)
class Ridge:
    """One linear map from P past values to H steps, the same for each target, on standardised values."""

    weights: Array
    """(P, H)."""
    constant: Array
    """(H,)."""
    mean: Array
    """(M,) and so is `deviation`: of each target, in the unit."""
    deviation: Array
    from_last: bool

    def forecast(self, past: Array, first: int, count: int) -> Array:
        """(N, M, H) for the windows that begin at the rows from `first` on; NaN where their past is not known."""
        forecast = np.full((count, len(self.mean), len(self.constant)), np.nan)
        scaled = (past - self.mean) / self.deviation
        for part, inputs in _past_windows(scaled, len(self.weights), first, count):
            last = inputs[..., -1:] if self.from_last else 0.0
            scores = (inputs - last) @ self.weights + self.constant + last
            forecast[part] = scores * self.deviation[:, None] + self.mean[:, None]
        return forecast


def fit_ridge(data: "SeriesData", past: Array, lags: int, *, from_last: bool) -> Ridge | None:
    """The map that minimises squared errors on train plus a penalty, which is chosen on val.

    Where train holds val, it is chosen with a map of the windows that end before val.

    Args:
        past: of `known_past`. lags: P.
        from_last: whether past and future are differences from the last value, without a constant: steadier where the
            level drifts, over many steps. Otherwise there is a constant, which costs no penalty.
    Returns:
        None if no window of train has so many known steps before it.
    """
    begin, stop = data.bounds["train"]
    seen = past[begin:stop]
    deviation = np.nanstd(seen, axis=0)
    ridge = Ridge(
        weights=np.zeros((lags, data.forecast.horizon)),
        constant=np.zeros(data.forecast.horizon),
        mean=np.nanmean(seen, axis=0),
        deviation=np.where(deviation > 0, deviation, 1.0),
        from_last=from_last,
    )
    before_val = max(data.bounds["val"][0] - data.forecast.horizon + 1 - data.train.first, 0)
    count = len(data.train.actual)
    equations = _Equations.of(ridge, past, data.train, 0, min(before_val, count))
    if not equations.rows:
        return None
    candidates = [equations.solved(ridge, penalty) for penalty in PENALTIES]
    best = int(np.argmin([_error(candidate, past, data.val) for candidate in candidates]))
    if before_val >= count:
        return candidates[best]
    rest = _Equations.of(ridge, past, data.train, before_val, count)
    return (equations + rest).solved(ridge, PENALTIES[best])


@dataclass(frozen=True)
class _Equations:
    """Sums over rows of past values x (P,) and what followed, y (H,)."""

    rows: int
    x: Array
    y: Array
    xx: Array
    xy: Array

    @classmethod
    def of(cls, ridge: Ridge, past: Array, split: "SeriesSplit", begin: int, stop: int) -> "_Equations":
        """Over the windows of a split from `begin` to before `stop` whose past and targets are all known."""
        lags, horizon = ridge.weights.shape
        sums = cls(0, np.zeros(lags), np.zeros(horizon), np.zeros((lags, lags)), np.zeros((lags, horizon)))
        scaled = (past - ridge.mean) / ridge.deviation
        for part, inputs in _past_windows(scaled, lags, split.first + begin, stop - begin):
            followed = split.actual[begin:stop][part]
            targets = (followed - ridge.mean[:, None]) / ridge.deviation[:, None]
            x, y = inputs.reshape(-1, lags), targets.reshape(-1, horizon)
            if ridge.from_last:
                x, y = x - x[:, -1:], y - x[:, -1:]
            known = ~(np.isnan(x).any(axis=1) | np.isnan(y).any(axis=1))
            x, y = (x, y) if known.all() else (x[known], y[known])
            sums += cls(len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y)
        return sums

    def __add__(self, other: "_Equations") -> "_Equations":
        return _Equations(
            self.rows + other.rows, self.x + other.x, self.y + other.y, self.xx + other.xx, self.xy + other.xy
        )

    def solved(self, ridge: Ridge, penalty: float) -> Ridge:
        """The ridge with the weights of a penalty."""
        x, y = (np.zeros_like(self.x), np.zeros_like(self.y)) if ridge.from_last else (self.x, self.y)
        xx = self.xx - np.outer(x, x) / self.rows
        xy = self.xy - np.outer(x, y) / self.rows
        weights = np.linalg.solve(xx + penalty * np.eye(len(xx)), xy)
        return replace(ridge, weights=weights, constant=(y - x @ weights) / self.rows)


def _error(ridge: Ridge, past: Array, split: "SeriesSplit") -> float:
    """Mean squared error on a split, in standard deviations."""
    forecast = ridge.forecast(past, split.first, len(split.actual))
    errors = (forecast - split.actual) / ridge.deviation[:, None]
    known = errors[~np.isnan(errors)]
    return float((known**2).mean()) if len(known) else 0.0


def _past_windows(scaled: Array, lags: int, first: int, count: int) -> Iterator[tuple[slice, Array]]:
    """Which windows, and the (n, M, P) values before them; those whose past begins before the series are left out."""
    if count <= 0 or lags > len(scaled):
        return
    views = np.lib.stride_tricks.sliding_window_view(scaled, lags, axis=0)
    size = max(_CHUNK // (lags * scaled.shape[1]), 1)
    for start in range(max(lags - first, 0), count, size):
        part = slice(start, min(start + size, count))
        yield part, views[first - lags + part.start : first - lags + part.stop]
