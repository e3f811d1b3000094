"""Batch normalisation with fixed statistics is a scale and a shift, which the layer before it can do, too."""

import copy
import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from cnnrun.training.tracing import Trace, called_once, trace

TOLERANCE = 1e-4
"""How far a folded network may be from itself, of its largest output."""

Pair = tuple[str, str]
"""Names of a convolution or linear layer, and of the batch normalisation that alone uses what it makes."""


def foldable(watched: Trace, until: float = math.inf) -> Iterator[Pair]:
    """The pairs of a network whose forward was watched, up to a time of it."""
    calls = [call for call in called_once(watched.calls) if call.ended <= until]
    makers = {
        call.result: call
        for call in calls
        if call.result and isinstance(call.module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear)
    }
    for call in calls:
        if isinstance(call.module, _BatchNorm) and call.entry in makers and watched.uses(call.entry) == 1:
            yield makers[call.entry].name, call.name


def folded(network: nn.Module, pairs: Iterable[Pair], probe: Tensor) -> nn.Module | None:
    """A copy of a network in eval mode with these pairs folded; None if there are none, or it would not be the same.

    Args: probe: samples to compare both on.
    """
    pairs = list(pairs)
    if not pairs:
        return None
    twin = copy.deepcopy(network)
    for layer_name, norm_name in pairs:
        layer: Any = twin.get_submodule(layer_name)
        norm: Any = twin.get_submodule(norm_name)
        fuse: Any = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
        twin.set_submodule(layer_name, fuse(layer, norm))
        twin.set_submodule(norm_name, nn.Identity())
    return twin if _agree(twin, network, probe) else None


def fold(network: nn.Module, probe: Tensor) -> nn.Module:
    """A network in eval mode with all batch normalisation folded that can be; itself where none can."""
    try:
        watched = trace(network, probe)
    except RuntimeError:  # no gradient leads from its output to the samples
        return network
    twin = folded(network, foldable(watched), probe)
    return network if twin is None else twin


@torch.no_grad()
def _agree(twin: nn.Module, network: nn.Module, probe: Tensor) -> bool:
    ours, theirs = twin(probe), network(probe)
    return bool((ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max())
