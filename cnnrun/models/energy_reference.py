"""The energy network of reference 000, kept to repeat its experiment; model=cnn1d is the one to forecast with."""

import math
from collections import OrderedDict

from pydantic import PositiveInt
from torch import Tensor, nn

from cnnrun.errors import ConfigError
from cnnrun.models.spatial import require_series
from cnnrun.values import Shape


class EnergyReference(nn.Module):
    """(N, C, L) -> (N, num_outputs): the lags enter as channels of a series of one step, (N, C * L, 1).

    A kernel of 1 on one step mixes channels and nothing else. So this is an MLP on the lags, and no convolution over
    time: the order of the lags means nothing to it. 15 lags, 64 channels and one output make 1,089 parameters.

    Raises:
        ConfigError: if the samples are no series, or there is no layer.
    """

    def __init__(self, input_shape: Shape, num_outputs: int, *, channels: list[PositiveInt]) -> None:
        super().__init__()
        require_series(input_shape, "model=energy_reference", "use model=mlp for others")
        if not channels:
            raise ConfigError("model.channels=[]: energy_reference needs a layer, as in model.channels=[64]")
        num_lags = math.prod(input_shape)
        features: OrderedDict[str, nn.Module] = OrderedDict(lags=nn.Flatten())
        features["as_channels"] = nn.Unflatten(1, (num_lags, 1))
        for number, (before, width) in enumerate(zip([num_lags, *channels], channels, strict=False), start=1):
            features[f"conv{number}"] = nn.Conv1d(before, width, kernel_size=1)
            features[f"act{number}"] = nn.ReLU()
        features["flatten"] = nn.Flatten()
        self.features = nn.Sequential(features)
        self.head = nn.Linear(channels[-1], num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))
