"""Everything that moves while training: saved at any step, loaded to go on from exactly there."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from pydantic import ConfigDict, NonNegativeFloat, NonNegativeInt, TypeAdapter, ValidationError
from torch import Tensor, nn

from cnnrun.errors import DataError
from cnnrun.training import distributed
from cnnrun.training.average import Average
from cnnrun.training.device import Compute
from cnnrun.training.schedules import Schedule


@dataclass
class Progress:
    """Plain values of the state: how far it is, and what was best."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    epoch: NonNegativeInt = 0
    """Finished epochs."""
    step: NonNegativeInt = 0
    """Finished steps of the epoch that is running."""
    updates: NonNegativeInt = 0
    """Optimizer steps in all."""
    seconds: NonNegativeFloat = 0.0
    epoch_seconds: NonNegativeFloat = 0.0
    """Of the training steps of the epoch that is running."""
    best: float | None = None
    """The monitor at its best."""
    best_epoch: NonNegativeInt = 0
    reference: float | None = None
    """The monitor that the next improvement must beat by min_delta."""
    waited: NonNegativeInt = 0
    """Epochs since that improvement."""
    history: list[dict[str, int | float]] = field(default_factory=list)


class State:
    """Model, optimizer, schedule, moving average and progress, as one thing to save and load."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        compute: Compute,
        ema: float | None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule
        self.average = Average(model, ema) if ema is not None else None
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.precision == "fp16")
        self.progress = Progress()
        exact = torch.float32 if compute.device.type == "mps" else torch.float64
        self.loss_sum = torch.zeros((), dtype=exact, device=compute.device)
        self.correct = torch.zeros((), dtype=torch.int64, device=compute.device)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"] * group.get("lr_scale", 1.0)

    @property
    def judged(self) -> nn.Module:
        """The model that is validated and kept as best: the moving average where there is one."""
        return self.average.model if self.average else self.model

    def set_lr(self, step: int) -> None:
        """Give the optimizer the learning rate of a step, 0 for the first."""
        factor = self.schedule.lr_factor(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """File stem -> name -> tensor. All processes must call it: their sums over the running epoch are gathered."""
        return self.weights() | {
            "optimizer": {
                f"{index}.{key}": value
                for index, entries in self.optimizer.state_dict()["state"].items()
                for key, value in entries.items()
                if isinstance(value, Tensor)
            },
            "sums": {"loss": distributed.of_each(self.loss_sum), "correct": distributed.of_each(self.correct)},
        }

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """The part of `tensors` that makes predictions."""
        average = {"average": dict(self.average.model.state_dict())} if self.average else {}
        return {"model": dict(self.model.state_dict())} | average

    def values(self) -> dict[str, Any]:
        """The rest, plain JSON values."""
        return {
            "progress": asdict(self.progress),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load(self, tensors: dict[str, dict[str, Tensor]], values: dict[str, Any]) -> None:
        """Take back what `tensors` and `values` gave.

        Raises:
            DataError: if they belong to another model or optimizer.
        """
        try:
            self.model.load_state_dict(tensors["model"])
            if self.average:
                self.average.model.load_state_dict(tensors["average"])
            self._load_optimizer(tensors["optimizer"])
            self.loss_sum.copy_(_own(tensors["sums"]["loss"]))
            self.correct.copy_(_own(tensors["sums"]["correct"]))
            self.schedule.load_state_dict(values["schedule"])
            self.scaler.load_state_dict(values["scaler"])
            self.progress = _checked(values["progress"])
            # That of the step before: an epoch of which no step is left still records it.
            self.set_lr(max(self.progress.updates - 1, 0))
        except (KeyError, RuntimeError, TypeError, ValueError, IndexError) as error:
            raise DataError(f"the checkpoint does not fit this model: {error}") from error

    def _load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        """Give torch its state back, then each tensor its parameter's memory format (fused kernels walk both alike)."""
        entries: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, key = name.partition(".")
            entries.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({"state": entries, "param_groups": self.optimizer.state_dict()["param_groups"]})
        for parameter, named in self.optimizer.state.items():
            for key, value in named.items():
                if isinstance(value, Tensor) and value.ndim and value.shape == parameter.shape:
                    named[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _checked(progress: Any) -> Progress:
    """What a stranger's state.json says, if it is what `values` could have written.

    Raises:
        DataError: names the first value that is not.
    """
    try:
        return TypeAdapter(Progress).validate_json(json.dumps(progress), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, ("progress", *first["loc"])))
        raise DataError(f"the checkpoint's {name} is {first['input']!r}: {first['msg']}") from error


def _own(sums: Tensor) -> Tensor:
    """This process's part () of the sums of each (processes,); the first takes all if there were more or fewer."""
    if len(sums) == distributed.world_size():
        return sums[distributed.rank()]
    return sums.sum() if distributed.is_first() else sums.new_zeros(())
