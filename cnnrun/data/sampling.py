"""Which samples an epoch draws, where that is not each of them once."""

import torch
from torch import Tensor


def balanced_order(targets: Tensor, generator: torch.Generator) -> Tensor:
    """As many draws as there are samples, from each class equally often or once more, in random order.

    A class is gone through from end to end before one of its samples comes again, each time in another order.

    Args:
        targets: (N,) int64 on the CPU; classes that do not occur get no draw.
    Returns:
        (N,) int64 indices.
    """
    classes = targets.unique()
    share, rest = divmod(len(targets), len(classes))
    once_more = torch.randperm(len(classes), generator=generator) < rest
    draws = []
    for label, more in zip(classes.tolist(), once_more.tolist(), strict=True):
        members = (targets == label).nonzero().flatten()
        wanted = share + more
        rounds = [torch.randperm(len(members), generator=generator) for _ in range(-(-wanted // len(members)))]
        draws += [members[torch.cat(rounds)[:wanted]]] if rounds else []
    order = torch.cat(draws)
    return order[torch.randperm(len(order), generator=generator)]
