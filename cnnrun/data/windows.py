"""A prepared series and its windows, which are views: every value lies in memory once, however long the look-back is.

Letters: T rows, N windows, C channels, L look-back, M targets, H horizon. Window n of a split forecasts the rows
`first + n` to `first + n + H - 1` and sees the L rows before them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import numpy as np
import torch
from torch import Tensor

from cnnrun.data.borders import Bounds, require_room
from cnnrun.data.channels import stamps_until
from cnnrun.data.series_preprocessing import ForecastTarget, SeriesPreprocessing
from cnnrun.data.splits import Split
from cnnrun.errors import DataError
from cnnrun.values import Shape

if TYPE_CHECKING:
    import pandas as pd

    from cnnrun.data.series import Series

__all__ = ["ForecastTarget", "SeriesData", "SeriesPreprocessing", "SeriesSplit", "StampIds", "windows"]


def windows(values: Tensor, length: int, first: int, count: int) -> Tensor:
    """(count, R, length): the windows of (R, T) that begin at `first`, `first + 1`, ...; a view."""
    return values.unfold(1, length, 1)[:, first : first + count].transpose(0, 1)


def array_windows(values: np.ndarray, length: int, first: int, count: int) -> np.ndarray:
    """As `windows`, of an array (R, T); read only."""
    cut = np.lib.stride_tricks.sliding_window_view(values, length, axis=1)
    return cut[:, first : first + count].transpose(1, 0, 2)


@dataclass(frozen=True)
class StampIds(Sequence[str]):
    """The stamp of each window's first target step, or its row, written when it is asked for."""

    stamps: "pd.Index"
    """(N,) stamps, or row numbers."""

    def __len__(self) -> int:
        return len(self.stamps)

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> list[str]: ...
    def __getitem__(self, key: int | slice) -> str | list[str]:
        if isinstance(key, slice):
            return [self._text(stamp) for stamp in self.stamps[key]]
        return self._text(self.stamps[key])

    def _text(self, stamp: Any) -> str:
        if not hasattr(stamp, "isoformat"):
            return str(stamp)
        return str(stamp.date()) if self._whole_days else str(stamp.isoformat(" "))

    @cached_property
    def _whole_days(self) -> bool:
        return bool((self.stamps == self.stamps.normalize()).all())  # type: ignore[attr-defined]


@dataclass(frozen=True)
class SeriesSplit(Split):
    """Windows of a series: inputs (N, C, L) and targets (N, M, H) float32, scaled; targets are NaN if not observed."""

    actual: np.ndarray
    """(N, M, H) float64 in the unit, NaN where not observed."""
    base: np.ndarray | None
    """(N, M, H) float64 in the unit: what differencing took away."""
    first: int
    """Row of the series that is the first target of the first window."""

    def to(self, device: torch.device | str) -> Self:
        """The same windows of the rows on a device: what they overlap in is moved, and stored, once."""
        try:
            return replace(self, inputs=_moved(self.inputs, device), targets=_moved(self.targets, device))
        except torch.OutOfMemoryError as error:
            raise DataError(
                f"the rows of {self.name} do not fit on {device}; take a shorter series, fewer features, or device=cpu"
            ) from error


def _moved(cut: Tensor, device: torch.device | str) -> Tensor:
    """What `windows` returned, on another device."""
    count, rows, length = cut.shape
    if not count or cut.stride(0) != 1 or cut.stride(2) != 1:
        return cut.to(device)
    whole = cut.as_strided((rows, count + length - 1), (cut.stride(1), 1))
    return windows(whole.to(device), length, 0, count)


@dataclass(frozen=True)
class SeriesData:
    """A series ready to train on. Everything in `preprocessing` was fitted on the rows of train alone."""

    kind: ClassVar[str] = "forecasting"

    train: SeriesSplit
    val: SeriesSplit
    test: SeriesSplit
    forecast: ForecastTarget
    series: "Series"
    """As it was read, up to the end of test."""
    preprocessing: SeriesPreprocessing
    history: np.ndarray
    """(T, M) float64 in the unit: what is forecast, gaps filled as they were repaired, for baselines."""
    bounds: Bounds
    """Rows of the series that each split holds."""
    warnings: list[str]
    """What makes its figures doubtful, a sentence each."""
    notes: list[str]

    @property
    def input_shape(self) -> Shape:
        """(C, L)."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def num_targets(self) -> int:
        """M."""
        return len(self.forecast.names)

    @property
    def trains_on_val(self) -> bool:
        """Whether val is part of train."""
        return self.bounds["train"][1] > self.bounds["val"][0]

    @property
    def unit(self) -> str:
        return self.forecast.unit

    @property
    def remarks(self) -> list[str]:
        """Repairs, and what is forecast from what, a sentence each."""
        recipe = self.preprocessing.recipe
        step = self.forecast.frequency or "one row"
        windows = f"{recipe.horizon:,} steps of {step} are forecast (dataset.horizon) from {recipe.lookback:,}"
        calendar = ", ".join(recipe.calendar) or "none"
        return [
            *(str(repair) for repair in self.series.repairs),
            f"{windows} (dataset.lookback); dataset.calendar: {calendar}",
        ]

    def task_facts(self) -> dict[str, Any]:
        return {"forecast": self.forecast}

    def model_facts(self) -> dict[str, Any]:
        return {"num_targets": self.num_targets}

    def stored(self) -> dict[str, Any]:
        return self.preprocessing.to_dict()

    def facts(self) -> dict[str, Any]:
        """What run.json says of it."""
        return {
            "fingerprint": self.fingerprint(),
            "input_shape": list(self.input_shape),
            "targets": list(self.forecast.names),
            "horizon": self.forecast.horizon,
            "frequency": self.forecast.frequency,
            "rows": {name: list(rows) for name, rows in self.bounds.items()},
            "samples": {split.name: len(split) for split in (self.train, self.val, self.test)},
        }

    def stamps(self, split: SeriesSplit) -> "pd.Index":
        """(N,) of the first target steps; row numbers where the series has no stamps."""
        return stamps_of(self.series, split.first, len(split))

    def fingerprint(self) -> str:
        """16 hex digits that change with any value, stamp, or the way the rows are split and cut into windows."""
        digest = hashlib.sha256()
        cut = {split.name: (split.first, len(split)) for split in (self.train, self.val, self.test)}
        digest.update(repr((self.series.names, self.bounds, cut, self.input_shape, self.forecast.horizon)).encode())
        stamps = [] if self.series.index is None else [self.series.index.asi8]
        for values in (self.series.values, self.series.observed, self.history, *stamps):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()[:16]

    def with_preprocessing(self, stored: dict[str, Any]) -> "SeriesData":
        """The same rows, prepared with the numbers of a run.

        Raises:
            DataError: if they are broken, belong to other columns, or ask for longer windows than there are.
        """
        from cnnrun.data.assemble_series import assemble_series

        preprocessing = SeriesPreprocessing.from_dict(stored)
        require_room(self.bounds, preprocessing.recipe)
        return assemble_series(self.series, preprocessing, self.bounds, warnings=self.warnings, notes=self.notes)


def stamps_of(series: "Series", first: int, count: int) -> "pd.Index":
    """(count,) stamps from row `first` on, also of rows that are yet to come; row numbers where there are no stamps."""
    import pandas as pd

    if series.index is None:
        return pd.RangeIndex(first, first + count)
    if first + count > len(series.index):
        return stamps_until(series.index, series.frequency, first + count)[first:]
    return series.index[first : first + count]
