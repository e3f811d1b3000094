"""A network that others designed and trained, as the features of ours: a new head, and layers that train or are frozen.

How a network is called and built is in `architectures`, where its weights come from in `weights`, what `trainable`
means in `layer_ranges` and `freezing`.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from cnnrun.downloads import Report
from cnnrun.errors import ConfigError
from cnnrun.models import architectures
from cnnrun.models.architectures import Architecture, Size
from cnnrun.models.blocks import dense_blocks
from cnnrun.models.freezing import BatchNormMode, Freezing
from cnnrun.models.layer_ranges import resolve
from cnnrun.models.layer_schemes import Scheme
from cnnrun.models.layers import evaluating, has_statistics
from cnnrun.models.spatial import size_text
from cnnrun.models.weights import Weights, choose, fill, has_folded_batch_norm, translated
from cnnrun.values import InputSpec, Probability, Shape

COLOURS = 3
"""Channels that the networks see."""

Decay = Annotated[float, Field(gt=0, le=1)]


class GreyToColour(nn.Module):
    """(N, 1, H, W) -> (N, 3, H, W), three equal channels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, COLOURS, -1, -1)


class Backbone(nn.Module):
    """(N, 1 or 3, H, W) -> (N, num_outputs): `head` of `features`, the named network without its classifier.

    Args:
        load_weights: whether to read pretrained weights at all; not where a checkpoint is loaded next.
        offline: never download them. report: told of a download.
    Raises:
        ConfigError: if a setting names nothing that there is, or the network cannot take such images.
        DataError: if the weights cannot be had, or do not fit.
    """

    def __init__(
        self,
        input_shape: Shape,
        num_outputs: int,
        load_weights: bool = True,
        offline: bool = False,
        report: Report | None = None,
        *,
        arch: str,
        weights: str,
        trainable: str | list[str],
        scheme: Scheme,
        bn: BatchNormMode,
        unfreeze_after: NonNegativeInt,
        lr_decay: Decay,
        head_hidden: list[PositiveInt],
        head_dropout: Probability,
    ) -> None:
        super().__init__()
        size = image_size(input_shape)
        architecture = architectures.find(arch)
        chosen = choose(architecture, weights)
        self.lr_decay = lr_decay
        self.pretrained = chosen.pretrained
        self.images_as = str(chosen.published) if chosen.file and load_weights else ""
        """The published weights whose images those of a file, which does not tell, are taken to be like."""
        self.remarks: list[str] = []
        """What is to be known before training starts, a sentence each."""
        self.colour = GreyToColour() if input_shape[0] == 1 else None
        self.features = self._features(architecture, chosen, size, load_weights, offline, report or _tell_nobody)
        self.head = build_head(num_features(self.features, architecture, size), num_outputs, head_hidden, head_dropout)
        layers = resolve(self, input_shape, trainable, scheme)
        self.freezing = Freezing(self, layers, bn=bn, unfreeze_after=unfreeze_after)
        self.remarks += self.freezing.warnings
        if lr_decay < 1 and not layers.names:
            self.remarks.append(
                f"model.lr_decay={lr_decay:g} changes nothing: model.trainable={trainable} trains the head only"
            )
        if unfreeze_after and not layers.names:
            self.remarks.append(
                f"model.unfreeze_after={unfreeze_after} waits for nothing: model.trainable={trainable} trains the "
                "head only"
            )
        if not chosen.pretrained and not all(weight.requires_grad for weight in self.features.parameters()):
            self.remarks.append(
                f"model.weights={weights} with model.trainable={trainable}: what is frozen has random weights and "
                "keeps them; take pretrained ones, or model.trainable=all"
            )
        if chosen.pretrained and load_weights:
            self.keep_folded_batch_norm()
        self.register_load_state_dict_post_hook(_after_loading)

    def _features(
        self,
        architecture: Architecture,
        chosen: Weights,
        size: Size,
        load_weights: bool,
        offline: bool,
        report: Report,
    ) -> nn.Module:
        network = architecture.build(size, chosen.published)
        classifier = architecture.classifier(network)
        if not (chosen.pretrained and load_weights):
            return out_of_place(architecture.without_classifier(network))
        tensors = translated(chosen, chosen.read(offline, report), network)
        self.remarks += _on_classifier(classifier, tensors, network, chosen)
        features = architecture.without_classifier(network)
        fill(features, tensors, chosen, spare=classifier)
        return out_of_place(features)

    def forward(self, x: Tensor) -> Tensor:
        if self.colour is not None:
            x = self.colour(x)
        return self.head(self.features(x))

    def train(self, mode: bool = True) -> "Backbone":
        """What is frozen stays in eval mode."""
        super().train(mode)
        if hasattr(self, "freezing"):  # not yet while its layers are looked at
            self.freezing.hold(self)
        return self

    def lr_scales(self) -> dict[str, float]:
        """Factors of the learning rate by the names of the parameters that train."""
        return self.freezing.lr_scales(self, self.lr_decay)

    def keep_folded_batch_norm(self) -> None:
        """Hold BatchNorm in eval mode where the weights came with it folded into the convolutions, and say so."""
        norms = [name for name in self.freezing.layers.names if has_statistics(self.get_submodule(name))]
        if self.freezing.bn == "eval" or not norms or not has_folded_batch_norm(self.features):
            return
        self.freezing.keep_statistics(self)
        self.remarks.append(
            "model.bn=eval was taken: these weights came with BatchNorm folded into the convolutions, and its own "
            "statistics would normalise once more"
        )

    @classmethod
    def input_spec(cls, node: dict[str, Any]) -> InputSpec | None:
        """The images that the weights of a config were trained on; None where it has none.

        Raises:
            ConfigError: as the constructor.
        """
        architecture = architectures.find(node["arch"])
        published = choose(architecture, node["weights"]).published
        return None if published is None else architecture.input_spec(published)

    @classmethod
    def fetch_weights(cls, node: dict[str, Any], offline: bool, report: Report) -> None:
        """Have the pretrained weights of a config on this machine: before a data set is read that may take minutes.

        Raises:
            ConfigError, DataError: as the constructor.
        """
        chosen = choose(architectures.find(node["arch"]), node["weights"])
        if chosen.pretrained:
            chosen.locate(offline, report)


def _after_loading(model: nn.Module, _: Any) -> None:
    """A checkpoint does not say how its weights came, and its BatchNorm does."""
    if isinstance(model, Backbone) and model.pretrained:
        model.keep_folded_batch_norm()


def _tell_nobody(done: int, total: int | None, what: str) -> None:
    pass


def image_size(input_shape: Shape) -> Size:
    """Height and width.

    Raises:
        ConfigError: if samples are not grey or colour images.
    """
    if len(input_shape) != 3 or input_shape[0] not in (1, COLOURS):
        raise ConfigError(
            f"model=backbone is for grey or colour images, (1 or {COLOURS}, height, width); samples of shape "
            f"{size_text(input_shape)}: take another model, such as model=cnn"
        )
    return input_shape[1], input_shape[2]


def num_features(features: nn.Module, architecture: Architecture, size: Size) -> int:
    """F of (N, F), what the features give; by a forward of zeros.

    Raises:
        ConfigError: if they cannot take images of that size.
    """
    device = next(features.parameters()).device
    try:
        with torch.no_grad(), evaluating(features):
            outputs: Tensor = features(torch.zeros(1, COLOURS, *size, device=device))
    except (RuntimeError, AssertionError, ValueError) as error:
        least = architecture.smallest_size()
        needs = f"it needs images of at least {least}x{least}: dataset.image_size={least}"
        why = needs if min(size) < least else next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"model.arch={architecture.name} cannot take images of {size_text(size)}: {why}") from error
    if outputs.ndim != 2:
        raise ConfigError(
            f"model.arch={architecture.name} gives {size_text(tuple(outputs.shape[1:]))} for an image, not one list of "
            "features; take a network that classifies images"
        )
    return outputs.shape[1]


def build_head(num_inputs: int, num_outputs: int, hidden: list[int], dropout: float) -> nn.Module:
    """A linear layer, behind dense blocks of the widths in `hidden`; dropout on the inputs of each."""
    linear = nn.Linear([num_inputs, *hidden][-1], num_outputs)
    if not hidden and not dropout:
        return linear
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    layers.update(dense_blocks(num_inputs, hidden, "relu", dropout))
    layers["linear"] = linear
    return nn.Sequential(layers)


def out_of_place(network: nn.Module) -> nn.Module:
    """Let no activation write over its input, which hooks and backward rules look at."""
    for module in network.modules():
        if getattr(module, "inplace", False) is True:
            setattr(module, "inplace", False)  # noqa: B010
    return network


def _on_classifier(
    classifier: tuple[str, ...], tensors: dict[str, Tensor], network: nn.Module, chosen: Weights
) -> Iterator[str]:
    """What a file has for the classifier that the head takes the place of, where it is not the usual one."""
    for name in classifier:
        here = network.get_submodule(name).get_parameter("weight")
        found = tensors.get(f"{name}.weight")
        if found is None:
            yield f"{chosen} has no classifier ({name}); none is needed, the head is new"
        elif found.shape != here.shape:
            yield f"{chosen} has a classifier of {len(found)} classes ({name}); it is left out, the head is new"
