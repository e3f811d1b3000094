"""How a series becomes channels and targets: settings, and numbers fitted on train; stored with the run."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import FiniteFloat, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError
from torch import Tensor

from cnnrun.data.calendar_features import CalendarFeature
from cnnrun.data.cleaning import Cleaning
from cnnrun.data.scaling import PositiveFinite, Scale, Scaler
from cnnrun.errors import ConfigError, DataError

SplitName = Literal["train", "val", "test"]


@dataclasses.dataclass(frozen=True)
class ForecastTarget:
    """What is forecast: facts that a task is built with. A value in the unit is scaled * scale + shift (+ base)."""

    names: tuple[str, ...]
    horizon: int
    unit: str
    scale: np.ndarray
    """(M,) float64, and so are `shift` and `mase_scale`."""
    shift: np.ndarray
    season: int
    """Steps of the seasonal-naive forecast and of MASE."""
    mase_scale: np.ndarray
    """Mean of |y[t] - y[t - season]| over train, in the unit; NaN where train has no such pair, or all are equal."""
    frequency: str | None
    margins: np.ndarray | None = None
    """(M, H, 2) in the unit: what a run adds to a forecast for the ends of its interval, once it is trained."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings of preparing that need no fit."""

    lookback: PositiveInt
    horizon: PositiveInt
    clean: Cleaning
    clean_window: PositiveInt
    clean_threshold: PositiveFinite
    scale: Scale
    calendar: tuple[CalendarFeature, ...]
    holidays: str | None
    seasonal_lags: tuple[PositiveInt, ...]
    difference: PositiveInt | None

    def require_sense(self) -> None:
        """Raise ConfigError for seasonal lags that are not known in time, and for what stands twice."""
        early = [lag for lag in self.seasonal_lags if lag < self.horizon]
        if early:
            raise ConfigError(
                f"dataset.seasonal_lags={list(self.seasonal_lags)}: the value {early[0]} steps before a forecast step "
                f"is not known {self.horizon} steps ahead; take lags of at least dataset.horizon={self.horizon}"
            )
        for name, values in (("calendar", self.calendar), ("seasonal_lags", self.seasonal_lags)):
            if len(set(values)) < len(values):
                raise ConfigError(f"dataset.{name}={list(values)}: one stands there twice; leave it out")

    @property
    def history(self) -> int:
        """Rows before the first of a window that its channels reach back to: differencing, seasonal lags."""
        longest = max((lag - self.horizon for lag in self.seasonal_lags), default=0)
        return (self.difference or 0) + longest


@dataclasses.dataclass(frozen=True)
class SeriesPreprocessing:
    """What was done to a series, so that eval and predict can do the same."""

    targets: tuple[str, ...]
    features: tuple[str, ...]
    unit: str
    frequency: str | None
    timezone: str | None
    recipe: Recipe
    channels: tuple[str, ...]
    """Names of what a model sees, in order."""
    scalers: dict[str, Scaler]
    """One for each target and feature."""
    season: PositiveInt
    mase_scale: tuple[FiniteFloat | None, ...]
    """(M,), None where it is not defined."""
    bounds: dict[SplitName, tuple[NonNegativeInt, PositiveInt]]
    """First row of each split, and first row behind it."""
    stamps: dict[SplitName, tuple[str, str]] | None
    """Of the first and the last row of each split."""
    margins: list[list[tuple[FiniteFloat, FiniteFloat]]] | None = None
    """Of ForecastTarget, once they are known."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Targets, then features."""
        return self.targets + self.features

    @property
    def forecast(self) -> ForecastTarget:
        """What is forecast."""
        scalers = [self.scalers[name] for name in self.targets]
        return ForecastTarget(
            names=self.targets,
            horizon=self.recipe.horizon,
            unit=self.unit,
            scale=np.array([scaler.scale for scaler in scalers]),
            shift=np.array([scaler.shift for scaler in scalers]),
            season=self.season,
            mase_scale=np.array(self.mase_scale, dtype=np.float64),
            frequency=self.frequency,
            margins=None if self.margins is None else np.array(self.margins),
        )

    def apply(self, inputs: Tensor) -> Tensor:
        """Windows (N, C, L) laid out densely: the series was scaled as a whole, long before they were cut."""
        return inputs.contiguous()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return TypeAdapter(type(self)).dump_python(self, mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises DataError where the values, which may be a stranger's, are not what `to_dict` writes."""
        try:
            stored = TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise DataError(f"stored preprocessing, {where}: {problem['msg']}") from error
        stored._require_whole()
        return stored

    def _require_whole(self) -> None:
        """Raise DataError where the parts of a stored file do not fit each other."""
        lacking = [name for name in self.columns if name not in self.scalers]
        if not self.targets:
            raise DataError("stored preprocessing, targets: there is none")
        if lacking:
            raise DataError(f"stored preprocessing, scalers: there is none for '{lacking[0]}'")
        for name, splits in {"bounds": self.bounds, "stamps": self.stamps}.items():
            if splits is not None and len(splits) < 3:
                raise DataError(f"stored preprocessing, {name}: one of train, val and test is missing")
        if len(self.mase_scale) != len(self.targets):
            raise DataError(
                f"stored preprocessing, mase_scale: {len(self.mase_scale)} numbers for {len(self.targets)} targets"
            )
        shape = (len(self.targets), self.recipe.horizon)
        if self.margins is not None and [len(of_target) for of_target in self.margins] != [shape[1]] * shape[0]:
            raise DataError(f"stored preprocessing, margins: {shape[0]} × {shape[1]} pairs of numbers are needed")
        try:
            self.recipe.require_sense()
        except ConfigError as error:
            raise DataError(f"stored preprocessing, recipe: {error}") from error

    def require_columns(self, names: Sequence[str]) -> None:
        """Raise DataError unless a series has the columns that these numbers were fitted on."""
        if tuple(names) != self.columns:
            raise DataError(
                f"the series has the columns {', '.join(names)}, and the run was trained on {', '.join(self.columns)}"
            )
