"""What the benchmarks share: a clock for one system, turns for several, the machine's facts, a table of ratios.

Each system is measured in a process of its own, so that none runs with another's settings of memory or threads, and
they take turns, so that a busy moment of the machine hits all of them.
"""

import argparse
import contextlib
import gzip
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
WARM_UP = 2.0
"""Seconds that are not measured: first calls build kernels and fill caches."""


def images_per_second(steps: Iterator[int], seconds: float, warm_up: float = WARM_UP) -> float:
    """Throughput of a loop that yields the number of images after each step."""
    _run(steps, warm_up)
    return _run(steps, seconds)


def _run(steps: Iterator[int], seconds: float) -> float:
    images, began = 0, time.perf_counter()
    while True:
        images += next(steps)
        passed = time.perf_counter() - began
        if passed >= seconds:
            return images / passed


def timed_arguments(description: str | None) -> argparse.ArgumentParser:
    """The arguments of a script that measures one system."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=["mnist", "cifar10"], default="mnist")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as torchvision wants it")
    parser.add_argument("--phase", choices=["train", "evaluate"], default="train")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=10.0)
    return parser


def compared_arguments(description: str | None, data: str, batch_sizes: list[int]) -> argparse.ArgumentParser:
    """The arguments of a script that compares systems on one data set."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        f"--{data}", dest="root", type=Path, default=os.environ.get("CNNRUN_DATA"), help="its folder ($CNNRUN_DATA)"
    )
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=batch_sizes)
    parser.add_argument("--phases", nargs="+", choices=["train", "evaluate"], default=["train", "evaluate"])
    parser.add_argument("--seconds", type=float, default=10.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of turns; the table holds the medians")
    return parser


def print_measured(value: float) -> None:
    """What `measure` reads."""
    print(json.dumps({"images_per_second": value}))


def measure(command: list[str]) -> float:
    """Run a script that ends with `print_measured`."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])["images_per_second"]


def script(name: str, *arguments: object, python: str = sys.executable) -> list[str]:
    """The command that runs a script of this folder."""
    return [python, str(HERE / name), *map(str, arguments)]


def take_turns(systems: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Measure each system once a round."""
    measured: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(1, rounds + 1):
        for name, command in systems.items():
            measured[name].append(measure(command))
            print(f"round {number}: {name} {measured[name][-1]:,.0f} images/s", file=sys.stderr, flush=True)
    return measured


def print_ratios(title: str, measured: dict[str, list[float]]) -> None:
    """A table of medians and their range, each over the first system, and ours over each."""
    medians = {name: statistics.median(values) for name, values in measured.items()}
    first, ours = next(iter(medians.values())), medians["ours"]
    print(f"\n{title}\n{'system':<34}{'images/s':>10}{'range':>20}{'× first':>9}{'ours ×':>8}")
    for name, value in medians.items():
        low, high = min(measured[name]), max(measured[name])
        print(f"{name:<34}{value:>10,.0f}{f'{low:,.0f} - {high:,.0f}':>20}{value / first:>9.2f}{ours / value:>8.2f}")


def machine() -> str:
    """Processor, cores, what it multiplies natively, versions: whatever the numbers depend on."""
    import torch

    facts = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*:\s*(.+)", facts)
    flags = set(facts.split())
    native = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return (
        f"{model[1] if model else platform.processor()}, {torch.get_num_threads()} threads, {' '.join(native)}; "
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}"
    )


@contextlib.contextmanager
def unpacked_mnist(root: Path) -> Iterator[Path]:
    """A folder where torchvision finds MNIST without writing to `root`, which may hold the four files packed."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "MNIST", "raw")
        raw.mkdir(parents=True)
        for file in root.rglob("*-ubyte*"):
            packed = file.read_bytes()
            (raw / file.name.removesuffix(".gz")).write_bytes(
                gzip.decompress(packed) if file.suffix == ".gz" else packed
            )
        yield Path(folder)
