"""The lists of Keras's layers against Keras's own, stored beside this file. `pytest tests/models/test_keras_layers.py`

The table was written in an environment with TensorFlow by

    network = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 64, 3))
    [(layer.name, [weight.shape for weight in layer.weights]) for layer in network.layers]

with `input` for the input, whose name Keras counts up.
"""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from cnnrun.models.keras_layers import keras_layers

TABLE = Path(__file__).with_name("keras_layers.txt")


def keras_table(network):
    """(name, shapes of the weights) of each layer, as Keras gave them."""
    tables = {}
    for line in TABLE.read_text().splitlines()[1:]:
        number, *words = line.split()
        if not words:
            rows = tables.setdefault(number, [])
            continue
        assert int(number) == len(rows)
        rows.append((words[0], [tuple(map(int, word.split("x"))) for word in words[1:]]))
    return tables[network]


def mobilenet_v2():
    with torch.device("meta"):
        return models.mobilenet_v2(weights=None)


def resnet_50_v2():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        return timm.create_model("resnetv2_50", num_classes=0)


NETWORKS = {"MobileNetV2": (mobilenet_v2, 154), "ResNet50V2": (resnet_50_v2, 190)}


@pytest.fixture(params=NETWORKS)
def listed(request):
    """The network, our positions and those of Keras."""
    build, count = NETWORKS[request.param]
    network = build()
    network.classifier = nn.Identity()
    table = keras_table(request.param)
    assert len(table) == count
    return network, keras_layers(network), table


def test_names_and_their_order_are_those_of_keras(listed):
    _, positions, table = listed
    assert [name for name, _ in positions] == [name for name, _ in table]


def as_in_torch(shape):
    """(H, W, in, out), or (H, W, C, 1) of a depthwise convolution, as (out, in, H, W); others as they are."""
    if len(shape) != 4:
        return shape
    height, width, channels, out = shape
    return (channels, 1, height, width) if out == 1 else (out, channels, height, width)


def test_each_layer_with_weights_is_one_module_with_weights_of_the_same_shapes(listed):
    network, positions, table = listed
    modules = []
    for (_, module), (name, shapes) in zip(positions, table, strict=True):
        if not shapes:
            assert not module or not list(network.get_submodule(module).parameters(recurse=False)), name
            continue
        ours = network.get_submodule(module)
        tensors = [*ours.parameters(recurse=False), *ours.buffers(recurse=False)]
        shapes_of_ours = [tuple(tensor.shape) for tensor in tensors if tensor.ndim]
        if isinstance(ours, nn.Conv2d):
            shapes = shapes[:1]  # some of ResNet50V2 have a bias in Keras
        assert shapes_of_ours == [as_in_torch(shape) for shape in shapes], name
        modules.append(module)
    owners = [name for name, module in network.named_modules() if list(module.parameters(recurse=False))]
    assert sorted(modules) == sorted(owners)


def test_what_is_an_activation_or_a_pooling_there_is_one_here(listed):
    network, positions, _ = listed
    kinds = {name: type(network.get_submodule(module)).__name__ for name, module in positions if module}
    assert {kind for name, kind in kinds.items() if name.endswith("relu")} <= {"ReLU", "ReLU6"}
    assert kinds.get("pool1_pool", "MaxPool2d") == "MaxPool2d"


def test_other_networks_have_no_list():
    with torch.device("meta"):
        assert keras_layers(models.resnet18(weights=None)) is None
        assert keras_layers(models.mobilenet_v3_small(weights=None)) is None
        assert keras_layers(nn.Sequential(nn.Flatten())) is None
