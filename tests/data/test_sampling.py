"""Balanced draws. Run: pytest tests/data/test_sampling.py"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from cnnrun.data.augment import Augment
from cnnrun.data.loaders import ResidentLoader
from cnnrun.data.preprocessing import fit_preprocessing
from cnnrun.data.sampling import balanced_order
from cnnrun.data.splits import Split
from cnnrun.errors import ConfigError

TARGETS = torch.repeat_interleave(torch.arange(4), torch.tensor([90, 9, 0, 3]))
"""102 samples of three classes; a fourth does not occur."""
OFF: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "conf" / "augment" / "none.yaml").read_text())
del OFF["name"]


def order(targets: torch.Tensor = TARGETS, seed: int = 0) -> torch.Tensor:
    return balanced_order(targets, torch.Generator().manual_seed(seed))


def split_of(targets: torch.Tensor) -> Split:
    inputs = torch.randint(
        0, 256, (len(targets), 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    return Split("train", inputs, targets, [str(row) for row in range(len(targets))])


def balanced(seed: int = 0, batch_size: int = 10, augment: Augment | None = None) -> ResidentLoader:
    split = split_of(TARGETS)
    return ResidentLoader(
        split,
        fit_preprocessing(split, "none"),
        batch_size=batch_size,
        seed=seed,
        shuffle=True,
        sampler="balanced",
        augment=augment,
    )


def indices(loader: ResidentLoader, epoch: int = 0) -> list[int]:
    return torch.cat([batch.indices for batch in loader.batches(epoch)]).tolist()


def test_every_class_is_drawn_equally_often_and_as_many_draws_are_made_as_there_are_samples() -> None:
    drawn = order()
    assert len(drawn) == 102
    assert Counter(TARGETS[drawn].tolist()) == {0: 34, 1: 34, 3: 34}
    uneven = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])
    for seed in range(5):
        assert sorted(Counter(uneven[order(uneven, seed)].tolist()).values()) == [2, 3, 3]


def test_a_class_is_gone_through_before_a_sample_of_it_comes_again() -> None:
    times = Counter(order().tolist())
    assert sorted(times[row] for row in range(90, 99)) == [3, 3, 4, 4, 4, 4, 4, 4, 4]
    assert sorted(times[row] for row in range(99, 102)) == [11, 11, 12]
    assert max(times[row] for row in range(90)) == 1


def test_over_many_epochs_every_sample_of_a_class_is_drawn_alike() -> None:
    times = Counter(row for seed in range(300) for row in order(seed=seed).tolist())
    expected = 300 * 34 / 90
    assert all(abs(times[row] - expected) < 5 * expected**0.5 for row in range(90))


def test_seed_and_epoch_decide_alone() -> None:
    assert indices(balanced(), 1) == indices(balanced(batch_size=7), 1)
    assert indices(balanced(), 1) != indices(balanced(), 2)
    assert indices(balanced(), 1) != indices(balanced(seed=1), 1)
    first, *_, last = list(balanced().batches(3))
    (again,) = list(balanced().batches(3, first_step=balanced().steps - 1))
    assert torch.equal(again.inputs, last.inputs)
    assert torch.equal(first.inputs, balanced().preprocessing.apply(split_of(TARGETS).inputs[first.indices]))
    assert torch.equal(first.targets, TARGETS[first.indices])


def test_the_draws_of_a_sample_in_one_epoch_are_augmented_differently() -> None:
    loader = balanced(augment=Augment((1, 4, 4), 4, **(OFF | {"brightness": 0.5})))
    seen: dict[int, list[torch.Tensor]] = {}
    for batch in loader.batches():
        for index, image in zip(batch.indices.tolist(), batch.inputs, strict=True):
            seen.setdefault(index, []).append(image)
    rare = seen[100]
    assert len(rare) >= 11
    assert len({image.numpy().tobytes() for image in rare}) == len(rare)


def test_what_has_no_classes_is_refused() -> None:
    split = split_of(torch.rand(8, 1))
    with pytest.raises(
        ConfigError, match="sampler=balanced: it draws every class equally often, and a series has none"
    ):
        ResidentLoader(split, fit_preprocessing(split, "none"), batch_size=2, shuffle=True, sampler="balanced")
