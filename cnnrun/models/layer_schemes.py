"""Ways to count the layers of a network: `modules`, `blocks`, and `keras` for the networks whose list is known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from cnnrun.errors import ConfigError
from cnnrun.models.keras_layers import keras_layers
from cnnrun.models.layers import CONVOLUTIONS, owns_parameters

Scheme = Literal["modules", "blocks", "keras"]
"""modules: leaf modules in the order of the forward, with or without parameters.
blocks: residual blocks and the like, and the layers between them, of those that have parameters.
keras: the layers of Keras's MobileNetV2 or ResNet50V2, also those that are no modules here."""

SCHEMES = "schemes are modules, blocks, and keras for mobilenet_v2 and timm/resnetv2_50"

PREFIX = "features."
"""How the names of all layers begin that ranges speak of: of a model's features, without its head."""


@dataclass(frozen=True)
class Layer:
    """One position of a scheme: its name there, and the dotted names of the modules that it stands for."""

    name: str
    modules: tuple[str, ...]


def is_of_features(name: str) -> bool:
    """Whether a dotted name is that of a model's features, or of what is in them."""
    return f"{name}.".startswith(PREFIX)


def short_name(name: str) -> str:
    """A dotted name as ranges and the names of layers have it: within the features."""
    return name.removeprefix(PREFIX)


def by_modules(features: nn.Module, order: Sequence[str]) -> list[Layer]:
    """A position for each module of `order`, the dotted names of those in the features.

    An identity, such as what stands for the classifier that was taken away, is no layer.
    """
    layers = [name for name in order if not isinstance(_module(features, name), nn.Identity)]
    return [Layer(_short(name, features), (name,)) for name in layers]


def by_blocks(features: nn.Module, order: Sequence[str]) -> list[Layer]:
    """A position for each block; a module that stands in none, but has parameters, is one of its own."""
    blocks = {PREFIX + name for name in _blocks(features, "")}
    members: dict[str, list[str]] = {}
    for name in order:
        above = (name[: len(block)] for block in blocks if name == block or name.startswith(f"{block}."))
        members.setdefault(next(above, name), []).append(name)
    return [
        Layer(_short(block, features), tuple(names))
        for block, names in members.items()
        if any(owns_parameters(_module(features, name)) for name in names)
    ]


def by_keras(features: nn.Module) -> list[Layer]:
    """Raises: ConfigError: for a network that Keras's positions are not known of."""
    positions = keras_layers(features)
    if positions is None:
        raise ConfigError(
            "model.scheme=keras: the positions in Keras are known of mobilenet_v2 and timm/resnetv2_50 only, and this "
            f"network is a {type(features).__name__}; take model.scheme=modules or blocks"
        )
    return [Layer(name, (PREFIX + module,) if module else ()) for name, module in positions]


def _short(name: str, features: nn.Module) -> str:
    """The dotted name within the features; for parameters of the features themselves, the name of their class."""
    return name[len(PREFIX) :] or type(features).__name__


def _module(features: nn.Module, name: str) -> nn.Module:
    return features.get_submodule(name[len(PREFIX) :])


def _blocks(module: nn.Module, name: str) -> Iterator[str]:
    """Names of the blocks of a module that is no block itself."""
    for child_name, child in module.named_children():
        full = f"{name}.{child_name}" if name else child_name
        if _is_chain(child):
            yield from _blocks(child, full)
        else:
            yield full


def _is_chain(module: nn.Module) -> bool:
    """Whether a module is a row of blocks, such as a stage: to be counted by what is in it."""
    children = list(module.children())
    if type(module) in (nn.Sequential, nn.ModuleList, nn.ModuleDict):
        return True
    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):  # of their own kind: a stage, or one layer
        return all(any(child.children()) for child in children)
    containers = [child for child in children if isinstance(child, nn.Sequential | nn.ModuleList | nn.ModuleDict)]
    return any(_is_row_of_blocks(container) for container in containers)


def _is_row_of_blocks(container: nn.Module) -> bool:
    """Whether all children are of kinds of their own, with two convolutions or linear layers or more."""
    children = list(container.children())
    return bool(children) and all(
        not isinstance(child, nn.Sequential)
        and sum(isinstance(part, (*CONVOLUTIONS, nn.Linear)) for part in child.modules()) > 1
        for child in children
    )
