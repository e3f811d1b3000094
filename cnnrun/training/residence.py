"""What lies on a device beside the network: whatever takes no more than half of what is free there at that time."""

from collections.abc import Iterable, Iterator

import torch

from cnnrun import caches
from cnnrun.data.splits import Split


def room(device: torch.device) -> int:
    """Bytes that one thing may take there, and leave as many for all that comes later."""
    if device.type != "cuda":
        return caches.free_memory() // 4  # which others use, too, and the system for the files that are read
    freed = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch gives it back if it must
    return (torch.cuda.mem_get_info(device)[0] + freed) // 2


def settled(split: Split, device: torch.device) -> Split:
    """The split on the device, or where it is if it is too large: its batches are copied there then.

    Each process decides for itself, since the batches are the same.
    """
    return split.to(device) if split.inputs.device == device or _nbytes(split) <= room(device) else split


def remarks(splits: Iterable[Split], device: torch.device) -> Iterator[str]:
    """Which of the splits are too large for the device, a sentence."""
    left = [split for split in splits if split.inputs.device.type != device.type]
    if left:
        names = " and ".join(split.name for split in left)
        gigabytes = sum(map(_nbytes, left)) / 1e9
        yield (
            f"{names} {'take' if len(left) > 1 else 'takes'} {gigabytes:,.1f} GB, too much for {device} beside the "
            "network, so each batch is copied there as it is needed"
        )


def _nbytes(split: Split) -> int:
    """What its inputs would take there: without the rows of other splits, and what windows overlap in once."""
    return min(len(split) * split.inputs[:1].nbytes, split.inputs.untyped_storage().nbytes())
