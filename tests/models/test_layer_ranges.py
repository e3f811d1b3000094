"""Ranges of layers against lists counted by hand. `pytest tests/models/test_layer_ranges.py`"""

import re
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torchvision import models

from cnnrun.errors import ConfigError
from cnnrun.models.layer_ranges import resolve

SIZE = (3, 32, 32)


class Backbone(nn.Module):
    """A network without its classifier, and a head; on no device, as only shapes count here."""

    def __init__(self, features, width):
        super().__init__()
        self.features = features
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        return self.head(self.features(x))


def without_classifier(build, name, width, **settings):
    with torch.device("cpu" if build is models.regnet_y_400mf else "meta"):  # which computes with tensors
        features = build(**settings)
        setattr(features, name, nn.Identity())
        return Backbone(features, width)


@pytest.fixture(scope="module")
def mobilenet():
    return without_classifier(models.mobilenet_v2, "classifier", 1280, weights=None)


@pytest.fixture(scope="module")
def resnet():
    return without_classifier(models.resnet18, "fc", 512, weights=None)


@pytest.fixture(scope="module")
def vit():
    return without_classifier(models.vit_b_16, "heads", 768, weights=None, image_size=32)


@pytest.fixture(scope="module")
def chain():
    """conv, bn, relu, a stage of two blocks, a pool: 0 to 9."""

    def block():
        return nn.Sequential(OrderedDict(conv=nn.Conv2d(4, 4, 1), bn=nn.BatchNorm2d(4), act=nn.ReLU()))

    stage = nn.Sequential(block(), block())
    layers = OrderedDict(conv=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4), act=nn.ReLU(), stage=stage)
    return Backbone(nn.Sequential(OrderedDict(**layers, pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten())), 4)


def names(model, trainable, scheme="modules"):
    """Those of the layers that train, in the scheme."""
    found = resolve(model, SIZE, trainable, scheme)
    return [found.layers[index].name for index in found.chosen]


CHAIN = ["conv", "bn", "act", *(f"stage.{n}.{part}" for n in (0, 1) for part in ("conv", "bn", "act")), "pool", "flat"]


@pytest.mark.parametrize(
    ("trainable", "positions"),
    [
        ("none", []),
        ("all", range(11)),
        (":", range(11)),
        ("top:4", [7, 8, 9, 10]),
        ("0:3", [0, 1, 2]),
        (":3", [0, 1, 2]),
        ("7:", [7, 8, 9, 10]),
        ("-5:-3", [6, 7]),
        ("-11:11", range(11)),
        ("conv", [0]),
        ("stage", range(3, 9)),
        ("stage.1", [6, 7, 8]),
        ("features.stage.1.bn", [7]),
        ("stage.0..stage.1.conv", [3, 4, 5, 6]),
        ("..bn", [0, 1]),
        ("stage.1..", [6, 7, 8, 9, 10]),
        ("features.stage.0..features.stage.1", range(3, 9)),
        (r"stage\.\d\.bn", [4, 7]),
        (".*bn", [1, 4, 7]),
        ("stage[.][01]{1,1}[.]conv", [3, 6]),
        ("conv,stage.1", [0, 6, 7, 8]),
        ("[conv, stage.1]", [0, 6, 7, 8]),
        ("['conv','stage.1']", [0, 6, 7, 8]),
        ("[conv,stage[.][1]]", [0, 6, 7, 8]),
        (["conv", "6:9"], [0, 6, 7, 8]),
        ("conv,top:4", [0, 7, 8, 9, 10]),
        ("(conv|bn),stage.0.conv", [0, 1, 3]),
    ],
)
def test_a_range_is_what_its_grammar_says(chain, trainable, positions):
    found = resolve(chain, SIZE, trainable, "modules")
    assert [layer.name for layer in found.layers] == CHAIN
    assert list(found.chosen) == list(positions)
    assert found.names == {f"features.{CHAIN[index]}" for index in positions}


def test_the_order_is_that_of_the_forward_not_of_the_definition():
    class Swapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = nn.Conv2d(4, 4, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x):
            return self.second(self.first(x)).mean((2, 3))

    assert names(Backbone(Swapped(), 4), "all") == ["first", "second"]


def test_layers_that_nobody_calls_and_parameters_of_whole_networks_have_a_place(vit):
    layers = names(vit, "all")
    assert layers[:3] == ["VisionTransformer", "conv_proj", "encoder"]  # class token; then position embedding
    attention = "encoder.layers.encoder_layer_0.self_attention"
    assert layers[layers.index(attention) + 1] == f"{attention}.out_proj"  # read, not called
    owners = {name.rpartition(".")[0] for name, _ in vit.features.named_parameters()} - {""}
    assert owners <= set(layers)


def test_blocks_of_a_mobilenet_are_its_nineteen_and_of_a_resnet_its_stem_and_residual_blocks(mobilenet, resnet):
    assert names(mobilenet, "all", "blocks") == [f"features.{number}" for number in range(19)]
    stages = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert names(resnet, "all", "blocks") == ["conv1", "bn1", *stages]
    assert names(resnet, "layer3..layer4", "blocks") == stages[4:]
    assert names(resnet, "top:1", "blocks") == ["layer4.1"]
    assert names(resnet, "layer4.1.conv2", "blocks") == ["layer4.1"]  # a part of it
    assert resolve(resnet, SIZE, "layer4.1.conv2", "blocks").names == {"features.layer4.1.conv2"}


@pytest.mark.parametrize(
    ("build", "classifier", "width", "blocks"),
    [
        (models.vit_b_16, "heads", 768, 1 + 1 + 1 + 12 + 1),
        (models.efficientnet_b0, "classifier", 1280, 1 + 16 + 1),
        (models.convnext_tiny, "classifier", 768, 1 + 18 + 3 * 2),
        (models.densenet121, "classifier", 1024, 2 + 58 + 3 + 1),
        (models.regnet_y_400mf, "fc", 440, 1 + 16),
        (models.squeezenet1_1, "classifier", 512, 1 + 8),
        (models.inception_v3, "fc", 2048, 5 + 11),
        (models.googlenet, "fc", 1024, 3 + 9),
        (models.maxvit_t, "classifier", 512, 2 + 3 * (2 + 2 + 5 + 2)),
        (models.swin_t, "head", 768, 2 + 2 + 2 + 6 + 2 + 3 + 1),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_blocks_are_found_in_other_families(build, classifier, width, blocks):
    size = {"maxvit_t": 224, "inception_v3": 75, "vit_b_16": 224}.get(build.__name__, 64)
    settings = {"init_weights": False} if build.__name__ in ("inception_v3", "googlenet") else {}
    settings |= {"aux_logits": False} if settings else {}
    model = without_classifier(build, classifier, width, weights=None, **settings)
    model.head = nn.Identity()
    found = resolve(model, (3, size, size), "all", "blocks")
    assert len(found.layers) == blocks
    owners = {name for name in found.order if list(model.get_submodule(name).parameters(recurse=False))}
    assert {name for layer in found.layers for name in layer.modules} >= owners


REFERENCE = {
    "top:40": ("block_12_project_BN", "out_relu", 40),
    "top:20": ("block_15_expand", "out_relu", 20),
    "-80:-40": ("block_8_expand_relu", "block_12_project", 40),
    "-120:-80": ("block_3_project", "block_8_expand_BN", 40),
    "-120:80": ("block_3_project", "block_8_project_BN", 46),
    "0:40": ("input", "block_4_depthwise", 40),
}


@pytest.mark.parametrize("trainable", REFERENCE)
def test_positions_of_reference_003_end_where_they_did_in_keras(mobilenet, trainable):
    found = resolve(mobilenet, SIZE, trainable, "keras")
    chosen = [found.layers[index].name for index in found.chosen]
    assert (chosen[0], chosen[-1], len(chosen), len(found.layers)) == (*REFERENCE[trainable], 154)


def test_positions_of_keras_train_the_modules_of_the_same_place(mobilenet):
    found = resolve(mobilenet, SIZE, "top:20", "keras")
    blocks = (16, 17, 18)  # block_15, block_16 and Conv_1
    inside = {name for number in blocks for name in found.order if name.startswith(f"features.features.{number}.")}
    assert found.names == inside


def test_the_top_49_of_resnet50v2_begin_with_the_last_block_but_one_of_stack_four():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        model = Backbone(timm.create_model("resnetv2_50", num_classes=0), 2048)
    chosen = names(model, "top:49", "keras")
    assert (chosen[0], chosen[1], len(chosen)) == ("conv4_block5_out", "conv4_block6_preact_bn", 49)
    assert resolve(model, SIZE, "top:49", "keras").parted == {}


@pytest.mark.parametrize(
    ("trainable", "ends"),
    [
        ("Conv1", ("Conv1", "Conv1")),
        ("block_1", ("block_1_expand", "block_1_project_BN")),
        ("block_15..out_relu", ("block_15_expand", "out_relu")),
        ("features.18", ("Conv_1", "out_relu")),
        ("block_1[56]", ("block_15_expand", "block_16_project_BN")),
    ],
)
def test_names_of_keras_are_understood_too(mobilenet, trainable, ends):
    chosen = names(mobilenet, trainable, "keras")
    assert (chosen[0], chosen[-1]) == ends


def test_a_convolution_parted_from_its_batch_norm_is_found_whatever_stands_beside_it(mobilenet, resnet):
    assert resolve(mobilenet, SIZE, "top:40", "keras").parted == {
        "features.features.13.conv.3": "features.features.13.conv.2"
    }
    downsample = "features.layer2.0.downsample"
    found = resolve(resnet, SIZE, "layer2.0.downsample.0", "modules")
    assert found.parted == {f"{downsample}.1": f"{downsample}.0"}
    assert resolve(resnet, SIZE, "layer3", "modules").parted == {}


def test_in_a_densenet_a_batch_norm_of_many_convolutions_is_parted_from_none():
    model = without_classifier(models.densenet121, "classifier", 1024, weights=None)
    assert resolve(model, SIZE, "features.denseblock4..features.norm5", "modules").parted == {}


@pytest.mark.parametrize(
    ("trainable", "complaint"),
    [
        ("top:12", "'top:12' reaches beyond the 11 layers"),
        ("0:12", "'0:12' reaches beyond the 11 layers"),
        ("-12:3", "'-12:3' reaches beyond the 11 layers"),
        ("top:0", "'top:0' holds no layer; for the head only write none"),
        ("3:3", "'3:3' holds no layer"),
        ("-3:2", "'-3:2' holds no layer"),
        ("2:3", "'2:3' holds no layer that has parameters"),
        ("pool", "'pool' holds no layer that has parameters"),
        ("conv,pool", "'pool' holds no layer that has parameters"),
        ("stag.1", "'stag.1' is the name of no layer - did you mean 'stage.1'?"),
        ("stage.1..stage.0", "'stage.1..stage.0' begins after its end: stage.0 stands before stage.1"),
        ("stage..haed", "'stage..haed' is the name of no layer"),
        ("layer[34]", "'layer[34]' is the name of no layer"),
        ("head", "'head' is the name of no layer"),
        ("None", "'None' is the name of no layer - did you mean 'none'?"),
        ("top", "'top' is the name of no layer - did you mean 'top:40'?"),
        ("tpo:4", "'tpo:4' is the name of no layer - did you mean 'top:4'?"),
    ],
)
def test_a_range_that_matches_nothing_is_refused(chain, trainable, complaint):
    with pytest.raises(ConfigError, match=re.escape(complaint)) as refusal:
        resolve(chain, SIZE, trainable, "modules")
    message = str(refusal.value)
    assert "model.scheme=modules has 11 layers: 0 conv, 1 bn, 2 act" in message
    assert message.split("layers: ")[-1].count(",") < 12
    assert "modules, blocks, and keras for mobilenet_v2 and timm/resnetv2_50" in message


@pytest.mark.parametrize(
    ("trainable", "complaint"),
    [
        ("stage[", "'stage[' is neither a name nor a regular expression"),
        ("none,conv", "'none' cannot be a part of a list"),
        ("conv,,bn", "'' names no layer; take none, all, top:40 or names of layers"),
        ("", "'' names no layer"),
        ([], "'' names no layer"),
        ("top:-3", "'top:-3' is no number of layers; top:40 trains the last 40"),
        ("top:1.5", "'top:1.5' is no number of layers"),
        ("top:", "'top:' is no number of layers"),
    ],
)
def test_a_malformed_range_is_refused_without_a_list_of_layers(chain, trainable, complaint):
    with pytest.raises(ConfigError, match=re.escape(complaint)) as refusal:
        resolve(chain, SIZE, trainable, "modules")
    assert "layers: " not in str(refusal.value)
    assert "did you mean" not in str(refusal.value)


def test_keras_is_refused_for_networks_whose_list_is_not_known(resnet):
    with pytest.raises(ConfigError, match=r"model\.scheme=keras: .* is a ResNet; take model\.scheme=modules or blocks"):
        resolve(resnet, SIZE, "top:40", "keras")


def test_the_place_of_the_classifier_that_was_taken_away_is_no_layer(mobilenet):
    assert names(mobilenet, "top:3") == ["features.18.0", "features.18.1", "features.18.2"]
