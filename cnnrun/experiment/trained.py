"""The experiment of a run: with the weights of its checkpoint, on data that are prepared as it was trained with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cnnrun.data.splits import Data
from cnnrun.downloads import Report
from cnnrun.errors import DataError
from cnnrun.experiment.building import build
from cnnrun.experiment.datasets import stored_data
from cnnrun.experiment.experiment import Experiment
from cnnrun.run import Run
from cnnrun.training import checkpoints


def from_run(
    run: Run, config: dict[str, Any], device: torch.device, checkpoint: str, report: Report, moved: dict[str, str]
) -> Experiment:
    """The experiment of a run, with the weights of its checkpoint and the preprocessing that it was trained with.

    Args:
        moved: where the data set is now, as for `stored_data`.
    Raises:
        ConfigError: if the run has no such checkpoint.
        DataError: if the checkpoint is broken, or the data set has other classes than the run was trained on.
    """
    run.require_checkpoint(checkpoint)  # before anything is read
    stored = run.preprocessing
    data = stored_data(config, moved, report, class_names_in(stored))
    try:
        data = data.with_preprocessing(stored)
    except DataError as error:
        raise DataError(f"{run.path}: {error}") from error
    return with_weights(run, config, data, device, checkpoint)


def class_names_in(stored: dict[str, Any]) -> list[str] | None:
    """The classes that the preprocessing of a run names; None where it names none, or something else."""
    names = stored.get("class_names")
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def with_weights(run: Run, config: dict[str, Any], data: Data, device: torch.device, checkpoint: str) -> Experiment:
    """The experiment of a run on data that were prepared as its own, with the weights of its checkpoint.

    Raises:
        ConfigError: if the run has no such checkpoint.
        DataError: if the checkpoint is broken.
    """
    folder = run.require_checkpoint(checkpoint)
    experiment = build(config, data, device, pretrained=False)
    epoch = load_weights(experiment.model, folder)
    return replace(experiment.with_modes_as_they_are(), epoch=epoch)


def load_weights(model: nn.Module, checkpoint: Path) -> int | None:
    """Put a checkpoint's weights into the model: the moving average, where the checkpoint holds one.

    Returns:
        its epoch, if it tells.
    Raises:
        DataError: if they belong to another model.
    """
    tensors, values = checkpoints.read(checkpoint)
    try:
        model.load_state_dict(tensors["average" if "average" in tensors else "model"])
    except (KeyError, RuntimeError) as error:
        first = next(iter(str(error).splitlines()[1:]), str(error)).strip()
        raise DataError(
            f"checkpoint {checkpoint} does not fit the model of its config.yaml, which may have been changed: {first}"
        ) from error
    progress = values.get("progress", values)
    epoch = progress.get("epoch") if isinstance(progress, dict) else None
    return epoch if isinstance(epoch, int) else None
