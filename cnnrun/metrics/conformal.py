"""Intervals around forecasts from errors that were made before: split conformal prediction, Vovk et al. (2005)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def margins_of(errors: Array, level: float) -> Array:
    """(..., 2): what to add to a forecast so that the two ends enclose `level` of the actual values.

    Of n errors they are the one of rank ceil((n + 1) (1 + level) / 2) and its mirror image: a little further out than
    the quantiles, as those of new forecasts scatter more. Where n is too small for such a rank, the outermost.

    Args: errors: (N, ...) actual - forecast, NaN where nothing was observed. NaN for a place without any.
    """
    ordered, n = np.sort(errors, axis=0), (~np.isnan(errors)).sum(axis=0)
    # Less a hair: (n + 1) (1 + level) / 2 may be whole, but for rounding.
    rank = np.minimum(np.ceil((n + 1) * (1 + level) / 2 - 1e-9).astype(int), n)
    places = [np.minimum(n - rank, len(errors) - 1), np.maximum(rank - 1, 0)]
    return np.stack([np.take_along_axis(ordered, place[None], axis=0)[0] for place in places], axis=-1)
