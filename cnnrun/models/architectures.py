"""The networks that a backbone can be, by name: those of torchvision that classify images, and those of timm."""

from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from cnnrun.downloads import Report
from cnnrun.errors import ConfigError
from cnnrun.models.timm_networks import PREFIX, TimmNetwork, timm_has
from cnnrun.models.torchvision_networks import TorchvisionNetwork, classification_networks
from cnnrun.values import InputSpec

Size = tuple[int, int]
"""Height and width."""


class Architecture(Protocol):
    """One network, with what its library knows of it. Nothing is built or read before it is asked for."""

    name: str
    """As `model.arch` has it."""

    published: tuple[str, ...]
    """Names of its pretrained weights; `imagenet` means the first."""

    def build(self, size: Size, weights: str | None, num_classes: int | None = None) -> nn.Module:
        """The network with its own classifier and random weights, for colour images.

        Args:
            weights: the published ones that it is to be loaded with, or whose shapes a file has; None for none.
            num_classes: of the classifier; None for as many as the published weights have.
        Raises:
            ConfigError: if it cannot take images of that size.
        """
        ...

    def classifier(self, network: nn.Module) -> tuple[str, ...]:
        """Names of the layers whose outputs are the classes."""
        ...

    def without_classifier(self, network: nn.Module) -> nn.Module:
        """The network as features, (N, 3, H, W) -> (N, F); changes `network`."""
        ...

    def input_spec(self, weights: str) -> InputSpec:
        """The images that published weights were trained on."""
        ...

    def smallest_size(self) -> int:
        """Side of the smallest images that the network can take, as far as its library tells; 1 where it does not."""
        ...

    def labels(self, weights: str) -> list[str] | None:
        """Of the classes of published weights, in the order of the outputs."""
        ...

    def locate(self, weights: str, offline: bool, report: Report) -> Path:
        """The file of published weights, downloaded if need be.

        Raises:
            DataError: if it is nowhere and cannot be had, or is damaged.
        """
        ...

    def translate(self, tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
        """A state dict with the names that older files have for some layers replaced by today's."""
        ...


def find(arch: str) -> Architecture:
    """The network that `model.arch` names.

    Raises:
        ConfigError: if there is none, or it is none that classifies images; or timm is needed and not installed.
    """
    if arch.startswith(PREFIX):
        return TimmNetwork(arch)
    if arch not in classification_networks() and timm_has(arch):
        raise ConfigError(f"model.arch={arch}: torchvision has no such network; timm has it: model.arch={PREFIX}{arch}")
    return TorchvisionNetwork(arch)
