"""The tutorial loop and cnnrun in turn on a GPU: ResNet-18 on CIFAR-shaped images made on the spot, and MNIST to 99 %.

`python tests/benchmarks/gpu.py [--mnist DIR]`, under eight minutes on an H200, no download; `--device cpu --toy` tries
it in a minute anywhere. Prints a table for each batch size: images/s of training and their ratio to the tutorial's; the
share of the time in which the GPU waits, from the time that its kernels take; the largest memory that tensors took.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import networks
import torch
import tutorial
from measuring import HERE, images_per_second, machine
from PIL import Image
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from cnnrun import experiment
from cnnrun.config import Request, compose
from cnnrun.data.preprocessing import fit_preprocessing
from cnnrun.data.splits import LabelledData, Split
from cnnrun.training.device import prepare, resolve_device
from cnnrun.training.fit import Fit
from cnnrun.training.records import Epoch

SYSTEMS = {
    "tutorial loop": [],
    "cnnrun, exact": ["reproducibility=exact"],
    "cnnrun, exact, compile": ["reproducibility=exact", "compile=true"],
    "cnnrun, fast": ["reproducibility=fast"],
    "cnnrun, fast, compile": ["reproducibility=fast", "compile=true"],
}
"""Of a table, with the settings of `cnnrun train`; the tutorial loop is plain fp32 with torch's own defaults."""
TUTORIAL = "tutorial loop"
NETWORKS = {
    "resnet18": (networks.resnet18_cifar, ["model=resnet18_cifar", "optimizer=sgd"]),
    "toy": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)),
        ["model=mlp", "model.hidden=[]", "optimizer=sgd"],
    ),
}
"""The tutorial's network, and the settings that make the same of ours."""
IMAGES, TOY_IMAGES = 50_176, 512
"""To train on, close to CIFAR-10 and whole batches of 512."""
PROFILED_STEPS = 20
TARGET, MOST_EPOCHS = 0.99, 20
"""Accuracy on val at which MNIST is done, and when it is given up."""


@dataclass(frozen=True)
class Measured:
    """One row: what one system did in a process of its own."""

    images_per_second: float
    waits: float | None
    """Share of the time in which the GPU had nothing to do; None without a GPU."""
    memory: float | None
    """GiB."""


class Pictures(Dataset):
    """What torchvision's data sets do with images in memory: a picture, transforms, a label."""

    def __init__(self, split: Split, transform: transforms.Compose) -> None:
        self.images = split.inputs.permute(0, 2, 3, 1).squeeze(3).numpy()
        self.labels = split.targets.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


@dataclass(frozen=True)
class Moved:
    """A DataLoader whose batches go to the device, one by one."""

    loader: DataLoader
    device: torch.device

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((x.to(self.device), y.to(self.device)) for x, y in self.loader)


def loader(split: Split, batch_size: int, device: torch.device, workers: int, *, augment: bool, train: bool) -> Moved:
    """As the tutorials of PyTorch load CIFAR-10 and MNIST."""
    moves = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if augment else []
    mean, std = ([0.5] * split.inputs.shape[1] for _ in range(2))
    transform = transforms.Compose([*moves, transforms.ToTensor(), transforms.Normalize(mean, std)])
    loaded = DataLoader(
        Pictures(split, transform),
        batch_size,
        shuffle=train,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )
    return Moved(loaded, device)


def made_up(num_images: int) -> LabelledData:
    """Images (N, 3, 32, 32) of noise in 10 classes."""
    generator = torch.Generator().manual_seed(0)
    splits = []
    for name, size in (("train", num_images), ("val", 512), ("test", 512)):
        images = torch.randint(0, 256, (size, 3, 32, 32), generator=generator, dtype=torch.uint8)
        labels = torch.randint(0, 10, (size,), generator=generator)
        splits.append(Split(name, images, labels, [f"{name}/{row:05d}" for row in range(size)]))
    train, val, test = splits
    names = tuple(str(number) for number in range(10))
    return LabelledData(train, val, test, names, fit_preprocessing(train, "standardize"))


def training(data: LabelledData, device: torch.device, *settings: str) -> Fit:
    """What `cnnrun train` would run with these settings, on the data."""
    config = compose.one(Request("train", "", settings)).config
    prepare(device, reproducibility=config["reproducibility"], threads=config["threads"])
    return experiment.prepare_training(config, experiment.build(config, data, device))


def profiled(device: torch.device) -> AbstractContextManager[Any]:
    """A profiler of what a GPU does; on a CPU there is nothing to see."""
    return profile(activities=[ProfilerActivity.CUDA]) if device.type == "cuda" else nullcontext()


def busy_seconds(profiler: Any) -> float:
    """Time in which at least one kernel or copy ran."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    spans = sorted(
        (event["ts"], event["ts"] + event["dur"])
        for event in events
        if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")
    )
    busy, reached = 0.0, 0.0
    for begin, end in spans:
        busy += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return busy / 1e6


def measured(speed: float, profiler: Any, batch_size: int, device: torch.device) -> Measured:
    """The kernels' time is profiled, the speed is not: a profiler slows the loop down, and not the kernels."""
    if device.type != "cuda":
        return Measured(speed, None, None)
    busy = busy_seconds(profiler) / (PROFILED_STEPS * batch_size)
    return Measured(speed, max(0.0, 1 - busy * speed), torch.cuda.max_memory_allocated(device) / 2**30)


def measure_tutorial(arguments: argparse.Namespace, data: LabelledData, device: torch.device) -> Measured:
    model = NETWORKS[arguments.network][0]().to(device)
    batches = loader(data.train, arguments.batch_size, device, arguments.workers, augment=True, train=True)
    steps = tutorial.train(model, batches, tutorial.sgd(model))
    speed = images_per_second(steps, arguments.seconds, warm_up=min(5.0, arguments.seconds))
    with profiled(device) as profiler:
        for _ in range(PROFILED_STEPS):
            next(steps)
    return measured(speed, profiler, arguments.batch_size, device)


def measure_ours(arguments: argparse.Namespace, data: LabelledData, device: torch.device) -> Measured:
    """The speed is what `cnnrun train` would report for the epochs after the first, which compiles and warms up."""
    settings = [*NETWORKS[arguments.network][1], "augment=flip_crop", *SYSTEMS[arguments.system]]
    fit = training(data, device, f"device={device}", f"batch_size={arguments.batch_size}", "epochs=1000", *settings)
    stop_at: list[int] = []
    records = fit.run(lambda: bool(stop_at) and fit.state.progress.updates >= stop_at[0])
    epochs = (record for record in records if isinstance(record, Epoch))
    next(epochs)
    began, images, seconds = time.perf_counter(), 0, 0.0
    while not images or time.perf_counter() - began < arguments.seconds:
        speed = next(epochs).samples_per_second
        images, seconds = images + len(data.train), seconds + len(data.train) / speed
    stop_at.append(fit.state.progress.updates + PROFILED_STEPS)
    with profiled(device) as profiler:
        assert next(epochs, None) is None, "an epoch has fewer steps than are profiled"
    return measured(images / seconds, profiler, arguments.batch_size, device)


def mnist(root: Path) -> LabelledData:
    """As `cnnrun train dataset=mnist` reads it; val is a tenth of the training images."""
    config = compose.one(Request("train", "", ("dataset=mnist", "offline=true"))).config
    config["dataset"]["root"] = str(root)
    return experiment.load_data(config, lambda *_: None)


def tutorial_seconds_to_target(data: LabelledData, device: torch.device, workers: int) -> float:
    """Seconds from the images in memory to TARGET on val; inf if it is not reached."""
    began = time.perf_counter()
    model = networks.reference_001().to(device)
    train, val = (
        loader(split, 128, device, workers, augment=False, train=split is data.train)
        for split in (data.train, data.val)
    )
    steps = tutorial.train(model, train, tutorial.adam(model))
    for _ in range(MOST_EPOCHS):
        for _ in range(len(train.loader)):
            next(steps)
        if tutorial_accuracy(model, val, len(data.val)) >= TARGET:
            return time.perf_counter() - began
    return math.inf


@torch.no_grad()
def tutorial_accuracy(model: nn.Module, batches: Moved, num_images: int) -> float:
    model.eval()
    correct = sum((model(x).argmax(dim=1) == y).sum().item() for x, y in batches)
    model.train()
    return correct / num_images


def our_seconds_to_target(data: LabelledData, device: torch.device, *settings: str) -> float:
    """The same for cnnrun with 001's CNN and Adam."""
    began = time.perf_counter()
    words = ("model=reference_001_cnn", "optimizer=adam", "batch_size=128", f"epochs={MOST_EPOCHS}", *settings)
    for record in training(data, device, *words).run(lambda: False):
        if isinstance(record, Epoch) and record.val["accuracy"] >= TARGET:
            return time.perf_counter() - began
    return math.inf


def measure_mnist(arguments: argparse.Namespace, device: torch.device) -> float:
    data = mnist(arguments.mnist)
    torch.zeros(1, device=device)  # what a device needs once is not counted
    if arguments.system == TUTORIAL:
        return tutorial_seconds_to_target(data, device, arguments.workers)
    return our_seconds_to_target(data, device, f"device={device}", *SYSTEMS[arguments.system])


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One system, in this process."""
    device = resolve_device(arguments.device)
    if arguments.mnist:
        return {"seconds": measure_mnist(arguments, device)}
    data = made_up(TOY_IMAGES if arguments.toy else IMAGES)
    if arguments.system == TUTORIAL:
        return asdict(measure_tutorial(arguments, data, device))
    return asdict(measure_ours(arguments, data, device))


def in_a_process(arguments: argparse.Namespace, system: str, *words: object) -> dict[str, Any]:
    """What `measure` gives, with nobody else's settings of memory and algorithms."""
    common = ["--device", arguments.device, "--seconds", arguments.seconds, "--workers", arguments.workers]
    toy = ["--toy"] if arguments.toy else []
    command = [sys.executable, str(HERE / "gpu.py"), "--system", system, *map(str, [*common, *toy, *words])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(arguments: argparse.Namespace, batch_size: int) -> None:
    """Print the table of a batch size; with several rounds of turns, its medians."""
    systems = list(SYSTEMS)[:2] if arguments.toy else list(SYSTEMS)
    turns = [
        {system: in_a_process(arguments, system, "--batch-size", batch_size) for system in systems}
        for _ in range(arguments.rounds)
    ]
    print(f"\n{'Toy' if arguments.toy else 'ResNet-18'}, 32x32, flip and crop, batch {batch_size}\n")
    print("| training | images/s | × tutorial | GPU waits | memory |\n| --- | ---: | ---: | ---: | ---: |")
    for system in systems:
        row = {key: median([turn[system][key] for turn in turns]) for key in turns[0][system]}
        ratio = median([turn[system]["images_per_second"] / turn[TUTORIAL]["images_per_second"] for turn in turns])
        waits = "" if row["waits"] is None else f"{row['waits']:.0%}"
        memory = "" if row["memory"] is None else f"{row['memory']:.2f} GiB"
        print(f"| {system} | {row['images_per_second']:,.0f} | {ratio:.2f} | {waits} | {memory} |", flush=True)


def median(values: list[Any]) -> Any:
    return None if None in values else statistics.median(values)


def compare_mnist(arguments: argparse.Namespace) -> None:
    systems = [system for system in SYSTEMS if "compile" not in system]
    seconds = {system: in_a_process(arguments, system, "--mnist", arguments.mnist)["seconds"] for system in systems}
    print(f"\nMNIST, 001's CNN, Adam, batch 128: from the images in memory to {TARGET:.0%} on val\n")
    print("| training | seconds | tutorial / this |\n| --- | ---: | ---: |")
    for system, value in seconds.items():
        print(f"| {system} | {value:.1f} | {seconds[TUTORIAL] / value:.2f} |", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, help="folder with MNIST's four files, packed or not")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--toy", action="store_true", help="a linear classifier, few images, no compile")
    parser.add_argument("--batch-sizes", type=int, nargs="+", help="128 and 512")
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=1, help="of turns; the table holds the medians")
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1), help="of the tutorial's loader")
    parser.add_argument("--system", choices=SYSTEMS, help="measure only this one, in this process")
    parser.add_argument("--batch-size", type=int, default=128, help="of --system")
    arguments = parser.parse_args()
    arguments.network = "toy" if arguments.toy else "resnet18"
    arguments.batch_sizes = arguments.batch_sizes or ([16] if arguments.toy else [128, 512])
    return arguments


def main() -> None:
    arguments = parse()
    if arguments.system:
        print(json.dumps(measure(arguments)))
        return
    gpu = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}; " if arguments.device != "cpu" else ""
    print(f"{gpu}{machine()}; {arguments.workers} loader workers for the tutorial loop")
    for batch_size in arguments.batch_sizes:
        compare(arguments, batch_size)
    if arguments.mnist:
        compare_mnist(arguments)


if __name__ == "__main__":
    main()
