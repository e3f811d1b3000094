"""Builds an experiment from a config and its data, and looks at the model before anything is trained."""

from typing import Any

import torch
from torch import nn

from cnnrun import config as configs
from cnnrun.data.splits import Data
from cnnrun.downloads import Report
from cnnrun.errors import ConfigError
from cnnrun.experiment.experiment import Experiment
from cnnrun.experiment.parting import Parting
from cnnrun.models.layers import feature_map_size, has_trainable_depthwise, layer_table, require_outputs
from cnnrun.tasks.task import Task
from cnnrun.training.device import Compute, place, resolve_precision
from cnnrun.values import Shape

FORECASTING = "forecasting"
KINDS = ("classification", FORECASTING)
"""Tasks of ours, each for one kind of data."""


def fetch_weights(config: dict[str, Any], report: Report) -> None:
    """Have the pretrained weights of the model on this machine, where it has any.

    Raises:
        DataError: if they are not there and cannot be had.
    """
    node = config["model"]
    fetch = getattr(configs.find("model", node["name"]), "fetch_weights", None)
    if fetch:
        fetch(node, config["offline"], report)


def build(
    config: dict[str, Any], data: Data, device: torch.device, report: Report | None = None, *, pretrained: bool = True
) -> Experiment:
    """The experiment that the config describes, with fresh weights drawn from its seed, or pretrained ones.

    Args:
        report: told of a download of pretrained weights.
        pretrained: whether a model loads pretrained weights; not where a checkpoint is loaded next.
    Raises:
        ConfigError: if the settings do not fit each other or the data.
    """
    task: Task = _build_task(config["task"], data)
    torch.manual_seed(config["seed"])
    model: nn.Module = configs.build(
        "model",
        config["model"],
        input_shape=data.input_shape,
        num_outputs=task.num_outputs,
        load_weights=pretrained,
        offline=config["offline"],
        report=report,
        **data.model_facts(),
    )
    layers, warnings = _examine(model, data.input_shape, task.num_outputs, config["model"]["name"])
    needs_fp32 = data.kind == FORECASTING or has_trainable_depthwise(model)
    precision = resolve_precision(config["precision"], device, needs_fp32=needs_fp32)
    channels_last = len(data.input_shape) == 3 if config["channels_last"] == "auto" else config["channels_last"]
    compute = Compute(device, precision, channels_last=channels_last, compile=config["compile"])
    model = place(model, compute)
    parting = Parting(model, data, compute, config["cache"])
    return Experiment(data, task.to(device), model, compute, layers, warnings, parting)


def _build_task(node: dict[str, Any], data: Data) -> Task:
    """The task that a config names.

    Raises:
        ConfigError: if it is not for such data.
    """
    task: Task
    if node["name"] in KINDS and node["name"] != data.kind:
        raise ConfigError(f"task.name={node['name']}: this data set is for task={data.kind}")
    task = configs.build("task", node, **data.task_facts())
    return task


def _examine(
    model: nn.Module, input_shape: Shape, num_outputs: int, name: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """The model's layers, and what is known to be wrong with it.

    Raises:
        ConfigError: if it is a user's own and fails, or does not give what the task needs.
    """
    with configs.blamed("model", name):
        try:
            require_outputs(model, input_shape, num_outputs)
        except ConfigError as error:
            raise ConfigError(f"model.name={name}: {error}") from error
        return layer_table(model, input_shape), _shrunk_to_nothing(model, input_shape)


def _shrunk_to_nothing(model: nn.Module, input_shape: Shape) -> list[str]:
    size = feature_map_size(model, input_shape) if len(input_shape) > 2 else None
    if size is None or any(cells > 1 for cells in size):
        return []
    return [
        f"features pooled to {'×'.join(str(cells) for cells in size)}: pooling and strides leave nothing of where "
        "things are in the image; use fewer of them, or a larger dataset.image_size"
    ]
