"""Losses of a forecast, as sums over the samples: the caller divides by the samples of the whole batch.

Letters: N samples, M targets, H horizon, Q quantiles. Each loss of a sample is its mean over the cells (M, H) that were
observed; a cell whose target is NaN was not, and counts nowhere. A sample without any costs nothing.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

LossName = Literal["mse", "mae", "huber", "quantile"]


def forecast_loss(outputs: Tensor, targets: Tensor, loss: LossName, delta: float, quantiles: Sequence[float]) -> Tensor:
    """() float32.

    Args:
        outputs: (N, M, H, Q), of any float type; Q = 1 unless the loss is quantile. targets: (N, M, H).
        delta: of huber, where the parabola becomes a line. quantiles: Q of them, for the loss quantile.
    """
    observed = ~targets.isnan()
    # Without NaN in it before the subtraction: its gradient is NaN even where it is masked afterwards.
    errors = targets.where(observed, 0.0).unsqueeze(-1) - outputs.float()
    cells = _of_errors(errors, loss, delta, quantiles).where(observed, 0.0).flatten(1)
    return (cells.sum(dim=1) / observed.flatten(1).sum(dim=1).clamp(min=1)).sum()


def _of_errors(errors: Tensor, loss: LossName, delta: float, quantiles: Sequence[float]) -> Tensor:
    """(N, M, H) for target - output of shape (N, M, H, Q)."""
    if loss == "quantile":
        return pinball(errors, quantiles)
    only = errors.squeeze(-1)
    if loss == "mse":
        return only.square()
    if loss == "mae":
        return only.abs()
    return F.huber_loss(only, torch.zeros_like(only), reduction="none", delta=delta)


def pinball(errors: Tensor, quantiles: Sequence[float]) -> Tensor:
    """Mean over the Q quantiles of max(q e, (q - 1) e), e = target - output: Koenker and Bassett (1978)."""
    q = errors.new_tensor(quantiles)
    return torch.maximum(q * errors, (q - 1) * errors).mean(dim=-1)
