"""What the outputs of a forecasting network mean: the loss, the metrics of an epoch, forecasts in the data's unit.

Letters: N windows, M targets (series that are forecast), H horizon, Q quantiles. Outputs are (N, M * H * Q), flat in
the order (M, H, Q), in scaled units; targets are (N, M, H), scaled, NaN where nothing was observed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from cnnrun.data.series_preprocessing import ForecastTarget
from cnnrun.errors import ConfigError
from cnnrun.metrics.conformal import margins_of
from cnnrun.metrics.forecast import tally
from cnnrun.tasks.baselines import Baselines
from cnnrun.tasks.forecast_losses import LossName, forecast_loss
from cnnrun.values import Fraction

if TYPE_CHECKING:
    import pandas as pd

    from cnnrun.data.windows import SeriesData, SeriesSplit
    from cnnrun.tasks.forecast_scores import SplitScores
    from cnnrun.tasks.forecast_tables import Row

Array = NDArray[Any]

INTERVAL_LEVEL = 0.9
"""Nominal share of the targets inside the interval of a network that gives no quantiles of its own."""


@dataclass(frozen=True)
class Forecast:
    """What is forecast for each window, target and step, in the data's unit: arrays (N, M, H) float64.

    `low` and `high` bound an interval; None as long as nothing is known of it.
    """

    point: Array
    low: Array | None = None
    high: Array | None = None


@dataclass(frozen=True)
class _Scored:
    """What was scored on a data set: outputs and scores, by split."""

    data: "SeriesData"
    baselines: Baselines
    splits: "dict[str, tuple[Tensor, SplitScores]]" = field(default_factory=dict)


class Forecasting:
    """The next H steps of M series."""

    higher_is_better = False

    def __init__(
        self,
        forecast: ForecastTarget,
        *,
        monitor: Literal["mae", "rmse", "loss"],
        loss: LossName,
        huber_delta: PositiveFloat,
        quantiles: list[Fraction],
        ridge_lags: PositiveInt | None,
        ridge_from_last: bool,
    ) -> None:
        """Args: forecast: names, horizon, unit and scale of the targets.

        Raises:
            ConfigError: if the quantiles do not lie around the median, in their order.
        """
        _check_quantiles(quantiles)
        self.target = forecast
        self.quantiles = tuple(quantiles) if loss == "quantile" else ()
        self.monitor = monitor
        self.num_outputs = len(forecast.names) * forecast.horizon * max(len(self.quantiles), 1)
        self.margins: Array | None = forecast.margins
        """(M, H, 2): what is added to a forecast for the ends of its interval, in the unit; set by `calibrate`, or from
        a run."""
        self._loss: LossName = loss
        self._huber_delta = huber_delta
        self._ridge_lags = ridge_lags
        self._ridge_from_last = ridge_from_last
        self._scored: _Scored | None = None

    def to(self, device: torch.device) -> Self:
        """The loss keeps nothing on a device."""
        return self

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """() float32, the sum over the samples: divide by N for the mean."""
        return forecast_loss(self._by_cell(outputs), targets, self._loss, self._huber_delta, self.quantiles)

    def epoch_metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The metrics of the history, of a whole split on the CPU: the mean loss, `mae` and `rmse`.

        The last two are those of the median or the only output, over all observed cells; of one series in its unit, of
        several in scaled units, as their units may differ.
        """
        errors = (self._points(self._by_cell(outputs)).double() - targets)[~targets.isnan()]
        scale = float(self.target.scale[0]) if len(self.target.names) == 1 else 1.0
        return {
            "loss": self.loss(outputs, targets).item() / len(targets),
            "mae": scale * errors.abs().mean().item(),
            "rmse": scale * errors.square().mean().sqrt().item(),
        }

    def forecasts(self, outputs: Tensor, base: Array | None = None) -> Forecast:
        """What the outputs (N, M * H * Q) of a network say, in the unit; quantiles that cross are put in order.

        An output that is not finite is no forecast: NaN.

        Args: base: (N, M, H) of a SeriesSplit: what differencing took away.
        """
        cells = self._by_cell(outputs).numpy().astype(np.float64)
        scale, shift = self.target.scale[:, None], self.target.shift[:, None]
        values = np.sort(np.where(np.isfinite(cells), cells, np.nan), axis=-1) * scale[..., None] + shift[..., None]
        if base is not None:
            values = values + base[..., None]
        if self.quantiles:
            return Forecast(values[..., self.quantiles.index(0.5)], values[..., 0], values[..., -1])
        point = values[..., 0]
        if self.margins is None:
            return Forecast(point)
        return Forecast(point, point + self.margins[..., 0], point + self.margins[..., 1])

    @property
    def interval_level(self) -> float:
        """Nominal share of the actual values inside the interval."""
        return self.quantiles[-1] - self.quantiles[0] if self.quantiles else INTERVAL_LEVEL

    def calibrate(self, outputs: Tensor, val: "SeriesSplit") -> None:
        """Set `margins`, from the errors on val; not for a network that gives quantiles, nor from too few errors."""
        if not self.quantiles:
            margins = margins_of(val.actual - self.forecasts(outputs, val.base).point, INTERVAL_LEVEL)
            self.margins = None if np.isnan(margins).any() else margins
            self._scored = None

    def results(self, outputs: dict[str, Tensor], data: "SeriesData", splits: Sequence[str]) -> "list[Row]":
        """Rows of tables.RESULTS for these splits: metrics of the network with their intervals, `interval_level`,
        `skill`, metrics of each target as `mae[name]` if there are several, and of each baseline as `mae/ridge`.

        Args: outputs: of whole splits, by name; those that are not asked for are left alone.
        """
        from cnnrun.tasks.forecast_tables import result_rows

        rows = (result_rows(self._scores(outputs, data, split), self.interval_level) for split in splits)
        return [row for of_split in rows for row in of_split]

    def tables(self, outputs: dict[str, Tensor], data: "SeriesData", split: str) -> "dict[str, pd.DataFrame]":
        """The tables of a split by name, as tables.py has them: forecast, by_horizon, by_time, residuals, comparison,
        series, repairs; and baselines and, of several targets, by_series, which hold every split of `outputs`.

        by_time is missing where the series has no stamps.
        """
        from cnnrun.tasks import forecast_tables as made

        part, scores = getattr(data, split), [self._scores(outputs, data, name) for name in outputs]
        of_split = self._scores(outputs, data, split)
        forecast = self.forecasts(outputs[split], part.base)
        found = {
            "forecast": made.forecast_table(forecast, part, data),
            "baselines": made.baselines_table(scores),
            "by_horizon": made.by_horizon_table(of_split),
            "residuals": made.residuals_table(forecast, part, data, of_split),
            "comparison": made.comparison_table(of_split),
            "series": made.series_table(data),
            "repairs": made.repairs_table(data),
        }
        if len(self.target.names) > 1:
            found["by_series"] = made.by_series_table(scores)
        if data.series.index is not None:
            found["by_time"] = made.by_time_table(forecast, part, data)
        return found

    def findings(self, outputs: dict[str, Tensor], data: "SeriesData") -> list[str]:
        """Why the run is dead, a sentence each; empty for one that learned.

        Args: outputs: of the val split, and perhaps others.
        """
        from cnnrun.tasks.forecast_findings import findings

        return findings(self.forecasts(outputs["val"], data.val.base).point, data)

    def notes(self, outputs: dict[str, Tensor], data: "SeriesData", split: str) -> list[str]:
        """What else is worth a sentence: baselines that win, metrics that are left out, rows that are.

        Args: outputs: of the splits that were judged. split: the one whose `tables` are written.
        """
        from cnnrun.tasks.forecast_findings import notes

        scores = {name: self._scores(outputs, data, name) for name in outputs}
        return notes(scores, data, split, from_val=not self.quantiles)

    def _scores(self, outputs: dict[str, Tensor], data: "SeriesData", split: str) -> "SplitScores":
        """Of the network and the baselines; kept, as everything is made of them."""
        from cnnrun.tasks.forecast_scores import MODEL, SplitScores, block_length

        if self._scored is None or self._scored.data is not data:
            self._scored = _Scored(data, Baselines(data, self._ridge_lags, from_last=self._ridge_from_last))
        known = self._scored.splits.get(split)
        if known is not None and known[0] is outputs[split]:
            return known[1]
        part = getattr(data, split)
        forecasts = {MODEL: self.forecasts(outputs[split], part.base)}
        forecasts |= {name: Forecast(point) for name, point in self._scored.baselines.forecasts(part).items()}
        tallies = {
            name: tally(part.actual, given.point, season_error=self.target.mase_scale, low=given.low, high=given.high)
            for name, given in forecasts.items()
        }
        scores = SplitScores(split, self.target, block_length(data.series, self.target, len(part.actual)), tallies)
        self._scored.splits[split] = (outputs[split], scores)
        return scores

    def _by_cell(self, outputs: Tensor) -> Tensor:
        """(N, M, H, Q)."""
        return outputs.unflatten(1, (len(self.target.names), self.target.horizon, -1))

    def _points(self, cells: Tensor) -> Tensor:
        """(N, M, H): the median of quantiles that were put in order, or the only output."""
        if not self.quantiles:
            return cells.squeeze(-1)
        return cells.sort(dim=-1).values[..., self.quantiles.index(0.5)]


def _check_quantiles(quantiles: list[float]) -> None:
    increasing = all(low < high for low, high in pairwise(quantiles))
    if not increasing or 0.5 not in quantiles[1:-1]:
        shown = ",".join(f"{quantile:g}" for quantile in quantiles)
        raise ConfigError(
            f"task.quantiles=[{shown}]: they must increase, and hold 0.5 (the forecast) with one below and one "
            "above it (its interval), for example [0.05,0.5,0.95]"
        )
