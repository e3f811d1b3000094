"""Every YAML of conf/ names a callable, lists its settings, and can be trained. `pytest tests/test_conf.py`"""

import inspect
from pathlib import Path

import pytest
import torch
import yaml
from torchvision.models import mobilenet_v2

from cnnrun import config as configs
from cnnrun import experiment
from cnnrun.cli import COMMANDS
from cnnrun.config import compose
from cnnrun.config.callables import GROUPS, find
from cnnrun.data.loaders import ResidentLoader
from cnnrun.data.splits import LabelledData
from cnnrun.tasks.classification import Classification
from cnnrun.training import checkpoints
from cnnrun.training.device import Compute
from cnnrun.training.fit import Fit
from cnnrun.training.inference import predict
from cnnrun.training.plan import Plan
from cnnrun.training.records import Epoch
from cnnrun.training.state import State

CONF = Path(__file__).parents[1] / "conf"
OPTIONS = [(group, file.stem) for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))]
PLAIN = {"model": "mlp", "task": "classification", "optimizer": "adam", "scheduler": "constant", "augment": "none"}
OF_SERIES = ["cnn1d", "energy_reference", "temporal", "forecasting"]
IMAGE_SIZES = {
    "mnist": ["reference_001_cnn", "reference_002_convnet", "reference_002_dnn", "reference_002_resnet"],
    "cifar": ["reference_003_four_blocks", "reference_003_widening"],
}
SHORT = {
    "source": "energy_demo",
    "csv": None,
    "time": "Date",
    "target": "Consumption",
    "features": [],
    "frequency": None,
    "end": None,
}
"""A series that is at hand, in the place of any other; the windows stay as they are."""
WITHOUT_FILES = {"backbone": {"weights": "none", "trainable": "all"}}
"""What an option is trained with whose defaults ask for files that cannot be had everywhere."""
EXPERIMENTS = sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))
LARGE = ("mnist_resnet", "folder_resnet")
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
HEAVY = ["resnet18", "resnet18_cifar", "resnet34", "resnet50", "reference_002_resnet"]


def node_of(group, option):
    node = yaml.safe_load((CONF / group / f"{option}.yaml").read_text())
    return {key: value for key, value in node.items() if key != "defaults"}


def is_of_series(experiment):
    return "opsd" in (text := (CONF / "experiment" / f"{experiment}.yaml").read_text()) or "etth1" in text


def is_trainable(group, option):
    return group in PLAIN and option not in OF_SERIES


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_a_yaml_lists_exactly_the_settings_of_what_it_names(group, option):
    node = node_of(group, option)
    parameters = inspect.signature(find(group, node["name"])).parameters.values()
    settings = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    assert set(node) - {"name"} == {parameter.name for parameter in settings}
    assert all(parameter.default is parameter.empty for parameter in settings), "the YAML has the defaults"
    assert all(parameter.annotation is not parameter.empty for parameter in settings), "an annotation is the check"


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_has_an_option(group):
    assert any(name == group for name, _ in OPTIONS)


def resized(data: LabelledData, shape: tuple[int, ...]) -> LabelledData:
    """The blobs as images of another size, for networks that need it."""
    from dataclasses import replace

    def grow(split):
        images = torch.nn.functional.interpolate(split.inputs.float(), shape[1:]).to(torch.uint8)
        return replace(split, inputs=images.expand(-1, *shape).contiguous())

    splits = {name: grow(getattr(data, name)) for name in ("train", "val", "test")}
    scale, shift = data.preprocessing.scale * shape[0], data.preprocessing.shift * shape[0]
    return replace(data, **splits, preprocessing=replace(data.preprocessing, scale=scale, shift=shift))


def fit_of(nodes, data) -> Fit:
    task: Classification = configs.build(
        "task", nodes["task"], class_names=data.class_names, class_counts=data.class_counts()
    )
    torch.manual_seed(0)
    model = configs.build("model", nodes["model"], input_shape=data.input_shape, num_outputs=task.num_outputs)
    augment = configs.build("augment", nodes["augment"], input_shape=data.input_shape, num_classes=task.num_outputs)
    train = ResidentLoader(data.train, data.preprocessing, batch_size=26, shuffle=True, augment=augment)
    val = ResidentLoader(data.val, data.preprocessing, batch_size=21)
    optimizer = configs.build("optimizer", nodes["optimizer"], parameters=list(model.parameters()))
    schedule = configs.build("scheduler", nodes["scheduler"], total_steps=20, steps_per_epoch=train.steps)
    compute = Compute(torch.device("cpu"), "fp32", channels_last=True, compile=False)
    plan = Plan(epochs=1, max_seconds=None, patience=None, min_delta=0.0, grad_clip=None, seed=0)
    return Fit(State(model, optimizer, schedule, compute, None), task, train, val, compute, plan)


def shape_for(group, option):
    if group != "model":
        return (1, 8, 8)
    if option in IMAGE_SIZES["mnist"]:
        return (1, 28, 28)
    return (3, 64, 64) if option in ("resnet18", "resnet34", "resnet50") else (3, 32, 32)


TRAINABLE = [
    pytest.param(group, option, marks=[pytest.mark.slow] if option in HEAVY else [])
    for group, option in OPTIONS
    if is_trainable(group, option)
]


@pytest.mark.parametrize(("group", "option"), TRAINABLE)
def test_an_option_trains_and_its_checkpoint_predicts_the_same(group, option, blob_data, tmp_path):
    nodes = {name: node_of(name, choice) for name, choice in (PLAIN | {group: option}).items()}
    nodes[group] |= WITHOUT_FILES.get(option, {})
    data = resized(blob_data, shape_for(group, option))
    fit = fit_of(nodes, data)
    before = {name: value.clone() for name, value in fit.state.model.named_parameters()}
    epochs = [record for record in fit.run(lambda: False) if isinstance(record, Epoch)]
    assert len(epochs) == 1
    moved = [name for name, value in fit.state.model.named_parameters() if not torch.equal(value, before[name])]
    assert moved == list(before), "every parameter gets a gradient"

    checkpoints.write(tmp_path / "last", fit.state.tensors(), fit.state.values())
    twin = fit_of(nodes, data)
    twin.state.load(*checkpoints.read(tmp_path / "last"))
    ours, theirs = (predict(one.state.model, one.val, one.compute) for one in (fit, twin))
    assert torch.equal(ours, theirs)
    assert twin.state.values() == fit.state.values()


def composed(*words):
    config = compose.one(configs.Request("train", COMMANDS["train"].function, words)).config
    configs.check("train", config)
    return config


def series_fit(config):
    """One epoch of a few large batches, on the series that is at hand."""
    node = config["dataset"] | SHORT | {"val": 0.2, "test": 0.2}
    data = configs.build("dataset", node | {"holidays": None})
    short = config | {"epochs": 1, "batch_size": 400, "device": "cpu"}
    return experiment.prepare_training(short, experiment.build(short, data, torch.device("cpu")))


@pytest.mark.parametrize("model", [name for name in OF_SERIES if name != "forecasting"])
def test_a_model_of_series_trains_and_its_checkpoint_predicts_the_same(model, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = composed("dataset=energy_demo", f"model={model}")
    fit, twin = series_fit(config), series_fit(config)
    before = {name: value.clone() for name, value in fit.state.model.named_parameters()}
    assert len([record for record in fit.run(lambda: False) if isinstance(record, Epoch)]) == 1
    moved = [name for name, value in fit.state.model.named_parameters() if not torch.equal(value, before[name])]
    assert moved == list(before), "every parameter gets a gradient"
    checkpoints.write(tmp_path / "last", fit.state.tensors(), fit.state.values())
    twin.state.load(*checkpoints.read(tmp_path / "last"))
    ours, theirs = (predict(one.state.model, one.val, one.compute) for one in (fit, twin))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("dataset", ["energy", "energy_demo", "etth1", "opsd_germany"])
def test_a_series_chooses_its_task_and_a_model(dataset, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = composed(
        f"dataset={dataset}", "dataset.csv=x.csv", *(["dataset.target=kWh"] if dataset == "energy" else [])
    )
    assert (config["task"]["name"], config["model"]["name"], config["model"]["padding"]) == (
        "forecasting",
        "cnn",
        node_of("model", "cnn1d")["padding"],
    )
    assert composed("dataset=energy_demo", "model=temporal")["model"]["name"] == "temporal"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in EXPERIMENTS]
)
def test_an_experiment_is_accepted_and_trains(name, blob_data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = composed(f"experiment={name}", *files_for(name))
    if config["task"]["name"] == "forecasting":
        assert len([record for record in series_fit(config).run(lambda: False) if isinstance(record, Epoch)]) == 1
        return
    fit = fit_of(config, resized(blob_data, shape_of(config["dataset"])))
    assert len([record for record in fit.run(lambda: False) if isinstance(record, Epoch)]) == 1


def files_for(experiment):
    """Words that name the files that an experiment asks for; the weights are there, as torchvision has them."""
    text = (CONF / "experiment" / f"{experiment}.yaml").read_text()
    if is_of_series(experiment):
        return ["dataset.csv=x.csv"]
    if "override /dataset: image_folder" in text:
        return ["dataset.root=photos"]
    if "override /model: backbone" in text:
        torch.save(mobilenet_v2().state_dict(), "random.pth")
        return ["model.weights=random.pth"]
    return []


def shape_of(dataset):
    channels, *native = SHAPES[dataset.get("source", "cifar10")]
    size = dataset["image_size"]
    return (channels, size, size) if size else (channels, *native)


def test_the_small_network_of_cifar10_is_small():
    node = yaml.safe_load((CONF / "experiment/cifar10_small.yaml").read_text())["model"]
    model = configs.build("model", node_of("model", "cnn") | node, input_shape=(3, 32, 32), num_outputs=10)
    assert sum(parameter.numel() for parameter in model.parameters()) <= 500_000
