"""The training that a config describes, at its very beginning; what cannot be trained is refused here."""

from typing import Any

from cnnrun import config as configs
from cnnrun.data.augment import Augment
from cnnrun.data.loaders import ResidentLoader
from cnnrun.data.splits import Data
from cnnrun.errors import ConfigError
from cnnrun.experiment.building import FORECASTING
from cnnrun.experiment.experiment import Experiment, num_cells
from cnnrun.models.freezing import freezing_of
from cnnrun.training import distributed
from cnnrun.training.fit import Fit
from cnnrun.training.optimizers import parameter_groups
from cnnrun.training.plan import Plan
from cnnrun.training.state import State


def prepare_training(config: dict[str, Any], experiment: Experiment) -> Fit:
    """The training that the config describes, at its very beginning; all processes must call it."""
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


def never_used(config: dict[str, Any], experiment: Experiment, fit: Fit) -> list[str]:
    """Settings of this training that no epoch of it will use, a sentence each."""
    freezing, epochs, views = freezing_of(experiment.model), config["epochs"], config["cache"]["views"]
    said = []
    if freezing is not None and freezing.layers.names and freezing.unfreeze_after >= epochs:
        said.append(
            f"only the head trains: model.unfreeze_after={freezing.unfreeze_after} is not less than epochs={epochs}, "
            "so the other layers never do; take more epochs, or a smaller model.unfreeze_after"
        )
    if views and experiment.parted is None:
        said.append(f"cache.views={views} keeps nothing: no layers are frozen that could be computed once")
    elif views and config["cache"]["prefix"] == "off":
        said.append(f"cache.views={views} keeps nothing: cache.prefix=off")
    elif views and fit.train.augment is None:
        said.append(f"cache.views={views} changes nothing: without augmentation each sample has one view (augment=...)")
    return said


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
        if row["batch_norm"] == "train" and num_cells(row["output_shape"].partition("x")[2] or "1") == 1:
            raise ConfigError(
                f"batch_size={train.batch_size}: where a process trains on one sample, {row['name']} has one value a "
                "channel and cannot normalise it; take a larger batch_size or dataset.image_size, or fewer poolings"
            )
