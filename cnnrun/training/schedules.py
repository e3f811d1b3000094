"""Learning rates over a training, as a factor of `optimizer.lr` for each step, in closed form.

A schedule is its shape times a ramp: with W warm-up steps, step s (0 for the first) has min(1, (s + 1) / W).
"""

import math
from collections.abc import Callable
from typing import Any

from pydantic import NonNegativeFloat, PositiveInt

from cnnrun.errors import ConfigError
from cnnrun.values import Fraction, Probability


class Schedule:
    """The factor of each step; this one depends on nothing but the step, so it has no state to save."""

    def __init__(self, shape: Callable[[int], float], warmup_steps: int) -> None:
        self._shape = shape
        self._warmup_steps = warmup_steps

    def lr_factor(self, step: int) -> float:
        """What `optimizer.lr` is multiplied with at a step, 0 for the first."""
        ramp = min(1.0, (step + 1) / self._warmup_steps) if self._warmup_steps else 1.0
        return ramp * self._shape(step)

    def observe(self, value: float, higher_is_better: bool) -> None:
        """Take note of the monitored validation metric, after each epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


def constant(total_steps: int, steps_per_epoch: int, *, warmup_epochs: NonNegativeFloat) -> Schedule:
    return Schedule(lambda step: 1.0, _warmup_steps(warmup_epochs, steps_per_epoch, total_steps))


def cosine(
    total_steps: int, steps_per_epoch: int, *, warmup_epochs: NonNegativeFloat, final_factor: Probability
) -> Schedule:
    """Half a cosine from 1 at the end of the warm-up to `final_factor` after the last step (SGDR without restarts)."""
    warmup_steps = _warmup_steps(warmup_epochs, steps_per_epoch, total_steps)

    def shape(step: int) -> float:
        return _half_cosine(1.0, final_factor, (step - warmup_steps) / (total_steps - warmup_steps))

    return Schedule(shape, warmup_steps)


def step(
    total_steps: int,
    steps_per_epoch: int,
    *,
    warmup_epochs: NonNegativeFloat,
    milestones: PositiveInt | list[PositiveInt],
    gamma: Fraction,
) -> Schedule:
    """Times `gamma` after each of the milestones: epochs, or one number for every so many epochs."""

    def shape(step: int) -> float:
        epochs = step // steps_per_epoch
        if isinstance(milestones, int):
            return float(gamma ** (epochs // milestones))
        return float(gamma ** sum(milestone <= epochs for milestone in milestones))

    return Schedule(shape, _warmup_steps(warmup_epochs, steps_per_epoch, total_steps))


def onecycle(
    total_steps: int,
    steps_per_epoch: int,
    *,
    warmup_epochs: NonNegativeFloat,
    rise: Fraction,
    start_factor: Fraction,
    final_factor: Probability,
) -> Schedule:
    """Up from `start_factor` to 1 in the share `rise` of the steps, then down to `final_factor`, each half a cosine.

    torch's OneCycleLR with pct_start = rise, div_factor = 1 / start_factor and final_div_factor = start_factor /
    final_factor, without its cycling of the momentum. It has a warm-up of its own: `warmup_epochs` only steepens it.
    """
    peak = rise * total_steps - 1

    def shape(step: int) -> float:
        if step < peak:
            return _half_cosine(start_factor, 1.0, step / peak)
        return _half_cosine(1.0, final_factor, (step - peak) / (total_steps - 1 - peak))

    return Schedule(shape, _warmup_steps(warmup_epochs, steps_per_epoch, total_steps))


class Plateau(Schedule):
    """Times `factor` whenever the monitor has been `patience` epochs without a new best: torch's patience + 1."""

    def __init__(
        self,
        total_steps: int,
        steps_per_epoch: int,
        *,
        warmup_epochs: NonNegativeFloat,
        factor: Fraction,
        patience: PositiveInt,
        min_factor: Probability,
    ) -> None:
        super().__init__(lambda step: self._current, _warmup_steps(warmup_epochs, steps_per_epoch, total_steps))
        self._factor = factor
        self._patience = patience
        self._min_factor = min_factor
        self._current = 1.0
        self._best: float | None = None
        self._bad_epochs = 0

    def observe(self, value: float, higher_is_better: bool) -> None:
        if self._best is None or (value > self._best if higher_is_better else value < self._best):
            self._best = value
            self._bad_epochs = 0
            return
        self._bad_epochs += 1
        if self._bad_epochs >= self._patience:
            self._current = max(self._current * self._factor, self._min_factor)
            self._bad_epochs = 0

    def state_dict(self) -> dict[str, Any]:
        return {"current": self._current, "best": self._best, "bad_epochs": self._bad_epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._current = state["current"]
        self._best = state["best"]
        self._bad_epochs = state["bad_epochs"]


def _half_cosine(start: float, end: float, share: float) -> float:
    """From start at share 0 to end at share 1, and flat outside."""
    return end + (start - end) * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2


def _warmup_steps(warmup_epochs: float, steps_per_epoch: int, total_steps: int) -> int:
    """Raises: ConfigError: if the warm-up would take the whole training."""
    steps = round(warmup_epochs * steps_per_epoch)
    if steps >= total_steps:
        raise ConfigError(
            f"scheduler.warmup_epochs={warmup_epochs:g}: the whole training has {total_steps / steps_per_epoch:g} "
            f"epochs; the warm-up must be shorter"
        )
    return steps
