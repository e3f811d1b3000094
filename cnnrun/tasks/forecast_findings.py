"""Signs that a forecast learned nothing or is no better than a baseline: a sentence each, with its evidence."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnrun.metrics.conformal import least_errors
from cnnrun.tasks.forecast_scores import MODEL, SplitScores
from cnnrun.tasks.forecast_tables import MOST_ROWS, stride
from cnnrun.tasks.forecasting import INTERVAL_LEVEL

if TYPE_CHECKING:
    from cnnrun.data.series_preprocessing import ForecastTarget
    from cnnrun.data.windows import SeriesData

Array = NDArray[Any]

CONSTANT_SHARE = 0.01
"""Forecasts whose variance is below this share of the actual values' are called constant."""

OVERFITTING_RATIO = 1.5
"""Named where the MAE grows from train to val by this factor more than that of the ridge, which hardly over-fits: it
tells what is harder about the time of val."""


def findings(point: Array, data: "SeriesData") -> list[str]:
    """Why a run is dead. Args: point: (N, M, H) forecasts of val, in the unit."""
    broken = int((~np.isfinite(point)).any(axis=(1, 2)).sum())
    if broken:
        return [f"forecasts that are no numbers: for {broken:,} of {len(point):,} windows of val"]
    if np.isnan(data.val.actual).all():
        return []
    return [*_constant(point, data), *_no_better_than_the_mean(point, data)]


def _constant(point: Array, data: "SeriesData") -> Iterator[str]:
    names = [
        name
        for number, name in enumerate(data.forecast.names)
        if point[:, number].var() < CONSTANT_SHARE * np.nan_to_num(_variance(data.val.actual[:, number]))
    ]
    if names:
        yield (
            f"constant forecasts: of {', '.join(names)} those on val vary by less than {CONSTANT_SHARE:.0%} of the "
            "variance of the actual values"
        )


def _variance(actual: Array) -> float:
    seen = actual[~np.isnan(actual)]
    return float(seen.var()) if len(seen) else 0.0


def _no_better_than_the_mean(point: Array, data: "SeriesData") -> Iterator[str]:
    """Compared by squared errors, which the mean makes small."""
    target = data.forecast
    begin, stop = data.bounds["train"]
    observed = data.series.observed[begin:stop, : len(target.names)]
    mean = np.average(np.where(observed, data.history[begin:stop], 0.0), axis=0, weights=observed)
    ours = _rmse(point - data.val.actual, target)
    means = _rmse(mean[:, None] - data.val.actual, target)
    if ours >= means:
        yield (
            f"learned nothing: the RMSE on val, {_amount(ours, target)}, is no better than that of always forecasting "
            f"the mean of train, {_amount(means, target)}"
        )


def _rmse(errors: Array, target: "ForecastTarget") -> float:
    scaled = errors / target.scale[:, None] if len(target.names) > 1 else errors
    return float(np.sqrt(np.mean(np.square(scaled[~np.isnan(scaled)]))))


def notes(scores: Mapping[str, SplitScores], data: "SeriesData", table: str, *, from_val: bool) -> list[str]:
    """What else is worth a sentence: baselines that win, metrics and windows that are left out.

    Args:
        scores: of the splits that were judged, by name. table: the split whose forecasts are written.
        from_val: whether the interval of a forecast comes from errors on val.
    """
    trained_on_val = data.trains_on_val
    told = [] if trained_on_val else ["val"]
    found: list[str] = []
    for name in (*told, "test"):
        if name in scores:
            found += _beside_baselines(scores[name])
    if {"train", "val"} <= set(scores) and "ridge" in scores["train"].tallies and not trained_on_val:
        found += _overfitting(scores["train"], scores["val"])
    if from_val:
        found += _about_intervals(scores[table], trained_on_val)
    if "ridge" not in scores[table].tallies:
        found.append(_without_ridge(data))
    found += _undefined(scores)
    for split in scores.values():
        found += _left_out(split)
    return [*found, *_thinned(scores[table])]


def _beside_baselines(scores: SplitScores) -> Iterator[str]:
    """Which baselines win, or that the network's lead may be chance."""
    ours, target = scores.mae(MODEL), scores.target
    if np.isnan(ours):
        return
    winners = sorted((name for name in scores.baselines if scores.mae(name) < ours), key=scores.mae)
    for name in winners:
        p = scores.compared(name).p_value
        verdict = "is better than the network" if p < 0.05 else "may be better than the network"
        yield (
            f"{name} {verdict} on {scores.split}: MAE {_amount(scores.mae(name), target)} against "
            f"{_amount(ours, target)} ({_reason(p)})"
        )
    best = scores.best_baseline
    p = scores.compared(best).p_value
    if not winners and not p < 0.05:
        yield (
            f"the network may be better than {best} on {scores.split}: MAE {_amount(ours, target)} against "
            f"{_amount(scores.mae(best), target)} ({_reason(p)})"
        )


def _about_intervals(scores: SplitScores, trained_on_val: bool) -> Iterator[str]:
    """What is to be said of intervals that come from errors on val."""
    if np.isnan(scores.totals[MODEL].inside).all():
        least = least_errors(INTERVAL_LEVEL)
        yield (
            f"the forecasts have no intervals: those of {INTERVAL_LEVEL:.0%} take {least} errors of each step on val, "
            "and there are fewer; take a longer val, or task.loss=quantile"
        )
    elif trained_on_val:
        yield (
            "the intervals of the forecasts come from errors on val, which was trained on: they are too narrow; with "
            "task.loss=quantile they would not be"
        )


def _without_ridge(data: "SeriesData") -> str:
    if not len(data.train):
        return "ridge is left out: the rows of train that it would be fitted on are not all in the file"
    return "ridge is left out: no window of train has task.ridge_lags known steps before it; take fewer"


def _reason(p: float) -> str:
    if np.isnan(p):
        return "there are too few windows for a test"
    return "Diebold-Mariano p < 0.001" if p < 0.001 else f"Diebold-Mariano p = {p:.2g}"


def _overfitting(train: SplitScores, val: SplitScores) -> Iterator[str]:
    if not train.mae(MODEL) or not train.mae("ridge") or not val.has_intervals:
        return
    ours, ridge = (val.mae(name) / train.mae(name) for name in (MODEL, "ridge"))
    if ours > OVERFITTING_RATIO * ridge:
        yield (
            f"over-fitted: at best, the MAE on val is {ours:.2f} times that on train, and {ridge:.2f} times for ridge; "
            "more data, a shorter look-back, dropout or weight decay may help"
        )


def _undefined(scores: Mapping[str, SplitScores]) -> Iterator[str]:
    """A sentence for each metric and reason, whatever the number of splits."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, split in scores.items():
        for undefined in split.undefined().items():
            reasons.setdefault(undefined, []).append(name)
    for (metric, reason), splits in reasons.items():
        yield f"{metric} is left out on {', '.join(splits)}: {reason}"


def _left_out(scores: SplitScores) -> Iterator[str]:
    cells = scores.tallies[MODEL].by_window.cells
    whole = cells.size * scores.target.horizon
    if cells.any() and np.isnan(scores.mae(MODEL)):
        yield f"{scores.split} has no metrics: there are forecasts that are no numbers"
    if missing := int(whole - cells.sum()):
        yield f"{missing:,} of {whole:,} target values of {scores.split} were not observed; they count nowhere"
    if not scores.has_intervals:
        chance = "; what it chose, the epoch and the ridge's penalty, may be chance" if scores.split == "val" else ""
        windows = "its only window is" if len(cells) == 1 else f"its {len(cells):,} windows are"
        yield f"{scores.split} has no 95 % intervals: {windows} too few for blocks of {scores.block}{chance}"


def _thinned(scores: SplitScores) -> Iterator[str]:
    cells = scores.tallies[MODEL].by_window.cells
    windows, targets = cells.shape
    step = stride((windows, targets, scores.target.horizon))
    if step > 1:
        yield (
            f"the forecast table holds one window in {step} of {scores.split}, {-(-windows // step):,} of {windows:,}: "
            f"all of them would be more than {MOST_ROWS:,} rows"
        )


def _amount(value: float, target: "ForecastTarget") -> str:
    """A number with its unit."""
    unit = "in scaled units" if len(target.names) > 1 else target.unit
    return f"{value:.4g} {unit}".rstrip()
