"""The plain convolutional network, in 1, 2 or 3 dimensions: blocks of convolutions with pooling, then dense layers."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from cnnrun.errors import ConfigError
from cnnrun.models.blocks import ACTIVATIONS, MONOTONE, Activation, Init, dense_blocks, initialise
from cnnrun.models.spatial import (
    SeriesPadding,
    SizeTrace,
    SpatialLayers,
    causal_padding,
    padding_of,
    require_series,
    spatial_layers,
)
from cnnrun.values import Probability, Shape

Pooling = Literal["max", "avg", "sum", "none"]
BatchNorm = Literal["before", "after", "none"]


@dataclass(frozen=True)
class Block:
    """What one block is made of; the fields after `channels` are the settings of `CNN`, for this block."""

    name: str
    in_channels: int
    channels: int
    convs_per_block: int
    kernel_size: int
    stride: int
    dilation: int
    padding: SeriesPadding
    batch_norm: BatchNorm
    activation: Activation
    pooling: Pooling
    pool_size: int
    pool_stride: int

    @property
    def extent(self) -> int:
        """Cells from the first to the last that the dilated kernel reads, those before the series left out."""
        return 1 if self.padding == "causal" else self.dilation * (self.kernel_size - 1) + 1

    @property
    def cells(self) -> int:
        """What the convolution itself adds on each side; causal padding is a layer before it."""
        if self.padding == "causal":
            return 0
        return padding_of(self.padding, self.kernel_size, "model.kernel_size", self.dilation)

    def trace(self, trace: SizeTrace) -> None:
        """Take the image's size through the block, see `SizeTrace.window`."""
        what, remedy = "convolution", "use fewer blocks, model.padding=same"
        if self.dilation > 1:
            what = f"convolution of kernel {self.kernel_size} and dilation {self.dilation}"
            remedy = "use fewer blocks, a smaller model.dilation, model.padding=same"
        for number in range(self.convs_per_block):
            stride = self.stride if number == 0 else 1
            trace.window(self.name, what, self.extent, stride, self.cells, remedy)
        if self.pooling != "none":
            remedy = "use fewer blocks, model.pooling=none there"
            trace.window(self.name, f"{self.pooling} pool", self.pool_size, self.pool_stride, 0, remedy)

    def build(self, layers: SpatialLayers) -> nn.Sequential:
        """`conv1`, `bn1`, `act1`, `conv2`, ..., `pool`; a max pool stands before a monotone activation.

        That is the same function, max(f(x)) = f(max(x)), with a quarter of the activations to compute and to keep.
        Causal padding is a layer, too: `pad1` before `conv1`, and so on.
        """
        pool_first = self.pooling == "max" and self.activation in MONOTONE and self.batch_norm != "after"
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        for number in range(1, self.convs_per_block + 1):
            if self.padding == "causal":
                modules[f"pad{number}"] = nn.ConstantPad1d((causal_padding(self.kernel_size, self.dilation), 0), 0.0)
            modules[f"conv{number}"] = self.conv(layers, first=number == 1)
            if self.batch_norm == "before":
                modules[f"bn{number}"] = layers.batch_norm(self.channels)
            if pool_first and number == self.convs_per_block:
                modules["pool"] = self.pool(layers)
            modules[f"act{number}"] = ACTIVATIONS[self.activation]()
            if self.batch_norm == "after":
                modules[f"bn{number}"] = layers.batch_norm(self.channels)
        if self.pooling != "none" and not pool_first:
            modules["pool"] = self.pool(layers)
        return nn.Sequential(modules)

    def conv(self, layers: SpatialLayers, first: bool) -> nn.Module:
        return layers.conv(
            self.in_channels if first else self.channels,
            self.channels,
            self.kernel_size,
            stride=self.stride if first else 1,
            padding=self.cells,
            dilation=self.dilation,
            bias=self.batch_norm != "before",  # which would subtract it again
        )

    def pool(self, layers: SpatialLayers) -> nn.Module:
        types = {"max": layers.max_pool, "avg": layers.avg_pool, "sum": layers.sum_pool}
        return types[self.pooling](self.pool_size, stride=self.pool_stride)


class CNN(nn.Module):
    """(N, C, *spatial) -> (N, num_outputs).

    One block for each entry of `channels`. What may be a list has one entry a block; a single `pooling` stands between
    the blocks, so not after the last one. Dropout is on the inputs of every dense layer, the head's among them.
    With `causal` padding no convolution sees what comes after its step; pooling and dense layers see all steps.

    Raises:
        ConfigError: if a list has the wrong length, a block's input is smaller than its window, or causal padding
            meets images.
    """

    def __init__(
        self,
        input_shape: Shape,
        num_outputs: int,
        *,
        channels: list[PositiveInt],
        convs_per_block: PositiveInt | list[PositiveInt],
        kernel_size: PositiveInt | list[PositiveInt],
        stride: PositiveInt | list[PositiveInt],
        dilation: PositiveInt | list[PositiveInt],
        padding: SeriesPadding,
        batch_norm: BatchNorm,
        activation: Activation,
        pooling: Pooling | list[Pooling],
        pool_size: PositiveInt | list[PositiveInt],
        pool_stride: PositiveInt | list[PositiveInt],
        global_pooling: Literal["avg", "none"],
        hidden: list[PositiveInt],
        dropout: Probability,
        init: Init,
    ) -> None:
        super().__init__()
        if padding == "causal":
            require_series(input_shape, "model.padding=causal", "use same or valid")
        between = [*[pooling] * (len(channels) - 1), "none"]
        blocks = plan_blocks(
            input_shape[0],
            channels,
            convs_per_block=convs_per_block,
            kernel_size=kernel_size,
            stride=stride,
            dilation=dilation,
            padding=padding,
            batch_norm=batch_norm,
            activation=activation,
            pooling=pooling if isinstance(pooling, list) else between,
            pool_size=pool_size,
            pool_stride=pool_stride,
        )
        features, num_features = convolutions(input_shape, blocks, global_pooling)
        if dropout:
            features["dropout"] = nn.Dropout(dropout)
        features.update(dense_blocks(num_features, hidden, activation, dropout))
        self.features = nn.Sequential(features)
        self.head = nn.Linear([num_features, *hidden][-1], num_outputs)
        initialise(self, init)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def plan_blocks(in_channels: int, channels: list[int], **settings: Any) -> list[Block]:
    """A block for each entry of `channels`; a setting is one value for all blocks, or a list with one for each.

    Raises:
        ConfigError: if there is no block, or a list has another length.
    """
    if not channels:
        raise ConfigError("model.channels=[]: cnn needs at least one block, for example model.channels=[32,64]")
    for setting, value in settings.items():
        if isinstance(value, list) and len(value) != len(channels):
            raise ConfigError(
                f"model.{setting}={value}: model.channels={channels} makes {len(channels)} blocks; "
                f"give one value for all of them, or a list of {len(channels)}"
            )
    return [
        Block(
            f"block{index + 1}",
            channels[index - 1] if index else in_channels,
            channels[index],
            **{setting: value[index] if isinstance(value, list) else value for setting, value in settings.items()},
        )
        for index in range(len(channels))
    ]


def convolutions(
    input_shape: Shape, blocks: list[Block], global_pooling: Literal["avg", "none"]
) -> tuple[OrderedDict[str, nn.Module], int]:
    """The modules from the input to the flattened features, and the number of those."""
    layers = spatial_layers(input_shape)
    trace = SizeTrace(input_shape[1:])
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for block in blocks:
        block.trace(trace)
        modules[block.name] = block.build(layers)
    cells = math.prod(trace.size)
    if global_pooling == "avg":
        modules["global_pool"] = layers.global_avg_pool(1)
        cells = 1
    modules["flatten"] = nn.Flatten()
    return modules, blocks[-1].channels * cells
