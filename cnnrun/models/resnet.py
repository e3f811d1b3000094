"""Residual networks (He et al. 2016, arXiv:1512.03385) in 1, 2 or 3 dimensions, from stem to global average pooling."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from cnnrun.errors import ConfigError
from cnnrun.models.spatial import Padding, SizeTrace, SpatialLayers, padding_of, spatial_layers
from cnnrun.values import Shape

Kind = Literal["basic", "bottleneck"]

EXPANSION: dict[str, int] = {"basic": 1, "bottleneck": 4}
"""Channels that leave a block, for each of its width."""

POOL_SIZE, POOL_STRIDE = 3, 2
"""Of the stem, as in the paper."""


class ResidualBlock(nn.Module):
    """act(residual(x) + shortcut(x)), where the shortcut is a 1x1 convolution if the shape changes.

    basic: two 3x3 convolutions. bottleneck: 1x1, 3x3, 1x1 to four times the width; the 3x3 has the stride, as in
    torchvision, not the first 1x1 as in the paper. The last batch norm starts at zero, so that each block begins as
    its shortcut (Goyal et al. 2017, arXiv:1706.02677).
    """

    def __init__(self, layers: SpatialLayers, kind: Kind, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * EXPANSION[kind]
        convs = [(width, 3, stride), (width, 3, 1)]
        if kind == "bottleneck":
            convs = [(width, 1, 1), (width, 3, stride), (out_channels, 1, 1)]
        residual: OrderedDict[str, nn.Module] = OrderedDict()
        channels = in_channels
        for number, (width_out, kernel_size, conv_stride) in enumerate(convs, start=1):
            if number > 1:
                residual[f"act{number - 1}"] = nn.ReLU()
            residual[f"conv{number}"] = layers.conv(
                channels, width_out, kernel_size, stride=conv_stride, padding=kernel_size // 2, bias=False
            )
            residual[f"bn{number}"] = layers.batch_norm(width_out)
            channels = width_out
        self.residual = nn.Sequential(residual)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            projection = layers.conv(in_channels, out_channels, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(OrderedDict(conv=projection, bn=layers.batch_norm(out_channels)))
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.residual(x) + self.shortcut(x))


@dataclass(frozen=True)
class Stem:
    """What stands before the first stage; the fields are the `stem_` settings of `ResNet`."""

    channels: int
    kernel_size: int
    stride: int
    padding: Padding
    pooling: Literal["max", "none"]

    def check(self, size: Shape) -> None:
        """Refuse an image of `size` that does not fill the windows; the stages fit any image."""
        trace = SizeTrace(size)
        cells = padding_of(self.padding, self.kernel_size, "model.stem_kernel_size")
        remedy = "use model.stem_padding=same"
        trace.window("stem", "convolution", self.kernel_size, self.stride, cells, remedy)
        if self.pooling == "max":
            cells = padding_of(self.padding, POOL_SIZE, "")
            trace.window("stem", "max pool", POOL_SIZE, POOL_STRIDE, cells, f"{remedy} or model.stem_pooling=none")

    def build(self, layers: SpatialLayers, in_channels: int) -> nn.Sequential:
        """`conv`, `bn`, `pool`, `act`: pooling before the monotone ReLU is the same function and cheaper."""
        padding = padding_of(self.padding, self.kernel_size, "model.stem_kernel_size")
        conv = layers.conv(
            in_channels, self.channels, self.kernel_size, stride=self.stride, padding=padding, bias=False
        )
        modules: OrderedDict[str, nn.Module] = OrderedDict(conv=conv, bn=layers.batch_norm(self.channels))
        if self.pooling == "max":
            padding = padding_of(self.padding, POOL_SIZE, "")
            modules["pool"] = layers.max_pool(POOL_SIZE, stride=POOL_STRIDE, padding=padding)
        modules["act"] = nn.ReLU()
        return nn.Sequential(modules)


class ResNet(nn.Module):
    """(N, C, *spatial) -> (N, num_outputs).

    One stage for each entry of `widths`, with as many blocks as `blocks` says; the first has the stage's stride.

    Raises:
        ConfigError: if `widths`, `blocks` and `strides` differ in length, or the image is smaller than the stem.
    """

    def __init__(
        self,
        input_shape: Shape,
        num_outputs: int,
        *,
        block: Kind,
        widths: list[PositiveInt],
        blocks: list[PositiveInt],
        strides: list[PositiveInt],
        stem_channels: PositiveInt,
        stem_kernel_size: PositiveInt,
        stem_stride: PositiveInt,
        stem_padding: Padding,
        stem_pooling: Literal["max", "none"],
    ) -> None:
        super().__init__()
        check_stages(widths, blocks, strides)
        layers = spatial_layers(input_shape)
        stem = Stem(stem_channels, stem_kernel_size, stem_stride, stem_padding, stem_pooling)
        stem.check(input_shape[1:])
        features: OrderedDict[str, nn.Module] = OrderedDict(stem=stem.build(layers, input_shape[0]))
        channels = stem_channels
        for number, (width, num_blocks, stride) in enumerate(zip(widths, blocks, strides, strict=True), start=1):
            features[f"stage{number}"] = build_stage(layers, block, channels, width, num_blocks, stride)
            channels = width * EXPANSION[block]
        features["global_pool"] = layers.global_avg_pool(1)
        features["flatten"] = nn.Flatten()
        self.features = nn.Sequential(features)
        self.head = nn.Linear(channels, num_outputs)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def check_stages(widths: list[int], blocks: list[int], strides: list[int]) -> None:
    """Refuse no stage at all, and lists of different lengths."""
    if not widths:
        raise ConfigError("model.widths=[]: resnet needs at least one stage, for example model.widths=[16,32,64]")
    for setting, value in (("blocks", blocks), ("strides", strides)):
        if len(value) != len(widths):
            raise ConfigError(
                f"model.{setting}={value}: model.widths={widths} makes {len(widths)} stages; give {len(widths)} values"
            )


def build_stage(
    layers: SpatialLayers, kind: Kind, in_channels: int, width: int, num_blocks: int, stride: int
) -> nn.Sequential:
    """`block1`, `block2`, ...: the first changes the channels and has the stride."""
    stage: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(1, num_blocks + 1):
        stage[f"block{number}"] = ResidualBlock(layers, kind, in_channels, width, stride if number == 1 else 1)
        in_channels = width * EXPANSION[kind]
    return nn.Sequential(stage)


def initialise(model: nn.Module) -> None:
    """He-normal convolutions by fan-out, as in torchvision, and each residual's last batch norm at zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, ResidualBlock):
            nn.init.zeros_(module.residual[-1].get_parameter("weight"))
