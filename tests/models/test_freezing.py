"""What is frozen does not move, by plain torch beside it. `pytest tests/models/test_freezing.py`"""

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.ops import StochasticDepth

from cnnrun.models.freezing import Freezing, freezing_of, name_to_write
from cnnrun.models.layer_ranges import resolve
from cnnrun.models.layers import layer_table
from cnnrun.training.average import Average

SIZE = (2, 6, 6)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.ReLU()
        self.drop = nn.Dropout(0.3)
        self.depth = StochasticDepth(0.2, "row")

    def forward(self, x):
        return self.depth(self.drop(self.act(self.bn(self.conv(x)))))


class Net(nn.Module):
    """Three blocks of five layers, a pool and a flattening; frozen as a model of ours is."""

    freezing = None

    def __init__(self):
        super().__init__()
        blocks = OrderedDict(a=Block(2), b=Block(4), c=Block(4), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten())
        self.features = nn.Sequential(blocks)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(4, 3))

    def forward(self, x):
        return self.head(self.features(x))

    def train(self, mode=True):
        super().train(mode)
        if self.freezing:
            self.freezing.hold(self)
        return self


def frozen(trainable, scheme="modules", model=None, size=SIZE, **settings):
    if model is None:
        torch.manual_seed(0)
        model = Net()
    settings = {"bn": "train"} | settings
    model.freezing = Freezing(model, resolve(model, size, trainable, scheme), **settings)
    return model


def bytes_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def batch(step):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(8, *SIZE, generator=generator), torch.randint(3, (8,), generator=generator)


def train(model, steps, optimizer=None, average=None):
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for step in steps:
        model.train()
        torch.manual_seed(step)
        inputs, targets = batch(step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        if average:
            average.update(step + 1)
        model.eval()
        model(inputs)
    return model


def moved(before, after):
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}


def all_of(block):
    return {f"features.{block}.{name}" for name in Block(4).state_dict()}


HEAD = {"head.1.weight", "head.1.bias"}

RANGES = {
    ("none", "train"): HEAD,
    ("all", "train"): HEAD | all_of("a") | all_of("b") | all_of("c"),
    ("all", "eval"): {
        name for name in HEAD | all_of("a") | all_of("b") | all_of("c") if name.rpartition(".")[2] not in STATISTICS
    },
    ("c", "train"): HEAD | all_of("c"),
    ("c", "eval"): HEAD | {"features.c.conv.weight", "features.c.bn.weight", "features.c.bn.bias"},
    ("a", "train"): HEAD | all_of("a"),
    ("b.conv", "train"): HEAD | {"features.b.conv.weight"},
    (".*bn", "train"): HEAD | {name for name in all_of("a") | all_of("b") | all_of("c") if ".bn." in name},
}


@pytest.mark.parametrize(("trainable", "bn"), RANGES)
def test_only_what_trains_moves_byte_for_byte_under_weight_decay_and_a_moving_average(trainable, bn):
    model = frozen(trainable, bn=bn)
    average = Average(model, 0.9)
    before, average_before = bytes_of(model), bytes_of(average.model)
    train(model, range(4), average=average)
    assert moved(before, bytes_of(model)) == RANGES[trainable, bn]
    assert moved(average_before, bytes_of(average.model)) == RANGES[trainable, bn]


def test_training_is_what_plain_torch_does_with_the_same_parts_in_eval():
    model = train(frozen("c"), range(4))
    torch.manual_seed(0)
    plain = Net()
    for block in (plain.features.a, plain.features.b):
        block.requires_grad_(False)
    trains = [parameter for parameter in plain.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trains, lr=0.1, momentum=0.9, weight_decay=0.1)
    for step in range(4):
        plain.train()
        plain.features.a.eval()
        plain.features.b.eval()
        torch.manual_seed(step)
        inputs, targets = batch(step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(plain(inputs), targets).backward()
        optimizer.step()
    assert moved(bytes_of(plain), bytes_of(model)) == set()


def test_what_stands_before_the_first_layer_that_trains_gives_the_same_twice():
    model = frozen("c").train()
    prefix = nn.Sequential(model.features.a, model.features.b)
    inputs, _ = batch(0)
    assert torch.equal(prefix(inputs), prefix(inputs))
    assert not any(module.training for module in prefix.modules() if module is not prefix)
    assert model.features.c.drop.training
    assert model.features.c.depth.training
    assert model.head[0].training


def test_behind_a_layer_that_trains_dropout_goes_on_and_frozen_statistics_stay():
    model = frozen("a").train()
    assert model.features.c.drop.training
    assert not model.features.c.bn.training
    assert model.features.training, "a part of it trains"


def test_eval_mode_is_eval_mode_throughout():
    model = frozen("c").train().eval()
    assert not any(module.training for module in model.modules())


def test_a_copy_is_frozen_alike():
    twin = copy.deepcopy(frozen("c").train())
    twin.train()
    assert not twin.features.a.bn.training
    assert twin.features.c.bn.training
    before = bytes_of(twin)
    assert moved(before, bytes_of(train(twin, range(2)))) == HEAD | all_of("c")


@pytest.mark.parametrize("kind", ["BatchNormAct2d", "SyncBatchNormAct"])
def test_batch_norm_of_timm_is_held_too(kind):
    layers = pytest.importorskip("timm.layers")
    model = Net()
    for block in (model.features.a, model.features.c):
        block.bn = getattr(layers, kind)(4)
    model = frozen("c", model=model).train()
    assert not model.features.a.bn.training
    assert model.features.c.bn.training
    assert not any(parameter.requires_grad for parameter in model.features.a.bn.parameters())


@pytest.mark.parametrize("norm", [nn.SyncBatchNorm(4), nn.InstanceNorm2d(4, affine=True, track_running_stats=True)])
def test_other_norms_with_statistics_are_held_too(norm):
    model = Net()
    model.features.c.bn = norm
    assert not frozen("a", model=model).train().features.c.bn.training


def test_the_table_of_layers_says_what_trains_and_how_its_batch_norm_does():
    rows = {row["name"]: row for row in layer_table(frozen("c"), SIZE)}
    got = [(rows[f"features.{n}.bn"]["trainable"], rows[f"features.{n}.bn"]["batch_norm"]) for n in "abc"]
    assert got == [(0, "eval"), (0, "eval"), (8, "train")]
    rows = {row["name"]: row for row in layer_table(frozen("c", bn="eval"), SIZE)}
    assert (rows["features.c.bn"]["trainable"], rows["features.c.bn"]["batch_norm"]) == (8, "eval")


def test_modules_are_called_as_trainable_takes_them():
    assert [name_to_write(frozen("c"), name) for name in ("features.a.conv", "features.features.1", "head")] == [
        "a.conv",
        "features.1",
        "head",
    ]
    assert name_to_write(nn.Sequential(OrderedDict(features=Net())), "features.features") == "features.features"


def test_a_convolution_parted_from_its_batch_norm_is_warned_of():
    assert frozen("c").freezing.warnings == []
    (warning,) = frozen("b.conv").freezing.warnings
    assert "model.trainable parts b.conv, which trains, from its BatchNorm b.bn, which is frozen" in warning
    (warning,) = frozen(".*bn").freezing.warnings
    assert " a.conv, which is frozen, from its BatchNorm a.bn, which trains; and 2 more" in warning


def summary(*args, **settings):
    model = frozen(*args, **settings)
    return model.freezing.summary(model)


def test_the_summary_says_what_trains_in_a_sentence():
    a, block, head = 2 * 4 * 9 + 8, 4 * 4 * 9 + 8, 15
    whole = a + 2 * block + head
    norms = "BatchNorm trains in these and keeps its statistics elsewhere"
    assert summary("none") == f"trains the head only, 15 of {whole} parameters; BatchNorm keeps its statistics"
    assert summary("all") == f"trains all 17 layers, {whole} of {whole} parameters; BatchNorm trains"
    assert summary("c") == f"trains 5 of 17 layers (c.conv to c.depth), {block + 15} of {whole} parameters; {norms}"
    assert summary("a.conv,c.bn..flat") == (
        f"trains 7 of 17 layers (a.conv, c.bn to flat), {72 + 8 + 15} of {whole} parameters; {norms}"
    )
    assert summary("c", bn="eval", unfreeze_after=2).endswith(
        "parameters; BatchNorm keeps its statistics; in the first 2 epochs the head alone trains"
    )
    assert "(a.bn, b.bn, c.bn)" in summary(".*bn")
    assert "(a.conv, a.act, b.conv and 3 more)" in summary("[abc][.](conv|act),[abc][.]conv")


def test_the_summary_of_reference_003():
    torch.manual_seed(0)
    network = models.mobilenet_v2(weights=None)
    network.classifier = nn.Identity()
    model = Net()
    model.features, model.head = network, nn.Linear(1280, 10)
    assert summary("top:40", "keras", model=model, size=(3, 32, 32)) == (
        "trains 40 of 154 layers (block_12_project_BN to out_relu), 1.7 of 2.2 million parameters; BatchNorm trains in "
        "these and keeps its statistics elsewhere"
    )


def test_learning_rates_fall_from_the_head_block_by_block():
    model = frozen("b,c")
    scales = model.freezing.lr_scales(model, 0.5)
    names = ("conv.weight", "bn.weight", "bn.bias")
    assert scales == (
        {f"features.b.{name}": 0.25 for name in names}
        | {f"features.c.{name}": 0.5 for name in names}
        | {"head.1.weight": 1.0, "head.1.bias": 1.0}
    )


def test_a_norm_that_stands_alone_learns_as_the_block_before_it():
    torch.manual_seed(0)
    network = models.resnet18(weights=None)
    network.fc = nn.Identity()
    model = Net()
    model.features, model.head = network, nn.Linear(512, 3)
    model = frozen("all", model=model, size=(3, 32, 32))
    scales = model.freezing.lr_scales(model, 0.5)
    assert scales.keys() == {name for name, _ in model.named_parameters()}
    assert scales["features.layer4.1.conv1.weight"] == 0.5
    assert scales["features.layer1.0.bn1.weight"] == 0.5**8
    assert scales["features.conv1.weight"] == scales["features.bn1.weight"] == 0.5**9


def epochs(model, optimizer, numbers):
    for epoch in numbers:
        model.freezing.begin_epoch(model, epoch)
        train(model, (2 * epoch, 2 * epoch + 1), optimizer)


def momentum_sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)


def test_the_range_waits_until_its_epoch_while_the_head_learns():
    model = frozen("c", unfreeze_after=2)
    optimizer = momentum_sgd(model)
    start = bytes_of(model)
    epochs(model, optimizer, (0, 1))
    waited = bytes_of(model)
    assert moved(start, waited) == HEAD
    assert not any("c.conv" in name for name, parameter in model.named_parameters() if parameter in optimizer.state)
    epochs(model, optimizer, (2,))
    assert moved(waited, bytes_of(model)) == HEAD | all_of("c")


def test_while_the_range_waits_all_features_are_in_eval_mode_and_then_only_those_before_it():
    model = frozen("c", unfreeze_after=1).train()
    model.freezing.begin_epoch(model, 0)
    assert not any(module.training for module in model.features.modules())
    assert model.head[0].training
    model.freezing.begin_epoch(model, 1)
    assert not any(module.training for module in model.features.b.modules())
    assert all(module.training for module in model.features.c.modules())


def test_parameters_that_will_train_are_known_from_the_start():
    model = frozen("c", unfreeze_after=1)
    known = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    model.freezing.begin_epoch(model, 0)
    assert known == {name for name, _ in model.named_parameters() if model.freezing.ever_trains(name)}
    assert known == {name for name in HEAD | all_of("c") if name.rpartition(".")[2] not in STATISTICS}


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_training_resumed_at_any_epoch_ends_with_the_same_bytes(stop):
    whole = frozen("b,c", unfreeze_after=2)
    epochs(whole, momentum_sgd(whole), range(4))
    first = frozen("b,c", unfreeze_after=2)
    optimizer = momentum_sgd(first)
    epochs(first, optimizer, range(stop))
    second = frozen("b,c", unfreeze_after=2)
    second.load_state_dict(first.state_dict())
    resumed = momentum_sgd(second)
    resumed.load_state_dict(optimizer.state_dict())
    epochs(second, resumed, range(stop, 4))
    assert moved(bytes_of(whole), bytes_of(second)) == set()


@pytest.mark.parametrize("waits", [False, True])
def test_statistics_that_are_kept_from_now_on_do_not_move_with_a_range_that_trains_or_waits(waits):
    model = frozen("c", unfreeze_after=1).train()
    model.freezing.begin_epoch(model, 0 if waits else 1)
    model.freezing.keep_statistics(model)
    assert model.features.c.conv.training is not waits
    before = bytes_of(model)
    model.freezing.begin_epoch(model, 1)
    assert moved(before, bytes_of(train(model, range(3)))) == HEAD | {
        f"features.c.{name}" for name in ("conv.weight", "bn.weight", "bn.bias")
    }


def test_a_model_may_call_something_else_freezing():
    assert freezing_of(nn.Linear(1, 1)) is None
    stranger = nn.Linear(1, 1)
    stranger.freezing = True
    assert freezing_of(stranger) is None
    model = frozen("c")
    assert freezing_of(model) is model.freezing
