"""The networks of torchvision that classify images: how each is built, and what its published weights are."""

import re
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cnnrun.downloads import Report
from cnnrun.errors import ConfigError, near_miss
from cnnrun.models.published import published_file
from cnnrun.models.spatial import size_text
from cnnrun.values import InputSpec

CLASSIFIERS = ("fc", "classifier", "head", "heads")
"""Where the networks keep what maps features to classes."""

TRANSFORMING = ("googlenet", "inception_v3")
"""Their published weights were trained on another scale of colours, to which the network itself brings its input; they
also have auxiliary classifiers, which are for training from scratch with several losses."""

MAXVIT_STEP = 224
"""maxvit_t parts its smallest map, 1/32 of the image, into windows of 7."""

DENSENET_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")
"""As in the published files, which are older than the rule that names have no dot."""


class TorchvisionNetwork:
    """An `architectures.Architecture`."""

    def __init__(self, arch: str) -> None:
        if arch not in classification_networks():
            raise ConfigError(f"model.arch={arch}: {_what_is_wrong(arch)}")
        self.name = arch
        default = self._weights.DEFAULT.name
        self.published: tuple[str, ...] = (default, *(entry.name for entry in self._weights if entry.name != default))

    @property
    def _weights(self) -> Any:
        """torchvision's enum."""
        from torchvision.models import get_model_weights

        return get_model_weights(self.name)

    def build(self, size: tuple[int, int], weights: str | None, num_classes: int | None = None) -> nn.Module:
        from torchvision.models import get_model

        settings: dict[str, Any] = {}
        if self.name in TRANSFORMING:
            settings = {"aux_logits": False, "init_weights": not weights, "transform_input": bool(weights)}
        elif self.name.startswith("vit"):
            settings = {"image_size": self._side(size, weights)}
        elif self.name == "maxvit_t":
            settings = {"input_size": self._in_windows(size)}
        network: nn.Module = get_model(self.name, weights=None, num_classes=num_classes or 1000, **settings)
        return network

    def _side(self, size: tuple[int, int], weights: str | None) -> int:
        """Of the image, for a network that learns a position for each patch."""
        if weights:
            side = self.input_spec(weights).size
            if size != (side, side):
                raise ConfigError(
                    f"model.arch={self.name}: with these weights it needs images of {side}x{side}, not "
                    f"{size_text(size)}: dataset.image_size={side}"
                )
            return side
        patch = int(self.name.rsplit("_", 1)[1])
        if size[0] != size[1] or size[0] % patch:
            raise ConfigError(
                f"model.arch={self.name}: it needs square images whose side is a multiple of {patch}, not "
                f"{size_text(size)}, for example dataset.image_size={self.input_spec(self.published[0]).size}"
            )
        return size[0]

    def _in_windows(self, size: tuple[int, int]) -> tuple[int, int]:
        if size[0] % MAXVIT_STEP or size[1] % MAXVIT_STEP:
            raise ConfigError(
                f"model.arch={self.name}: it needs images whose sides are multiples of {MAXVIT_STEP}, not "
                f"{size_text(size)}: dataset.image_size={MAXVIT_STEP}"
            )
        return size

    def classifier(self, network: nn.Module) -> tuple[str, ...]:
        return (_last_mapping(network),)

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """Layers before the last one stay, such as the two wide ones of a vgg; dropout that only served it goes."""
        place, _, last = _last_mapping(network).partition(".")
        whole = network.get_submodule(place)
        rest = _without(whole, last) if isinstance(whole, nn.Sequential) else {}
        alone = next(iter(rest.values())) if len(rest) == 1 else nn.Identity()
        setattr(network, place, nn.Sequential(OrderedDict(rest)) if len(rest) > 1 else alone)
        if isinstance(getattr(network, "dropout", None), nn.Dropout):
            network.dropout = nn.Identity()
        return network

    def input_spec(self, weights: str) -> InputSpec:
        transforms = self._weights[weights].transforms()
        return InputSpec(
            size=transforms.crop_size[0],
            resize=transforms.resize_size[0],
            interpolation=transforms.interpolation.value,
            mean=tuple(transforms.mean),
            std=tuple(transforms.std),
        )

    def smallest_size(self) -> int:
        return int(max(self._weights.DEFAULT.meta["min_size"]))

    def labels(self, weights: str) -> list[str] | None:
        names = self._weights[weights].meta.get("categories")
        return None if names is None else list(names)

    def locate(self, weights: str, offline: bool, report: Report) -> Path:
        return published_file(self._weights[weights].url, offline, report)

    def translate(self, tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
        if not self.name.startswith("densenet"):
            return tensors
        return {DENSENET_NAME.sub(r"\1\2", name): tensor for name, tensor in tensors.items()}


@cache
def classification_networks() -> list[str]:
    """Their names, in the order of the alphabet."""
    from torchvision import models

    return list(models.list_models(module=models))


def imagenet_labels() -> list[str]:
    """The names of the 1000 classes, in the usual order."""
    return TorchvisionNetwork("resnet18").labels("IMAGENET1K_V1") or []


def _what_is_wrong(arch: str) -> str:
    from torchvision.models import get_model_builder, list_models

    if arch in list_models():
        purpose = get_model_builder(arch).__module__.split(".")[2]
        return (
            f"torchvision has it for another purpose ({purpose}); take a network that classifies images, "
            "for example mobilenet_v2 or resnet50"
        )
    names = classification_networks()
    return (
        f"no such network{near_miss(arch, names)} (there are the {len(names)} of torchvision that classify images, "
        "such as mobilenet_v2, resnet50 or efficientnet_b0, and those of timm, written timm/NAME)"
    )


def _last_mapping(network: nn.Module) -> str:
    """Name of the layer whose outputs are the classes."""
    place = next(name for name in CLASSIFIERS if hasattr(network, name))
    whole = network.get_submodule(place)
    names = [name for name, module in whole.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return f"{place}.{names[-1]}".rstrip(".")


def _without(whole: nn.Sequential, last: str) -> dict[str, nn.Module]:
    """The layers of a classifier that work without the last mapping: those before it, and a pooling after it."""
    layers = dict(whole.named_children())
    before = list(layers)[: list(layers).index(last)]
    while before and isinstance(layers[before[-1]], nn.Dropout):
        before.pop()
    pools = [name for name, layer in layers.items() if isinstance(layer, nn.AdaptiveAvgPool2d)]
    return {name: layers[name] for name in dict.fromkeys([*before, *pools])}
