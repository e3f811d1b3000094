"""A file that a run has not been trained on, prepared as the run's own series was, to forecast what follows it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnrun.data.assemble_series import Prepared, prepare
from cnnrun.data.borders import Bounds
from cnnrun.data.fit_series import READS_THE_FUTURE
from cnnrun.data.series_preprocessing import SeriesPreprocessing, SplitName
from cnnrun.data.windows import SeriesData, SeriesSplit, stamps_of
from cnnrun.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from cnnrun.data.series import Series


@dataclass(frozen=True)
class Prediction:
    """What a run can say of a file: the steps after its end, and those that it has, but the run had not seen."""

    ahead: SeriesSplit
    """The one window at the end of the file; its targets are not known."""
    stamps: "pd.Index"
    """(H,) of the steps after the end; row numbers without a time column."""
    data: SeriesData
    """The file in the run's splits, as far as it holds their rows. `test` has every window whose targets all exist and
    come after the last row that the run has seen; it is empty where none does, or none was observed. `train` is empty
    unless the file holds the whole of it: what is fitted on a part of it would not be what the run was compared with.
    """
    notes: list[str]


def for_prediction(series: "Series", stored: dict[str, Any]) -> Prediction:
    """Prepare a series with the settings and numbers of a run.

    Args:
        series: read with the settings of the run. stored: `SeriesPreprocessing.to_dict()` of the run.
    Raises:
        DataError: if `stored` is broken, the series has other columns, steps or time zone, or it is too short.
    """
    preprocessing = SeriesPreprocessing.from_dict(stored)
    preprocessing.require_columns(series.names)
    _require_same_clock(series, preprocessing)
    length, recipe = len(series.values), preprocessing.recipe
    needed = recipe.lookback + recipe.history
    if length < needed:
        raise DataError(f"the file has {length:,} rows, and a forecast takes the last {needed:,}")
    prepared = prepare(series, preprocessing)
    if prepared.first > length:
        raise DataError(f"the last {needed:,} rows of the file, which a forecast takes, are not complete")
    data = _in_splits(prepared, _bounds(series, preprocessing))
    notes = []
    unseen = length - data.bounds["test"][0]
    if not unseen:
        notes.append("the run has seen all rows of this file; nothing is scored")
    elif not len(data.test):
        notes.append(
            f"the {unseen:,} rows that the run has not seen hold no window of {recipe.horizon:,} steps of which "
            "anything was observed; nothing is scored"
        )
    if recipe.clean in ("zscore", "hampel") and length < needed + recipe.clean_window - 1:
        notes.append(
            f"the first rows of the file are not cleaned, for {recipe.clean} judges the last of "
            f"{recipe.clean_window:,} rows; give at least {needed + recipe.clean_window - 1:,} rows"
        )
    return Prediction(
        ahead=prepared.cut("predict", length, 1),
        stamps=stamps_of(series, length, recipe.horizon),
        data=data,
        notes=notes,
    )


def _in_splits(prepared: Prepared, bounds: Bounds) -> SeriesData:
    preprocessing = prepared.preprocessing

    def cut(name: SplitName) -> SeriesSplit:
        (begin, stop), (had_begin, had_stop) = bounds[name], preprocessing.bounds[name]
        first = max(begin, prepared.first)
        is_part = name == "train" and stop - begin < had_stop - had_begin
        is_known = bool(prepared.series.observed[first:stop, : len(preprocessing.targets)].any())
        count = max(stop - preprocessing.recipe.horizon + 1 - first, 0)
        return prepared.cut(name, first, count if is_known and not is_part else 0)

    return SeriesData(
        train=cut("train"),
        val=cut("val"),
        test=cut("test"),
        forecast=preprocessing.forecast,
        series=prepared.series,
        preprocessing=preprocessing,
        history=prepared.history,
        bounds=bounds,
        warnings=[READS_THE_FUTURE] if preprocessing.recipe.clean == "reference" else [],
        notes=[],
    )


def _bounds(series: "Series", preprocessing: SeriesPreprocessing) -> Bounds:
    """The run's train and val, as far as they are in the series; test is what follows all that the run has seen."""
    import pandas as pd

    length = len(series.values)
    bounds: Bounds = {name: (min(a, length), min(b, length)) for name, (a, b) in preprocessing.bounds.items()}
    if series.index is not None and preprocessing.stamps is not None:
        try:
            stamps = {name: [pd.Timestamp(text) for text in pair] for name, pair in preprocessing.stamps.items()}
            for name, (first, last) in stamps.items():
                begin, stop = series.index.searchsorted(first), series.index.searchsorted(last, side="right")
                bounds[name] = int(begin), int(stop)
        except (ValueError, TypeError) as error:
            raise DataError(f"stored preprocessing, stamps: {error}") from error
    return bounds | {"test": (bounds["test"][1], length)}


def _require_same_clock(series: "Series", preprocessing: SeriesPreprocessing) -> None:
    if (series.index is None) != (preprocessing.stamps is None):
        has, had = ("without", "with") if series.index is None else ("with", "without")
        raise DataError(f"the file is read {has} stamps, and the run was trained on a series {had}; see dataset.time")
    if series.index is not None and (series.index.tz is None) != (preprocessing.timezone is None):
        raise DataError(
            f"the file is read with the time zone {series.index.tz}, and the run was trained on a series with "
            f"{preprocessing.timezone}; see dataset.timezone"
        )
    if series.frequency != preprocessing.frequency:
        raise DataError(
            f"the file has a step of {series.frequency}, and the run was trained on steps of {preprocessing.frequency}"
        )
