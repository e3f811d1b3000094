"""A training whose numbers are no longer numbers, in a sentence."""

import torch

from cnnrun.errors import Diverged
from cnnrun.training.state import State


def diverged(what: str, value: float, state: State, steps: int) -> Diverged:
    """The error that says what became NaN or infinite, where, and what to try.

    Args:
        what: the number. value: what it became. steps: of an epoch.
    """
    broken = [name for name, weights in state.model.named_parameters() if not torch.isfinite(weights).all()]
    found = f"weights that are no longer finite: {', '.join(broken[:3])}" if broken else "all weights are still finite"
    return Diverged(
        f"{what} became {value} in epoch {state.progress.epoch + 1}, by step {state.progress.step} of {steps} "
        f"(lr {state.optimizer.param_groups[0]['lr']:g}; {found}); try a lower optimizer.lr, or grad_clip=1"
    )
