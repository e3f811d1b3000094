"""What `torchrun` adds: one process a device, each with its share of every batch."""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn

STOP_EVERY = 8
"""Steps between two agreements on stopping: an agreement waits for all devices."""


def world_size() -> int:
    """Processes that train together; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", 1))


def rank() -> int:
    return int(os.environ.get("RANK", 0))


def is_first() -> bool:
    """Whether this is the process that writes files and speaks."""
    return rank() == 0


def start(device: torch.device) -> None:
    """Join the other processes, if there are any."""
    if world_size() == 1 or dist.is_initialized():
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def end() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def wrap(model: nn.Module, device: torch.device) -> nn.Module:
    """Average the gradients over the processes; batch statistics too where the device can (CUDA)."""
    if world_size() == 1:
        return model
    if device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def total(values: Tensor) -> Tensor:
    """The sum over the processes, on each of them."""
    if world_size() > 1:
        dist.all_reduce(values)
    return values


def from_first(value: object) -> object:
    """What the first process holds, on each of them."""
    if world_size() == 1:
        return value
    holder = [value]
    dist.broadcast_object_list(holder)
    return holder[0]


def agree(wish: bool, step: int, device: torch.device) -> bool:
    """Whether any process wishes it; asked every STOP_EVERY steps, so that all stop after the same one."""
    if world_size() == 1:
        return wish
    if step % STOP_EVERY:
        return False
    return bool(total(torch.tensor([float(wish)], device=device)).item() > 0)
