"""What the outputs of a forecasting network mean: the loss, the metrics of an epoch, forecasts in the data's unit.

Letters: N windows, M targets (series that are forecast), H horizon, Q quantiles. Outputs are (N, M * H * Q), flat in
the order (M, H, Q), in scaled units; targets are (N, M, H), scaled, NaN where nothing was observed.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self

import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from cnnrun.data.series_preprocessing import ForecastTarget
from cnnrun.errors import ConfigError
from cnnrun.tasks.forecast_losses import LossName, forecast_loss
from cnnrun.values import Fraction

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
        self.margins: Array | None = None
        """(M, H, 2): what is added to a forecast for the ends of its interval, in the unit; set by `calibrate`, or from
        a run."""
        self._loss: LossName = loss
        self._huber_delta = huber_delta
        self._ridge = {"ridge_lags": ridge_lags, "from_last": ridge_from_last}

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
