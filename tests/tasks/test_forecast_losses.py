"""The losses of a forecast against plain torch, scikit-learn and loops: pytest tests/tasks"""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from cnnrun.tasks.forecast_losses import forecast_loss

QUANTILES = (0.1, 0.5, 0.8)
LOSSES = ["mse", "mae", "huber", "quantile"]


def example(loss, n=6, m=2, h=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    q = len(QUANTILES) if loss == "quantile" else 1
    return torch.randn(n, m, h, q, generator=generator), torch.randn(n, m, h, generator=generator)


def of(outputs, targets, loss):
    return forecast_loss(outputs, targets, loss, 0.7, QUANTILES)


@pytest.mark.parametrize(
    ("loss", "oracle"),
    [
        ("mse", torch.nn.functional.mse_loss),
        ("mae", torch.nn.functional.l1_loss),
        ("huber", lambda x, y: torch.nn.functional.huber_loss(x, y, delta=0.7)),
    ],
)
def test_each_loss_is_torchs_times_the_samples(loss, oracle):
    outputs, targets = example(loss)
    assert of(outputs, targets, loss).item() == pytest.approx(6 * oracle(outputs[..., 0], targets).item(), rel=1e-5)


def test_the_quantile_loss_is_the_mean_of_scikit_learns_pinball_losses():
    outputs, targets = example("quantile")
    expected = np.mean(
        [
            mean_pinball_loss(targets.flatten(), outputs[..., i].flatten(), alpha=quantile)
            for i, quantile in enumerate(QUANTILES)
        ]
    )
    assert of(outputs, targets, "quantile").item() == pytest.approx(6 * expected, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_target_that_was_not_observed_counts_nowhere(loss):
    outputs, targets = example(loss)
    targets[0, 0, 1:] = torch.nan
    targets[3] = torch.nan
    expected = 0.0
    for n in (0, 1, 2, 4, 5):
        seen = ~targets[n].isnan()
        cells = [
            of(outputs[n, m, h].reshape(1, 1, 1, -1), targets[n, m, h].reshape(1, 1, 1), loss).item()
            for m, h in seen.nonzero().tolist()
        ]
        expected += np.mean(cells)
    assert of(outputs, targets, loss).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_finite_and_zero_where_nothing_was_observed(loss):
    outputs, targets = example(loss)
    targets[3] = torch.nan
    outputs.requires_grad_(True)
    of(outputs, targets, loss).backward()
    assert outputs.grad.isfinite().all()
    assert (outputs.grad[3] == 0).all()
    assert (outputs.grad[0] != 0).any()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_losses_of_two_halves_add_up(loss):
    outputs, targets = example(loss)
    halves = of(outputs[:2], targets[:2], loss) + of(outputs[2:], targets[2:], loss)
    torch.testing.assert_close(halves, of(outputs, targets, loss))


def test_low_precision_outputs_are_summed_in_float32():
    outputs, targets = example("mse", n=3000)
    summed = of(outputs.bfloat16(), targets, "mse")
    assert summed.dtype == torch.float32
    expected = (outputs.bfloat16().double()[..., 0] - targets).square().mean((1, 2)).sum().item()
    assert summed.item() == pytest.approx(expected, rel=1e-5)
