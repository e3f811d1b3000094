"""Several splits of one series that roll forward in time, each fitted anew: how steady a result is, without test."""

from collections.abc import Iterator

from cnnrun.data.fit_series import fit_series, until
from cnnrun.data.windows import SeriesData
from cnnrun.errors import DataError


def rolling_origins(data: SeriesData, folds: int) -> Iterator[SeriesData]:
    """The folds, the earliest first; the last one's test is the val of `data`, and the test of `data` is in none.

    Each fold's val and test have as many rows as the val of `data`, and follow on each other; its train is all that
    comes before them, or goes on to the end of its val where that of `data` does.

    Raises:
        DataError: if nothing is left to train on for the earliest.
    """
    begin, stop = data.bounds["val"]
    rows = stop - begin
    for number in range(1, folds + 1):
        end = stop - (folds - number) * rows
        if end - 2 * rows <= data.bounds["train"][0]:
            raise DataError(
                f"backtest.folds={folds}: each fold takes {rows:,} rows to be judged on, as many as val, and nothing "
                f"is left to train on for fold {number}; take fewer folds, or a shorter val"
            )
        try:
            yield fit_series(
                until(data.series, end),
                data.num_targets,
                data.preprocessing.recipe,
                unit=data.forecast.unit,
                val=rows / end,
                test=rows / end,
                end=None,
                train_on_val=data.trains_on_val,
                season=data.forecast.season,
            )
        except DataError as error:
            raise DataError(f"backtest.folds={folds}, fold {number}: {error}") from error
