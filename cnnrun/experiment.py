"""Wires data, task, model and training together, from a config; what `train` and `eval` both need."""

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from cnnrun import config as configs
from cnnrun.data.augment import Augment
from cnnrun.data.loaders import ResidentLoader
from cnnrun.data.splits import Data, Split
from cnnrun.downloads import DataMissing, Report
from cnnrun.errors import ConfigError, DataError
from cnnrun.models.freezing import freezing_of
from cnnrun.models.layer_summary import layer_summary
from cnnrun.models.layers import feature_map_size, has_trainable_depthwise, layer_table, require_outputs, with_modes_of
from cnnrun.run import Run
from cnnrun.tasks.task import Task
from cnnrun.training import checkpoints, distributed, residence
from cnnrun.training.cut import find_cut
from cnnrun.training.device import Compute, place, resolve_precision
from cnnrun.training.fit import Fit
from cnnrun.training.inference import predict
from cnnrun.training.optimizers import parameter_groups
from cnnrun.training.parted import Parted
from cnnrun.training.plan import Plan
from cnnrun.training.state import State
from cnnrun.values import InputSpec, Shape

FORECASTING = "forecasting"
KINDS = ("classification", FORECASTING)
"""Tasks of ours, each for one kind of data."""

PLACES = {"root": "folder", "csv": "file"}
"""Settings of a data set that say where it lies."""

EVALUATION_BYTES = 1 << 28
"""Of the largest activation of a batch that is only evaluated, in fp32: large batches are fast, up to what caches hold.
"""


@dataclass(frozen=True)
class Experiment:
    """A model on its device, the data and the task: what training, evaluation and reports work on."""

    data: Data
    task: Task
    model: nn.Module
    compute: Compute
    layers: list[dict[str, Any]]
    """Rows of tables.LAYERS."""
    warnings: list[str]
    """What is known to be wrong before training starts, a sentence each."""
    epoch: int | None = None
    """Finished ones of the checkpoint that the weights are from."""
    parted: Parted | None = None
    """The model without its frozen first layers, and what is kept of those."""
    whole: str = ""
    """Why it is not parted, where something is frozen; a sentence."""
    _settled: dict[str, Split] = field(default_factory=dict)
    """Splits by name, as far as they were asked for, on the device if they fit there: all loaders share them."""

    @property
    def parameters(self) -> int:
        return sum(int(row["parameters"]) for row in self.layers)

    @property
    def remarks(self) -> list[str]:
        """What is to be known of the data and of the model before training starts, a sentence each."""
        freezing = freezing_of(self.model)
        summary = [f"the model {freezing.summary(self.model)}"] if freezing is not None else []
        left = residence.remarks(self._settled.values(), self.compute.device)
        return [*self.data.remarks, *left, *getattr(self.model, "remarks", []), *summary, *filter(None, [self.whole])]

    def layer_summary(self) -> list[dict[str, Any]]:
        """What of the layers trains, in a few lines; none for a model of which all does."""
        freezing = freezing_of(self.model)
        return [] if freezing is None else layer_summary(self.layers, freezing.layers.blocks)

    def with_modes_as_they_are(self) -> Self:
        """Once weights were loaded: they decide, too, whether BatchNorm is in eval mode."""
        return replace(self, layers=with_modes_of(self.model, self.layers))

    def outputs(self, split: Split, batch_size: int | None = None) -> Tensor:
        """(N, K) float32 on the CPU: what the model says of every sample, in the order of the split."""
        loader = self.evaluation_loader(split, batch_size)
        if self.parted is None:
            return predict(self.model, loader, self.compute)
        return predict(self.parted.tail(self.model), self.parted.feed(loader), self.compute)

    def evaluation_loader(self, split: Split, batch_size: int | None = None) -> ResidentLoader:
        """Every sample in its order, in batches as large as is fast unless a size is given."""
        return self.loader(split, batch_size=batch_size or self._evaluation_batch_size())

    def loader(self, split: Split, **settings: Any) -> ResidentLoader:
        """The batches of a split on the device, where the split itself fits or not; settings are ResidentLoader's."""
        if split.name not in self._settled:
            self._settled[split.name] = residence.settled(split, self.compute.device)
        return ResidentLoader(
            self._settled[split.name],
            self.data.preprocessing,
            device=self.compute.device,
            channels_last=self.compute.channels_last,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
            **settings,
        )

    def _evaluation_batch_size(self) -> int:
        largest = max(_cells(str(row["output_shape"])) for row in self.layers)
        return min(max(EVALUATION_BYTES // (4 * largest), 16), 2048)


def load_data(config: dict[str, Any], report: Report) -> Data:
    """The data set that the config names, with preprocessing fitted on its train split.

    Raises:
        DataError: if it is not there and cannot be had, or is broken.
    """
    data: Data = configs.build(
        "dataset",
        config["dataset"],
        offline=config["offline"],
        report=report,
        input_spec=_input_spec(config["model"]),
    )
    return data


def fetch_weights(config: dict[str, Any], report: Report) -> None:
    """Have the pretrained weights of the model on this machine, where it has any.

    Raises:
        DataError: if they are not there and cannot be had.
    """
    node = config["model"]
    fetch = getattr(configs.find("model", node["name"]), "fetch_weights", None)
    if fetch:
        fetch(node, config["offline"], report)


def _input_spec(node: dict[str, Any]) -> InputSpec | None:
    """The images that the pretrained weights of the model want, where it has any and tells."""
    tell = getattr(configs.find("model", node["name"]), "input_spec", None)
    spec: InputSpec | None = tell(node) if tell else None
    return spec


def stored_data(config: dict[str, Any], moved: dict[str, str], report: Report) -> Data:
    """The data set that the config of a run names; the run may have come from another machine.

    Args:
        moved: `root` or `csv`, where the user says that it is now; to a root it may also be downloaded. Without one
            nothing is downloaded: it is read from where the config says, or else from where data sets lie by default.
    Raises:
        ConfigError: if a place is named of which the data set has none.
        DataError: as load_data.
    """
    dataset = config["dataset"]
    for key, path in moved.items():
        if dataset.get(key) is None:
            raise ConfigError(f"{key}={path}: the data set of this run is not read from a {PLACES[key]}")
    if moved:
        return load_data(config | {"dataset": dataset | moved}, report)
    if dataset.get("csv") is not None and not Path(dataset["csv"]).is_file():
        raise DataError(
            f"the file that this run was trained on is not there: {dataset['csv']}; name where it is: "
            "csv=FILE with eval, dataset.csv=FILE with train"
        )
    if dataset.get("root") is None:
        return load_data(config, report)
    folders = list(dict.fromkeys([dataset["root"], os.environ.get("CNNRUN_DATA", "data")]))
    for folder in folders:
        with suppress(DataMissing):
            return load_data(config | {"dataset": dataset | {"root": folder}, "offline": True}, report)
    raise DataError(
        f"the data set of this run is not in {' or '.join(folders)}; name the folder where it is, or is to be "
        "downloaded to: root=FOLDER with eval, dataset.root=FOLDER with train"
    )


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
    parted, whole = _part(config["cache"], data, model, compute)
    return Experiment(data, task.to(device), model, compute, layers, warnings, parted=parted, whole=whole)


def _part(cache: dict[str, Any], data: Data, model: nn.Module, compute: Compute) -> tuple[Parted | None, str]:
    """Part the model before its first layer that trains; None if that cannot be, and why if something is frozen."""
    freezing = freezing_of(model)
    sample = torch.randn(2, *data.input_shape, generator=torch.Generator().manual_seed(0)).to(compute.device)
    cut, why = find_cut(model, sample, None if freezing is None else freezing.ever_trains)
    if cut is None:
        return None, f"every step computes the whole network: {why}" if why else ""
    keeps, views = cache["prefix"] == "auto", cache["views"]
    return Parted(cut, model, compute, keeps=keeps, views=views, fingerprint=data.fingerprint), ""


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
    data = stored_data(config, moved, report)
    stored = run.preprocessing
    try:
        data = data.with_preprocessing(stored)
    except DataError as error:
        raise DataError(f"{run.path}: {error}") from error
    return with_weights(run, config, data, device, checkpoint)


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


def prepare_training(config: dict[str, Any], experiment: Experiment) -> Fit:
    """The training that the config describes, at its very beginning."""
    data, task, compute = experiment.data, experiment.task, experiment.compute
    augment = _build_augment(config["augment"], data)
    train = experiment.loader(
        data.train,
        batch_size=config["batch_size"],
        seed=config["seed"],
        shuffle=True,
        augment=augment,
        sampler=config["sampler"],
    )
    _require_samples(train, experiment)
    scales: dict[str, float] = getattr(experiment.model, "lr_scales", dict)()
    groups = parameter_groups(experiment.model, scales)
    optimizer = configs.build("optimizer", config["optimizer"], parameters=groups)
    schedule = configs.build(
        "scheduler", config["scheduler"], total_steps=config["epochs"] * train.steps, steps_per_epoch=train.steps
    )
    state = State(experiment.model, optimizer, schedule, compute, config["ema"])
    named = {key: config[key] for key in ("epochs", "max_seconds", "patience", "min_delta", "grad_clip", "seed")}
    plan = Plan(**named, keeps_last=data.trains_on_val)
    _require_views(config["cache"]["views"], augment)
    return Fit(state, task, train, experiment.evaluation_loader(data.val), compute, plan, experiment.parted)


def _require_views(views: int, augment: Augment) -> None:
    """Refuse to keep views where each step mixes the pixels of other samples."""
    if views and augment.mixings:
        raise ConfigError(
            f"cache.views={views}: mixup and cutmix mix the pixels of each batch anew, so no view can be kept; take "
            "augment.mixup=0 augment.cutmix=0, or cache.views=0"
        )


def _build_augment(node: dict[str, Any], data: Data) -> Augment:
    """Raises ConfigError for data whose samples are not images."""
    augment: Augment = configs.build(
        "augment", node, input_shape=data.input_shape, num_classes=len(data.task_facts().get("class_names", ()))
    )
    if data.kind == FORECASTING and not augment.is_identity:
        raise ConfigError("augment: its settings are for images; with a series take augment=none")
    return augment


def _require_samples(train: ResidentLoader, experiment: Experiment) -> None:
    """Refuse batches that leave a process without samples, or batch norm without anything to average."""
    processes = distributed.world_size()
    if train.batch_size < processes:
        raise ConfigError(f"batch_size={train.batch_size}: {processes} processes need a sample each at every step")
    synchronised = processes > 1 and experiment.compute.device.type == "cuda"
    if train.smallest_share > 1 or synchronised:
        return
    for row in experiment.layers:
        if row["batch_norm"] == "train" and _cells(row["output_shape"].partition("x")[2] or "1") == 1:
            raise ConfigError(
                f"batch_size={train.batch_size}: where a process trains on one sample, {row['name']} has one value a "
                "channel and cannot normalise it; take a larger batch_size or dataset.image_size, or fewer poolings"
            )


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


def _cells(shape: str) -> int:
    """Numbers in an output of the layer table: 32x14x14 is 6,272."""
    cells = 1
    for size in shape.split("x"):
        cells *= int(size)
    return cells
