"""Images to another size, in pieces, and never into more memory than there is."""

import os
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnrun.errors import DataError

CHUNK_BYTES = 1 << 26
"""Of result that are made at a time, so that what the resizing itself needs stays small beside the whole."""


def resize(images: Tensor, size: int | None) -> Tensor:
    """(N, C, H, W) uint8 to (N, C, size, size) uint8, bilinear and antialiased; None leaves them as they are.

    torch's own arithmetic on bytes, four times as fast as in float32 and off by at most 1 of 255, as PIL is.

    Raises:
        DataError: if the result would not fit into the memory that is free.
    """
    num_samples, num_channels, height, width = images.shape
    if size is None or (height, width) == (size, size):
        return images
    refuse_too_large(num_samples * num_channels * size * size, f"dataset.image_size={size}")
    resized = torch.empty(num_samples, num_channels, size, size, dtype=torch.uint8)
    chunk = max(1, CHUNK_BYTES // (num_channels * size * size))
    for start in range(0, num_samples, chunk):
        piece = images[start : start + chunk]
        resized[start : start + chunk] = F.interpolate(piece, size=(size, size), mode="bilinear", antialias=True)
    return resized


def refuse_too_large(num_bytes: int, setting: str) -> None:
    """Raise DataError, naming the setting, where the bytes do not fit into the memory that is free."""
    free = available_memory()
    if free is not None and num_bytes > free:
        raise DataError(
            f"{setting}: the images would take {num_bytes:,} bytes of memory and {free:,} are free; "
            "take a smaller dataset.image_size or a dataset.limit"
        )


def available_memory() -> int | None:
    """Bytes that this process can still take, by the kernel's estimate and its cgroup's limit; None if not known."""
    bounds = [bound for bound in (_kernel_estimate(), _cgroup_rest()) if bound is not None]
    return min(bounds, default=None)


def _kernel_estimate() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return _free_pages()


def _free_pages() -> int | None:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _cgroup_rest() -> int | None:
    """What memory.max leaves, file cache counted as free, since the kernel drops it first."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        cached = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())["inactive_file"]
        return max(0, limit - used + int(cached))
    except (OSError, ValueError, KeyError):
        return None
