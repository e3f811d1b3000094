"""Train again on earlier parts of a series, each judged on what followed: how much a result owes to its one split."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from cnnrun import experiment
from cnnrun.data.rolling_origins import rolling_origins
from cnnrun.data.splits import Data
from cnnrun.data.windows import SeriesData
from cnnrun.errors import ConfigError, Diverged
from cnnrun.metrics.intervals import Estimate
from cnnrun.metrics.student import mean_interval
from cnnrun.report import outputs_of, report_of
from cnnrun.tasks.forecasting import Forecasting
from cnnrun.training.fit import Fit
from cnnrun.training.records import Epoch

Row = dict[str, Any]


def require_series(data: Data, folds: int) -> None:
    """Refuse folds that cannot be had before anything is trained.

    Raises:
        ConfigError: if time has no order.
        DataError: if the series is too short for so many, or one has nothing to train on, or to be judged on.
    """
    if not folds:
        return
    if not isinstance(data, SeriesData):
        raise ConfigError(f"backtest.folds={folds}: only a series can be judged on what came later; leave it out")
    for _ in rolling_origins(data, folds):
        pass


def backtest(config: dict[str, Any], data: Data, device: torch.device, done: int) -> Iterator[Row]:
    """Rows of tables.BACKTEST, as soon as each is known: the metrics on the test of each fold.

    The settings are the same for all, the weights are drawn and trained anew. The test of `data` is not read. All rows
    have the same columns, None where a fold has no such metric.

    Args:
        done: folds to leave out, the first ones.
    Raises:
        DataError: if the series is too short for so many folds.
        Diverged: if a loss is NaN or infinite.
    """
    from cnnrun.tasks.forecast_tables import result_names

    assert isinstance(data, SeriesData)
    columns = dict.fromkeys(result_names(data.forecast.names)) | {headline(data): math.nan}
    for number, fold in enumerate(rolling_origins(data, config["backtest"]["folds"]), start=1):
        if number > done:
            try:
                metrics = _metrics(config, fold, device)
            except Diverged as error:
                raise Diverged(f"backtest, fold {number}: {error}") from error
            yield {"fold": number} | _dates(fold) | columns | metrics


def _dates(fold: SeriesData) -> Row:
    first, last = fold.bounds["test"]
    stamps = fold.series.index
    rows = {"train_end": fold.bounds["train"][1] - 1, "begin": first, "end": last - 1}
    dates = rows if stamps is None else {name: str(stamps[row]) for name, row in rows.items()}
    return {**dates, "n": len(fold.test)}


def _metrics(config: dict[str, Any], fold: SeriesData, device: torch.device) -> Row:
    """Of a network that is trained on the fold, and of the baselines; on the fold's test."""
    parts = experiment.build(config, fold, device)
    fit = experiment.prepare_training(config, parts)
    parts.model.load_state_dict(_best_weights(fit))
    outputs = outputs_of(parts, [fold.val, fold.test])
    assert isinstance(parts.task, Forecasting)
    parts.task.calibrate(outputs.pop("val"), fold.val)
    return {row["metric"]: row["value"] for row in report_of(parts).judge(outputs, []).rows}


def _best_weights(fit: Fit) -> dict[str, torch.Tensor]:
    """Of the epoch that val chose, in a training to its end."""
    best: dict[str, torch.Tensor] = {}
    for record in fit.run(lambda: False):
        if isinstance(record, Epoch) and record.is_best:
            best = {name: weights.clone() for name, weights in fit.state.judged.state_dict().items()}
    return best


def headline(data: Data) -> str:
    """The metric to tell of a fold."""
    return "mae" if len(data.task_facts()["forecast"].names) == 1 else "mae_scaled"


def summary(rows: Sequence[Row], metric: str, unit: str) -> str:
    """The mean over the folds of the network and of each baseline, in a sentence."""
    names = [name for name in rows[0] if name == metric or name.startswith(f"{metric}/")]
    means = {name: mean_interval([_number(row[name]) for row in rows]) for name in names}
    known = [name for name in names[1:] if not math.isnan(means[name].value)]
    rivals = ", ".join(f"{name.partition('/')[2]} {means[name].value:.4g}" for name in known)
    of_network = f"{_text(means[metric])}{f' {unit}' if unit else ''}"
    folds = "1 fold" if len(rows) == 1 else f"{len(rows)} folds"
    return f"backtest of {folds}: {metric} {of_network} on average; {rivals}"


def _number(cell: str | float | None) -> float:
    """Of a row that was just made, or read again."""
    return math.nan if cell is None or cell == "" else float(cell)


def _text(mean: Estimate) -> str:
    ends = "" if math.isnan(mean.low) else f" (95 %: {mean.low:.4g} to {mean.high:.4g})"
    return f"{mean.value:.4g}{ends}"
