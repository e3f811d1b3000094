"""What a forecasting network's outputs are turned into: pytest tests/tasks"""

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

from cnnrun.data.series_preprocessing import ForecastTarget
from cnnrun.errors import ConfigError
from cnnrun.tasks.forecasting import Forecasting

DEFAULTS = {
    "monitor": "mae",
    "loss": "mse",
    "huber_delta": 1.0,
    "quantiles": [0.05, 0.5, 0.95],
    "ridge_lags": None,
    "ridge_from_last": False,
}


def target(num_targets=1, horizon=3):
    return ForecastTarget(
        names=("load", "wind", "sun")[:num_targets],
        horizon=horizon,
        unit="MW",
        scale=np.array([10.0, 2.0, 0.5])[:num_targets],
        shift=np.array([100.0, 5.0, 0.0])[:num_targets],
        season=7,
        mase_scale=np.array([4.0, 1.0, 0.2])[:num_targets],
        frequency="D",
    )


def task(num_targets=1, horizon=3, **knobs):
    return Forecasting(target(num_targets, horizon), **(DEFAULTS | knobs))


def example(given, n=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(n, given.num_outputs, generator=generator)
    targets = torch.randn(n, len(given.target.names), given.target.horizon, generator=generator)
    return outputs, targets


class TestOutputs:
    @pytest.mark.parametrize(("loss", "expected"), [("mse", 6), ("huber", 6), ("quantile", 18)])
    def test_there_is_one_a_target_and_step_and_quantile(self, loss, expected):
        assert task(2, 3, loss=loss).num_outputs == expected

    @pytest.mark.parametrize(
        "quantiles", [[], [0.5], [0.1, 0.9], [0.5, 0.1, 0.9], [0.1, 0.5, 0.5, 0.9], [0.1, 0.5], [0.5, 0.9]]
    )
    def test_quantiles_that_do_not_lie_around_the_median_are_refused(self, quantiles):
        with pytest.raises(ConfigError, match=r"task.quantiles=\[.*\]: they must increase, and hold 0.5"):
            task(quantiles=quantiles)


class TestEpochMetrics:
    def test_of_one_series_they_are_in_its_unit(self):
        given = task()
        outputs, targets = example(given)
        actual, forecast = (100 + 10 * part.reshape(-1).double() for part in (targets, outputs))
        assert given.epoch_metrics(outputs, targets) == pytest.approx(
            {
                "loss": torch.nn.functional.mse_loss(outputs.view(40, 1, 3), targets).item(),
                "mae": oracle.mean_absolute_error(actual, forecast),
                "rmse": oracle.root_mean_squared_error(actual, forecast),
            }
        )

    def test_of_several_series_they_are_in_scaled_units(self):
        given = task(3, 2)
        outputs, targets = example(given)
        metrics = given.epoch_metrics(outputs, targets)
        assert metrics["mae"] == pytest.approx(oracle.mean_absolute_error(targets.flatten(), outputs.flatten()))

    def test_outputs_lie_in_the_order_target_step_quantile(self):
        given = task(2, 2, loss="quantile")
        targets = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
        outputs = torch.tensor([[0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5.0]])
        assert given.epoch_metrics(outputs, targets)["mae"] == 0

    def test_quantiles_that_cross_are_put_in_order(self):
        given = task(1, 1, loss="quantile")
        assert given.epoch_metrics(torch.tensor([[5.0, 9.0, 1.0]]), torch.tensor([[[5.0]]]))["mae"] == 0

    def test_targets_that_were_not_observed_count_nowhere(self):
        given = task()
        outputs, targets = example(given)
        targets[:10] = torch.nan
        part = given.epoch_metrics(outputs[10:], targets[10:])
        assert {name: given.epoch_metrics(outputs, targets)[name] for name in ("mae", "rmse")} == pytest.approx(
            {name: part[name] for name in ("mae", "rmse")}
        )

    @pytest.mark.parametrize("loss", ["mse", "mae", "huber", "quantile"])
    def test_the_loss_is_the_one_that_trains(self, loss):
        given = task(2, 3, loss=loss)
        outputs, targets = example(given)
        assert given.epoch_metrics(outputs, targets)["loss"] == pytest.approx(given.loss(outputs, targets).item() / 40)

    @pytest.mark.parametrize("monitor", ["mae", "rmse", "loss"])
    def test_each_monitor_is_among_them_and_less_is_better(self, monitor):
        given = task(monitor=monitor)
        outputs, targets = example(given)
        bad, good = (given.epoch_metrics(part, targets)[monitor] for part in (outputs, targets.flatten(1)))
        assert good < bad
        assert not given.higher_is_better
