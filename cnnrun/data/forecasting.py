"""The data set `series`: one or several columns of a table, to be forecast from their own past."""

import dataclasses
from typing import Any, Literal

import numpy as np
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from cnnrun.data.calendar_features import CalendarFeature, varies
from cnnrun.data.cleaning import Cleaning
from cnnrun.data.csv_numbers import Decimal
from cnnrun.data.csv_tables import Separator
from cnnrun.data.fit_series import fit_series
from cnnrun.data.repairs import Duplicates, Gaps
from cnnrun.data.scaling import Scale
from cnnrun.data.seasons import Windows, windows_for
from cnnrun.data.series import Reading, Series
from cnnrun.data.series_preprocessing import Recipe
from cnnrun.data.sources import Source, read_source
from cnnrun.data.windows import SeriesData
from cnnrun.errors import ConfigError
from cnnrun.values import Border

INTERPOLATED = (
    "dataset.gaps=interpolate reads the future: a gap that a model sees was filled on the line to the value after it, "
    "which it may be asked to forecast; dataset.gaps=forward does not"
)


def series(
    *,
    source: Source,
    csv: str | None,
    time: str | None,
    target: str | list[str],
    features: list[str],
    frequency: str | None,
    timezone: str | None,
    unit: str,
    decimal: Decimal,
    separator: Separator,
    date_format: str,
    duplicates: Duplicates,
    gaps: Gaps,
    gap_limit: NonNegativeInt,
    lookback: PositiveInt | None,
    horizon: PositiveInt | None,
    val: Border,
    test: Border,
    end: str | None,
    train_on_val: bool,
    clean: Cleaning,
    clean_window: PositiveInt,
    clean_threshold: PositiveFloat,
    scale: Scale,
    calendar: Literal["auto"] | list[CalendarFeature],
    holidays: str | None,
    seasonal_lags: list[PositiveInt],
    difference: PositiveInt | None,
    season: PositiveInt | None,
) -> SeriesData:
    """Read a series, fit on train what its preparation needs, and cut it into windows; see conf/dataset/energy.yaml.

    Raises:
        DataError: if the table is missing, broken, or too short.
        ConfigError: if settings contradict each other or the table.
    """
    columns, num_targets = columns_of(target, features)
    found, warnings = read_source(
        source,
        csv,
        columns=columns,
        num_targets=num_targets,
        time=time,
        frequency=frequency,
        timezone=timezone,
        decimal=decimal,
        separator=separator,
        date_format=date_format,
        duplicates=duplicates,
        gaps=gaps,
        gap_limit=gap_limit,
    )
    usual = windows_for(found.frequency)
    recipe = Recipe(
        lookback=lookback or usual.lookback,
        horizon=horizon or usual.horizon,
        clean=clean,
        clean_window=clean_window,
        clean_threshold=clean_threshold,
        scale=scale,
        calendar=_usual_calendar(found, usual) if calendar == "auto" else tuple(calendar),
        holidays=holidays,
        seasonal_lags=tuple(seasonal_lags),
        difference=difference,
    )
    data = fit_series(
        found,
        num_targets,
        recipe,
        unit=unit,
        val=val,
        test=test,
        end=end,
        train_on_val=train_on_val,
        season=season,
    )
    if gaps == "interpolate" and has_filled_between(found, data.bounds["test"][1]):
        warnings.append(INTERPOLATED)
    return dataclasses.replace(data, warnings=warnings + data.warnings)


def _usual_calendar(series: Series, usual: Windows) -> tuple[CalendarFeature, ...]:
    """Without what never changes in this series, such as the end of the year from spring to autumn."""
    return tuple(feature for feature in usual.calendar if series.index is not None and varies(series.index, feature))


def has_filled_between(series: Series, rows: int) -> bool:
    """Whether one of so many first rows was filled and has a value after it, which an interpolation reads."""
    filled = ~series.observed & np.isfinite(series.values)
    is_before = np.logical_or.accumulate(series.observed[::-1])[::-1]
    return bool((filled & is_before)[:rows].any())


def columns_of(target: str | list[str], features: list[str]) -> tuple[list[str], int]:
    """All columns to read, targets first, and how many those are."""
    targets = [target] if isinstance(target, str) else target
    if not targets:
        raise ConfigError("dataset.target=[]: name the column to forecast")
    return targets + features, len(targets)


def read_more(dataset: dict[str, Any], csv: str) -> Series:
    """Another table, read as the data set of a run: to forecast from.

    Args:
        dataset: the settings of the run's data set. csv: the other table.
    Raises:
        CnnrunError: as read_source.
    """
    columns, _ = columns_of(dataset["target"], dataset["features"])
    reading = {field.name: dataset[field.name] for field in dataclasses.fields(Reading)}
    found, _ = read_source("csv", csv, columns=columns, num_targets=0, **reading)
    return found
