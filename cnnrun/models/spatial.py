"""What depends on the spatial dimensions, layer types and sizes, so that a model is written once for 1, 2 and 3."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from cnnrun.errors import ConfigError
from cnnrun.values import Shape

Padding = Literal["same", "valid"]
SeriesPadding = Literal["same", "valid", "causal"]


class SumPool(nn.Module):
    """Sum over each window: the average times the number of its cells, (N, C, *spatial) in 1, 2 or 3 dimensions."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        num_dims = x.dim() - 2
        average = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}[num_dims]
        return average(x, self.kernel_size, self.stride) * self.kernel_size**num_dims

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


@dataclass(frozen=True)
class SpatialLayers:
    """The layer types of one number of dimensions."""

    conv: Callable[..., nn.Module]
    batch_norm: Callable[..., nn.Module]
    max_pool: Callable[..., nn.Module]
    avg_pool: Callable[..., nn.Module]
    global_avg_pool: Callable[..., nn.Module]
    sum_pool: Callable[..., nn.Module] = SumPool


SPATIAL_LAYERS = {
    1: SpatialLayers(nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d),
    2: SpatialLayers(nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
    3: SpatialLayers(nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d, nn.AvgPool3d, nn.AdaptiveAvgPool3d),
}


def spatial_layers(input_shape: Shape) -> SpatialLayers:
    """The layer types for samples of `input_shape`.

    Raises:
        ConfigError: if there are not 1, 2 or 3 dimensions beside the channels.
    """
    num_dims = len(input_shape) - 1
    if num_dims not in SPATIAL_LAYERS:
        raise ConfigError(
            f"samples of shape {size_text(input_shape)}: a convolutional model needs 1, 2 or 3 dimensions after the "
            f"channels, this has {num_dims}; model=mlp takes any shape"
        )
    return SPATIAL_LAYERS[num_dims]


def size_text(size: Shape) -> str:
    """(28, 28) as `28x28`."""
    return "x".join(map(str, size))


def padding_of(padding: Padding, kernel_size: int, setting: str, dilation: int = 1) -> int:
    """Cells to add on each side: none for `valid`, half of what the dilated kernel spans for `same`.

    Raises:
        ConfigError: for `same` and an even kernel, which has no middle; `setting` names the kernel's key.
    """
    if padding == "valid":
        return 0
    if kernel_size % 2 == 0:
        raise ConfigError(
            f"{setting}={kernel_size}: padding 'same' needs an odd kernel; "
            f"use {kernel_size - 1} or {kernel_size + 1}, or padding 'valid'"
        )
    return dilation * (kernel_size // 2)


def causal_padding(kernel_size: int, dilation: int) -> int:
    """Steps to add before a series, and none after it, so that an output sees its own step and earlier ones only."""
    return dilation * (kernel_size - 1)


def require_series(input_shape: Shape, why: str, remedy: str) -> None:
    """Refuse samples that have no time axis; `why` opens the sentence, `remedy` closes it.

    Raises:
        ConfigError: if there is not exactly one dimension beside the channels.
    """
    if len(input_shape) != 2:
        raise ConfigError(
            f"{why} is for series, (channels, steps); samples of shape {size_text(input_shape)}: {remedy}"
        )


class SizeTrace:
    """Follows the spatial size of an image, or the steps of a series, through a network before it is built."""

    def __init__(self, size: Shape) -> None:
        self.sizes = [size]

    @property
    def size(self) -> Shape:
        return self.sizes[-1]

    def window(self, where: str, what: str, extent: int, stride: int, padding: int, remedy: str) -> None:
        """Go through a convolution or pooling; `extent` is the cells that its window spans, with their gaps.

        Raises:
            ConfigError: if the window does not fit; `remedy` begins with `use`.
        """
        if min(self.size) + 2 * padding < extent:
            noun, larger = "image", "a larger dataset.image_size"
            if len(self.size) == 1:
                noun, larger = "series", "a longer dataset.lookback"
            window = size_text((extent,) * len(self.size))
            shrank = " -> ".join(map(size_text, self.sizes))
            history = f"the {noun} shrank {shrank}; " if len(self.sizes) > 1 else ""
            raise ConfigError(
                f"{where}: input {size_text(self.size)} is smaller than its {window} {what}; "
                f"{history}{remedy}, or {larger}"
            )
        size = tuple((cells + 2 * padding - extent) // stride + 1 for cells in self.size)
        if size != self.size:
            self.sizes.append(size)
