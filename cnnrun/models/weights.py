"""What `model.weights` means: published weights, a file, or none; and how their tensors come into a network."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cnnrun.downloads import Report
from cnnrun.errors import ConfigError, DataError, near_miss
from cnnrun.models.architectures import Architecture
from cnnrun.models.layers import has_statistics
from cnnrun.models.spatial import size_text
from cnnrun.models.weight_files import SUFFIXES, file_at, read, without_prefix

NONE, IMAGENET = "none", "imagenet"
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Of classifiers that only help while a network is trained from scratch."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Of numbers that mean what they say: int8 and the 8-bit floats come with a scale that is kept elsewhere."""
SHOWN = 3
"""Names of each kind that an error gives."""


@dataclass(frozen=True)
class Weights:
    """The weights that were chosen for an architecture."""

    architecture: Architecture
    published: str | None
    """Their name; for a file, of those whose shapes and images it is taken to have; None for random weights."""
    file: Path | None

    @property
    def pretrained(self) -> bool:
        return self.published is not None

    def locate(self, offline: bool, report: Report) -> Path:
        """The file that they are in, downloaded if need be.

        Raises:
            DataError: if it is not there and cannot be had.
        """
        assert self.published is not None, "random weights are nowhere"
        return file_at(self.file) if self.file else self.architecture.locate(self.published, offline, report)

    def read(self, offline: bool, report: Report) -> dict[str, Tensor]:
        """Their tensors, under the names of the network where a wrapper or age gave them others.

        Raises:
            DataError: if they cannot be had or read.
        """
        return read(self.locate(offline, report))

    def __str__(self) -> str:
        return f"model.weights={self.file or self.published}"


def choose(architecture: Architecture, weights: str) -> Weights:
    """The weights that `model.weights` names.

    Raises:
        ConfigError: if it is neither a name of weights that the architecture has, nor a file.
    """
    published = architecture.published
    if weights == NONE:
        return Weights(architecture, None, None)
    if weights in published or (weights == IMAGENET and published):
        return Weights(architecture, published[0] if weights == IMAGENET else weights, None)
    if weights.endswith(SUFFIXES) or not weights.isidentifier() or Path(weights).exists():  # it may be gone by now
        return Weights(architecture, (*published, IMAGENET)[0], Path(weights).expanduser())
    names = [NONE, *dict.fromkeys([IMAGENET, *published] if published else [])]
    raise ConfigError(
        f"model.weights={weights}: {architecture.name} has no such weights, and there is no such file"
        f"{near_miss(weights, names)} (there are {', '.join(names)}; or FILE.pth, FILE.safetensors)"
    )


def translated(weights: Weights, tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors under the names that the network has for them; it must still have its classifier."""
    found = weights.architecture.translate(without_prefix(tensors, network.state_dict()), network)
    return {name: tensor for name, tensor in found.items() if not name.startswith(AUXILIARY)}


def fill(network: nn.Module, tensors: dict[str, Tensor], weights: Weights, spare: Iterable[str] = ()) -> None:
    """Put the tensors into a network.

    Args:
        spare: layers that the tensors may have and the network need not, such as a classifier.
    Raises:
        DataError: if names are missing or unknown, shapes differ, or values are not finite; lists them.
    """
    here = network.state_dict()
    shapes = {
        name: f"{name} is {_size(tensor)}, not {_size(here[name])}"
        for name, tensor in tensors.items()
        if name in here and tensor.shape != here[name].shape
    }
    kinds = {
        name: f"{name} is {kind}"
        for name, tensor in tensors.items()
        if name in here and name not in shapes and (kind := _no_floats(tensor)) and here[name].is_floating_point()
    }
    unfit = shapes | kinds
    missing, unknown = _load(network, {name: tensor for name, tensor in tensors.items() if name not in unfit}, weights)
    missing = [name for name in missing if name not in unfit]
    unknown = [name for name in unknown if not name.startswith(tuple(f"{layer}." for layer in spare))]
    listed = {"missing": missing, "unknown": unknown, "of another shape": list(shapes.values())}
    listed["not of floating-point numbers, quantised perhaps"] = list(kinds.values())
    if any(listed.values()):
        problems = "; ".join(_listed(what, names) for what, names in listed.items() if names)
        raise DataError(f"{weights} does not fit model.arch={weights.architecture.name}: {problems}")
    broken = [name for name, tensor in network.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise DataError(f"{weights} cannot be used: {_listed('not finite', broken)}")


def _no_floats(tensor: Tensor) -> str:
    """What a tensor is that cannot be a network's weights as it stands; empty if it can."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        return f"a {'quantised' if tensor.is_quantized else 'meta' if tensor.is_meta else 'sparse'} tensor"
    return "" if tensor.dtype in FLOATS else str(tensor.dtype).removeprefix("torch.")


def _load(network: nn.Module, tensors: dict[str, Tensor], weights: Weights) -> tuple[list[str], list[str]]:
    """Names that are missing, and that are unknown.

    The versions that a pickle may tell of each layer are not used, because a safetensors file has none; layers without
    one recognise the names that they had once. Only the network itself, of which not every kind does, is told its own.
    """
    state: OrderedDict[str, Tensor] = OrderedDict(tensors)
    versions = network.state_dict()._metadata  # type: ignore[attr-defined]
    state._metadata = {"": versions[""]}  # type: ignore[attr-defined]
    try:
        result = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a shape under one of those older names
        first = next(iter(str(error).splitlines()[1:]), str(error)).strip()
        raise DataError(f"{weights} does not fit model.arch={weights.architecture.name}: {first}") from error
    return result.missing_keys, result.unexpected_keys


def _listed(what: str, names: list[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:SHOWN])}{more})"


def _size(tensor: Tensor) -> str:
    return size_text(tuple(tensor.shape)) or "a number"


def has_folded_batch_norm(network: nn.Module) -> bool:
    """Whether BatchNorm was folded into the convolutions: the running statistics of all are those that change nothing.

    In train mode such a BatchNorm would normalise what is normalised already, and the network would lose its function.
    """
    norms = [module for module in network.modules() if has_statistics(module)]
    return bool(norms) and all(_changes_nothing(norm) for norm in norms)


def _changes_nothing(norm: nn.Module) -> bool:
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    return not mean.any() and torch.allclose(variance, torch.ones_like(variance), rtol=0, atol=1e-4)
