"""The networks that a backbone can be, against torchvision and timm themselves.

Run: pytest tests/models/test_architectures.py
The slow test builds every one of torchvision, with weights that are a cheap pattern: drawing them takes minutes.
"""

import copy
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from cnnrun.errors import ConfigError
from cnnrun.models import architectures, torchvision_networks
from cnnrun.models.backbone import Backbone
from cnnrun.models.layers import layer_table
from tests.models.backbone_settings import PLAIN

NAMES = torchvision.models.list_models(module=torchvision.models)
SIZES = {"maxvit_t": 224, "inception_v3": 80, "vit_h_14": 56, "alexnet": 64}
"""Of the images where 32 pixels are too few, or no multiple of a patch."""
FAMILIES = [
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "maxvit_t"),
    *("mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5"),
    *("squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_32"),
]
LARGE = ["alexnet", "inception_v3", "maxvit_t", "regnet_y_400mf", "swin_t", "swin_v2_t", "vgg11", "vit_b_32"]
DRAWN = ["kaiming_normal_", "kaiming_uniform_", "xavier_uniform_", "normal_", "trunc_normal_", "uniform_"]


@pytest.fixture
def _quick_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of about the usual size without drawing them: one short list of numbers, again and again."""
    numbers = torch.randn(1 << 16, generator=torch.Generator().manual_seed(0))

    def draw(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
        fan = max(tensor[0].numel(), 1) if tensor.ndim > 1 else 1
        flat = torch.from_numpy(tensor.detach().numpy()).view(-1)
        for start in range(0, flat.numel(), len(numbers)):
            part = flat[start : start + len(numbers)]
            torch.mul(numbers[: len(part)], fan**-0.5, out=part)
        return tensor

    for name in DRAWN:
        monkeypatch.setattr(nn.init, name, draw)


def side_of(name: str) -> int:
    return SIZES.get(name, 32)


@pytest.mark.slow
@pytest.mark.usefixtures("_quick_weights")
@pytest.mark.parametrize("name", NAMES)
def test_a_network_of_torchvision_gets_a_new_head_and_its_top_layers_train(name: str) -> None:
    shape = (3, side_of(name), side_of(name))
    model = Backbone(shape, 5, arch=name, **PLAIN | {"trainable": "top:10"}).train()
    rows = layer_table(model, shape)
    assert sum(row["parameters"] for row in rows) == sum(parameter.numel() for parameter in model.parameters())
    trained = {key: value for key, value in model.named_parameters() if value.requires_grad}
    assert 0 < len(trained) < len(list(model.parameters()))
    before = {key: value.detach().clone() for key, value in trained.items()}
    outputs = model(torch.randn(2, *shape))
    assert outputs.shape == (2, 5)
    nn.functional.cross_entropy(outputs, torch.tensor([1, 4])).backward()
    torch.optim.SGD(trained.values(), lr=0.1).step()
    assert not torch.equal(model.head.weight, before["head.weight"])
    assert all(value.isfinite().all() for value in trained.values())
    assert all(value.grad is None for value in model.parameters() if not value.requires_grad)


@pytest.mark.usefixtures("_quick_weights")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in FAMILIES],
)
def test_features_are_what_the_last_layer_of_the_network_itself_is_given(name: str) -> None:
    side = side_of(name)
    architecture = architectures.find(name)
    whole = architecture.build((side, side), None, 7).eval()
    (last,) = architecture.classifier(whole)
    features = architecture.without_classifier(copy.deepcopy(whole))
    given: list[Tensor] = []
    whole.get_submodule(last).register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].clone()))
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        assert whole(x).shape == (2, 7)
        found = features(x)
    expected = given[0].mean((2, 3)) if given[0].ndim == 4 else given[0]
    torch.testing.assert_close(found, expected)


def specs() -> Iterator[tuple[str, Any]]:
    for name in NAMES:
        for weights in torchvision.models.get_model_weights(name):
            yield name, weights


def test_the_images_and_the_classes_of_published_weights_are_those_that_torchvision_tells() -> None:
    for name, weights in specs():
        architecture, transforms = architectures.find(name), weights.transforms()
        spec = architecture.input_spec(weights.name)
        assert [spec.size] == transforms.crop_size
        assert [spec.resize] == transforms.resize_size
        assert spec.interpolation == transforms.interpolation.value
        assert (list(spec.mean), list(spec.std)) == (list(transforms.mean), list(transforms.std))
        assert architecture.labels(weights.name) == weights.meta.get("categories")


def test_imagenet_means_the_weights_that_torchvision_prefers() -> None:
    assert architectures.find("resnet50").published == ("IMAGENET1K_V2", "IMAGENET1K_V1")
    assert architectures.find("squeezenet1_1").published == ("IMAGENET1K_V1",)


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("mobilenetv2", "model.arch=mobilenetv2: no such network - did you mean 'mobilenet_v2'?"),
        ("resnet-18", "model.arch=resnet-18: no such network - did you mean 'resnet18'?"),
        ("raft_large", "model.arch=raft_large: torchvision has it for another purpose (optical_flow); take a network"),
        ("fasterrcnn_resnet50_fpn", "torchvision has it for another purpose (detection)"),
        ("r3d_18", "torchvision has it for another purpose (video)"),
        ("quantized_resnet18", "torchvision has it for another purpose (quantization)"),
        ("ResNet", "no such network"),
        ("timm/resnet18x", "model.arch=timm/resnet18x: timm has no such network - did you mean 'timm/resnet18"),
        ("timm/resnet18.a1_in2k", "timm has no weights 'a1_in2k' for resnet18 - did you mean 'timm/resnet18.a1_in1k'?"),
        ("resnetv2_50", "torchvision has no such network; timm has it: model.arch=timm/resnetv2_50"),
    ],
)
def test_a_wrong_name_is_refused_with_the_right_one(arch: str, message: str) -> None:
    if "timm" in message:
        pytest.importorskip("timm")
    with pytest.raises(ConfigError) as error:
        architectures.find(arch)
    assert message in str(error.value)


def test_without_timm_its_networks_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError) as error:
        architectures.find("timm/resnetv2_50")
    assert str(error.value) == "model.arch=timm/resnetv2_50: it needs timm: pip install 'cnnrun[timm]'"
    with pytest.raises(ConfigError, match="no such network"):
        architectures.find("resnetv2_50")


@pytest.mark.parametrize(
    ("arch", "weights", "size", "message"),
    [
        ("vit_b_16", "IMAGENET1K_V1", (96, 96), "it needs images of 224x224, not 96x96: dataset.image_size=224"),
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", (224, 224), "it needs images of 384x384, not 224x224"),
        ("vit_b_16", None, (40, 40), "square images whose side is a multiple of 16, not 40x40"),
        ("vit_h_14", None, (28, 56), "square images whose side is a multiple of 14, not 28x56"),
        ("maxvit_t", None, (96, 96), "images whose sides are multiples of 224, not 96x96: dataset.image_size=224"),
        ("timm/vit_tiny_patch16_224", None, (96, 96), "it needs images of 224x224, not 96x96: dataset.image_size=224"),
    ],
)
def test_a_network_of_fixed_size_says_which(arch: str, weights: str, size: tuple[int, int], message: str) -> None:
    if "timm" in arch:
        pytest.importorskip("timm")
    with pytest.raises(ConfigError) as error:
        architectures.find(arch).build(size, weights)
    assert message in str(error.value)


@pytest.mark.parametrize(("arch", "least"), [("inception_v3", 75), ("squeezenet1_1", 17)])
@pytest.mark.usefixtures("_quick_weights")
def test_an_image_that_is_too_small_is_refused_with_the_smallest_size(arch: str, least: int) -> None:
    with pytest.raises(ConfigError) as error:
        Backbone((3, least - 10, least - 10), 5, arch=arch, **PLAIN)
    assert f"it needs images of at least {least}x{least}: dataset.image_size={least}" in str(error.value)


@pytest.mark.usefixtures("_quick_weights")
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_published_weights_get_the_colours_that_they_were_trained_on(name: str) -> None:
    """Torchvision builds the two networks so, where it loads the weights itself."""
    architecture = architectures.find(name)
    assert architecture.build((80, 80), "IMAGENET1K_V1").transform_input is True
    assert architecture.build((80, 80), None).transform_input is False


@pytest.mark.usefixtures("_quick_weights")
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_are_dropped_so_that_training_gives_one_tensor(name: str) -> None:
    model = Backbone((3, 80, 80), 5, arch=name, **PLAIN | {"trainable": "all"}).train()
    outputs = model(torch.randn(2, 3, 80, 80))
    assert outputs.shape == (2, 5)
    outputs.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["test_resnet", "resnetv2_50", "test_vit", "test_efficientnet"])
def test_a_network_of_timm_gives_its_pooled_features(name: str) -> None:
    timm = pytest.importorskip("timm")
    architecture = architectures.find(f"timm/{name}")
    side = timm.models.get_pretrained_cfg(name).input_size[-1]
    whole = architecture.build((side, side), None).eval()
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        expected = whole.forward_head(whole.forward_features(x), pre_logits=True)
        features = architecture.without_classifier(whole)
        torch.testing.assert_close(features(x), expected)


def test_the_images_of_weights_of_timm_are_those_of_its_own_transforms() -> None:
    timm = pytest.importorskip("timm")
    for name in ("nasnetalarge", "resnetv2_50", "test_resnet", "vit_tiny_patch16_224"):
        spec = architectures.find(f"timm/{name}").input_spec("imagenet")
        config = timm.data.resolve_data_config(pretrained_cfg=timm.models.get_pretrained_cfg(name).to_dict())
        resize, *_, normalize = timm.data.create_transform(**config).transforms
        assert (spec.size, spec.resize) == (config["input_size"][-1], resize.size)
        assert spec.interpolation == resize.interpolation.value
        assert torch.equal(torch.tensor(spec.mean), normalize.mean)
        assert torch.equal(torch.tensor(spec.std), normalize.std)


def test_the_classes_of_timm_are_named_where_they_are_known() -> None:
    timm = pytest.importorskip("timm")
    labels = architectures.find("timm/resnet10t").labels("imagenet")
    assert labels == torchvision.models.ResNet18_Weights.DEFAULT.meta["categories"]
    large = architectures.find("timm/vit_base_patch16_224.augreg_in21k").labels("imagenet")
    assert large == timm.data.ImageNetInfo("imagenet-21k-goog").label_descriptions()
    assert architectures.find("timm/vit_base_patch16_clip_224.openai").labels("imagenet") is None


def test_the_classes_have_the_usual_order() -> None:
    labels = torchvision_networks.imagenet_labels()
    assert (len(labels), labels[0], labels[281], labels[999]) == (1000, "tench", "tabby", "toilet tissue")
