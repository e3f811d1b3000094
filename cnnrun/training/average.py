"""An exponential moving average of a model's weights."""

import copy
from typing import Any

import torch
from torch import nn


class Average:
    """A copy of the model that follows it: average = decay * average + (1 - decay) * weights, after each step.

    The decay grows from 2 / 11 to its final value, as (1 + step) / (10 + step), so that short runs are not held back by
    their first weights. Buffers (BatchNorm's statistics) are copied. Frozen weights do not move.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        ours, theirs = dict(self.model.named_parameters()), dict(model.named_parameters())
        self._averages: list[Any] = [ours[name] for name in trainable]
        self._weights: list[Any] = [theirs[name] for name in trainable]
        self._buffers: dict[torch.dtype, tuple[list[Any], list[Any]]] = {}
        for our, their in zip(self.model.buffers(), model.buffers(), strict=True):
            copies, originals = self._buffers.setdefault(their.dtype, ([], []))
            copies.append(our)
            originals.append(their)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights. `step` counts optimizer updates, 1 for the first."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, self._weights, 1 - decay)
        for copies, originals in self._buffers.values():  # of one type each: only such are copied in one go
            torch._foreach_copy_(copies, originals)
