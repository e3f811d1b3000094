"""torch's optimizers as small typed functions, fused wherever that is known to work; a schedule multiplies their lr."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from cnnrun.errors import ConfigError
from cnnrun.values import Probability

Parameters = Iterable[Tensor | dict[str, Any]]
"""Tensors, or groups of them as torch's optimizers take them, such as `parameter_groups` makes."""

Betas = Annotated[list[Probability], Field(min_length=2, max_length=2)]
"""How slowly the means of the gradient and of its square forget."""


DECORATED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods of torch's optimizers, beside `step`, that would import the compiler."""


def parameter_groups(model: nn.Module, lr_scales: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """The parameters that train, those with the same factor of the learning rate in one group.

    Args:
        lr_scales: factors by the names of parameters; 1 for the others.
    Returns:
        groups with "params" and "lr_scale", that of the largest factor first.
    """
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((lr_scales or {}).get(name, 1.0), []).append(parameter)
    return [{"params": groups[scale], "lr_scale": scale} for scale in sorted(groups, reverse=True)]


def sgd(
    parameters: Parameters,
    *,
    lr: PositiveFloat,
    momentum: Probability,
    nesterov: bool,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """Raises: ConfigError: for nesterov without momentum."""
    if nesterov and not momentum:
        raise ConfigError(
            "optimizer.nesterov=true: looks ahead along the momentum, and optimizer.momentum is 0; "
            "set optimizer.momentum=0.9 or optimizer.nesterov=false"
        )
    parameters = list(parameters)
    fused = _can_fuse(parameters)
    return eager(SGD)(parameters, lr, momentum, weight_decay=weight_decay, nesterov=nesterov, fused=fused)


def adam(
    parameters: Parameters, *, lr: PositiveFloat, betas: Betas, eps: PositiveFloat, weight_decay: NonNegativeFloat
) -> Optimizer:
    """Its weight decay is a term of the loss (L2), as in the original; `adamw` decays the weights themselves."""
    parameters = list(parameters)
    beta1, beta2 = betas
    return eager(Adam)(parameters, lr, (beta1, beta2), eps, weight_decay, fused=_can_fuse(parameters))


def adamw(
    parameters: Parameters, *, lr: PositiveFloat, betas: Betas, eps: PositiveFloat, weight_decay: NonNegativeFloat
) -> Optimizer:
    parameters = list(parameters)
    beta1, beta2 = betas
    return eager(AdamW)(parameters, lr, (beta1, beta2), eps, weight_decay, fused=_can_fuse(parameters))


def rmsprop(
    parameters: Parameters,
    *,
    lr: PositiveFloat,
    alpha: Probability,
    momentum: Probability,
    eps: PositiveFloat,
    weight_decay: NonNegativeFloat,
) -> Optimizer:
    """torch has no fused one."""
    return eager(RMSprop)(list(parameters), lr, alpha, eps, weight_decay, momentum)


@cache
def eager(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    """The optimizer without torch's decorators, which only matter to a compiler and import all of it at the first call.

    That takes as long as torch itself, most of the time of a small run. Nothing here compiles an optimizer.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in DECORATED}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(inspect.unwrap(kind.step))})


def _can_fuse(parameters: list[Tensor | dict[str, Any]]) -> bool:
    """Whether one kernel can update all parameters; elsewhere torch loops over them."""
    tensors = (tensor for part in parameters for tensor in (part["params"] if isinstance(part, dict) else [part]))
    return all(tensor.device.type in ("cpu", "cuda") and torch.is_floating_point(tensor) for tensor in tensors)
