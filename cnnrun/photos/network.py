"""From pixels to probabilities: the network of a run, or one with trained weights, ready to classify photos.

Letters: B photos of a batch, C channels, H, W pixels, K classes.
"""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cnnrun import experiment
from cnnrun.data.geometry import Geometry
from cnnrun.data.preprocessing import Preprocessing, fit_preprocessing
from cnnrun.data.splits import LabelledData, Split
from cnnrun.downloads import Report
from cnnrun.errors import CnnrunError, ConfigError, DataError
from cnnrun.metrics.sums import Array, log_softmax
from cnnrun.models.pretrained import pretrained_classifier
from cnnrun.photos.classes import Classes
from cnnrun.run import Run
from cnnrun.tasks.classification import Classification
from cnnrun.training.device import Compute, memory_permitting, place, resolve_precision
from cnnrun.training.folding import fold
from cnnrun.values import InputSpec

BATCH_SIZES = {"cpu": 16}
OTHER_BATCH_SIZE = 128
"""Photos at a time, on a CPU and elsewhere. ResNet-18 at 224 in bf16 on two cores: 104 photos/s by 4, 112 by 8, 16 and
32, 98 by 64. It does not depend on the number of photos: a photo has the same numbers alone and among others."""


@dataclass(frozen=True)
class Network:
    """What classifies, and how it wants its photos."""

    name: str
    """Of the run, or of the architecture with its weights."""
    forward: Callable[[Tensor], Tensor]
    """(B, C, H, W) float32 to (B, K)."""
    module: nn.Module
    geometry: Geometry
    preprocessing: Preprocessing
    classes: Classes
    compute: Compute
    batch_size: int
    parameters: int
    weights: str
    """16 hex digits that change with any of them."""
    epoch: int | None = None
    """Of the checkpoint."""

    def digest(self) -> str:
        """16 hex digits that change with whatever decides what is predicted, and how it is called."""
        parts = [self.weights, self.geometry, self.preprocessing, self.classes.names]
        return hashlib.sha256(repr(parts).encode(errors="backslashreplace")).hexdigest()[:16]

    def blank(self) -> Tensor:
        """(B, C, H, W) uint8 zeros: a batch without photos. The network always sees so many."""
        size = (self.batch_size, self.geometry.channels, *self.geometry.size)
        return torch.zeros(size, dtype=torch.uint8)

    @torch.inference_mode()
    def log_probabilities(self, pixels: Tensor) -> Array:
        """(B, K) float64 of a batch (B, C, H, W) uint8.

        Raises:
            CnnrunError: if they are no numbers, or the memory is not enough.
        """
        compute = self.compute
        with memory_permitting(compute.device), compute.autocast():
            inputs = self.preprocessing.apply(pixels.to(compute.device))
            if compute.channels_last:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            outputs: Array = self.forward(inputs).float().cpu().numpy()
        if not np.isfinite(outputs).all():
            raise CnnrunError(
                f"{self.name} gives outputs that are no numbers in {compute.precision}; try precision=fp32"
            )
        return log_softmax(outputs)


# --- of a run


def of_run(source: Run, config: dict[str, Any], device: torch.device, checkpoint: str) -> Network:
    """The network of a run that was trained on images, with their geometry and preprocessing.

    Args:
        config: the run's, with what is done otherwise now.
    Raises:
        ConfigError: if the run has no such checkpoint, or was not trained on images.
        DataError: if what it stored is damaged.
    """
    source.require_checkpoint(checkpoint)  # before anything is read
    stored = source.preprocessing
    try:
        preprocessing = Preprocessing.from_dict(stored)
    except DataError as error:
        raise DataError(f"{source.path}: {error}") from error
    names = stored.get("class_names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{source.path}: stored preprocessing, class_names: a list of names was expected")
    geometry = preprocessing.geometry or _centre_crop(source, preprocessing)
    data = _nothing_like(geometry, preprocessing, tuple(names))
    parts = experiment.with_weights(source, config, data, device, checkpoint)
    assert isinstance(parts.task, Classification)
    # What is frozen is computed as it was in training and is by eval.
    module = parts.model if parts.parted is None else parts.parted.joined(parts.model.eval())
    network = _network(
        f"run {source.path}",
        module,
        geometry,
        preprocessing,
        Classes(tuple(names)),
        parts.compute,
        parameters=parts.parameters,
        weights=_digest(parts.model),
    )
    return replace(network, epoch=parts.epoch)


def _centre_crop(source: Run, preprocessing: Preprocessing) -> Geometry:
    """For a run whose images were all of one size: as much of the middle as fits."""
    channels, size = len(preprocessing.scale), preprocessing.image_size
    if len(size) != 2 or channels not in (1, 3):
        shape = " x ".join(map(str, (channels, *size)))
        raise ConfigError(
            f"run={source.path}: it was trained on samples of {shape}, and predict is for photos and series"
        )
    height, width = size
    return Geometry((height, width), max(size), color="grey" if channels == 1 else "rgb")


def _nothing_like(geometry: Geometry, preprocessing: Preprocessing, names: tuple[str, ...]) -> LabelledData:
    """Data of the run's kind, a black image a class: what the model and the task are built for."""
    shape = (len(names), geometry.channels, *geometry.size)
    blank = torch.zeros(1, dtype=torch.uint8).expand(shape)
    split = Split("photos", blank, torch.arange(len(names)), list(names))
    return LabelledData(split, split, split, names, preprocessing)


# --- without one


def of_weights(
    arch: str, weights: str, precision: str, device: torch.device, *, offline: bool, report: Report
) -> Network:
    """A network with its own classifier and the preprocessing of its weights.

    Raises:
        ConfigError, DataError: as `pretrained_classifier`; for a precision that the device has not.
    """
    module, spec, labels = pretrained_classifier(arch, weights, offline, report)
    compute = Compute(device, resolve_precision(precision, device, needs_fp32=False), channels_last=True, compile=False)
    geometry = Geometry((spec.size, spec.size), spec.resize, interpolation=spec.interpolation)
    probe = torch.randn(2, 3, spec.size, spec.size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        count = module(probe).shape[1]
    classes = Classes(tuple(labels)) if labels is not None else Classes.numbered(count)
    return _network(
        f"{arch} with weights {weights}",
        fold(module, probe),
        geometry,
        normalized(spec),
        classes,
        compute,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        weights=_digest(module),
    )


def normalized(spec: InputSpec) -> Preprocessing:
    """What a run would have stored that was trained with the weights."""
    blank = torch.zeros(1, 3, spec.size, spec.size, dtype=torch.uint8)
    return fit_preprocessing(Split("photos", blank, torch.zeros(1), ["blank"]), "weights", spec)


# --- both


def _network(
    name: str,
    module: nn.Module,
    geometry: Geometry,
    preprocessing: Preprocessing,
    classes: Classes,
    compute: Compute,
    *,
    parameters: int,
    weights: str,
) -> Network:
    module = place(module.eval().requires_grad_(False), compute)
    if compute.precision == "bf16":
        _cast_weights(module)
    batch_size = BATCH_SIZES.get(compute.device.type, OTHER_BATCH_SIZE)
    return Network(name, module, module, geometry, preprocessing, classes, compute, batch_size, parameters, weights)


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _cast_weights(module: nn.Module) -> None:
    """What autocast would do to them in every batch, once: the outputs stay the same to the bit."""
    for layer in module.modules():
        if type(layer) in (nn.Conv2d, nn.Linear):
            layer.to(torch.bfloat16)


def compiled(network: Network) -> tuple[Network, list[str]]:
    """The network frozen and compiled; where this machine cannot, it as it was, and a sentence that says so."""
    import torch._inductor.config as inductor

    torch.compiler.reset()
    fast = replace(network, forward=torch.compile(network.module, dynamic=False))
    try:
        with inductor.patch(freezing=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fast.log_probabilities(network.blank())
    except CnnrunError:
        raise
    except Exception as error:  # a compiler fails in any way it likes
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return network, [f"compile=true does not work here ({reason}); going on without"]
    return fast, []
