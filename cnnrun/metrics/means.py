"""The mean of a few runs or folds, with the interval of Student's t."""

import math
from collections.abc import Sequence

import numpy as np

from cnnrun.metrics.diebold_mariano import two_sided_p
from cnnrun.metrics.intervals import Estimate


def mean_interval(values: Sequence[float]) -> Estimate:
    """Of independent values (n,): the mean and its 95 % interval, ± t(.975, n - 1) s / sqrt(n); NaN ends for one."""
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return Estimate(mean, math.nan, math.nan)
    half = t_quantile(n - 1) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half)


def t_quantile(freedom: int) -> float:
    """The quantile of .975 of Student's t: where the two-sided p is .05, by bisection."""
    low, high = 1.9, 13.0  # of 1 degree of freedom it is 12.7
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, freedom) > 0.05 else (low, middle)
    return (low + high) / 2
