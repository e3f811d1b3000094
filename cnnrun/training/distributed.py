"""What `torchrun` adds: one process a device, each with its share of every batch.

Whatever waits for the other processes must be reached by all of them equally often; such functions say so.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from cnnrun.errors import CnnrunError, ConfigError, ToldElsewhere

T = TypeVar("T")

AGREE_EVERY = 8
"""Steps between two agreements: an agreement waits for all devices."""
PARTING = timedelta(seconds=20)
"""How long a process that met an error waits for the others, which have mostly met it too, and may still be saving."""


def world_size() -> int:
    """Processes that train together; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", 1))


def rank() -> int:
    return int(os.environ.get("RANK", 0))


def is_first() -> bool:
    """Whether this is the process that writes files and speaks."""
    return rank() == 0


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Join the other processes, if there are any, and part from them in the end.

    A process that leaves early breaks connections on which another one may still rely: gloo then aborts that one, and
    torchrun reports the abort instead of the error. So they leave together, after an error too if all have met it.
    """
    if world_size() == 1:
        yield
        return
    if "MASTER_ADDR" not in os.environ:
        raise ConfigError(
            f"the environment says WORLD_SIZE={world_size()}, but not where to meet (MASTER_ADDR); "
            "start several processes with torchrun, or unset WORLD_SIZE"
        )
    store, _, _ = next(dist.rendezvous("env://"))
    on_gpu = device.type == "cuda"
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=store,
        rank=rank(),
        world_size=world_size(),
        device_id=device if on_gpu else None,
    )
    try:
        yield
    except CnnrunError:
        if _all_part(store):
            dist.destroy_process_group()
        raise
    _part(store)
    dist.destroy_process_group()


def _part(store: dist.Store) -> None:
    store.set(f"parting/{rank()}", "")


def _all_part(store: dist.Store) -> bool:
    """Wait for the others to part too; False if some do not, since they wait for what this process will never do."""
    with suppress(dist.DistError):
        _part(store)
        store.wait([f"parting/{other}" for other in range(world_size())], PARTING)
        return True
    return False


def synchronise_batch_norm(model: nn.Module, device: torch.device) -> None:
    """Let batch normalisation inside a model take its statistics over all processes, where the device can (CUDA).

    It puts other modules in their place, so it comes before any view of the model that shares modules with it.
    """
    if world_size() > 1 and device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)


def wrap(model: nn.Module, device: torch.device) -> nn.Module:
    """Average the gradients over the processes."""
    if world_size() == 1:
        return model
    return nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def total(values: Tensor) -> Tensor:
    """The sum over the processes, in place, on each of them; all must call it."""
    if world_size() > 1:
        dist.all_reduce(values)
    return values


def of_each(value: Tensor) -> Tensor:
    """(processes,) what each holds of a number (), on each of them; all must call it."""
    values = value.new_zeros(world_size())
    values[rank()] = value
    return total(values)


def share_buffers(model: nn.Module) -> None:
    """Give each process the buffers of the first, such as batch statistics that each took from its own samples.

    All must call it.
    """
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def on_first(action: Callable[[], T]) -> T:
    """Do something in the first process: each gets its result, or fails with its error. All must call it.

    Raises:
        CnnrunError: what the action raised.
        ToldElsewhere: the same, in the other processes.
    """
    if world_size() == 1:
        return action()
    result: Any = None
    error: CnnrunError | None = None
    if is_first():
        try:
            result = action()
        except CnnrunError as raised:
            error = raised
    told = [result, None if error is None else (str(error), error.exit_code)]
    dist.broadcast_object_list(told)
    if error is not None:
        raise error
    if told[1] is not None:
        raise ToldElsewhere(*told[1])
    return told[0]


def first_then_others(action: Callable[[], T]) -> T:
    """Do something in the first process, and once it has succeeded in the others, too: they find what it made.

    Each gets its own result. All must call it. Raises: as `on_first`.
    """
    results: list[T] = []
    on_first(lambda: results.append(action()))
    return results[0] if results else action()


def most_urgent(wish: int, device: torch.device) -> int:
    """The largest wish of any process, on each of them; all must call it."""
    if world_size() == 1:
        return wish
    wishes = torch.tensor(wish, device=device)
    dist.all_reduce(wishes, dist.ReduceOp.MAX)
    return int(wishes.item())
