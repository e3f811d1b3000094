"""A network with its own classifier and trained weights, to predict without any training."""

from torch import nn

from cnnrun.downloads import Report
from cnnrun.errors import ConfigError, DataError
from cnnrun.models import architectures
from cnnrun.models.weights import choose, fill, translated
from cnnrun.values import InputSpec


def pretrained_classifier(
    arch: str, weights: str, offline: bool, report: Report
) -> tuple[nn.Module, InputSpec, list[str] | None]:
    """The network that weights were trained for.

    Returns:
        it in eval mode, (N, 3, H, W) -> (N, classes); the images that it wants; the names of its classes,
        None where nobody knows them.
    Raises:
        ConfigError, DataError: as `backbone.Backbone`; also if there are no weights, or none of a classifier.
    """
    architecture = architectures.find(arch)
    chosen = choose(architecture, weights)
    if chosen.published is None:
        raise ConfigError(
            f"model.weights={weights}: to predict without a run, the network needs weights: model.weights=imagenet "
            "or FILE"
        )
    spec = architecture.input_spec(chosen.published)
    size = (spec.size, spec.size)
    network = architecture.build(size, chosen.published)
    tensors = translated(chosen, chosen.read(offline, report), network)
    name = next(iter(architecture.classifier(network)), "")
    found = tensors.get(f"{name}.weight")
    if found is None:
        raise DataError(
            f"{chosen} has no classifier, so nothing can be predicted without training: train a head with cnnrun train "
            "model=backbone, then cnnrun predict run=..."
        )
    if len(found) != len(network.get_submodule(name).get_parameter("weight")):
        network = architecture.build(size, chosen.published, len(found))
    fill(network, tensors, chosen)
    labels = architecture.labels(chosen.published)
    return network.eval(), spec, labels if labels and len(labels) == len(found) else None
