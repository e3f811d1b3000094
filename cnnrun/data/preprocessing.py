"""From raw values to what a model sees: one affine map per channel, fitted on train and stored with the run."""

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from pydantic import FiniteFloat, TypeAdapter, ValidationError
from torch import Tensor

from cnnrun.data.geometry import Geometry
from cnnrun.errors import ConfigError, DataError
from cnnrun.values import InputSpec

if TYPE_CHECKING:
    from cnnrun.data.splits import Split

Normalize = Literal["auto", "weights", "standardize", "unit", "symmetric", "minmax", "none"]
"""weights where the model brings any, else standardize | mean and deviation of the images that the model's weights were
trained on | mean 0 and deviation 1 of train | 0..255 to [0, 1] | 0..255 to [-1, 1] | range of train to [0, 1] | as it
is."""

HISTOGRAM_CHUNK = 1 << 22
"""Values counted at a time: small enough for the cache of a core, and for any memory."""


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What was done to the raw inputs, so that eval and predict can do the same.

    `scale` and `shift` have one entry per channel: a model sees `raw * scale + shift`. `geometry` tells how pictures of
    many sizes were brought to one; None where the data set has one size.
    """

    normalize: Normalize
    image_size: tuple[int, ...]
    scale: tuple[FiniteFloat, ...]
    shift: tuple[FiniteFloat, ...]
    geometry: Geometry | None = None

    def apply(self, inputs: Tensor) -> Tensor:
        """Raw (N, C, *spatial), on any device, to float32 of the same shape and memory format."""
        scale = _per_channel(self.scale, inputs.dim(), inputs.device)
        shift = _per_channel(self.shift, inputs.dim(), inputs.device)
        return torch.mul(inputs, scale).add_(shift)

    def invert(self, inputs: Tensor) -> Tensor:
        """What `apply` returned, (N, C, *spatial) float, back to uint8 for a picture."""
        scale = _per_channel(self.scale, inputs.dim(), inputs.device)
        shift = _per_channel(self.shift, inputs.dim(), inputs.device)
        return inputs.sub(shift).div_(scale).round_().clamp_(0, 255).to(torch.uint8)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises DataError where the values, which may be a stranger's, are not what `to_dict` writes."""
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise DataError(f"stored preprocessing, {where}: {problem['msg']}") from error


def fit_preprocessing(train: "Split", normalize: Normalize, spec: InputSpec | None = None) -> Preprocessing:
    """Fit the map on the training inputs, uint8 or float32; every statistic is per channel.

    Args:
        spec: of the weights that the model brings.
    Raises:
        ConfigError: if `unit` or `symmetric`, which stand for 0..255, are asked for values that are not bytes, or
            `weights` where there are none.
    """
    inputs = train.inputs
    if normalize == "auto":
        normalize = "standardize" if spec is None else "weights"
    if inputs.dtype != torch.uint8 and normalize in ("unit", "symmetric"):
        raise ConfigError(
            f"dataset.normalize={normalize}: it maps the bytes 0..255, and this data set holds {inputs.dtype} values; "
            "take standardize, minmax or none"
        )
    scale, shift = _of_weights(inputs, spec) if normalize == "weights" else MAPS[normalize](train)
    return Preprocessing(normalize, tuple(inputs.shape[2:]), tuple(scale.tolist()), tuple(shift.tolist()))


def _of_weights(inputs: Tensor, spec: InputSpec | None) -> tuple[Tensor, Tensor]:
    """For bytes; a grey image gets the mean over the colours."""
    if spec is None:
        raise ConfigError("dataset.normalize=weights: the model has no pretrained weights; take standardize")
    if inputs.dtype != torch.uint8 or inputs.shape[1] not in (1, 3):
        raise ConfigError(
            f"dataset.normalize=weights: the weights are for images, and this data set holds {inputs.dtype} values in "
            f"{inputs.shape[1]} channels; take standardize"
        )
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (spec.mean, spec.std))
    if inputs.shape[1] == 1:
        mean, std = mean.mean(0, keepdim=True), std.mean(0, keepdim=True)
    return 1 / (255 * std), -mean / std


def _standardize(train: "Split") -> tuple[Tensor, Tensor]:
    mean, std = _mean_and_std(train)
    scale = torch.where(std > 0, 1 / std, 1.0)
    return scale, -mean * scale


def _minmax(train: "Split") -> tuple[Tensor, Tensor]:
    low, high = _range(train)
    scale = torch.where(high > low, 1 / (high - low), 1.0)
    return scale, -low * scale


def _constant(scale: float, shift: float) -> "Callable[[Split], tuple[Tensor, Tensor]]":
    def same_for_every_channel(train: "Split") -> tuple[Tensor, Tensor]:
        ones = torch.ones(train.inputs.shape[1], dtype=torch.float64)
        return ones * scale, ones * shift

    return same_for_every_channel


MAPS: "dict[str, Callable[[Split], tuple[Tensor, Tensor]]]" = {
    "standardize": _standardize,
    "unit": _constant(1 / 255, 0.0),
    "symmetric": _constant(2 / 255, -1.0),
    "minmax": _minmax,
    "none": _constant(1.0, 0.0),
}


def _range(train: "Split") -> tuple[Tensor, Tensor]:
    """(C,) float64 each: the smallest and the largest value."""
    if train.inputs.dtype != torch.uint8:
        channels = _channels(train)
        return channels.amin(1), channels.amax(1)
    occurs = (_histogram(train) > 0).byte()
    return occurs.argmax(1).double(), 255 - occurs.flip(1).argmax(1).double()


def _mean_and_std(train: "Split") -> tuple[Tensor, Tensor]:
    """(C,) float64 each, the deviation over N and not N - 1; for bytes exact, whatever the number of threads."""
    if train.inputs.dtype != torch.uint8:
        channels = _channels(train)
        return channels.mean(1), channels.std(1, correction=0)
    counts = _histogram(train).double()
    values = torch.arange(256, dtype=torch.float64)
    mean = (counts @ values) / counts.sum(1)
    deviation = values - mean[:, None]
    return mean, ((counts * deviation**2).sum(1) / counts.sum(1)).sqrt()


def _channels(train: "Split") -> Tensor:
    """(C, values of the channel) float64."""
    return train.take(slice(None)).transpose(0, 1).flatten(1).double()


def _histogram(train: "Split") -> Tensor:
    """(C, 256) int64: how often each channel of uint8 inputs has each value."""
    num_channels = train.inputs.shape[1]
    counts = torch.zeros(num_channels, 256, dtype=torch.int64)
    chunk = max(1, HISTOGRAM_CHUNK // max(1, train.inputs[0, 0].numel()))
    for start in range(0, len(train), chunk):
        piece = train.take(slice(start, start + chunk))
        for channel in range(num_channels):
            counts[channel] += torch.bincount(piece[:, channel].flatten(), minlength=256)
    return counts


@functools.cache
def _per_channel(values: tuple[float, ...], num_dims: int, device: torch.device) -> Tensor:
    """(1, C, 1, ...) on the device; kept, because copying it there at each step would make the device wait."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, *[1] * (num_dims - 2))
