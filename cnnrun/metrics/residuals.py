"""What the errors of one-step forecasts still tell: their mean, their memory and their shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]


def autocorrelation(errors: Array, lag: int) -> float:
    """Of errors (n,) in the order of time, NaN where one is missing: sum c[t] c[t + lag] / sum c[t]², c centred.

    Missing ones are left out, and what remains is scaled up. NaN where no pair remains, or all errors are the same.
    """
    n, seen = len(errors), ~np.isnan(errors)
    centred = np.where(seen, errors - errors[seen].mean() if seen.any() else 0.0, 0.0)
    pairs = _pairs(errors, lag)
    power = float((centred**2).sum())
    if not pairs or not power:
        return float("nan")
    share = seen.sum() / n * (n - lag) / pairs
    return float((centred[: n - lag] * centred[lag:]).sum() / power * share)


def ljung_box(errors: Array, lags: int) -> float:
    """P-value of no autocorrelation up to `lags`: Q = n (n + 2) sum r_k² / (n - k), Ljung and Box (1978).

    Where errors are missing, the first n is `independent_size`. Lags without a pair are left out.
    """
    n, told = len(errors), [lag for lag in range(1, lags + 1) if _pairs(errors, lag)]
    terms = [autocorrelation(errors, lag) ** 2 * independent_size(errors, lag) * (n + 2) / (n - lag) for lag in told]
    half = torch.tensor([len(told), sum(terms)], dtype=torch.float64) / 2
    return torch.special.gammaincc(*half).item() if told else float("nan")


def independent_size(errors: Array, lag: int) -> float:
    """How many errors without gaps would tell as much of this lag: 1 / this is the variance of independent ones' r."""
    n = len(errors)
    return n * _pairs(errors, lag) / (n - lag)


def _pairs(errors: Array, lag: int) -> int:
    """How many errors have one `lag` later."""
    seen = ~np.isnan(errors)
    return int((seen[:-lag] & seen[lag:]).sum())


def skewness(errors: Array) -> float:
    """Third moment about the mean over the 1.5th power of the second; 0 where both sides are alike."""
    return _moment(errors, 3)


def excess_kurtosis(errors: Array) -> float:
    """Fourth moment over the square of the second, less 3; 0 for normal errors, above it with more outliers."""
    return _moment(errors, 4) - 3


def _moment(errors: Array, power: int) -> float:
    given = errors[~np.isnan(errors)]
    centred = given - given.mean()
    spread = (centred**2).mean()
    return float((centred**power).mean() / spread ** (power / 2)) if spread else float("nan")


def useful_lags(num_errors: int, cycles: Sequence[int]) -> list[int]:
    """1 and the cycles of the series (a day, a week, a season), as far as a fifth of the errors reaches."""
    return sorted({lag for lag in (1, *cycles) if lag <= max(num_errors // 5, 1)})
