"""Weights from files, from a folder and from a server of this machine, against torchvision's own networks.

Run: pytest tests/models/test_weights.py
"""

import argparse
import hashlib
import io
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from cnnrun.downloads import DataMissing
from cnnrun.errors import ConfigError, DataError
from cnnrun.models import architectures, torchvision_networks
from cnnrun.models.published import published_file
from cnnrun.models.weight_files import read, without_prefix
from cnnrun.models.weights import choose, fill, has_folded_batch_norm, translated
from cnnrun.training import checkpoints

ARCH = "shufflenet_v2_x0_5"
SIZE = (32, 32)


def ignore(*_: object) -> None:
    pass


def network_of(arch: str = ARCH, **settings: Any) -> nn.Module:
    """torchvision's own, with statistics that a training would leave."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(arch, weights=None, **settings)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


def loaded(path: Path, arch: str = ARCH, size: tuple[int, int] = SIZE) -> nn.Module:
    """The whole network, classifier and all, filled from a file."""
    architecture = architectures.find(arch)
    chosen = choose(architecture, str(path))
    network = architecture.build(size, chosen.published)
    fill(network, translated(chosen, chosen.read(True, ignore), network), chosen)
    return network.eval()


def assert_same(network: nn.Module, other: nn.Module, size: tuple[int, int] = SIZE) -> None:
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert torch.equal(network(x), other(x))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        dict,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"model.{name}": tensor for name, tensor in state.items()}},
        lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"encoder.{name}": tensor for name, tensor in state.items()} | {"loss.weight": torch.ones(3)},
        lambda state: {name: tensor.double() for name, tensor in state.items()},
    ],
)
def test_a_state_dict_is_found_in_what_training_scripts_put_around_it(
    wrap: Callable[[dict[str, Tensor]], Any], tmp_path: Path
) -> None:
    network = network_of()
    torch.save(wrap(network.state_dict()), tmp_path / "net.pth")
    assert_same(loaded(tmp_path / "net.pth"), network)


def test_safetensors_and_the_checkpoint_of_a_run_are_read_too(tmp_path: Path) -> None:
    network = network_of()
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, tmp_path / "net.safetensors")
    assert_same(loaded(tmp_path / "net.safetensors"), network)
    ours = {f"features.{name}": tensor for name, tensor in state.items()} | {"head.weight": torch.ones(2, 3)}
    checkpoints.write(tmp_path / "best", {"model": ours}, {"epoch": 1})
    assert_same(loaded(tmp_path / "best"), network)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in ours.items()}
    checkpoints.write(tmp_path / "last", {"model": zeros, "average": ours}, {"epoch": 1})
    assert_same(loaded(tmp_path / "last"), network)


def test_a_network_whose_own_names_begin_like_a_wrapper_keeps_them() -> None:
    known = ["features.0.weight", "features.1.weight", "classifier.1.weight"]
    plain = {name: torch.zeros(1) for name in known}
    assert without_prefix(plain, known) == plain
    assert list(without_prefix({f"features.{name}": torch.zeros(1) for name in known}, known)) == known


@pytest.mark.parametrize(
    ("arch", "old"),
    [
        ("densenet121", lambda name: name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.")),
        pytest.param(
            "vit_b_32",
            lambda name: name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_names_of_older_files_are_known(arch: str, old: Callable[[str], str], tmp_path: Path) -> None:
    network = network_of(arch)
    state = OrderedDict((old(name), tensor) for name, tensor in network.state_dict().items())
    assert state.keys() != network.state_dict().keys()
    torch.save(state, tmp_path / "net.pth")
    size = (224, 224) if arch == "vit_b_32" else SIZE
    assert_same(loaded(tmp_path / "net.pth", arch, size), network, size)


def test_a_network_that_asks_for_its_version_is_loaded_from_a_file_without_one(tmp_path: Path) -> None:
    network = network_of("mnasnet0_5")
    save_file(dict(network.state_dict()), tmp_path / "net.safetensors")
    assert_same(loaded(tmp_path / "net.safetensors", "mnasnet0_5"), network)


def test_files_of_before_batches_were_counted_are_complete(tmp_path: Path) -> None:
    network = network_of()
    state = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    torch.save(state, tmp_path / "net.pth")
    assert_same(loaded(tmp_path / "net.pth"), network)


def test_all_that_does_not_fit_is_listed_in_one_error(tmp_path: Path) -> None:
    state = dict(network_of().state_dict())
    for name in list(state)[:5]:
        del state[name]
    state |= {"extra": torch.zeros(1), "conv5.0.weight": torch.zeros(2, 3), "fc.bias": torch.zeros(7)}
    path = tmp_path / "net.pth"
    torch.save(state, path)
    with pytest.raises(DataError) as error:
        loaded(path)
    assert str(error.value) == (
        f"model.weights={path} does not fit model.arch={ARCH}: 5 missing (conv1.0.weight, conv1.1.weight, "
        "conv1.1.bias, and 2 more); 1 unknown (extra); 2 of another shape (conv5.0.weight is 2x3, not 1024x192x1x1, "
        "fc.bias is 7, not 1000)"
    )


def test_weights_with_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = network_of().state_dict()
    state["fc.bias"][3] = float("nan")
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(DataError, match=r"cannot be used: 1 not finite \(fc\.bias\)"):
        loaded(tmp_path / "net.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_other_widths_are_loaded(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {name: tensor.to(dtype) for name, tensor in network_of().state_dict().items()}
    save_file(state, tmp_path / "net.safetensors")
    network = loaded(tmp_path / "net.safetensors")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name].to(tensor.dtype))
        assert tensor.dtype in (torch.float32, torch.int64)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        (lambda tensor: (100 * tensor).to(torch.int8), "int8"),
        (lambda tensor: tensor.to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (lambda tensor: tensor.to(torch.complex64), "complex64"),
        (lambda tensor: tensor.to_sparse(), "a sparse tensor"),
        (lambda tensor: tensor.to("meta"), "a meta tensor"),
        (lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8), "a quantised tensor"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_numbers_that_mean_others_are_refused(tmp_path: Path, changed: Callable[[Tensor], Tensor], kind: str) -> None:
    state = network_of().state_dict()
    state["fc.bias"] = changed(state["fc.bias"])
    torch.save(state, tmp_path / "net.pth")
    said = f"1 not of floating-point numbers, quantised perhaps (fc.bias is {kind})"
    with pytest.raises(DataError) as error:
        loaded(tmp_path / "net.pth")
    assert str(error.value).endswith(said)


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made-by-a-pickle",)


def pickled(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def program() -> bytes:
    import warnings

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.pth", lambda: b"", "it is damaged, or no file of weights"),
        ("a.pth", lambda: b"<!DOCTYPE html><html>Not Found</html>", "it is damaged, or no file of weights"),
        ("a.pth", lambda: pickled({"a": torch.zeros(99)})[:300], "it is damaged, or no file of weights"),
        ("a.pth", lambda: pickled([1, 2]), "it holds no state dict, but a list"),
        ("a.pth", lambda: pickled({}), "it holds no state dict, but an empty dict"),
        ("a.pth", lambda: pickled(dict.fromkeys("abcdef", 1)), "but a dict of a, b, c, d, e, ..."),
        (
            "a.pth",
            lambda: pickled({"weight": torch.zeros(2), "hook": Malicious()}),
            "it holds posix.mkdir, not",
        ),
        ("a.pth", lambda: pickled(nn.Linear(2, 2)), "it holds torch.nn.modules.linear.Linear, not tensors alone"),
        ("a.pt", program, "it is a TorchScript program, not a state dict"),
        ("a.safetensors", lambda: b"", "it is damaged, or no safetensors file"),
        ("a.safetensors", lambda: pickled({"a": torch.zeros(9)}), "it is damaged, or no safetensors file"),
    ],
)
def test_a_file_that_is_no_plain_state_dict_is_refused_in_a_sentence_and_runs_nothing(
    name: str, content: Callable[[], bytes], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(content())
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(f"model.weights={path}: ")
    assert problem in str(error.value)
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_a_file_or_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.weights=.*no\.pth: there is no such file"):
        read(tmp_path / "no.pth")
    with pytest.raises(DataError, match=r"it is a folder without model\.safetensors; name a file of weights"):
        read(tmp_path)


@pytest.mark.parametrize("weights", ["imagnet", "IMAGENET1K_V9", "random"])
def test_weights_that_an_architecture_does_not_have_are_refused_with_those_it_has(weights: str) -> None:
    with pytest.raises(ConfigError) as error:
        choose(architectures.find("resnet50"), weights)
    assert f"model.weights={weights}: resnet50 has no such weights, and there is no such file" in str(error.value)
    assert "(there are none, imagenet, IMAGENET1K_V2, IMAGENET1K_V1; or FILE.pth, FILE.safetensors)" in str(error.value)


def test_the_name_of_weights_chooses_them_and_a_path_is_a_file_even_where_it_is_gone() -> None:
    architecture = architectures.find("resnet50")
    assert choose(architecture, "imagenet").published == "IMAGENET1K_V2"
    assert choose(architecture, "IMAGENET1K_V1").published == "IMAGENET1K_V1"
    assert not choose(architecture, "none").pretrained
    for gone in ("mine.pth", "runs/one/checkpoints/best", "./best"):
        chosen = choose(architecture, gone)
        assert (chosen.file, chosen.published) == (Path(gone), "IMAGENET1K_V2")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty cache of torch."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "torch" / "hub" / "checkpoints"


def named(stem: str, body: bytes) -> str:
    return f"{stem}-{hashlib.sha256(body).hexdigest()[:8]}.pth"


def test_published_weights_are_downloaded_once_and_checked_by_the_hash_in_their_name(server: Any, hub: Path) -> None:
    body = pickled({"a": torch.arange(9)})
    name = named("net", body)
    server.files[name] = body
    told: list[tuple[int, int | None, str]] = []
    path = published_file(server.url + name, False, lambda *values: told.append(values))
    assert path == hub / name
    assert torch.equal(read(path)["a"], torch.arange(9))
    assert told[-1] == (len(body), len(body), name)
    server.files.clear()
    assert published_file(server.url + name, True, ignore) == path
    assert server.asked == [name]


def test_a_file_that_is_not_what_its_name_says_is_not_taken(server: Any, hub: Path) -> None:
    name = named("net", b"right")
    server.files[name] = b"wrong"
    with pytest.raises(DataMissing, match=r"downloading failed \(127.*its sha256 is"):
        published_file(server.url + name, False, ignore)
    assert not hub.exists()
    hub.mkdir(parents=True)
    (hub / name).write_bytes(b"half of it")
    with pytest.raises(DataError, match=r"its sha256 begins with .* and not with .*, as its name says"):
        published_file(server.url + name, False, ignore)


def test_weights_that_cannot_be_had_are_named_with_their_place_and_address(hub: Path) -> None:
    chosen = choose(architectures.find("mobilenet_v2"), "imagenet")
    with pytest.raises(DataMissing) as error:
        chosen.read(True, ignore)
    assert str(error.value) == (
        f"mobilenet_v2-7ebf99e0.pth: not in {hub}, and offline=true; get it from "
        f"https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth and put it into {hub}, "
        "or name a file of such weights that you have: model.weights=FILE"
    )


def test_the_official_layout_comes_from_the_server_into_the_network(
    server: Any, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_of()
    body = pickled(network.state_dict())
    name = named(ARCH, body)
    server.files[name] = body
    monkeypatch.setattr(
        torchvision_networks, "published_file", lambda url, *rest: published_file(server.url + name, *rest)
    )
    architecture = architectures.find(ARCH)
    chosen = choose(architecture, "imagenet")
    ours = architecture.build(SIZE, chosen.published)
    fill(ours, translated(chosen, chosen.read(False, ignore), ours), chosen)
    assert_same(ours.eval(), network)


def test_weights_of_timm_come_from_the_cache_of_its_hub_or_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm = pytest.importorskip("timm")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    architecture = architectures.find("timm/test_resnet")
    chosen = choose(architecture, "imagenet")
    with pytest.raises(DataError) as error:
        chosen.read(True, ignore)
    assert str(error.value) == (
        f"model.safetensors of timm/test_resnet.r160_in1k: not in {tmp_path}, and offline=true; get it from "
        f"{constants.ENDPOINT}/timm/test_resnet.r160_in1k/resolve/main/model.safetensors and name it: "
        "model.weights=FILE"
    )
    torch.manual_seed(1)
    network = timm.create_model("test_resnet").eval()
    folder = tmp_path / "models--timm--test_resnet.r160_in1k"
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    save_file(dict(network.state_dict()), folder / "snapshots" / "abc" / "model.safetensors")
    ours = architecture.build((64, 64), "imagenet").eval()
    fill(ours, translated(chosen, chosen.read(True, ignore), ours), chosen)
    assert_same(ours, network, (64, 64))


def test_weights_of_timm_are_downloaded_under_the_name_that_the_hub_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is a function here: it knows the second of the two names."""
    pytest.importorskip("timm")
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import EntryNotFoundError

    def metadata(url: str) -> None:
        if not url.endswith("/timm/test_resnet.r160_in1k/resolve/main/pytorch_model.bin"):
            raise EntryNotFoundError("404")

    def download(repository: str, name: str, revision: str | None, tqdm_class: Any) -> str:
        with tqdm_class(total=100, initial=0, desc=name, unit="B", name="huggingface_hub.http_get") as bar:
            bar.update(60)
            bar.update(40)
        (tmp_path / name).write_bytes(pickled({"a": torch.ones(1)}))
        return str(tmp_path / name)

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    chosen = choose(architectures.find("timm/test_resnet"), "imagenet")
    told: list[tuple[int, int | None, str]] = []
    assert list(chosen.read(False, lambda *values: told.append(values))) == ["a"]
    assert told[0] == (0, 100, "timm/test_resnet.r160_in1k pytorch_model.bin")
    assert told[-1] == (100, 100, "timm/test_resnet.r160_in1k pytorch_model.bin")


def test_weights_of_timm_are_asked_for_once_where_there_is_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("timm")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and listens to none
        place = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place + "/{repo_id}/{revision}/{filename}")
        began = time.monotonic()
        with pytest.raises(DataError, match=r"downloading failed \(.*refused\); get it from .*: model\.weights=FILE"):
            choose(architectures.find("timm/test_resnet"), "imagenet").read(False, ignore)
    assert time.monotonic() - began < 5
    assert caplog.messages == []
    assert capfd.readouterr() == ("", "")


def test_batch_norm_is_folded_where_its_statistics_change_nothing() -> None:
    network = network_of()
    assert not has_folded_batch_norm(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.normal_(module.bias)
    assert has_folded_batch_norm(network)
    network.conv5[1].running_mean[0] = 0.5
    assert not has_folded_batch_norm(network)
    assert not has_folded_batch_norm(nn.Linear(2, 2))
