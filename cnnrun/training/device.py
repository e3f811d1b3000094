"""Where and how precisely to compute: device, precision, reproducibility, threads, memory."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from cnnrun.errors import CnnrunError, ConfigError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of mallopt(3), from malloc.h."""
INITIAL_THREADS = torch.get_num_threads()
"""What the machine and the environment gave this process, or `take_threads`."""


@dataclass(frozen=True)
class Compute:
    """How tensors are computed in this process."""

    device: torch.device
    precision: str
    """fp32 | bf16 | fp16: what matrix products and convolutions use; the weights are fp32 in any case."""
    channels_last: bool
    compile: bool

    def autocast(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)


@contextmanager
def memory_permitting(device: torch.device) -> Iterator[None]:
    """Raise CnnrunError where the memory of the device, or of the machine, is not enough."""
    try:
        yield
    except RuntimeError as error:
        # The allocator of the CPU has no error of its own.
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise CnnrunError(
            f"{device} has not enough memory for this: take a smaller batch_size, dataset.image_size or model"
        ) from error


def resolve_device(name: str) -> torch.device:
    """`auto` is the first of cuda, mps, cpu that is there; with torchrun each process takes a CUDA device of its own.

    Raises:
        ConfigError: if the device asked for is not there, or not once for each process.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu" if _why_not("mps") else "mps"
    if complaint := _why_not(name):
        raise ConfigError(complaint)
    kind, _, number = name.partition(":")
    return (
        torch.device("cuda", int(number or os.environ.get("LOCAL_RANK", "0"))) if kind == "cuda" else torch.device(kind)
    )


def _why_not(name: str) -> str | None:
    """What stands against computing on cpu, cuda, cuda:1, ... or mps in each process of this machine."""
    kind, _, number = name.partition(":")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    count = torch.cuda.device_count()
    if kind == "mps" and not torch.backends.mps.is_available():
        return f"device={name}: this machine has none; try device=auto"
    if kind == "cuda" and int(number or 0) >= count:
        return f"device={name}: this machine shows {count} CUDA devices; try device=auto"
    if processes > 1 and (kind == "mps" or number):
        other = "cuda" if number else "cpu"
        return f"device={name}: {processes} processes cannot share one device; take device={other}"
    if kind == "cuda" and processes > count:
        return (
            f"torchrun started {processes} processes here, and this machine shows {count} CUDA devices; "
            f"use --nproc-per-node {count}, or device=cpu"
        )
    return None


def resolve_precision(name: str, device: torch.device, *, needs_fp32: bool) -> str:
    """`auto` is bf16 where the hardware multiplies it natively and nothing needs fp32.

    A forecast needs it: the 8 bits of a bf16 are too coarse for a number that is off by 1 %. So do depthwise
    convolutions, which train slower in bf16 than in fp32 (MobileNetV2's tail: 0.7 times the speed).
    """
    if name == "fp16" and device.type != "cuda":
        raise ConfigError("precision=fp16 needs a CUDA device; try precision=bf16 or fp32")
    if name != "auto":
        return name
    return "bf16" if multiplies_bf16(device) and not needs_fp32 else "fp32"


def multiplies_bf16(device: torch.device) -> bool:
    """Whether bf16 is computed natively there (AMX or AVX-512 BF16; compute capability 8.0 and later)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return False


def take_threads(number: int) -> None:
    """What threads=null means from now on in this process, which shares the machine with others."""
    global INITIAL_THREADS
    INITIAL_THREADS = number
    torch.set_num_threads(number)


def prepare(device: torch.device, *, reproducibility: str, threads: int | None) -> None:
    """Set what is global to a process: threads, deterministic algorithms, what glibc does with freed memory.

    The jobs of a sweep share a process: nothing of one may be left to the next.
    """
    if torch.get_num_threads() != (threads or INITIAL_THREADS):
        torch.set_num_threads(threads or INITIAL_THREADS)
    keep_freed_memory()
    exact = reproducibility == "exact"
    # On a CPU the same seed gives the same bytes in any case, and some layers would refuse to train.
    deterministic = exact and device.type == "cuda"
    if torch.are_deterministic_algorithms_enabled() != deterministic:  # setting it imports the compiler
        torch.use_deterministic_algorithms(deterministic)
    if device.type != "cuda":
        return
    torch.cuda.set_device(device)
    if exact:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # It would write a value into all memory that is about to be overwritten.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not exact
    torch.backends.cuda.matmul.allow_tf32 = not exact
    torch.backends.cudnn.allow_tf32 = not exact


def seed_dropout(seed: int, device: torch.device) -> None:
    """Seed what random layers draw from, at each step.

    torch.manual_seed also cares for devices that are not used: 0.2 ms a call where torch has CUDA and the machine none.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks, so that activations do not go back to the kernel at every step.

    Measured on the small CNN of MNIST: 7,400-9,500 images/s in the first epoch without, 15,000 with.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return  # another C library: it has no such setting
    mallopt(M_MMAP_THRESHOLD, 1 << 30)
    mallopt(M_TRIM_THRESHOLD, 1 << 30)


def place(model: nn.Module, compute: Compute) -> nn.Module:
    """Move the model to its device and memory format."""
    model = model.to(compute.device)
    return model.to(memory_format=torch.channels_last) if compute.channels_last else model
