"""Replace outliers in what a model sees of a series; all ways but `reference` look back only.

Judged by a window that ends at the value itself, a value never tells anything of those after it: white noise stays as
unpredictable as it was.
"""

from typing import Literal

import numpy as np

from cnnrun.errors import ConfigError

Cleaning = Literal["none", "zscore", "hampel", "reference"]
"""As it is | mean and deviation of a trailing window | its median and MAD | of a window centred on the value."""

NORMAL_MAD = 1.4826022185056018
"""Deviation of a normal distribution over its median absolute deviation: 1 / its 75 % quantile."""
CHUNK = 1 << 18
"""Numbers that are sorted at a time by `hampel`: few enough for the cache."""


def clean(values: np.ndarray, method: Cleaning, *, window: int, threshold: float) -> np.ndarray:
    """The series with its outliers replaced by the mean (`zscore`, `reference`) or median (`hampel`) of their window.

    Args:
        values: (T, K); each column is judged by itself.
        window: rows that judge a value. A trailing window ends with the value and must be full: earlier values stay.
            The centred one of `reference` reaches `window // 2` rows into the past, `(window - 1) // 2` into the
            future, and is cut off at the ends.
        threshold: deviations from the mean, or MADs in units of a normal deviation from the median, that are allowed.
    Returns:
        (T, K), `values` itself where there is nothing to do. Values in a window without spread stay, as do NaN.
    Raises:
        ConfigError: if no value of such a window could ever lie beyond the threshold.
    """
    if method == "none":
        return values
    if method == "reference":
        return _centred(values, window, threshold)
    _require_reach(method, window, threshold)
    if len(values) < window:
        return values
    judge = _beyond_deviations if method == "zscore" else _beyond_mads
    outlier, middle = judge(values, window, threshold)
    return np.where(outlier, middle, values)


def _require_reach(method: Cleaning, window: int, threshold: float) -> None:
    """A value is part of its window, so it lies at most sqrt(w - 1) of that window's deviations from the mean."""
    most = (window - 1) ** 0.5 if method == "zscore" else (0.0 if window < 3 else np.inf)
    if threshold >= most:
        raise ConfigError(
            f"dataset.clean={method} with clean_window={window} and clean_threshold={threshold:g} would never replace "
            f"anything: a value lies at most {most:.3g} deviations from the middle of {window} values that it is one "
            "of; take a longer window or a lower threshold"
        )


def _beyond_deviations(values: np.ndarray, window: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    rolling = pd.DataFrame(values).rolling(window)
    mean, deviation = rolling.mean().to_numpy(), rolling.std(ddof=0).to_numpy()
    return (np.abs(values - mean) > threshold * deviation) & (deviation > 0), mean


def _beyond_mads(values: np.ndarray, window: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    median = pd.DataFrame(values).rolling(window).median().to_numpy()
    limit = threshold * NORMAL_MAD
    distance = np.abs(values - median)
    outlier = np.zeros(values.shape, dtype=bool)
    for column in range(values.shape[1]):
        rows = np.flatnonzero(distance[:, column] > 0)
        mads = _mads(values[:, column], median[:, column], rows, window)
        outlier[rows, column] = (distance[rows, column] > limit * mads) & (mads > 0)
    return outlier, median


def _mads(values: np.ndarray, median: np.ndarray, rows: np.ndarray, window: int) -> np.ndarray:
    """(len(rows),) median absolute deviations of the windows that end at these rows."""
    windows = np.lib.stride_tricks.sliding_window_view(values, window)
    step = max(1, CHUNK // window)
    found = np.empty(len(rows))
    for begin in range(0, len(rows), step):
        some = rows[begin : begin + step]
        distances = np.abs(windows[some - window + 1] - median[some, None])
        found[begin : begin + step] = np.median(distances, axis=1, overwrite_input=True)
    return found


def _centred(values: np.ndarray, window: int, threshold: float) -> np.ndarray:
    """Reference 000's `zscore`: what is not within the threshold becomes the mean, which is of past and future."""
    import pandas as pd

    series = pd.DataFrame(values)
    rolling = series.rolling(window, min_periods=1, center=True)
    mean, deviation = rolling.mean(), rolling.std(ddof=0)
    within = series.sub(mean).div(deviation).abs() <= threshold
    return series.where(within | series.isna(), mean).to_numpy()
