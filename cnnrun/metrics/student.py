"""Student's t, written out, as scipy takes a tenth of a second to import; and a mean with its interval."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from cnnrun.metrics.intervals import Estimate


def mean_interval(values: Sequence[float]) -> Estimate:
    """Of independent values (n,): the mean and its 95 % interval, ± t(.975, n - 1) s / sqrt(n); NaN ends for one."""
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return Estimate(mean, math.nan, math.nan)
    half = t_quantile(n - 1) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half)


@cache
def t_quantile(freedom: int) -> float:
    """The quantile of .975: where the two-sided p is .05, by bisection."""
    low, high = 1.9, 13.0  # of 1 degree of freedom it is 12.7
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, freedom) > 0.05 else (low, middle)
    return (low + high) / 2


def t_quantile_between(freedom: float) -> float:
    """As `t_quantile`, also of a fraction, within .03 from 3 degrees of freedom on: Abramowitz and Stegun 26.7.5."""
    z, v = 1.959964, freedom
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / v + second / v**2 + third / v**3


def two_sided_p(t: float, freedom: int) -> float:
    """Probability that t of `freedom` degrees lies further from 0: Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term, total = (math.cos(angle), 0.0) if odd else (1.0, 0.0)
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= square * k / (k + 1)
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return max(1 - inside, 0.0)
