"""Residual networks against torchvision's, with the same weights."""

import pytest
import torch
import torchvision
from torch import nn

from cnnrun.errors import ConfigError


@pytest.mark.parametrize(
    ("option", "parameters"), [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032)]
)
def test_the_usual_networks_have_torchvisions_parameters(build, count, option, parameters):
    with torch.device("meta"):
        model = build(option, (3, 224, 224), num_outputs=1000)
        assert count(getattr(torchvision.models, option)()) == parameters
    assert count(model) == parameters


@pytest.mark.parametrize("option", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_with_torchvisions_weights_the_outputs_are_torchvisions(build, option):
    theirs = getattr(torchvision.models, option)(num_classes=10)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    ours = build(option, (3, 64, 64))
    ours.load_state_dict({our_name(name): value for name, value in theirs.state_dict().items()})
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
    torch.testing.assert_close(ours.train()(x), theirs.train()(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("option", "parameters"), [("resnet20", 272_474), ("resnet32", 466_906)])
def test_the_small_networks_have_the_papers_parameters_and_their_projections(build, count, option, parameters):
    # the paper's shortcut pads with zeros: 269,722 and 464,154; the two 1x1 convolutions and batch norms are ours
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert count(build(option, (3, 32, 32))) == parameters
    assert parameters - projections == {"resnet20": 269_722, "resnet32": 464_154}[option]


def test_the_network_of_reference_002_shrinks_an_mnist_image_as_keras_does(build):
    features = build("reference_002_resnet", (1, 28, 28)).features
    x = features.stem(torch.zeros(1, 1, 28, 28))
    assert x.shape == (1, 64, 12, 12)
    x = features.stage1(x)
    assert x.shape == (1, 256, 12, 12)
    assert features.stage2(x).shape == (1, 512, 6, 6)


def test_each_residual_block_starts_as_its_shortcut(build):
    block = build("resnet", (1, 8, 8), widths=[8], blocks=[1], strides=[1], stem_channels=8).features.stage1.block1
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x), x.relu())


@pytest.mark.parametrize(("shape", "pool"), [((2, 50), nn.MaxPool1d), ((1, 20, 20, 20), nn.MaxPool3d)])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_a_resnet_of_one_or_three_dimensions_is_built_of_their_layers(build, shape, pool, block):
    model = build("resnet", shape, block=block, stem_pooling="max", stem_kernel_size=7, stem_stride=2)
    assert isinstance(model.features.stem.pool, pool)
    assert model(torch.randn(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        (
            (1, 8, 8),
            {"widths": [8, 8]},
            "model.blocks=[1, 1, 1]: model.widths=[8, 8] makes 2 stages; give 2 values",
        ),
        (
            (1, 8, 8),
            {"strides": [1]},
            "model.strides=[1]: model.widths=[32, 64, 128] makes 3 stages; give 3 values",
        ),
        (
            (1, 8, 8),
            {"widths": [], "blocks": [], "strides": []},
            "model.widths=[]: resnet needs at least one stage, for example model.widths=[16,32,64]",
        ),
        (
            (1, 8, 8),
            {"stem_padding": "valid", "stem_kernel_size": 7, "stem_pooling": "max"},
            "stem: input 2x2 is smaller than its 3x3 max pool; the image shrank 8x8 -> 2x2; "
            "use model.stem_padding=same or model.stem_pooling=none, or a larger dataset.image_size",
        ),
        (
            (1, 8, 8),
            {"stem_kernel_size": 4},
            "model.stem_kernel_size=4: padding 'same' needs an odd kernel; use 3 or 5, or padding 'valid'",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(build, shape, changes, message):
    with pytest.raises(ConfigError) as error:
        build("resnet", shape, **changes)
    assert str(error.value) == message


def our_name(theirs: str) -> str:
    """layer2.0.downsample.1.weight -> features.stage2.block1.shortcut.bn.weight"""
    top, *rest = theirs.split(".")
    if top == "fc":
        return ".".join(["head", *rest])
    if not top.startswith("layer"):
        return ".".join(["features.stem", top.rstrip("1"), *rest])
    number, inner, *rest = rest
    place = ["residual", inner]
    if inner == "downsample":
        place = ["shortcut", {"0": "conv", "1": "bn"}[rest.pop(0)]]
    return ".".join([f"features.stage{top[-1]}.block{int(number) + 1}", *place, *rest])
