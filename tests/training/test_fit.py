"""The training loop against plain torch, and against itself when interrupted. `pytest tests/training/test_fit.py`"""

import copy
import itertools
import json
import math
import re

import pytest
import torch
from torch import nn

from cnnrun.data.augment import Augment
from cnnrun.data.loaders import ResidentLoader
from cnnrun.errors import CnnrunError, ConfigError, DataError, Diverged
from cnnrun.tasks.classification import Classification
from cnnrun.training.device import Compute
from cnnrun.training.fit import Fit
from cnnrun.training.inference import predict
from cnnrun.training.optimizers import adam, sgd
from cnnrun.training.plan import Plan
from cnnrun.training.records import Epoch, Stopped
from cnnrun.training.schedules import Plateau, constant, cosine
from cnnrun.training.state import State

CPU = Compute(torch.device("cpu"), "fp32", channels_last=False, compile=False)


def network(dropout=0.0):
    torch.manual_seed(0)
    convolution = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return nn.Sequential(convolution, nn.Dropout(dropout), nn.Linear(4 * 36, 3))


def task_for(data):
    knobs = {"monitor": "accuracy", "label_smoothing": 0.0, "class_weights": "none", "focal_gamma": 0.0}
    return Classification(data.class_names, data.class_counts(), **knobs)


def plan(**changes):
    values = {"epochs": 3, "max_seconds": None, "patience": None, "min_delta": 0.0, "grad_clip": None, "seed": 5}
    return Plan(**(values | changes))


def simple_fit(data, model=None, optimizer=None, batch_size=16, compute=CPU, ema=None, **changes):
    model = model or network()
    optimizer = optimizer or sgd(model.parameters(), lr=0.05, momentum=0.9, nesterov=False, weight_decay=0.0)
    train = ResidentLoader(data.train, data.preprocessing, batch_size=batch_size, seed=5, shuffle=True)
    val = ResidentLoader(data.val, data.preprocessing, batch_size=8)
    state = State(model, optimizer, constant(100, 4, warmup_epochs=0.0), compute, ema)
    return Fit(state, task_for(data), train, val, compute, plan(**changes))


def never():
    return False


def epochs_of(fit, should_stop=never):
    return [record for record in fit.run(should_stop) if isinstance(record, Epoch)]


def without_times(epoch):
    return epoch.number, epoch.step, epoch.train, epoch.val, epoch.lr, epoch.is_best


def test_two_epochs_are_what_plain_torch_computes(blob_data):
    fit = simple_fit(blob_data, epochs=2)
    twin = network()
    plain = torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for epoch in range(2):
        summed = 0.0
        for batch in fit.train.batches(epoch):
            plain.zero_grad()
            loss = nn.functional.cross_entropy(twin(batch.inputs), batch.targets)
            loss.backward()
            plain.step()
            summed += loss.item() * len(batch.targets)
        losses.append(summed / len(blob_data.train))
    epochs = epochs_of(fit)
    for ours, theirs in zip(fit.state.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert [epoch.train["loss"] for epoch in epochs] == pytest.approx(losses, rel=1e-5)


def test_the_same_seed_gives_the_same_bytes(blob_data):
    runs = [simple_fit(blob_data, network(dropout=0.5)) for _ in range(2)]
    first, second = ([without_times(epoch) for epoch in epochs_of(fit)] for fit in runs)
    assert first == second
    for ours, theirs in zip(
        runs[0].state.model.state_dict().values(), runs[1].state.model.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)


def full_fit(data):
    """Everything on that has a state: augmentation, dropout, mixup, Adam, moving average, plateau, patience."""
    model = network(dropout=0.3)
    knobs = {"flip": True, "crop_padding": 1, "rotation": 5.0, "shift": 0.05, "zoom": 0.1, "brightness": 0.1}
    augment = Augment(data.input_shape, 3, fill="edge", cutout=2, mixup=0.2, cutmix=0.0, **knobs)
    train = ResidentLoader(data.train, data.preprocessing, batch_size=12, seed=5, shuffle=True, augment=augment)
    val = ResidentLoader(data.val, data.preprocessing, batch_size=8)
    optimizer = adam(model.parameters(), lr=0.01, betas=[0.9, 0.99], eps=1e-8, weight_decay=1e-4)
    schedule = Plateau(20, 5, warmup_epochs=0.5, factor=0.5, patience=1, min_factor=0.01)
    compute = Compute(torch.device("cpu"), "bf16", channels_last=True, compile=False)
    state = State(model.to(memory_format=torch.channels_last), optimizer, schedule, compute, 0.9)
    return Fit(state, task_for(data), train, val, compute, plan(epochs=4, patience=3))


@pytest.mark.parametrize("steps", [1, 4, 5, 7, 13])
def test_a_training_stopped_at_any_step_and_resumed_ends_with_the_same_bytes(blob_data, steps):
    whole = full_fit(blob_data)
    expected = [without_times(epoch) for epoch in epochs_of(whole)]

    counter = itertools.count(1)
    first = full_fit(blob_data)
    records = list(first.run(lambda: next(counter) >= steps))
    assert isinstance(records[-1], Stopped)
    tensors = {
        stem: {name: value.clone() for name, value in named.items()} for stem, named in first.state.tensors().items()
    }

    second = full_fit(blob_data)
    second.state.load(tensors, copy.deepcopy(first.state.values()))
    got = [record for record in records if isinstance(record, Epoch)] + epochs_of(second)
    assert [without_times(epoch) for epoch in got] == expected
    for stem, named in whole.state.tensors().items():
        for name, value in named.items():
            assert torch.equal(value, second.state.tensors()[stem][name]), f"{stem} {name}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": "1"}, "the checkpoint's progress.epoch is '1': Input should be a valid integer"),
        ({"step": -1}, "progress.step is -1: Input should be greater than or equal to 0"),
        ({"best": [0.5]}, "progress.best is [0.5]: Input should be a valid number"),
        ({"history": [{"epoch": "one"}]}, "progress.history.0.epoch.int is 'one'"),
        ({"speed": 3}, "progress.speed is 3: Unexpected keyword argument"),
    ],
)
def test_a_strangers_progress_is_checked(blob_data, changes, message):
    fit = simple_fit(blob_data, epochs=1)
    epochs_of(fit)
    values = fit.state.values()
    with pytest.raises(DataError, match=re.escape(message)):
        simple_fit(blob_data).state.load(fit.state.tensors(), values | {"progress": values["progress"] | changes})


def test_progress_comes_back_from_json_as_it_was(blob_data):
    fit, other = simple_fit(blob_data, epochs=1), simple_fit(blob_data)
    epochs_of(fit)
    other.state.load(fit.state.tensors(), json.loads(json.dumps(fit.state.values())))
    assert repr(other.state.progress) == repr(fit.state.progress), "whole numbers stay whole"


def test_a_training_stopped_after_the_last_step_of_an_epoch_records_the_same_learning_rate(blob_data):
    def fit_with_cosine():
        fit = simple_fit(blob_data)
        fit.state.schedule = cosine(12, 4, warmup_epochs=0.0, final_factor=0.0)
        return fit

    expected = [epoch.lr for epoch in epochs_of(fit_with_cosine())]
    counter = itertools.count(1)
    first, second = fit_with_cosine(), fit_with_cosine()
    assert list(first.run(lambda: next(counter) >= 4))[-1] == Stopped(epoch=1, step=4)
    second.state.load(first.state.tensors(), copy.deepcopy(first.state.values()))
    assert [epoch.lr for epoch in epochs_of(second)] == expected


def test_frozen_weights_do_not_move(blob_data):
    model = network()
    model[0].requires_grad_(False)
    before = copy.deepcopy(model[0][0].state_dict())
    optimizer = sgd(model[2].parameters(), lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.1)
    epochs_of(simple_fit(blob_data, model, optimizer, ema=0.5))
    assert all(torch.equal(value, model[0][0].state_dict()[name]) for name, value in before.items())


def test_it_learns_and_best_is_the_first_epoch_with_the_best_val(blob_data):
    fit = simple_fit(blob_data, epochs=8)
    epochs = epochs_of(fit)
    accuracies = [epoch.val["accuracy"] for epoch in epochs]
    assert max(accuracies) > 0.9
    assert fit.state.progress.best_epoch == 1 + accuracies.index(max(accuracies))
    assert [epoch.number for epoch in epochs if epoch.is_best][-1] == fit.state.progress.best_epoch


def test_patience_ends_a_training_that_does_not_get_better(blob_data):
    model = network()
    optimizer = sgd(model.parameters(), lr=1e-12, momentum=0.0, nesterov=False, weight_decay=0.0)
    model[0][1].momentum = 0.0
    epochs = epochs_of(simple_fit(blob_data, model, optimizer, epochs=50, patience=2))
    assert len(epochs) == 3
    assert epochs[-1].stop == "no improvement for 2 epochs (patience=2)"
    assert [epoch.stop for epoch in epochs[:-1]] == [None, None]


def test_the_time_limit_ends_an_epoch_early_and_still_validates(blob_data):
    epochs = epochs_of(simple_fit(blob_data, epochs=50, max_seconds=1e-9))
    assert len(epochs) == 1
    assert epochs[0].step == 1
    assert epochs[0].stop == "the time is used up (max_seconds=1e-09)"


@pytest.mark.parametrize("lr", [1e20, math.inf])
def test_a_loss_that_is_no_number_stops_the_training_and_says_where(blob_data, lr):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    with pytest.raises(
        Diverged,
        match=r"(train/loss|an output on val) became (nan|-?inf) in epoch \d+, by step \d of 4 .*optimizer\.lr",
    ):
        epochs_of(simple_fit(blob_data, model, optimizer, epochs=50))


def test_the_gradient_is_clipped_to_the_norm_asked_for(blob_data):
    clipped, free = network(), network()
    for model, clip in ((clipped, 1e-3), (free, None)):
        optimizer = sgd(model.parameters(), lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0)
        epochs_of(simple_fit(blob_data, model, optimizer, batch_size=52, epochs=1, grad_clip=clip))
    start = network()
    moved = torch.cat([(a - b).flatten() for a, b in zip(clipped.parameters(), start.parameters(), strict=True)])
    assert moved.norm().item() == pytest.approx(1e-3, rel=1e-3)
    unclipped = torch.cat([(a - b).flatten() for a, b in zip(free.parameters(), start.parameters(), strict=True)])
    assert unclipped.norm().item() > 0.01


def test_the_moving_average_follows_its_formula(blob_data):
    fit = simple_fit(blob_data, batch_size=52, epochs=3, ema=0.15)
    weight = fit.state.model[2].weight
    expected = weight.detach().clone()
    for number, _ in enumerate(epochs_of_each(fit), start=1):
        decay = min(0.15, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * weight.detach()
        torch.testing.assert_close(fit.state.judged[2].weight, expected)


def test_the_moving_average_has_the_batch_statistics_of_the_model_itself(blob_data):
    fit = simple_fit(blob_data, ema=0.9, epochs=1)
    epochs_of(fit)
    ours, theirs = dict(fit.state.judged.named_buffers()), dict(fit.state.model.named_buffers())
    assert {buffer.dtype for buffer in ours.values()} == {torch.float32, torch.int64}
    for name, buffer in theirs.items():
        assert torch.equal(ours[name], buffer), name
        assert ours[name] is not buffer


def epochs_of_each(fit):
    return (record for record in fit.run(never) if isinstance(record, Epoch))


@pytest.mark.parametrize("batch_size", [1, 7, 24, 100])
def test_predictions_stand_in_the_order_of_the_split_whatever_the_batch_size(blob_data, batch_size):
    model = network().eval()
    loader = ResidentLoader(blob_data.test, blob_data.preprocessing, batch_size=batch_size)
    with torch.no_grad():
        expected = model(blob_data.preprocessing.apply(blob_data.test.inputs))
    torch.testing.assert_close(predict(model, loader, CPU), expected, rtol=1e-5, atol=1e-6)


MEMORY_ERRORS = {
    "a GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "a CPU": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400000000000 bytes."),
}


@pytest.mark.parametrize("where", MEMORY_ERRORS)
def test_a_step_that_does_not_fit_into_memory_is_told_in_a_sentence(where, blob_data):
    model = network()
    model[2].register_forward_hook(lambda *_: raise_(MEMORY_ERRORS[where]))
    fit = simple_fit(blob_data, model)
    message = "cpu has not enough memory for this: take a smaller batch_size, dataset.image_size or model"
    with pytest.raises(CnnrunError, match=message):
        list(fit.run(never))
    with pytest.raises(CnnrunError, match=message):
        predict(model, fit.val, CPU)


def test_another_error_of_a_step_stays_what_it_is(blob_data):
    model = network()
    model[2].register_forward_hook(lambda *_: raise_(RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(simple_fit(blob_data, model).run(never))


def raise_(error):
    raise error


COMPILED = Compute(torch.device("cpu"), "fp32", channels_last=False, compile=True)


def test_a_machine_that_cannot_compile_says_so(blob_data, monkeypatch):
    from torch._inductor.exc import InvalidCxxCompiler

    monkeypatch.setattr(torch, "compile", lambda *_, **__: lambda inputs: raise_(InvalidCxxCompiler()))
    with pytest.raises(ConfigError, match=r"^compile=true does not work here \(.*\); use compile=false$"):
        list(simple_fit(blob_data, compute=COMPILED).run(never))


@pytest.mark.slow
def test_every_network_of_a_long_sweep_is_compiled(blob_data, monkeypatch):
    graphs = []

    def count(graph, _):
        graphs.append(graph)
        return graph.forward

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda forward, **settings: compile_(forward, backend=count, **settings))
    seen = []
    for width in range(4, 10):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 3))
        before = len(graphs)
        epochs_of(simple_fit(blob_data, model, compute=COMPILED, epochs=1))
        seen.append(len(graphs) - before)
    assert seen == [seen[0]] * 6
    assert seen[0] > 0
