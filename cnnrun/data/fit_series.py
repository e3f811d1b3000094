"""Split a series, fit on the rows of train what its preparation needs, and cut it into windows."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cnnrun.data.assemble_series import assemble_series
from cnnrun.data.borders import Bounds, bounds_of, require_room
from cnnrun.data.calendar_features import require_varying
from cnnrun.data.channels import Unscaled, channel_names, fit_scalers, leading_rows
from cnnrun.data.seasons import season_of
from cnnrun.data.series_preprocessing import Recipe, SeriesPreprocessing, SplitName
from cnnrun.data.windows import SeriesData
from cnnrun.errors import DataError

if TYPE_CHECKING:
    from cnnrun.data.series import Series

READS_THE_FUTURE = (
    "dataset.clean=reference reads the future: values are replaced by the mean of a window that is centred on them, in "
    "the target that is scored, too; its figures are of a smoothed series, and better than any that can be had in use"
)

LEAST_OBSERVED = 0.8
"""Share of the target values of a split below which its figures are doubtful."""


def fit_series(
    series: "Series",
    num_targets: int,
    recipe: Recipe,
    *,
    unit: str,
    val: float | str,
    test: float | str,
    end: str | None,
    train_on_val: bool,
    season: int | None,
) -> SeriesData:
    """The windows of train, val and test, with scalers fitted on train.

    Args:
        series: targets first; rows at its beginning in which a column has no value are left out, and that is noted.
        num_targets: columns that are forecast.
        val, test, end, train_on_val: as for `bounds_of`.
        season: steps, or None to take it from the frequency.
    Raises:
        ConfigError: if settings contradict each other or the frequency.
        DataError: if a split is too short for a window or holds no observed target, or train gives nothing to fit on.
    """
    recipe.require_sense()
    begin = leading_rows(series)
    bounds = bounds_of(series, begin, val=val, test=test, end=end, train_on_val=train_on_val)
    require_room(bounds, recipe)
    if series.index is not None:
        require_varying(series.index, recipe.calendar)
    series = until(series, bounds["test"][1])
    _require_observed(series, bounds, num_targets)
    unscaled = Unscaled.of(series, recipe)
    preprocessing = _fitted(series, unscaled, num_targets, recipe, bounds, unit, season or season_of(series.frequency))
    return assemble_series(
        series,
        preprocessing,
        bounds,
        warnings=list(_doubts(series, num_targets, recipe, bounds)),
        notes=list(_notes(series, begin, train_on_val)),
        unscaled=unscaled,
    )


def _fitted(
    series: "Series", unscaled: Unscaled, num_targets: int, recipe: Recipe, bounds: Bounds, unit: str, season: int
) -> SeriesPreprocessing:
    """Everything that is fitted, on the rows of train."""
    train = slice(*bounds["train"])
    return SeriesPreprocessing(
        targets=series.names[:num_targets],
        features=series.names[num_targets:],
        unit=unit,
        frequency=series.frequency,
        timezone=None if series.index is None or series.index.tz is None else str(series.index.tz),
        recipe=recipe,
        channels=channel_names(series.names, num_targets, unscaled.known, recipe),
        scalers=fit_scalers(unscaled.true, series.observed, series.names, num_targets, train, recipe),
        season=season,
        mase_scale=tuple(
            _mase_scale(unscaled.true[train, n], series.observed[train, n], season) for n in range(num_targets)
        ),
        bounds=bounds,
        stamps=_stamps(series, bounds),
    )


def _require_observed(series: "Series", bounds: Bounds, num_targets: int) -> None:
    """Refuse a split that could not be judged: gaps that were filled are never scored."""
    splits: tuple[SplitName, ...] = ("val", "test")
    for name in splits:
        begin, stop = bounds[name]
        if not series.observed[begin:stop, :num_targets].any():
            raise DataError(
                f"nothing was observed in {name}, rows {begin:,} to {stop - 1:,}: all its targets are gaps that were "
                "filled in, which are never scored; move the splits by dataset.val, dataset.test or dataset.end"
            )


def _doubts(series: "Series", num_targets: int, recipe: Recipe, bounds: Bounds) -> Iterator[str]:
    if recipe.clean == "reference":
        yield READS_THE_FUTURE
    for name, (begin, stop) in bounds.items():
        share = series.observed[begin:stop, :num_targets].mean()
        if share < LEAST_OBSERVED:
            yield f"of {name} only {share:.0%} was observed, and the rest filled in: its figures are of few values"


def _notes(series: "Series", begin: int, train_on_val: bool) -> Iterator[str]:
    if begin:
        late = [
            name for name, first in zip(series.names, np.isnan(series.values[:begin]).any(axis=0), strict=True) if first
        ]
        first = f"row {begin:,}" if series.index is None else str(series.index[begin])
        share = begin / len(series.values)
        yield (
            f"train begins at {first}, for {', '.join(late)} has no value before: {share:.0%} of the rows are not "
            "used; without that column they would be"
        )
    if train_on_val:
        yield "train goes on to the end of val (dataset.train_on_val): figures on val are of rows that were trained on"


def _stamps(series: "Series", bounds: Bounds) -> dict[SplitName, tuple[str, str]] | None:
    index = series.index
    if index is None:
        return None
    return {name: (str(index[begin]), str(index[stop - 1])) for name, (begin, stop) in bounds.items()}


def until(series: "Series", stop: int) -> "Series":
    """The series without the rows from `stop` on."""
    if stop == len(series.values):
        return series
    index = None if series.index is None else series.index[:stop]
    return dataclasses.replace(series, values=series.values[:stop], observed=series.observed[:stop], index=index)


def _mase_scale(values: np.ndarray, observed: np.ndarray, season: int) -> float | None:
    """Mean absolute seasonal difference of what was observed; None where there is none, or it is 0."""
    known = np.where(observed, values, np.nan)
    changes = np.abs(known[season:] - known[:-season])
    changes = changes[np.isfinite(changes)]
    return float(changes.mean()) or None if len(changes) else None
