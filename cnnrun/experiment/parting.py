"""Where the model of an experiment is parted before its first layer that trains."""

from functools import cached_property
from typing import Any

import torch
from torch import nn

from cnnrun.data.splits import Data
from cnnrun.models.freezing import freezing_of
from cnnrun.training import distributed
from cnnrun.training.cut import find_cut
from cnnrun.training.device import Compute
from cnnrun.training.parted import Parted
from cnnrun.training.parts import Cut


class Parting:
    """A model's parts, found when they are first asked for; all processes must ask together then.

    A cut is tried out in numbers, which two machines may round otherwise. Processes that train other parts would wait
    for each other for ever, so all take the cut that the first one finds.

    Args:
        cache: the settings of what is kept of the frozen part.
    """

    def __init__(self, model: nn.Module, data: Data, compute: Compute, cache: dict[str, Any]) -> None:
        self._model = model
        self._data = data
        self._compute = compute
        self._cache = cache

    @cached_property
    def parted(self) -> Parted | None:
        """The model without its frozen first layers, and what is kept of those; None if that cannot be."""
        cut, _ = self._found
        if cut is None:
            return None
        keeps, views = self._cache["prefix"] == "auto", self._cache["views"]
        fingerprint = self._data.fingerprint
        return Parted(cut, self._model, self._compute, keeps=keeps, views=views, fingerprint=fingerprint)

    @property
    def whole(self) -> str:
        """Why it is not parted, where something is frozen; a sentence."""
        _, why = self._found
        return f"every step computes the whole network: {why}" if why else ""

    @cached_property
    def _found(self) -> tuple[Cut | None, str]:
        return distributed.on_first(self._find)

    def _find(self) -> tuple[Cut | None, str]:
        freezing = freezing_of(self._model)
        generator = torch.Generator().manual_seed(0)
        sample = torch.randn(2, *self._data.input_shape, generator=generator).to(self._compute.device)
        return find_cut(self._model, sample, None if freezing is None else freezing.ever_trains)
