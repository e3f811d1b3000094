"""A backbone against the network that it is made of: features, head, grey images, frozen parts, folded BatchNorm.

Run: pytest tests/models/test_backbone.py
"""

import copy
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from cnnrun.cli import COMMANDS
from cnnrun.config import Request, check, compose, overrides
from cnnrun.downloads import DataMissing
from cnnrun.errors import ConfigError, DataError
from cnnrun.models import torchvision_networks
from cnnrun.models.backbone import Backbone
from cnnrun.models.pretrained import pretrained_classifier
from cnnrun.models.published import published_file
from cnnrun.values import InputSpec
from tests.models.backbone_settings import PLAIN

SETTINGS = PLAIN | {"arch": "shufflenet_v2_x0_5"}
SHAPE = (3, 32, 32)
SPEC = InputSpec(224, 256, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def built(shape: tuple[int, ...] = SHAPE, num_outputs: int = 5, load_weights: bool = True, **changes: Any) -> Backbone:
    torch.manual_seed(0)
    return Backbone(shape, num_outputs, load_weights, True, **SETTINGS | changes)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """saved(arch, folded=False, drop="", **settings of torchvision): a state dict of that network in a file."""

    def save(arch: str = "shufflenet_v2_x0_5", folded: bool = False, drop: str = "-", **settings: Any) -> Path:
        torch.manual_seed(1)
        network = torchvision.models.get_model(arch, weights=None, **settings)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and not folded:
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
        state = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(drop)}
        path = tmp_path / f"{arch}.pth"
        torch.save(state, path)
        return path

    return save


def plain(path: Path, arch: str = "shufflenet_v2_x0_5", **settings: Any) -> nn.Module:
    network = torchvision.models.get_model(arch, weights=None, **settings)
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def test_the_output_is_that_of_the_head_for_the_features_of_the_network(saved: Callable[..., Path]) -> None:
    path = saved()
    model = built(weights=str(path)).eval()
    network = plain(path)
    network.fc = nn.Identity()
    x = torch.randn(4, *SHAPE)
    with torch.no_grad():
        assert torch.equal(model.features(x), network(x))
        assert torch.equal(model(x), model.head(network(x)))
    assert [name for name, _ in model.named_children()] == ["features", "head"]
    assert isinstance(model.head, nn.Linear)
    assert list(model.features.state_dict()) == [name for name in network.state_dict() if not name.startswith("fc.")]


def test_a_grey_image_is_shown_in_three_equal_channels() -> None:
    grey, colour = built((1, 32, 32)).eval(), built().eval()
    grey.load_state_dict(colour.state_dict())
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(grey(x), colour(torch.cat([x, x, x], dim=1)))


@pytest.mark.parametrize("shape", [(3, 32), (2, 40), (4, 32, 32), (1, 20, 20, 20)])
def test_samples_that_are_no_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="model=backbone is for grey or colour images, \\(1 or 3, height, width\\)"):
        built(shape)


def test_the_head_has_the_widths_and_the_dropout_that_it_is_given() -> None:
    head = built(head_hidden=[16, 8], head_dropout=0.25).head
    kinds = [type(module) for module in head.modules() if not any(module.children())]
    assert kinds == [nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    sizes = [(layer.in_features, layer.out_features) for layer in head.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [(1024, 16), (16, 8), (8, 5)]
    dropout_only = built(head_dropout=0.25).head
    assert [type(module) for module in dropout_only] == [nn.Dropout, nn.Linear]


def test_dropout_that_served_the_old_classifier_went_with_it_and_no_activation_writes_over_its_input() -> None:
    model = built(arch="mobilenet_v2")
    assert not any(isinstance(module, nn.Dropout) for module in model.modules())
    assert not any(getattr(module, "inplace", False) for module in model.modules())


def train_a_step(model: nn.Module) -> None:
    model.train()
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1, weight_decay=0.1)
    nn.functional.cross_entropy(model(torch.randn(4, *SHAPE)), torch.tensor([0, 1, 2, 3])).backward()
    optimizer.step()


def test_what_is_frozen_keeps_its_weights_and_statistics_in_training(saved: Callable[..., Path]) -> None:
    model = built(weights=str(saved()))
    before = {name: tensor.clone() for name, tensor in model.features.state_dict().items()}
    head = model.head.weight.detach().clone()
    train_a_step(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.features.state_dict().items())
    assert not torch.equal(model.head.weight, head)
    assert not model.features.training
    assert model.head.training


def test_a_range_trains_with_its_batch_norm_and_the_rest_does_not() -> None:
    model = built(trainable="conv5")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train_a_step(model)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    statistics = {f"features.conv5.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    learnt = {f"features.conv5.{name}" for name in ("0.weight", "1.weight", "1.bias")}
    assert moved == statistics | learnt | {"head.weight", "head.bias"}


def test_a_checkpoint_needs_no_pretrained_weights_to_be_loaded(saved: Callable[..., Path], tmp_path: Path) -> None:
    path = saved()
    model = built(weights=str(path), head_dropout=0.5, trainable="conv5")
    train_a_step(model)
    path.unlink()
    with pytest.raises(DataError, match="there is no such file"):
        built(weights=str(path))
    twin = built(weights=str(path), head_dropout=0.5, trainable="conv5", load_weights=False)
    twin.load_state_dict(model.state_dict())
    x = torch.randn(2, *SHAPE)
    with torch.no_grad():
        assert torch.equal(twin.eval()(x), model.eval()(x))


def test_weights_that_load_nothing_are_not_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    built(weights="imagenet", load_weights=False)
    with pytest.raises(DataMissing, match=r"shufflenetv2_x0\.5-f707e7126e\.pth: not in .*, and offline=true"):
        built(weights="imagenet")
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_that_is_missing_or_of_other_classes_is_no_error_but_is_said(saved: Callable[..., Path]) -> None:
    path = saved(drop="fc.")
    assert built(weights=str(path)).remarks == [
        f"model.weights={path} has no classifier (fc); none is needed, the head is new"
    ]
    path = saved(num_classes=7)
    assert built(weights=str(path)).remarks == [
        f"model.weights={path} has a classifier of 7 classes (fc); it is left out, the head is new"
    ]
    assert built(weights=str(saved())).remarks == []


def test_random_weights_that_stay_frozen_are_said() -> None:
    assert built().remarks == [
        "model.weights=none with model.trainable=none: what is frozen has random weights and keeps them; take "
        "pretrained ones, or model.trainable=all"
    ]
    assert built(trainable="all").remarks == []


def test_weights_of_another_network_are_refused(saved: Callable[..., Path]) -> None:
    with pytest.raises(DataError) as error:
        built(weights=str(saved("squeezenet1_1")))
    message = str(error.value)
    assert "does not fit model.arch=shufflenet_v2_x0_5: 280 missing (conv1.0.weight, conv1.1.weight," in message
    assert "; 52 unknown (features.0.weight, features.0.bias, features.3.squeeze.weight, and 49 more)" in message


FOLDED = "model.bn=eval was taken: these weights came with BatchNorm folded into the convolutions"


def test_folded_batch_norm_stays_in_eval_mode_where_it_would_train_and_that_is_said(saved: Callable[..., Path]) -> None:
    path = saved(folded=True)
    model = built(weights=str(path), trainable="conv5")
    assert [remark for remark in model.remarks if remark.startswith(FOLDED)]
    train_a_step(model)
    norm = model.features.conv5[1]
    assert not norm.running_mean.any()
    assert not norm.training
    assert norm.weight.requires_grad


def test_folded_batch_norm_is_known_from_a_checkpoint_too(saved: Callable[..., Path]) -> None:
    path = saved(folded=True)
    model = built(weights=str(path), trainable="conv5")
    train_a_step(model)
    resumed = built(weights=str(path), trainable="conv5", load_weights=False)
    freezing = resumed.freezing
    resumed.load_state_dict(model.state_dict())
    resumed.train()
    assert not resumed.features.conv5[1].training
    assert resumed.freezing is freezing


@pytest.mark.parametrize(
    ("folded", "changes"),
    [(False, {"trainable": "conv5"}), (True, {}), (True, {"trainable": "conv5", "bn": "eval"})],
)
def test_nothing_is_said_of_folded_batch_norm_where_it_changes_nothing(
    saved: Callable[..., Path], folded: bool, changes: dict[str, Any]
) -> None:
    assert built(weights=str(saved(folded=folded)), **changes).remarks == []


def test_random_weights_are_not_taken_for_folded_ones() -> None:
    model = built(trainable="all")
    twin = built(trainable="all")
    twin.load_state_dict(model.state_dict())
    assert all(module.train().training for module in (model, twin))
    assert twin.features.conv5[1].training
    assert model.remarks == twin.remarks == []


def test_a_copy_holds_its_own_parts_frozen(saved: Callable[..., Path]) -> None:
    model = built(weights=str(saved()), trainable="conv5")
    twin = copy.deepcopy(model).train()
    assert twin.features.conv5.training
    assert not twin.features.conv1[1].training
    twin.load_state_dict(model.state_dict())
    model.eval()
    assert twin.training


def test_the_rate_falls_from_the_head_down() -> None:
    scales = built(trainable="all", lr_decay=0.5).lr_scales()
    assert scales["head.weight"] == 1
    assert scales["features.conv5.0.weight"] == 0.5
    assert scales["features.conv1.0.weight"] < scales["features.stage4.0.branch1.0.weight"]


def test_the_images_that_weights_want_are_told_without_reading_any(tmp_path: Path) -> None:
    node = {"name": "backbone", **SETTINGS}
    assert Backbone.input_spec(node) is None
    assert Backbone.input_spec(node | {"weights": "imagenet"}) == SPEC
    assert Backbone.input_spec(node | {"weights": str(tmp_path / "gone.pth")}) == SPEC
    large = Backbone.input_spec(node | {"arch": "resnet50", "weights": "imagenet"})
    assert large is not None
    assert (large.size, large.resize) == (224, 232)


def test_waiting_for_nothing_is_told() -> None:
    told = "model.unfreeze_after=3 waits for nothing: model.trainable=none trains the head only"
    assert told in built(unfreeze_after=3).remarks
    assert not any("waits for nothing" in remark for remark in built(unfreeze_after=3, trainable="conv5").remarks)


def test_a_rate_that_falls_where_nothing_trains_is_told() -> None:
    told = "model.lr_decay=0.5 changes nothing: model.trainable=none trains the head only"
    assert told in built(lr_decay=0.5).remarks
    assert told not in built().remarks
    assert not any("lr_decay" in remark for remark in built(lr_decay=0.5, trainable="conv5").remarks)


def test_only_a_file_is_taken_to_be_like_published_weights(saved: Callable[..., Path]) -> None:
    path = str(saved("resnet18"))
    assert built(arch="resnet18", weights=path).images_as == "IMAGENET1K_V1"
    assert built(arch="resnet18", weights=path, load_weights=False).images_as == ""
    assert built(arch="resnet18").images_as == ""


def test_weights_are_fetched_by_their_config_alone(saved: Callable[..., Path], tmp_path: Path) -> None:
    node = {"name": "backbone", **SETTINGS}
    Backbone.fetch_weights(node, True, lambda *_: None)
    Backbone.fetch_weights(node | {"weights": str(saved())}, True, lambda *_: None)
    with pytest.raises(DataError, match=r"gone\.pth: there is no such file"):
        Backbone.fetch_weights(node | {"weights": str(tmp_path / "gone.pth")}, True, lambda *_: None)


def test_a_classifier_predicts_what_the_network_itself_does(saved: Callable[..., Path]) -> None:
    path = saved("squeezenet1_1")
    network, spec, labels = pretrained_classifier("squeezenet1_1", str(path), True, lambda *_: None)
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(network(x), plain(path, "squeezenet1_1")(x))
    assert spec == SPEC
    assert labels == torchvision.models.ResNet18_Weights.DEFAULT.meta["categories"]
    assert not network.training


def test_a_classifier_of_other_classes_has_no_names_for_them(saved: Callable[..., Path]) -> None:
    path = saved(num_classes=7)
    network, _, labels = pretrained_classifier("shufflenet_v2_x0_5", str(path), True, lambda *_: None)
    assert labels is None
    x = torch.randn(2, *SHAPE)
    with torch.no_grad():
        assert torch.equal(network(x), plain(path, num_classes=7)(x))


def test_nothing_is_predicted_without_weights_or_without_a_classifier(saved: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"model\.weights=none: to predict without a run, the network needs"):
        pretrained_classifier("resnet18", "none", True, lambda *_: None)
    with pytest.raises(DataError, match="has no classifier, so nothing can be predicted without training"):
        pretrained_classifier("shufflenet_v2_x0_5", str(saved(drop="fc.")), True, lambda *_: None)


@pytest.mark.parametrize("arch", ["timm/test_resnet", "timm/test_vit"])
def test_a_network_of_timm_is_a_backbone_like_any(arch: str, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(1)
    network = timm.create_model(arch.removeprefix("timm/")).eval()
    save_file(dict(network.state_dict()), tmp_path / "net.safetensors")
    model = built((3, 160, 160), arch=arch, weights=str(tmp_path / "net.safetensors"), trainable="top:20").eval()
    x = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        expected = network.forward_head(network.forward_features(x), pre_logits=True)
        torch.testing.assert_close(model.features(x), expected)
    whole, _, labels = pretrained_classifier(arch, str(tmp_path / "net.safetensors"), True, lambda *_: None)
    with torch.no_grad():
        torch.testing.assert_close(whole(x), network(x))
    assert labels is not None
    assert len(labels) == 1000


def test_imagenet_weights_are_fetched_and_told_of(
    server: Any, saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = saved()
    name = f"net-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
    server.files[name] = path.read_bytes()
    monkeypatch.setattr(
        torchvision_networks, "published_file", lambda url, *rest: published_file(server.url + name, *rest)
    )
    told: list[str] = []
    settings = SETTINGS | {"weights": "imagenet"}
    model = Backbone(SHAPE, 5, True, False, lambda done, total, what: told.append(what), **settings)
    assert set(told) == {name}
    assert torch.equal(model.features.conv1[0].weight, plain(path).conv1[0].weight)


def test_the_settings_are_checked_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    def composed(*words: str) -> dict[str, Any]:
        words = overrides.prepare(("model=backbone", *words), {})
        request = Request("train", COMMANDS["train"].function, words)
        config: dict[str, Any] = compose.one(request).config
        check("train", config)
        return config

    node = composed("model.trainable=top:40", "model.weights=Photos (1)/net,2.pth")["model"]
    assert (node["trainable"], node["weights"]) == ("top:40", "Photos (1)/net,2.pth")
    for word, problem in {
        "model.bn=off": "model.bn=off",
        "model.lr_decay=1.5": "model.lr_decay=1.5",
        "model.head_hidden=[0]": r"model.head_hidden\[0\]=0",
        "model.scheme=torch": "model.scheme=torch",
    }.items():
        with pytest.raises(ConfigError, match=problem):
            composed(word)


def test_showing_the_settings_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from cnnrun.cli import main\n"
        "try: main(['train', 'model=backbone', '--cfg', 'job'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'torchvision', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "arch: mobilenet_v2" in done.stdout
    assert done.stdout.rstrip().endswith("[]")
