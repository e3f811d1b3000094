"""Forecasting networks for long look-backs: dilated residual convolutions on patches, beside a linear map.

Shapes use N windows, C channels, M targets, L look-back steps, P positions after the stem.
"""

from collections import OrderedDict
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from cnnrun.errors import ConfigError
from cnnrun.models.spatial import require_series
from cnnrun.values import Probability, Shape

Normalise = Literal["standard", "mean", "last", "none"]

EPSILON = 1e-5
"""Added to the variance of a look-back, as in batch norm: that of a flat one is 0."""


class DilatedBlock(nn.Module):
    """x + residual(x), with a dilated and a pointwise convolution: (N, width, P) -> (N, width, P)."""

    def __init__(self, width: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        residual: OrderedDict[str, nn.Module] = OrderedDict()
        residual["conv1"] = nn.Conv1d(width, width, kernel_size, dilation=dilation, padding="same", bias=False)
        residual["bn"] = nn.BatchNorm1d(width)
        residual["act"] = nn.GELU()
        residual["conv2"] = nn.Conv1d(width, width, 1)
        self.residual = nn.Sequential(residual)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(x)


class Temporal(nn.Module):
    """(N, C, L) -> (N, num_outputs); the first `num_targets` channels are the targets' own past.

    The targets' past is normalised within its window and the outputs are scaled back (reversible instance
    normalisation, Kim et al. 2022, without the affine parameters); features stay as they are. The forecast is the sum
    of two maps: `head`, of the convolutions, and `skip`, linear, from the normalised look-back of each target to its
    own forecast. The head starts at zero, so that training begins at the linear map.

    With `independent`, every target is forecast by the same weights from its own past and the features.

    Raises:
        ConfigError: if the samples are no series, or the look-back is shorter than a patch.
    """

    def __init__(
        self,
        input_shape: Shape,
        num_outputs: int,
        num_targets: int,
        *,
        normalise: Normalise,
        independent: bool,
        patch_size: PositiveInt,
        patch_stride: PositiveInt,
        width: PositiveInt,
        dilations: list[PositiveInt],
        kernel_size: PositiveInt,
        dropout: Probability,
        skip: bool,
    ) -> None:
        super().__init__()
        check_shape(input_shape, patch_size)
        channels, lookback = input_shape
        self.num_targets = num_targets
        self.normalise: Normalise = normalise
        self.independent = independent
        own_channels, own_outputs = 1 + channels - num_targets, num_outputs // num_targets
        stem = patch_stem(own_channels if independent else channels, width, lookback, patch_size, patch_stride)
        features: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
        for number, dilation in enumerate(dilations, start=1):
            features[f"block{number}"] = DilatedBlock(width, kernel_size, dilation)
        features["act"] = nn.GELU()
        features["flatten"] = nn.Flatten()
        if dropout:
            features["dropout"] = nn.Dropout(dropout)
        self.features = nn.Sequential(features)
        num_features = width * ((lookback - patch_size) // patch_stride + 1)
        self.head = nn.Linear(num_features, own_outputs if independent else num_outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.skip = nn.Linear(lookback, own_outputs) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        past, known = x[:, : self.num_targets], x[:, self.num_targets :]
        shift, scale = window_statistics(past, self.normalise)
        past = (past - shift) / scale
        if self.independent:
            own = past.flatten(0, 1).unsqueeze(1)
            shared = known.repeat_interleave(self.num_targets, dim=0)
            y = self.head(self.features(torch.cat([own, shared], dim=1)))
        else:
            y = self.head(self.features(torch.cat([past, known], dim=1)))
        y = y.view(len(x), self.num_targets, -1)
        if self.skip is not None:
            y = y + self.skip(past)
        return (y * scale + shift).flatten(1)


class Crop(nn.Module):
    """Leave out the first steps, so that strided patches end with the look-back."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        return x[..., self.steps :]


def window_statistics(past: Tensor, normalise: Normalise) -> tuple[Tensor, Tensor]:
    """Shift and scale (N, M, 1) of look-backs (N, M, L)."""
    shift, scale = torch.zeros_like(past[..., :1]), torch.ones_like(past[..., :1])
    if normalise == "last":
        shift = past[..., -1:]
    elif normalise != "none":
        shift = past.mean(dim=-1, keepdim=True)
    if normalise == "standard":
        scale = (past.var(dim=-1, keepdim=True, correction=0) + EPSILON).sqrt()
    return shift, scale


def check_shape(input_shape: Shape, patch_size: int) -> None:
    """Refuse what is no series, or too short for one patch."""
    require_series(input_shape, "model=temporal", "use model=cnn for others")
    if input_shape[1] < patch_size:
        raise ConfigError(
            f"model.patch_size={patch_size}: dataset.lookback={input_shape[1]} is shorter; use at most {input_shape[1]}"
        )


def patch_stem(in_channels: int, width: int, lookback: int, patch_size: int, patch_stride: int) -> nn.Sequential:
    """(N, C, L) -> (N, width, P): a convolution whose last patch ends with the look-back."""
    stem: OrderedDict[str, nn.Module] = OrderedDict()
    surplus = (lookback - patch_size) % patch_stride
    if surplus:
        stem["crop"] = Crop(surplus)
    stem["conv"] = nn.Conv1d(in_channels, width, patch_size, stride=patch_stride)
    return nn.Sequential(stem)
