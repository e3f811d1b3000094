"""The moving-block bootstrap: 95 % intervals of metrics whose windows follow, and resemble, each other in time.

Künsch (1989): a resample is made of blocks of consecutive windows, so what neighbours share stays in it.

Letters: N windows, B resamples.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnrun.metrics.intervals import Estimate
from cnnrun.metrics.student import t_quantile_between

Array = NDArray[Any]

NUM_RESAMPLES = 1000
SEED = 0
"""Of the blocks: the same forecasts always get the same interval, and forecasts of the same windows the same blocks."""

MIN_BLOCKS = 4
"""Blocks that must fit into the windows; of fewer, resamples are so alike that an interval would be far too short."""


def resampled(columns: Array, block: int, num_resamples: int = NUM_RESAMPLES, seed: int = SEED) -> Array | None:
    """Sums (B, ...) over resamples of N windows; None where fewer than MIN_BLOCKS blocks fit.

    Args:
        columns: (N, ...) what each window adds, in the order of time. block: windows in one.
    """
    n = len(columns)
    if n < MIN_BLOCKS * block:
        return None
    generator = np.random.default_rng(seed)
    until = np.concatenate([np.zeros_like(columns[:1]), columns.cumsum(axis=0)])
    total = np.zeros((num_resamples, *columns.shape[1:]))
    full, rest = divmod(n, block)
    for length, count in ((block, full), (rest, int(rest > 0))):
        of_blocks = until[length:] - until[: n + 1 - length]
        for _ in range(count):
            total += of_blocks[generator.integers(len(of_blocks), size=num_resamples)]
    return total


def estimate(value: float, values: Array | None, num_blocks: float) -> Estimate:
    """A metric with its 95 % interval; without resamples, or where one of them has no such metric, its ends are NaN.

    The percentiles of resamples of few blocks lie too near, so further ones are taken: Hesterberg (2015), "expanded
    percentiles". Where errors were alike over half a block, 17 blocks then held the truth in 91 % of 600 simulations
    instead of 88 %, 4 blocks in 84 % instead of 72 %. Blocks at either end of a split are drawn less often, so the
    interval may miss the value; it is widened to hold it.

    Args:
        values: (B,) of the resamples. num_blocks: in each of them.
    """
    if values is None or not np.isfinite(values).all():
        return Estimate(value, np.nan, np.nan)
    tail = 100 * _tail(num_blocks)
    low, high = np.percentile(values, [tail, 100 - tail])
    return Estimate(value, min(float(low), value), max(float(high), value))


def _tail(num_blocks: float) -> float:
    """The share below the lower end: that of a normal variable below -sqrt(k / (k - 1)) t(.975, k - 1), k blocks."""
    quantile = t_quantile_between(num_blocks - 1) * math.sqrt(num_blocks / (num_blocks - 1))
    return math.erfc(quantile / math.sqrt(2)) / 2
