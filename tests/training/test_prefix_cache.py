"""Activations that are kept: the same training with and without, in fewer forwards; files; views.

`pytest tests/training/test_prefix_cache.py`
"""

import errno
import itertools
import multiprocessing
import os
from dataclasses import replace

import pytest
import torch
from torch import nn

from cnnrun import caches
from cnnrun.data.augment import Augment
from cnnrun.data.loaders import ResidentLoader
from cnnrun.tasks.classification import Classification
from cnnrun.training import prefix_cache
from cnnrun.training.cut import find_cut
from cnnrun.training.device import Compute
from cnnrun.training.fit import Fit
from cnnrun.training.inference import predict
from cnnrun.training.optimizers import sgd
from cnnrun.training.parted import Parted
from cnnrun.training.plan import Plan
from cnnrun.training.prefix import Prefix
from cnnrun.training.prefix_cache import Wanted, obtain
from cnnrun.training.records import Epoch, Filled, Stopped
from cnnrun.training.schedules import constant
from cnnrun.training.state import State

CPU = torch.device("cpu")
FP32 = Compute(CPU, "fp32", channels_last=True, compile=False)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNRUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prefix"


class Net(nn.Module):
    """Frozen up to the second block; the cut is in the middle of a map of 4 channels."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(self.block(1, 4), self.block(4, 8), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(32, 3))
        self.features[0].requires_grad_(False)
        nn.init.uniform_(self.features[0][1].running_mean, -1, 1)

    @staticmethod
    def block(inputs, outputs):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())

    def train(self, mode=True):
        super().train(mode)
        self.features[0].eval()
        return self

    def forward(self, x):
        return self.head(self.features(x))


class NetOfLayers(Net):
    """The cut is between a convolution and its batch normalisation, which stand in one container."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        self.features = nn.Sequential(*layers)
        self.features[0].requires_grad_(False)
        self.head = nn.Linear(16, 3)


def augment(**changes):
    knobs = {"flip": True, "crop_padding": 1, "rotation": 0.0, "shift": 0.0, "zoom": 0.0, "brightness": 0.0}
    more = {"fill": "edge", "cutout": 0, "mixup": 0.0, "cutmix": 0.0}
    return Augment((1, 8, 8), 3, **(knobs | more | changes))


def parted_for(model, data, compute=FP32, *, keeps=True, views=0):
    cut, why = find_cut(model, torch.randn(2, 1, 8, 8))
    assert cut.place == "after features.0", why
    return Parted(cut, model, compute, keeps=keeps, views=views, fingerprint=data.fingerprint)


def fit_of(
    data,
    compute=FP32,
    *,
    network=Net,
    parted=True,
    keeps=True,
    views=0,
    augmented=None,
    ema=None,
    epochs=3,
    max_seconds=None,
):
    model = network().to(memory_format=torch.channels_last)
    train = ResidentLoader(
        data.train, data.preprocessing, batch_size=16, seed=5, shuffle=True, augment=augmented, channels_last=True
    )
    val = ResidentLoader(data.val, data.preprocessing, batch_size=8, channels_last=True)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = sgd(trained, lr=0.05, momentum=0.9, nesterov=False, weight_decay=1e-3)
    state = State(model, optimizer, constant(100, 4, warmup_epochs=0.0), compute, ema)
    knobs = {"monitor": "accuracy", "label_smoothing": 0.0, "class_weights": "none", "focal_gamma": 0.0}
    task = Classification(data.class_names, data.class_counts(), **knobs)
    plan = Plan(epochs, max_seconds, None, 0.0, None, 5)
    own = parted_for(model, data, compute, keeps=keeps, views=views) if parted else None
    return Fit(state, task, train, val, compute, plan, own)


def epochs_of(fit):
    return [record for record in fit.run(lambda: False) if isinstance(record, Epoch)]


def values_of(epochs):
    return [(epoch.train, epoch.val) for epoch in epochs]


def assert_same_weights(fit, other, **tolerance):
    for name, value in fit.state.model.state_dict().items():
        if tolerance:
            torch.testing.assert_close(value, other.state.model.state_dict()[name], msg=name, **tolerance)
        else:
            assert torch.equal(value, other.state.model.state_dict()[name]), name


def test_statistics_over_several_devices_follow_the_mode_of_the_tail(blob_data, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(nn.parallel, "DistributedDataParallel", lambda module, device_ids: module)
    parts = fit_of(blob_data, network=NetOfLayers)
    on_cuda = replace(FP32, device=torch.device("cuda", 0))
    fit = Fit(parts.state, parts.task, parts.train, parts.val, on_cuda, parts.plan, parts.parted)
    [norm] = [module for module in fit._forward.modules() if isinstance(module, nn.SyncBatchNorm)]
    for mode in (True, False):
        fit._net.train(mode)
        assert norm.training is mode


class Counted:
    """How many samples went through a prefix."""

    def __init__(self, monkeypatch):
        self.samples = 0
        plain = Prefix.__call__

        def call(prefix, inputs):
            self.samples += len(inputs)
            return plain(prefix, inputs)

        monkeypatch.setattr(Prefix, "__call__", call)


@pytest.mark.parametrize("ema", [None, 0.9])
def test_training_on_kept_activations_is_training(blob_data, ema):
    kept, plain = fit_of(blob_data, ema=ema), fit_of(blob_data, parted=False, ema=ema)
    for ours, theirs in zip(epochs_of(kept), epochs_of(plain), strict=True):
        assert ours.train == pytest.approx(theirs.train, rel=1e-4)
        assert ours.val == pytest.approx(theirs.val, rel=1e-4)
    assert_same_weights(kept, plain, rtol=1e-4, atol=1e-5)
    assert list(kept.state.tensors()["model"]) == list(plain.state.tensors()["model"])


def test_kept_or_not_the_bytes_are_the_same(blob_data):
    kept, computed = fit_of(blob_data), fit_of(blob_data, keeps=False)
    assert values_of(epochs_of(kept)) == values_of(epochs_of(computed))
    assert_same_weights(kept, computed)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_logits_are_those_of_the_whole_model(blob_data, precision):
    compute = replace(FP32, precision=precision)
    model = Net().to(memory_format=torch.channels_last)
    loader = ResidentLoader(blob_data.test, blob_data.preprocessing, batch_size=7, channels_last=True)
    parted = parted_for(model, blob_data, compute)
    ours = predict(parted.tail(model), parted.feed(loader), compute)
    theirs = predict(model, loader, FP32)
    if precision == "fp32":
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert (ours - theirs).abs().max() < 0.05 * theirs.abs().max()
    assert torch.equal(predict(parted.joined(model), loader, compute), ours)


def test_each_sample_is_computed_once_a_run_and_once_for_all_runs(blob_data, monkeypatch, cache):
    counted = Counted(monkeypatch)
    fit = fit_of(blob_data, epochs=4)
    records = list(fit.run(lambda: False))
    [filled] = [record for record in records if isinstance(record, Filled)]
    assert filled.facts["kept"] == ["train", "val"]
    assert filled.facts["bytes"] == (52 + 21) * 4 * 8 * 8 * 4
    assert filled.sentence == (
        "the frozen layers, up to features.0, are computed once for each sample: 52 of train, 21 of val (0 MB, fp32)"
    )
    samples = counted.samples
    assert samples == 52 + 21 + 16  # and what tells the shape
    again = fit_of(blob_data, epochs=4)
    assert values_of(epochs_of(again)) == values_of([record for record in records if isinstance(record, Epoch)])
    assert counted.samples == samples + 16
    assert len([entry for entry in cache.iterdir() if entry.is_dir()]) == 2


def test_augmented_samples_are_computed_at_each_step_and_val_is_kept(blob_data, monkeypatch):
    counted = Counted(monkeypatch)
    fit = fit_of(blob_data, augmented=augment())
    records = list(fit.run(lambda: False))
    assert counted.samples == 3 * 52 + 21 + 16
    [filled] = [record for record in records if isinstance(record, Filled)]
    assert filled.facts["kept"] == ["val"]
    assert filled.sentence.endswith(
        "; at each step for train: augmentation makes other images in each epoch (cache.views=4 would keep 4 of each)"
    )
    plain = fit_of(blob_data, augmented=augment(), parted=False)
    epochs_of(plain)
    assert_same_weights(fit, plain, rtol=1e-4, atol=1e-5)


def test_views_are_the_augmentation_of_the_first_epochs_again_and_again(blob_data, monkeypatch):
    counted = Counted(monkeypatch)
    fit = fit_of(blob_data, augmented=augment(), views=2, epochs=2)
    expected = fit_of(blob_data, augmented=augment(), keeps=False, epochs=2)
    assert values_of(epochs_of(fit)) == values_of(epochs_of(expected))
    assert_same_weights(fit, expected)
    before = counted.samples
    more = fit_of(blob_data, augmented=augment(), views=2, epochs=5)
    epochs_of(more)
    assert counted.samples == before + 16
    feed = more._train
    first, third = (next(feed.batches(epoch)) for epoch in (0, 2))
    row = {int(index): place for place, index in enumerate(third.indices)}
    shared = [(place, row[int(index)]) for place, index in enumerate(first.indices) if int(index) in row]
    assert shared
    assert all(torch.equal(first.inputs[ours], third.inputs[theirs]) for ours, theirs in shared)


def test_a_training_whose_time_is_used_up_by_filling_has_an_epoch_of_one_step_all_the_same(blob_data):
    [epoch] = epochs_of(fit_of(blob_data, max_seconds=1e-9))
    assert (epoch.number, epoch.step, epoch.is_best) == (1, 1, True)
    assert epoch.stop == "the time is used up (max_seconds=1e-09)"


@pytest.mark.parametrize("steps", [1, 4, 9])
def test_a_training_that_goes_on_with_what_is_kept_ends_with_the_same_bytes(blob_data, steps):
    whole = fit_of(blob_data)
    expected = values_of(epochs_of(whole))
    counter = itertools.count(-1)  # one question while it fills
    first = fit_of(blob_data)
    records = list(first.run(lambda: next(counter) >= steps))
    assert isinstance(records[-1], Stopped)
    tensors = {
        stem: {name: value.clone() for name, value in named.items()} for stem, named in first.state.tensors().items()
    }
    second = fit_of(blob_data)
    for parameter in second.state.model.features[0].parameters():
        nn.init.zeros_(parameter)  # a model that goes on is built without its weights
    second.state.load(tensors, first.state.values())
    got = [record for record in records if isinstance(record, Epoch)] + epochs_of(second)
    assert values_of(got) == expected
    assert_same_weights(whole, second)


def test_activations_that_do_not_fit_on_the_device_are_copied_there_batch_by_batch(blob_data):
    meta = torch.device("meta")
    train, val = (
        ResidentLoader(getattr(blob_data, name), blob_data.preprocessing, batch_size=16, device=meta)
        for name in ("train", "val")
    )
    parted = parted_for(Net(), blob_data)
    shape = parted.prefix.shape
    parted.compute = replace(FP32, device=meta)
    parted._kept = {
        parted.wanted(train).key: torch.zeros(1, 52, *shape),
        parted.wanted(val).key: torch.zeros(1, 21, *shape, device="meta"),
    }
    batches = list(parted.feed(train).batches())
    assert [batch.inputs.shape for batch in batches] == [(size, *shape) for size in (16, 16, 16, 4)]
    for batch in batches:
        assert {tensor.device for tensor in (batch.inputs, batch.targets, batch.indices)} == {meta}
    assert parted.filled([train, val], 0.0).sentence.endswith("; those of train are copied to meta batch by batch")


def test_what_is_kept_depends_on_all_that_it_is_made_of(blob_data):
    def key(model=None, data=blob_data, split="train", compute=FP32, augmented=None, seed=0, views=2):
        model = model or Net()
        loader = ResidentLoader(
            getattr(data, split), data.preprocessing, batch_size=9, seed=seed, augment=augmented, channels_last=True
        )
        return parted_for(model, data, compute, views=views).wanted(loader).key

    other_weights = Net()
    other_weights.features[0][1].bias.data[1] += 1e-6
    other_head = Net()
    nn.init.zeros_(other_head.head[1].weight)
    scaled = replace(blob_data.preprocessing, scale=(0.5,))
    other_data = replace(blob_data, train=replace(blob_data.train, targets=blob_data.train.targets.flip(0)))
    assert key() == key() == key(model=other_head) == key(seed=1) == key(views=3)
    keys = [
        key(),
        key(model=other_weights),
        key(data=replace(blob_data, preprocessing=scaled)),
        key(data=other_data),
        key(split="val"),
        key(compute=replace(FP32, precision="bf16")),
        key(augmented=augment()),
        key(augmented=augment(), seed=1),
        key(augmented=augment(), views=3),
        key(augmented=augment(flip=False)),
    ]
    assert len(set(keys)) == len(keys)


# --- files


WANTED = Wanted("0123", (2, 3, 5), torch.bfloat16)


def pieces():
    values = torch.arange(30).view(6, 5).to(torch.bfloat16)
    yield from (values[:4], values[4:])


def run(generator):
    counts = []
    while True:
        try:
            counts.append(next(generator))
        except StopIteration as end:
            return end.value, counts


def nothing():
    raise AssertionError("it is computed again")
    yield


def test_activations_are_read_again_where_they_are_whole(cache):
    made, counts = run(obtain(WANTED, pieces, CPU))
    assert counts == [4, 6]
    read, counts = run(obtain(WANTED, nothing, CPU))
    assert torch.equal(made, read)
    assert torch.equal(read, torch.arange(30).view(2, 3, 5).to(torch.bfloat16))
    assert counts == []
    read.zero_()  # is private
    assert torch.equal(run(obtain(WANTED, nothing, CPU))[0], made)
    file = cache / "0123" / "activations"
    file.write_bytes(file.read_bytes()[:-2])
    assert torch.equal(run(obtain(WANTED, pieces, CPU))[0], made)


@pytest.mark.parametrize("byte", [0, 31, 59, 60, 63])
def test_activations_that_were_damaged_are_computed_again(cache, byte):
    made, _ = run(obtain(WANTED, pieces, CPU))
    file = cache / "0123" / "activations"
    content = bytearray(file.read_bytes())
    assert len(content) == 2 * 30 + 4
    content[byte] ^= 0x40
    file.write_bytes(content)
    again, counts = run(obtain(WANTED, pieces, CPU))
    assert counts == [4, 6]
    assert torch.equal(again, made)
    assert torch.equal(run(obtain(WANTED, nothing, CPU))[0], made)


@pytest.mark.parametrize("content", [b"", bytes(64), b"x" * 64, b"x" * 65])
def test_a_file_of_anything_else_is_not_read(cache, content):
    (cache / "0123").mkdir(parents=True)
    (cache / "0123" / "activations").write_bytes(content)
    assert torch.equal(run(obtain(WANTED, pieces, CPU))[0].flatten(), torch.arange(30).to(torch.bfloat16))


def test_large_ones_are_written_as_they_come_and_mapped(cache, monkeypatch):
    monkeypatch.setattr(prefix_cache, "IN_MEMORY", 10)
    made, counts = run(obtain(WANTED, pieces, CPU))
    assert torch.equal(made, torch.arange(30).view(2, 3, 5).to(torch.bfloat16))
    assert counts == [4, 6]
    monkeypatch.setattr(prefix_cache, "_has_room", lambda *_: False)
    assert run(obtain(replace(WANTED, key="other"), pieces, CPU)) == (None, [])


def test_what_is_in_memory_is_written_in_blocks_of_whole_samples(cache, monkeypatch):
    monkeypatch.setattr(prefix_cache, "BLOCK", 25)
    written = []
    write = prefix_cache._write
    monkeypatch.setattr(prefix_cache, "_write", lambda file, pieces: write(file, written.extend(pieces) or written))
    made, _ = run(obtain(WANTED, pieces, CPU))
    assert [len(piece) for piece in written] == [2, 2, 2]
    assert torch.equal(run(obtain(WANTED, nothing, CPU))[0], made)


def test_what_the_cache_would_have_to_remove_again_is_not_written(cache, monkeypatch):
    monkeypatch.setattr(prefix_cache, "_has_room", lambda *_: False)
    made, _ = run(obtain(WANTED, pieces, CPU))
    assert torch.equal(made, torch.arange(30).view(2, 3, 5).to(torch.bfloat16))
    assert not WANTED.entry.exists()


def test_an_evaluation_may_bring_what_training_needs_to_the_device():
    run(obtain(WANTED, pieces, CPU))
    with torch.inference_mode():
        found, _ = run(obtain(WANTED, nothing, torch.device("meta")))
    assert found.device.type == "meta"
    assert not found.is_inference()


def test_a_computation_that_is_given_up_leaves_nothing(cache, monkeypatch):
    monkeypatch.setattr(prefix_cache, "IN_MEMORY", 10)
    (cache / "0123").mkdir(parents=True)
    (cache / "0123" / ".activations.abcd.tmp").write_text("of one that was killed")
    generator = obtain(WANTED, pieces, CPU)
    next(generator)
    generator.close()
    assert list((cache / "0123").iterdir()) == []
    assert run(obtain(WANTED, pieces, CPU))[1] == [4, 6]  # and nobody holds the lock


def test_a_cache_that_cannot_be_written_is_read(monkeypatch):
    made, _ = run(obtain(WANTED, pieces, CPU))

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(caches, "locked", refuse)
    assert torch.equal(run(obtain(WANTED, nothing, CPU))[0], made)
    other = replace(WANTED, key="other")
    assert torch.equal(run(obtain(other, pieces, CPU))[0], made)
    assert not other.entry.exists()


def test_a_file_that_is_damaged_as_it_is_written_is_done_without(monkeypatch):
    monkeypatch.setattr(prefix_cache, "_free", lambda _: 0)
    monkeypatch.setattr(os, "replace", lambda temporary, file: file.write_bytes(bytes(64)))
    assert run(obtain(WANTED, pieces, CPU)) == (None, [4, 6])


def test_without_a_cache_folder_they_are_in_memory(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CNNRUN_CACHE", str(tmp_path / "file"))
    made, _ = run(obtain(WANTED, pieces, CPU))
    assert torch.equal(made, torch.arange(30).view(2, 3, 5).to(torch.bfloat16))
    monkeypatch.setattr(prefix_cache, "IN_MEMORY", 10)
    assert run(obtain(WANTED, pieces, CPU)) == (None, [])


def test_without_room_for_them_training_computes_them_at_each_step(blob_data, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    expected = fit_of(blob_data)
    epochs = epochs_of(expected)
    monkeypatch.setenv("CNNRUN_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(prefix_cache, "IN_MEMORY", 10)
    fit = fit_of(blob_data)
    records = list(fit.run(lambda: False))
    assert values_of([record for record in records if isinstance(record, Epoch)]) == values_of(epochs)
    [filled] = [record for record in records if isinstance(record, Filled)]
    assert filled.sentence == (
        "the frozen layers, up to features.0, are computed at each step for train: there is no room for them in memory "
        "or in the cache folder; at each step for val: there is no room for them in memory or in the cache folder"
    )


def build_slowly(folder, started, count):
    import os
    import time

    os.environ["CNNRUN_CACHE"] = folder

    def slow():
        count.value += 1
        started.set()
        for piece in pieces():
            time.sleep(0.3)
            yield piece

    made, _ = run(obtain(WANTED, slow, CPU))
    assert torch.equal(made, torch.arange(30).view(2, 3, 5).to(torch.bfloat16))


@pytest.mark.slow
def test_of_two_processes_the_second_waits_for_the_first(tmp_path):
    context = multiprocessing.get_context("spawn")
    started, count = context.Event(), context.Value("i", 0)
    processes = [context.Process(target=build_slowly, args=(str(tmp_path / "cache"), started, count)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert count.value == 1
