"""One affine map a column, fitted on the rows of train: unit value = scaled * scale + shift."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from cnnrun.errors import DataError

Scale = Literal["zscore", "minmax", "robust", "none"]
"""Mean 0 and deviation 1 | range to [0, 1] | median 0 and quartiles 1 apart | as it is."""

PositiveFinite = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Scaler:
    """The map of one column; both numbers are in its unit."""

    scale: PositiveFinite
    shift: FiniteFloat

    def apply(self, values: np.ndarray) -> np.ndarray:
        """From the unit to scaled values, any shape."""
        return (values - self.shift) / self.scale


def fit_scaler(values: np.ndarray, method: Scale, column: str) -> Scaler:
    """Fit the map of one column.

    Args:
        values: (T,) of train alone; NaN is left out.
        column: its name, for messages.
    Returns:
        a constant column is only shifted: its scale is 1.
    Raises:
        DataError: if nothing is left to fit on, or the quartiles of a column that does vary are the same number.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        raise DataError(f"column '{column}' has no value in train; begin val later, or leave the column out")
    shift, scale = SCALES[method](known)
    if scale > 0 or known.max() == known.min():
        return Scaler(scale or 1.0, shift)
    raise DataError(
        f"dataset.scale={method}: half of the values of '{column}' in train are {shift:g}, so their quartiles say "
        "nothing about its spread; take zscore or minmax"
    )


def _zscore(values: np.ndarray) -> tuple[float, float]:
    spread = 0.0 if values.min() == values.max() else float(values.std())
    return float(values.mean()), spread


def _minmax(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max() - values.min())


def _robust(values: np.ndarray) -> tuple[float, float]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(middle), float(high - low)


def _none(values: np.ndarray) -> tuple[float, float]:
    return 0.0, 1.0


SCALES: dict[str, Callable[[np.ndarray], tuple[float, float]]] = {
    "zscore": _zscore,
    "minmax": _minmax,
    "robust": _robust,
    "none": _none,
}
"""Each returns shift and scale."""
