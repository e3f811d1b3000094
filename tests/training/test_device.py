"""Where and how precisely to compute, on machines that are made up. `pytest tests/training/test_device.py`

`-m slow` adds an epoch that is compiled.
"""

import re
import sys

import pytest
import torch
from torch import nn

from cnnrun import cli
from cnnrun.data.loaders import ResidentLoader
from cnnrun.errors import ConfigError
from cnnrun.tasks.classification import Classification
from cnnrun.training import device as devices
from cnnrun.training.device import (
    Compute,
    keep_freed_memory,
    multiplies_bf16,
    place,
    prepare,
    resolve_device,
    resolve_precision,
    seed_dropout,
)
from cnnrun.training.fit import Fit
from cnnrun.training.optimizers import sgd
from cnnrun.training.plan import Plan
from cnnrun.training.records import Epoch
from cnnrun.training.schedules import constant
from cnnrun.training.state import State

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda", 0), torch.device("mps")


@pytest.fixture
def machine(monkeypatch):
    """Pretends that the machine has these devices, and that torchrun started these processes."""

    def pretend(cuda=0, mps=False, processes=1, local_rank=0):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        environment = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "LOCAL_RANK": local_rank}
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))

    return pretend


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        ("auto", {}, "cpu"),
        ("auto", {"cuda": 2}, "cuda:0"),
        ("auto", {"cuda": 1, "mps": True}, "cuda:0"),
        ("auto", {"mps": True}, "mps"),
        ("auto", {"mps": True, "processes": 2}, "cpu"),
        ("auto", {"cuda": 2, "processes": 2, "local_rank": 1}, "cuda:1"),
        ("cuda", {"cuda": 2, "processes": 2, "local_rank": 1}, "cuda:1"),
        ("cuda", {"cuda": 2}, "cuda:0"),
        ("cuda:1", {"cuda": 2}, "cuda:1"),
        ("cpu", {"cuda": 2, "mps": True, "processes": 4}, "cpu"),
        ("mps", {"mps": True}, "mps"),
    ],
)
def test_a_device_is_found(machine, name, facts, expected):
    machine(**facts)
    assert resolve_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("name", "facts", "message"),
    [
        ("cuda", {}, "device=cuda: this machine shows 0 CUDA devices; try device=auto"),
        ("cuda:2", {"cuda": 2}, "device=cuda:2: this machine shows 2 CUDA devices; try device=auto"),
        ("mps", {}, "device=mps: this machine has none; try device=auto"),
        ("mps", {"mps": True, "processes": 2}, "device=mps: 2 processes cannot share one device; take device=cpu"),
        ("cuda:1", {"cuda": 2, "processes": 2}, "device=cuda:1: 2 processes cannot share one device; take device=cuda"),
        (
            "auto",
            {"cuda": 2, "processes": 3},
            "torchrun started 3 processes here, and this machine shows 2 CUDA devices; "
            "use --nproc-per-node 2, or device=cpu",
        ),
    ],
)
def test_a_device_that_is_not_there_is_refused(machine, name, facts, message):
    machine(**facts)
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        resolve_device(name)


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True), ((12, 0), True)])
def test_gpus_multiply_bf16_from_capability_8(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert multiplies_bf16(CUDA) is expected


@pytest.mark.parametrize(
    ("amx", "avx512", "expected"), [(True, True, True), (False, True, True), (False, False, False)]
)
def test_processors_multiply_bf16_with_amx_or_avx512(monkeypatch, amx, avx512, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert multiplies_bf16(CPU) is expected
    assert resolve_precision("auto", CPU, needs_fp32=False) == ("bf16" if expected else "fp32")


def test_auto_precision_is_fp32_where_a_depthwise_convolution_trains(monkeypatch):
    monkeypatch.setattr(devices, "multiplies_bf16", lambda device: True)
    assert resolve_precision("auto", CUDA, needs_fp32=False) == "bf16"
    assert resolve_precision("auto", CUDA, needs_fp32=True) == "fp32"
    assert resolve_precision("bf16", CUDA, needs_fp32=True) == "bf16"
    assert resolve_precision("auto", MPS, needs_fp32=False) == "bf16"


def test_an_apple_gpu_computes_in_fp32_unless_told_otherwise():
    assert resolve_precision("auto", MPS, needs_fp32=False) == "fp32"


@pytest.mark.parametrize("device", [CPU, MPS])
def test_fp16_is_for_cuda(device):
    assert resolve_precision("fp16", CUDA, needs_fp32=False) == "fp16"
    with pytest.raises(ConfigError, match=r"^precision=fp16 needs a CUDA device; try precision=bf16 or fp32$"):
        resolve_precision("fp16", device, needs_fp32=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["device=cuda:7"], "device=cuda:7: this machine shows 0 CUDA devices; try device=auto"),
        (["device=cpu", "precision=fp16"], "precision=fp16 needs a CUDA device; try precision=bf16 or fp32"),
    ],
)
def test_the_command_line_answers_in_one_sentence(machine, words, message, capsys, tmp_path, monkeypatch):
    machine()
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", *words]) == 2
    assert capsys.readouterr().err == f"cnnrun train: error: {message}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("precision", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_changes_what_is_computed_and_not_the_weights(precision, expected):
    layer = nn.Linear(3, 2)
    with Compute(CPU, precision, channels_last=False, compile=False).autocast():
        assert layer(torch.rand(4, 3)).dtype == expected
    assert layer.weight.dtype == torch.float32


@pytest.fixture
def global_settings():
    """Puts back what `prepare` sets for the whole process."""
    threads = torch.get_num_threads()
    flags = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    fill = torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = flags
    torch.utils.deterministic.fill_uninitialized_memory = fill


@pytest.mark.usefixtures("global_settings")
@pytest.mark.parametrize("reproducibility", ["exact", "fast"])
def test_on_a_gpu_exact_is_deterministic_and_fast_is_free(monkeypatch, reproducibility):
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    prepare(CUDA, reproducibility=reproducibility, threads=None)
    exact = reproducibility == "exact"
    assert chosen == [CUDA]
    assert torch.are_deterministic_algorithms_enabled() is exact
    assert torch.backends.cudnn.benchmark is not exact
    assert torch.backends.cudnn.allow_tf32 is not exact
    assert torch.backends.cuda.matmul.allow_tf32 is not exact
    assert devices.os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if exact else None)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)


@pytest.mark.usefixtures("global_settings")
def test_threads_of_one_run_are_not_left_to_the_next_that_asks_for_none():
    initial = devices.INITIAL_THREADS
    prepare(CPU, reproducibility="exact", threads=initial + 1)
    assert torch.get_num_threads() == initial + 1
    prepare(CPU, reproducibility="exact", threads=None)
    assert torch.get_num_threads() == initial


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_freed_memory_is_kept_where_there_is_glibc_and_elsewhere_nothing_happens(monkeypatch, platform):
    calls = []

    class Glibc:
        def __init__(self, name):
            self.mallopt = lambda *values: calls.append(values)

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(devices.ctypes, "CDLL", Glibc)
    keep_freed_memory()
    assert calls == ([(-3, 1 << 30), (-1, 1 << 30)] if platform == "linux" else [])


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch):
    monkeypatch.setattr(devices.ctypes, "CDLL", lambda name: object())
    keep_freed_memory()


def test_dropout_follows_the_seed():
    drop = nn.Dropout(0.5)
    masks = []
    for seed in (1, 2, 1):
        seed_dropout(seed, CPU)
        masks.append(drop(torch.ones(100)))
    assert torch.equal(masks[0], masks[2])
    assert not torch.equal(masks[0], masks[1])
    torch.manual_seed(1)
    assert torch.equal(drop(torch.ones(100)), masks[0])


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_model_is_placed_in_the_memory_format(channels_last):
    model = place(nn.Conv2d(4, 8, 3), Compute(CPU, "fp32", channels_last=channels_last, compile=False))
    assert model.weight.is_contiguous(memory_format=torch.channels_last) is channels_last


@pytest.mark.slow
def test_a_compiled_epoch_agrees_with_an_eager_one(blob_data):
    histories, weights = [], []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
        compute = Compute(CPU, "fp32", channels_last=True, compile=compiled)
        histories.append(two_epochs(blob_data, place(model, compute), compute))
        weights.append(model.state_dict())
    assert histories[1] == pytest.approx(histories[0], rel=1e-5)
    for name, expected in weights[0].items():
        torch.testing.assert_close(weights[1][name], expected, rtol=1e-4, atol=1e-6, msg=name)


def two_epochs(data, model, compute):
    """Losses on train and val; the last batch of 4 samples is smaller than the others."""
    knobs = {"monitor": "accuracy", "label_smoothing": 0.0, "class_weights": "none", "focal_gamma": 0.0}
    task = Classification(data.class_names, data.class_counts(), **knobs)
    train, val = (
        ResidentLoader(split, data.preprocessing, batch_size=16, shuffle=True, channels_last=True)
        for split in (data.train, data.val)
    )
    optimizer = sgd(model.parameters(), lr=0.05, momentum=0.9, nesterov=False, weight_decay=0.0)
    state = State(model, optimizer, constant(8, 4, warmup_epochs=0.0), compute, None)
    plan = Plan(epochs=2, max_seconds=None, patience=None, min_delta=0.0, grad_clip=None, seed=0)
    records = Fit(state, task, train, val, compute, plan).run(lambda: False)
    return [
        loss for record in records if isinstance(record, Epoch) for loss in (record.train["loss"], record.val["loss"])
    ]
