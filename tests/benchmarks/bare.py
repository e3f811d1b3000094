"""A bare loop with the tricks of cnnrun, in plain torch: what a runner around it costs, and what each trick gives.

`python tests/benchmarks/bare.py --root DIR --rung 5` measures one rung, `--help` names them. Each rung of the ladder
adds one trick to the one before it.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import networks
import torch
import tutorial
from measuring import images_per_second, print_measured, timed_arguments
from torch import Tensor, nn
from torch.nn import functional as F

RUNGS = ["resident", "fused optimizer", "channels_last", "pool before ReLU", "keep freed memory", "bf16"]
"""Tricks in the order in which they are added; all but the last lose no precision."""
MOMENTS = {"mnist": ((0.1307,), (0.3081,)), "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
EVALUATION_BATCH = {"mnist": 2048, "cifar10": 256}


@dataclass(frozen=True)
class Resident:
    """A data set in memory as (N, C, H, W) bytes, and the map to what the network sees."""

    images: Tensor
    labels: Tensor
    scale: Tensor
    shift: Tensor

    def batch(self, images: Tensor, memory_format: torch.memory_format) -> Tensor:
        return torch.mul(images, self.scale).add_(self.shift).contiguous(memory_format=memory_format)


def like_cnnrun() -> int:
    """The rung with all tricks at the precision that cnnrun chooses here: what differs then is the runner."""
    from cnnrun.training.device import multiplies_bf16

    return len(RUNGS) if multiplies_bf16(torch.device("cpu")) else len(RUNGS) - 1


def resident(name: str, root: Path, *, train: bool) -> Resident:
    """Read what the tutorial reads, once."""
    opened = {"mnist": tutorial.mnist, "cifar10": tutorial.cifar10}[name](root, train=train)
    images = torch.as_tensor(opened.data)
    images = images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2).contiguous()
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in MOMENTS[name])
    return Resident(images, torch.as_tensor(opened.targets), 1 / (255 * std), -mean / std)


def crop_and_flip(images: Tensor) -> Tensor:
    """Pad (N, C, 32, 32) by 4, cut 32x32 out of it anywhere, mirror half of them: one gather for the whole batch."""
    num, channels, height, width = images.shape
    dy, dx = torch.randint(9, (2, num, 1))
    columns = torch.where(torch.rand(num, 1) < 0.5, torch.arange(width), torch.arange(width - 1, -1, -1)) + dx
    rows = torch.arange(height) + dy
    cells = (rows[:, :, None] * (width + 8) + columns[:, None, :]).view(num, 1, -1).expand(-1, channels, -1)
    return F.pad(images, (4, 4, 4, 4)).flatten(2).gather(2, cells).view_as(images)


def train(
    model: nn.Module,
    data: Resident,
    batch_size: int,
    optimizer: torch.optim.Optimizer,
    augment: Callable[[Tensor], Tensor] | None,
    memory_format: torch.memory_format,
    bf16: bool,
) -> Iterator[int]:
    """Train without end; yields the number of images after each step."""
    model.train()
    while True:
        total = torch.zeros(())
        for indices in torch.randperm(len(data.labels)).split(batch_size):
            images = data.images.index_select(0, indices)
            x = data.batch(augment(images) if augment else images, memory_format)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                outputs = model(x)
            loss = F.cross_entropy(outputs.float(), data.labels.index_select(0, indices))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            yield len(indices)


@torch.inference_mode()
def evaluate(
    model: nn.Module, data: Resident, batch_size: int, memory_format: torch.memory_format, bf16: bool
) -> Iterator[int]:
    """Evaluate without end; yields the number of images after each batch."""
    model.eval()
    while True:
        total, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for images, labels in zip(data.images.split(batch_size), data.labels.split(batch_size), strict=True):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                outputs = model(data.batch(images, memory_format))
            total += F.cross_entropy(outputs.float(), labels, reduction="sum")
            correct += (outputs.argmax(dim=1) == labels).sum()
            yield len(labels)


def keep_freed_memory() -> None:
    """Tell glibc, where there is one, to keep freed blocks."""
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)


def optimizer_of(name: str, model: nn.Module, *, fused: bool) -> torch.optim.Optimizer:
    """The tutorial's; fused updates all weights in one kernel."""
    if name == "mnist":
        return torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=fused)


def main() -> None:
    parser = timed_arguments(__doc__)
    numbered = ", ".join(f"{number} {trick}" for number, trick in enumerate(RUNGS, start=1))
    parser.add_argument("--rung", type=int, default=5, help=f"tricks up to this one: {numbered}")
    arguments = parser.parse_args()
    tricks = set(RUNGS[: arguments.rung])
    if "keep freed memory" in tricks:
        keep_freed_memory()
    small = arguments.set == "mnist"
    model = networks.reference_001(pool_first="pool before ReLU" in tricks) if small else networks.resnet18_cifar()
    memory_format = torch.channels_last if "channels_last" in tricks else torch.contiguous_format
    model = model.to(memory_format=memory_format)
    data = resident(arguments.set, arguments.root, train=arguments.phase == "train")
    bf16 = "bf16" in tricks
    if arguments.phase == "train":
        optimizer = optimizer_of(arguments.set, model, fused="fused optimizer" in tricks)
        augment = None if small else crop_and_flip
        steps = train(model, data, arguments.batch_size, optimizer, augment, memory_format, bf16)
    else:
        steps = evaluate(model, data, EVALUATION_BATCH[arguments.set], memory_format, bf16)
    print_measured(images_per_second(steps, arguments.seconds))


if __name__ == "__main__":
    main()
