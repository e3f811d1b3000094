"""Parts and commands without torch, for the tests of the command line: a run is done in no time."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from cnnrun.errors import DataError, Interrupted
from cnnrun.run import Run
from cnnrun.tables import RESULTS
from cnnrun.values import Probability

CALLS = []
"""(config, invocation) of each time that a command was called."""
ENDS = {}
"""How a training with that seed ends, or an evaluation of that split; a missing one ends well."""


class Net:
    def __init__(self, input_shape, num_outputs, **settings):
        self.facts = (input_shape, num_outputs)
        self.settings = settings


class CNN(Net):
    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        channels: Annotated[list[PositiveInt], Field(min_length=1)],
        kernel_size: PositiveInt | list[PositiveInt],
        pooling: Literal["max", "avg", "none"],
        dropout: Probability,
        note: str | None,
    ):
        super().__init__(input_shape, num_outputs, channels=channels, kernel_size=kernel_size, pooling=pooling)


class MLP(Net):
    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, *, hidden: list[PositiveInt], dropout: float):
        super().__init__(input_shape, num_outputs, hidden=hidden, dropout=dropout)


def dataset(*, root: str, image_size: PositiveInt | None):
    return root


def augment(*, flip: bool):
    return flip


def task(*, label_smoothing: Probability):
    return label_smoothing


def adam(parameters, *, lr: PositiveFloat):
    return lr


def sgd(parameters, *, lr: PositiveFloat, momentum: Probability):
    return lr, momentum


def cosine(total_steps, steps_per_epoch, *, warmup_epochs: NonNegativeInt):
    return total_steps


DATASETS = {"digits": "toy_parts:dataset"}
AUGMENTS = {"batch": "toy_parts:augment"}
MODELS = {"cnn": "toy_parts:CNN", "mlp": "toy_parts:MLP"}
TASKS = {"classification": "toy_parts:task"}
OPTIMIZERS = {"adam": "toy_parts:adam", "sgd": "toy_parts:sgd"}
SCHEDULERS = {"cosine": "toy_parts:cosine"}


def train(config, invocation):
    """Write a run whose accuracy grows with the seed."""
    CALLS.append((config, invocation))
    end = ENDS.get(config["seed"])
    if end == "no data":
        raise DataError("data/ has no digits")
    if end == "ctrl-c at once":
        raise KeyboardInterrupt
    if end == "terminated at once":
        os.kill(os.getpid(), signal.SIGTERM)
    if end == "terminated in a library":
        with suppress(Exception):
            os.kill(os.getpid(), signal.SIGTERM)
    run = Run.open(Path(config["resume"])) if config["resume"] else Run.create(invocation.output_dir, config)
    run.update(
        command="train",
        overrides=invocation.overrides,
        choices=invocation.choices,
        monitor="val/accuracy",
        higher_is_better=True,
    )
    try:
        if end == "bug":
            raise ZeroDivisionError("division by zero")
        if end in ("interrupted", "ctrl-c"):
            run.checkpoint("last").mkdir(parents=True, exist_ok=True)
        if end == "interrupted":
            raise Interrupted("stopped in epoch 1")
        if end == "ctrl-c":
            raise KeyboardInterrupt
        accuracy = 0.9 + config["seed"] / 100
        rows = [(split, "accuracy", accuracy - drop) for split, drop in (("val", 0), ("test", 0.05))]
        run.write_rows(RESULTS, [dict(zip(("split", "metric", "value"), row, strict=True)) for row in rows])
        run.update(status="finished", seconds=1.5, best_value=accuracy)
    except BaseException as error:
        run.update(status="interrupted" if end in ("interrupted", "ctrl-c") else "failed", reason=str(error))
        raise
    finally:
        run.close()


def evaluate(config, invocation):
    """Copy the results of the split, where the run exists."""
    CALLS.append((config, invocation))
    source = Path(config["run"])
    if source.is_dir():
        run = Run.create(invocation.output_dir, config, of=str(source))
        run.write_rows(RESULTS, [row for row in Run.open(source).results() if row["split"] == config["split"]])
        end = ENDS.get(config["split"], "finished")
        run.update(status=end)
        run.close()
        if end == "interrupted":
            raise Interrupted("stopped by SIGINT")
