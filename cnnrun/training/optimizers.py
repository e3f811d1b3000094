"""torch's optimizers as small typed functions, fused wherever that is known to work; a schedule multiplies their lr."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from cnnrun.errors import ConfigError
from cnnrun.values import Probability

Betas = Annotated[list[Probability], Field(min_length=2, max_length=2)]
"""How slowly the means of the gradient and of its square forget."""


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
    return SGD(parameters, lr, momentum, weight_decay=weight_decay, nesterov=nesterov, fused=fused)


def adam(
    parameters: Iterable[Tensor], *, lr: PositiveFloat, betas: Betas, eps: PositiveFloat, weight_decay: NonNegativeFloat
) -> Optimizer:
    """Its weight decay is a term of the loss (L2), as in the original; `adamw` decays the weights themselves."""
    parameters = list(parameters)
    beta1, beta2 = betas
    return Adam(parameters, lr, (beta1, beta2), eps, weight_decay, fused=_can_fuse(parameters))


def adamw(
    parameters: Iterable[Tensor], *, lr: PositiveFloat, betas: Betas, eps: PositiveFloat, weight_decay: NonNegativeFloat
) -> Optimizer:
    parameters = list(parameters)
    beta1, beta2 = betas
    return AdamW(parameters, lr, (beta1, beta2), eps, weight_decay, fused=_can_fuse(parameters))


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
    return RMSprop(list(parameters), lr, alpha, eps, weight_decay, momentum)


def _can_fuse(parameters: list[Tensor]) -> bool:
    """Whether one kernel can update all parameters; elsewhere torch loops over them."""
    return all(p.device.type in ("cpu", "cuda") and torch.is_floating_point(p) for p in parameters)
