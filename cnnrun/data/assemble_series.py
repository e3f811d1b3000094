"""From a series and what was fitted on its train rows to the windows of three splits."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cnnrun.data.borders import Bounds
from cnnrun.data.channels import Unscaled, channel_names, channels
from cnnrun.data.series_preprocessing import SeriesPreprocessing, SplitName
from cnnrun.data.windows import SeriesData, SeriesSplit, StampIds, array_windows, stamps_of, windows
from cnnrun.errors import DataError

if TYPE_CHECKING:
    from cnnrun.data.series import Series


@dataclass(frozen=True)
class Prepared:
    """A series with its channels: whatever is cut into windows."""

    series: "Series"
    preprocessing: SeriesPreprocessing
    inputs: Tensor
    """(C, T) float32."""
    history: np.ndarray
    """(T, M) float64 in the unit."""
    actual: np.ndarray
    """(M, T + H) float64 in the unit, NaN where not observed and after the end."""

    @property
    def first(self) -> int:
        """The first row that a window can forecast: all channels have values in the look-back before it."""
        unknown = np.isnan(self.inputs.numpy()).any(axis=0)
        rows = np.flatnonzero(unknown)
        return (int(rows[-1]) + 1 if len(rows) else 0) + self.preprocessing.recipe.lookback

    def cut(self, name: str, first: int, count: int) -> SeriesSplit:
        """The windows whose first targets are the rows from `first` on."""
        recipe = self.preprocessing.recipe
        actual = array_windows(self.actual, recipe.horizon, first, count)
        base = None if recipe.difference is None else self._base(first, count, recipe.difference)
        return SeriesSplit(
            name=name,
            inputs=windows(self.inputs, recipe.lookback, first - recipe.lookback, count),
            targets=self._targets(actual, base, first, count),
            ids=StampIds(stamps_of(self.series, first, count)),
            actual=actual,
            base=base,
            first=first,
        )

    def _base(self, first: int, count: int, steps: int) -> np.ndarray:
        """(count, M, H): of each target, the last value before the window that lies a multiple of `steps` before it."""
        horizon = self.preprocessing.recipe.horizon
        known = array_windows(self.history.T, steps, first - steps, count)
        if steps >= horizon:
            return known[..., :horizon]
        return known[..., np.arange(horizon) % steps]

    def _targets(self, actual: np.ndarray, base: np.ndarray | None, first: int, count: int) -> Tensor:
        """(count, M, H) float32, a view unless targets of one step are differenced over several distances."""
        recipe, forecast = self.preprocessing.recipe, self.preprocessing.forecast
        if base is not None and recipe.difference is not None and recipe.difference < recipe.horizon:
            scaled = (actual - base - forecast.shift[:, None]) / forecast.scale[:, None]
            return torch.from_numpy(scaled.astype(np.float32))
        return windows(self._scaled_targets, recipe.horizon, first, count)

    @cached_property
    def _scaled_targets(self) -> Tensor:
        """(M, T + H) float32: what a model must give for each row, if all steps are differenced over one distance."""
        recipe, forecast = self.preprocessing.recipe, self.preprocessing.forecast
        values = self.actual
        if recipe.difference is not None:
            values = np.full_like(self.actual, np.nan)
            end = min(self.actual.shape[1], len(self.history) + recipe.difference)
            before = self.history.T[:, : end - recipe.difference]
            values[:, recipe.difference : end] = self.actual[:, recipe.difference : end] - before
        scaled = (values - forecast.shift[:, None]) / forecast.scale[:, None]
        return torch.from_numpy(scaled.astype(np.float32))


def prepare(series: "Series", preprocessing: SeriesPreprocessing, unscaled: Unscaled | None = None) -> Prepared:
    """Channels and targets of a series, with numbers that were fitted before.

    Args:
        unscaled: what the series gives, where that is known already.
    Raises:
        DataError: if the series has other columns, or gives other channels.
    """
    preprocessing.require_columns(series.names)
    recipe, num_targets = preprocessing.recipe, len(preprocessing.targets)
    unscaled = unscaled or Unscaled.of(series, recipe)
    names = channel_names(series.names, num_targets, unscaled.known, recipe)
    if names != preprocessing.channels:
        raise DataError(
            f"the series gives the channels {', '.join(names)}, and the run was trained on "
            f"{', '.join(preprocessing.channels)}"
        )
    inputs = channels(unscaled, series.names, num_targets, preprocessing.scalers, recipe)
    history = unscaled.true[:, :num_targets]
    actual = np.full((num_targets, len(history) + recipe.horizon), np.nan)
    actual[:, : len(history)] = np.where(series.observed[:, :num_targets], history, np.nan).T
    return Prepared(series, preprocessing, torch.from_numpy(inputs), history, actual)


def assemble_series(
    series: "Series",
    preprocessing: SeriesPreprocessing,
    bounds: Bounds,
    *,
    warnings: list[str],
    notes: list[str],
    unscaled: Unscaled | None = None,
) -> SeriesData:
    """Cut a series into the windows of train, val and test: each is in the split that holds all its targets.

    Args:
        unscaled: as for `prepare`.
    Raises:
        DataError: as `prepare`.
    """
    prepared = prepare(series, preprocessing, unscaled)

    def cut(name: SplitName) -> SeriesSplit:
        begin, stop = bounds[name]
        first = max(begin, prepared.first)
        return prepared.cut(name, first, stop - preprocessing.recipe.horizon + 1 - first)

    return SeriesData(
        train=cut("train"),
        val=cut("val"),
        test=cut("test"),
        forecast=preprocessing.forecast,
        series=series,
        preprocessing=preprocessing,
        history=prepared.history,
        bounds=bounds,
        warnings=warnings,
        notes=notes,
    )
