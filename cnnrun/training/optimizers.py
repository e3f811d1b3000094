"""torch's optimizers as small typed functions, fused wherever that is known to work; a schedule multiplies their lr."""

import inspect
from collections.abc import Callable, Iterable
from functools import cache
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from cnnrun.errors import ConfigError
from cnnrun.values import Probability

Betas = Annotated[list[Probability], Field(min_length=2, max_length=2)]
"""How slowly the means of the gradient and of its square forget."""


DECORATED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods of torch's optimizers, beside `step`, that would import the compiler."""


def sgd(
    parameters: Iterable[Tensor],
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
    parameters: Iterable[Tensor], *, lr: PositiveFloat, betas: Betas, eps: PositiveFloat, weight_decay: NonNegativeFloat
) -> Optimizer:
    """Its weight decay is a term of the loss (L2), as in the original; `adamw` decays the weights themselves."""
    parameters = list(parameters)
    beta1, beta2 = betas
    return eager(Adam)(parameters, lr, (beta1, beta2), eps, weight_decay, fused=_can_fuse(parameters))


def adamw(
    parameters: Iterable[Tensor], *, lr: PositiveFloat, betas: Betas, eps: PositiveFloat, weight_decay: NonNegativeFloat
) -> Optimizer:
    parameters = list(parameters)
    beta1, beta2 = betas
    return eager(AdamW)(parameters, lr, (beta1, beta2), eps, weight_decay, fused=_can_fuse(parameters))


def rmsprop(
    parameters: Iterable[Tensor],
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


def _can_fuse(parameters: list[Tensor]) -> bool:
    """Whether one kernel can update all parameters; elsewhere torch loops over them."""
    return all(p.device.type in ("cpu", "cuda") and torch.is_floating_point(p) for p in parameters)
