"""Intervals around forecasts from errors that were made before: split conformal prediction, Vovk et al. (2005)."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def margins_of(errors: Array, level: float) -> Array:
    """(..., 2): what to add to a forecast so that the two ends enclose `level` of the actual values.

    Of n errors they are the one of rank ceil((n + 1) (1 + level) / 2) and its mirror image: a little further out than
    the quantiles, as those of new forecasts scatter more. NaN where n is too small for such a rank, see `least_errors`:
    even the outermost ones would enclose less.

    Args: errors: (N, ...) actual - forecast, NaN where nothing was observed.
    """
    ordered, n = np.sort(errors, axis=0), (~np.isnan(errors)).sum(axis=0)
    # Less a hair: (n + 1) (1 + level) / 2 may be whole, but for rounding.
    rank = np.ceil((n + 1) * (1 + level) / 2 - 1e-9).astype(int)
    places = [np.where(rank <= n, place, 0) for place in (n - rank, rank - 1)]
    ends = np.stack([np.take_along_axis(ordered, place[None], axis=0)[0] for place in places], axis=-1)
    return np.where((rank <= n)[..., None], ends, np.nan)


def least_errors(level: float) -> int:
    """How many errors `margins_of` needs: 19 for a level of 0.9."""
    return math.ceil((1 + level) / (1 - level) - 1e-9)
