"""Batches: order, shares, resume. Run: pytest tests/data/test_loaders.py"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from cnnrun.data import splits
from cnnrun.data.augment import Augment
from cnnrun.data.loaders import Batch, ResidentLoader
from cnnrun.data.preprocessing import fit_preprocessing
from cnnrun.data.splits import Split
from cnnrun.errors import DataError

CONF = Path(__file__).parents[2] / "conf" / "augment"
OFF: dict[str, Any] = yaml.safe_load((CONF / "none.yaml").read_text())
del OFF["name"]
PER_SAMPLE = OFF | {"flip": True, "crop_padding": 2, "rotation": 9.0, "brightness": 0.2, "cutout": 3}


def split_of(num_samples: int = 53, shape: tuple[int, ...] = (3, 8, 8)) -> Split:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (num_samples, *shape), dtype=torch.uint8, generator=generator)
    targets = torch.randint(0, 4, (num_samples,), generator=generator)
    return Split("train", inputs, targets, [f"train/{row:05d}" for row in range(num_samples)])


def loader(split: Split, knobs: dict[str, Any] | None = None, **settings: Any) -> ResidentLoader:
    defaults: dict[str, Any] = {"batch_size": 10, "shuffle": True, "seed": 3}
    augment = None if knobs is None else Augment(tuple(split.inputs.shape[1:]), 4, **knobs)
    preprocessing = fit_preprocessing(split, "standardize")
    return ResidentLoader(split, preprocessing, augment=augment, **(defaults | settings))


def by_sample(batches: list[Batch]) -> dict[int, torch.Tensor]:
    return {int(index): image for batch in batches for index, image in zip(batch.indices, batch.inputs, strict=True)}


def assert_equal(ours: list[Batch], theirs: list[Batch]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.targets, other.targets)
        assert torch.equal(one.indices, other.indices)
        assert one.total == other.total


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 10, 53, 100])
def test_an_epoch_holds_every_sample_once(shuffle: bool, batch_size: int) -> None:
    split = split_of()
    resident = loader(split, shuffle=shuffle, batch_size=batch_size)
    batches = list(resident.batches(epoch=2))
    assert len(batches) == resident.steps == -(-53 // batch_size)
    indices = torch.cat([batch.indices for batch in batches])
    assert sorted(indices.tolist()) == list(range(53))
    assert sum(batch.total for batch in batches) == resident.num_samples
    assert torch.equal(torch.cat([batch.targets for batch in batches]), split.targets[indices])
    expected = resident.preprocessing.apply(split.inputs[indices])
    assert torch.equal(torch.cat([batch.inputs for batch in batches]), expected)


@pytest.mark.parametrize("shape", [(2, 17), (3, 8, 8), (1, 4, 5, 6)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_series_images_and_volumes_pass(shape: tuple[int, ...], channels_last: bool) -> None:
    batch = next(loader(split_of(shape=shape), channels_last=channels_last).batches())
    assert batch.inputs.shape == (10, *shape)
    if channels_last and len(shape) == 3:
        assert batch.inputs.is_contiguous(memory_format=torch.channels_last)


def test_seed_and_epoch_decide_the_order_and_nothing_else_does() -> None:
    def order(epoch: int, **settings: Any) -> list[int]:
        torch.manual_seed(torch.seed())
        return torch.cat([batch.indices for batch in loader(split_of(), **settings).batches(epoch)]).tolist()

    assert order(1) == order(1) == order(1, batch_size=7)
    assert len({tuple(order(epoch, seed=seed)) for epoch in range(3) for seed in range(3)}) == 9
    assert order(5, shuffle=False) == list(range(53))


@pytest.mark.parametrize("knobs", [None, PER_SAMPLE, PER_SAMPLE | {"mixup": 0.4, "cutmix": 1.0}])
def test_an_epoch_taken_up_in_the_middle_goes_on_as_if_never_left(knobs: dict[str, Any] | None) -> None:
    whole = list(loader(split_of(), knobs).batches(epoch=4))
    for first_step in range(len(whole) + 1):
        assert_equal(list(loader(split_of(), knobs).batches(4, first_step)), whole[first_step:])


def test_augmentation_of_a_sample_does_not_depend_on_its_batch() -> None:
    split = split_of()
    one = by_sample(list(loader(split, PER_SAMPLE, batch_size=10).batches(2)))
    other = by_sample(list(loader(split, PER_SAMPLE, batch_size=23, shuffle=False).batches(2)))
    for index, image in one.items():
        assert torch.equal(image, other[index])


def test_augmentation_changes_with_the_epoch_and_with_the_seed() -> None:
    split = split_of()
    images = [
        by_sample(list(loader(split, PER_SAMPLE, seed=seed).batches(epoch)))[0] for seed in (0, 1) for epoch in (0, 1)
    ]
    assert all(not torch.equal(images[0], image) for image in images[1:])


@pytest.mark.parametrize("world_size", [2, 3, 5])
@pytest.mark.parametrize("batch_size", [10, 26])
def test_the_shares_of_the_ranks_make_up_each_batch(world_size: int, batch_size: int) -> None:
    """53 samples leave a last batch of 3 or 1, where five ranks cannot all have one."""
    split = split_of()
    whole = list(loader(split, PER_SAMPLE, batch_size=batch_size).batches(1))
    shares = [
        list(loader(split, PER_SAMPLE, batch_size=batch_size, rank=rank, world_size=world_size).batches(1))
        for rank in range(world_size)
    ]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert {part.total for part in parts} == {batch.total}
        sizes = [len(part.indices) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        assert torch.equal(torch.cat([part.indices for part in parts]), batch.indices)
        assert torch.equal(torch.cat([part.inputs for part in parts]), batch.inputs)
        assert torch.equal(torch.cat([part.targets for part in parts]), batch.targets)


@pytest.mark.parametrize("knobs", [OFF, PER_SAMPLE | {"mixup": 0.4}, OFF | {"cutmix": 1.0}])
def test_an_empty_share_has_the_shapes_of_a_full_one(knobs: dict[str, Any]) -> None:
    first, *_ = loader(split_of(), knobs, rank=4, world_size=5, batch_size=50).batches()
    *_, last = loader(split_of(), knobs, rank=4, world_size=5, batch_size=50).batches()
    assert len(first.indices) == 10
    assert last.inputs.shape == (0, 3, 8, 8)
    assert last.targets.shape == (0, *first.targets.shape[1:])
    assert last.total == 3


def test_batches_do_not_draw_from_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    list(loader(split_of(), PER_SAMPLE | {"mixup": 1.0}).batches())
    assert torch.equal(torch.rand(1), expected)


def test_the_split_is_not_changed_by_its_batches() -> None:
    split = split_of()
    before = split.inputs.clone()
    list(loader(split, PER_SAMPLE, shuffle=False).batches())
    assert torch.equal(split.inputs, before)


def test_other_inputs_of_the_samples_come_in_the_same_order_as_they_are() -> None:
    class Doubled:
        def apply(self, inputs: torch.Tensor) -> torch.Tensor:
            return 2 * inputs

        def to_dict(self) -> dict[str, Any]:
            return {}

    own = loader(split_of(), PER_SAMPLE, world_size=2, rank=1)
    numbers = torch.arange(53.0)[:, None]
    for ours, theirs in zip(own.of_other_inputs(numbers, Doubled()).batches(4, 2), own.batches(4, 2), strict=True):
        assert torch.equal(ours.inputs[:, 0], 2.0 * theirs.indices)
        assert torch.equal(ours.targets, theirs.targets)
        assert torch.equal(ours.indices, theirs.indices)
        assert ours.total == theirs.total
    assert own.augment is not None


CUDA = torch.device("cuda", 0)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, bool]]:
    """A device that is none: what is copied there stays where it is. Each copy, and whether it is waited for."""
    copies: list[tuple[torch.Tensor, bool]] = []
    plain = torch.Tensor.to

    def to(tensor: torch.Tensor, *args: Any, non_blocking: bool = False, **kwargs: Any) -> torch.Tensor:
        if CUDA not in args:
            return plain(tensor, *args, non_blocking=non_blocking, **kwargs)
        copies.append((tensor, not non_blocking))
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", to)
    return copies


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """What was pinned, by a stand-in that refuses what torch refuses."""
    found: list[torch.Tensor] = []

    def pin_memory(tensor: torch.Tensor) -> torch.Tensor:
        assert tensor.is_contiguous()
        found.append(tensor.clone())
        return found[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    return found


def in_rows(split: Split) -> Split:
    """The same samples, scattered over more rows."""
    rows = torch.randperm(3 * len(split), generator=torch.Generator().manual_seed(1))[: len(split)]
    inputs = torch.zeros(3 * len(split), *split.inputs.shape[1:], dtype=split.inputs.dtype)
    inputs[rows] = split.inputs
    return replace(split, inputs=inputs, rows=rows)


ON_HOST: dict[str, dict[str, Any]] = {
    "in order": {"shuffle": False},
    "shuffled": {},
    "augmented": {"knobs": PER_SAMPLE},
    "augmented in order": {"knobs": PER_SAMPLE, "shuffle": False},
    "mixed": {"knobs": PER_SAMPLE | {"mixup": 0.4, "cutmix": 1.0}},
    "balanced": {"knobs": PER_SAMPLE, "sampler": "balanced"},
    "a rank of two": {"knobs": PER_SAMPLE, "world_size": 2, "rank": 1},
    "channels last": {"knobs": PER_SAMPLE, "channels_last": True},
}


@pytest.mark.parametrize("place", [lambda split: split, in_rows], ids=["as they are", "in rows"])
@pytest.mark.parametrize("settings", ON_HOST.values(), ids=ON_HOST)
def test_a_split_that_stays_on_the_host_gives_the_same_batches(settings, place, cuda, pinned):
    expected = list(loader(split_of(), **settings).batches(3, 1))
    assert pinned == []
    cuda.clear()
    ours = loader(place(split_of()), device=CUDA, **settings)
    assert_equal(list(ours.batches(3, 1)), expected)
    assert len(pinned) == len(expected)
    without_waiting = [tensor for tensor, waits in cuda if not waits]
    assert [tensor is known for tensor, known in zip(without_waiting, pinned, strict=True)] == [True] * len(pinned)
    assert sum(tensor.nbytes for tensor, waits in cuda if waits) < 53 * 8 * 20  # order, draws, targets


def test_windows_that_overlap_are_laid_out_before_they_are_pinned(cuda, pinned):
    windows = torch.arange(2.0 * 70).view(2, 70).unfold(1, 18, 1).movedim(1, 0)
    split = replace(split_of(shape=(2, 18)), inputs=windows)
    expected = list(loader(split, shuffle=False).batches())
    assert_equal(list(loader(split, shuffle=False, device=CUDA).batches()), expected)
    assert len(pinned) == 6


def test_other_inputs_on_the_host_come_to_the_device_of_the_samples(cuda, pinned):
    own = loader(split_of(), device=CUDA)
    numbers = torch.arange(53.0)[:, None]
    got = list(own.of_other_inputs(numbers, AsTheyAre()).batches(2))
    assert len(pinned) == len(got) == 6
    assert all(torch.equal(batch.inputs[:, 0], batch.indices.float()) for batch in got)


class AsTheyAre:
    def apply(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs

    def to_dict(self) -> dict[str, Any]:
        return {}


def test_without_cuda_a_batch_is_copied_as_it_is(pinned):
    batches = list(loader(split_of(), PER_SAMPLE, device=torch.device("meta")).batches())
    assert [batch.inputs.shape[0] for batch in batches] == [10] * 5 + [3]
    for batch in batches:
        assert {value.device.type for value in (batch.inputs, batch.targets, batch.indices)} == {"meta"}
    assert pinned == []


def test_on_the_cpu_nothing_is_copied(pinned):
    split = split_of()
    own = loader(split, shuffle=False, device=torch.device("cpu"))
    assert own.targets is split.targets
    assert own._inputs(slice(10, 20)).data_ptr() == split.inputs[10].data_ptr()
    assert len(list(own.batches())) == 6
    assert pinned == []


def test_a_split_of_chosen_rows_comes_to_the_device_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "GATHERED_BYTES", 500)  # two samples and a half
    rows = torch.randperm(53, generator=torch.Generator().manual_seed(1))[:7]
    split = split_of()
    chosen = replace(split, targets=split.targets[rows], rows=rows)
    assert torch.equal(chosen._gathered("cpu"), split.inputs[rows])
    moved = chosen.to("meta")
    assert moved.inputs.shape == (7, 3, 8, 8)
    assert moved.rows is None
    assert moved.targets.device.type == "meta"


def test_a_split_too_large_for_the_device_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError

    split = split_of()
    monkeypatch.setattr(torch.Tensor, "to", full)
    with pytest.raises(DataError) as error:
        split.to("cuda")
    assert str(error.value) == (
        "train takes 10,176 bytes, which cuda does not have free; "
        "take a smaller dataset.image_size, dataset.limit, or device=cpu"
    )


@pytest.mark.parametrize(("samples", "sizes"), [(9, [4, 5]), (10, [4, 4, 2]), (8, [4, 4]), (1, [1])])
def test_a_single_left_over_sample_joins_the_batch_before_it(samples, sizes):
    split = split_of(samples)
    preprocessing = fit_preprocessing(split, "unit")
    loader = ResidentLoader(split, preprocessing, batch_size=4, shuffle=True)
    assert [len(batch.targets) for batch in loader.batches()] == sizes
    assert [loader.samples_until(step) for step in range(len(sizes) + 1)] == [
        sum(sizes[:k]) for k in range(len(sizes) + 1)
    ]


@pytest.mark.parametrize(
    ("samples", "batch_size", "world_size", "smallest"),
    [(53, 10, 1, 3), (51, 10, 1, 10), (53, 10, 2, 1), (52, 10, 4, 1), (8, 1, 1, 1), (20, 10, 3, 3)],
)
def test_the_smallest_share_is_that_of_the_last_rank_that_has_samples(samples, batch_size, world_size, smallest):
    split = split_of(samples)
    shares = [
        len(batch.targets)
        for rank in range(world_size)
        for batch in loader(split, batch_size=batch_size, rank=rank, world_size=world_size).batches()
    ]
    assert min(share for share in shares if share) == smallest
    assert loader(split, batch_size=batch_size, world_size=world_size).smallest_share == smallest


def test_the_first_rank_always_has_samples():
    for batch in loader(split_of(53), batch_size=1, rank=0, world_size=3).batches():
        assert len(batch.targets) == 1
