"""From raw values to what a model sees: one affine map per channel, fitted on train and stored with the run."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, Self

import torch
from pydantic import FiniteFloat, TypeAdapter, ValidationError
from torch import Tensor

from cnnrun.errors import ConfigError, DataError

Normalize = Literal["standardize", "unit", "symmetric", "minmax", "none"]
"""Mean 0 and deviation 1 of train | 0..255 to [0, 1] | 0..255 to [-1, 1] | range of train to [0, 1] | as it is."""

HISTOGRAM_CHUNK = 1 << 22
"""Values counted at a time: small enough for the cache of a core, and for any memory."""


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What was done to the raw inputs, so that eval and predict can do the same.

    `scale` and `shift` have one entry per channel: a model sees `raw * scale + shift`.
    """

    normalize: Normalize
    image_size: tuple[int, ...]
    scale: tuple[FiniteFloat, ...]
    shift: tuple[FiniteFloat, ...]

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
        return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises DataError where the values, which may be a stranger's, are not what `to_dict` writes."""
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise DataError(f"stored preprocessing, {where}: {problem['msg']}") from error


def fit_preprocessing(inputs: Tensor, normalize: Normalize) -> Preprocessing:
    """Fit the map on the training inputs (N, C, *spatial), uint8 or float32; every statistic is per channel.

    Raises:
        ConfigError: if `unit` or `symmetric`, which stand for 0..255, are asked for values that are not bytes.
    """
    if inputs.dtype != torch.uint8 and normalize in ("unit", "symmetric"):
        raise ConfigError(
            f"dataset.normalize={normalize}: it maps the bytes 0..255, and this data set holds {inputs.dtype} values; "
            "take standardize, minmax or none"
        )
    scale, shift = MAPS[normalize](inputs)
    return Preprocessing(normalize, tuple(inputs.shape[2:]), tuple(scale.tolist()), tuple(shift.tolist()))


def _standardize(inputs: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = _mean_and_std(inputs)
    scale = torch.where(std > 0, 1 / std, 1.0)
    return scale, -mean * scale


def _minmax(inputs: Tensor) -> tuple[Tensor, Tensor]:
    channels = inputs.transpose(0, 1).flatten(1)
    low, high = channels.amin(1).double(), channels.amax(1).double()
    scale = torch.where(high > low, 1 / (high - low), 1.0)
    return scale, -low * scale


def _constant(scale: float, shift: float) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def same_for_every_channel(inputs: Tensor) -> tuple[Tensor, Tensor]:
        ones = torch.ones(inputs.shape[1], dtype=torch.float64)
        return ones * scale, ones * shift

    return same_for_every_channel


MAPS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "standardize": _standardize,
    "unit": _constant(1 / 255, 0.0),
    "symmetric": _constant(2 / 255, -1.0),
    "minmax": _minmax,
    "none": _constant(1.0, 0.0),
}


def _mean_and_std(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """(C,) float64 each, the deviation over N and not N - 1; for bytes exact, whatever the number of threads."""
    if inputs.dtype != torch.uint8:
        channels = inputs.transpose(0, 1).flatten(1).double()
        return channels.mean(1), channels.std(1, correction=0)
    counts = _histogram(inputs).double()
    values = torch.arange(256, dtype=torch.float64)
    mean = (counts @ values) / counts.sum(1)
    deviation = values - mean[:, None]
    return mean, ((counts * deviation**2).sum(1) / counts.sum(1)).sqrt()


def _histogram(inputs: Tensor) -> Tensor:
    """(C, 256) int64: how often each channel of (N, C, *spatial) uint8 has each value."""
    num_samples, num_channels = inputs.shape[:2]
    counts = torch.zeros(num_channels, 256, dtype=torch.int64)
    chunk = max(1, HISTOGRAM_CHUNK // max(1, inputs[0, 0].numel()))
    for start in range(0, num_samples, chunk):
        for channel in range(num_channels):
            counts[channel] += torch.bincount(inputs[start : start + chunk, channel].flatten(), minlength=256)
    return counts


@functools.cache
def _per_channel(values: tuple[float, ...], num_dims: int, device: torch.device) -> Tensor:
    """(1, C, 1, ...) on the device; kept, because copying it there at each step would make the device wait."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, *[1] * (num_dims - 2))
