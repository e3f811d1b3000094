"""Stratified shares. Run: pytest tests/data/test_partition.py"""

import pytest
import torch
from torch import Tensor

from cnnrun.data import partition
from cnnrun.data.partition import apportion, train_and_val_rows
from cnnrun.errors import DataError

NAMES = ("ant", "bee", "cat", "dog")


def skewed(seed: int = 0) -> Tensor:
    """500, 300, 33 and 2 samples of four classes, shuffled."""
    targets = torch.repeat_interleave(torch.arange(4), torch.tensor([500, 300, 33, 2]))
    return targets[torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))]


def parted(
    targets: Tensor, val_fraction: float = 0.1, split_seed: int = 0, limit: int | None = None
) -> tuple[Tensor, Tensor]:
    return train_and_val_rows(targets, NAMES, val_fraction=val_fraction, split_seed=split_seed, limit=limit)


@pytest.mark.parametrize("val_fraction", [0.001, 0.1, 0.5, 0.999])
def test_train_and_val_part_the_pool_and_both_hold_every_class(val_fraction: float) -> None:
    targets = skewed()
    train, val = parted(targets, val_fraction)
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(len(targets)))
    assert set(targets[train].tolist()) == set(targets[val].tolist()) == {0, 1, 2, 3}


def test_val_has_the_proportions_of_the_pool() -> None:
    """835 samples: val gets round(83.5) = 84; by largest remainder 50, 30, 3, and 1 for the class of two."""
    targets = skewed()
    _, val = parted(targets)
    assert torch.bincount(targets[val]).tolist() == [50, 30, 3, 1]


def test_rows_keep_the_order_of_the_file() -> None:
    for rows in parted(skewed(), limit=100):
        assert rows.tolist() == sorted(rows.tolist())


def test_the_same_split_seed_parts_alike_and_another_one_otherwise() -> None:
    targets = skewed()
    assert torch.equal(parted(targets, split_seed=3)[1], parted(targets, split_seed=3)[1])
    assert not torch.equal(parted(targets, split_seed=3)[1], parted(targets, split_seed=4)[1])


def test_the_split_does_not_touch_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    parted(skewed(), limit=50)
    assert torch.equal(torch.rand(1), expected)


def test_a_limit_takes_so_many_in_the_proportions_of_the_classes() -> None:
    """Of 835: 100 are 60, 36, 4 and 0 by quota; two of the last class are kept, taken from the most over-served."""
    targets = skewed()
    train, val = parted(targets, limit=100)
    assert len(train) == 90
    assert len(val) == 10
    assert torch.bincount(targets[torch.cat((train, val))]).tolist() == [59, 35, 4, 2]


def test_a_limit_above_the_pool_changes_nothing() -> None:
    targets = skewed()
    assert torch.equal(parted(targets, limit=10_000)[0], parted(targets)[0])


def test_the_test_set_is_whole_or_limited_in_proportion() -> None:
    targets = skewed()
    assert torch.equal(partition.test_rows(targets, 4, split_seed=0, limit=None), torch.arange(len(targets)))
    kept = partition.test_rows(targets, 4, split_seed=0, limit=100)
    assert torch.bincount(targets[kept], minlength=4).tolist() == [60, 36, 4, 0]


def test_a_class_of_one_sample_is_refused_with_a_remedy() -> None:
    with pytest.raises(DataError) as error:
        parted(torch.tensor([0, 0, 1, 1, 2, 2, 3]))
    assert str(error.value) == (
        "class 'dog' has 1 sample, and train and val need one each (1 of 4 classes are that small): "
        "add samples, or leave the class out"
    )


def test_a_limit_too_small_for_every_class_is_refused_with_the_least_that_works() -> None:
    with pytest.raises(DataError) as error:
        parted(skewed(), limit=7)
    assert str(error.value) == "dataset.limit=7: 4 classes need at least 8 samples, one each for train and val"
    train, val = parted(skewed(), limit=8)
    assert len(train) == len(val) == 4


def test_seats_go_by_largest_remainder_within_their_bounds() -> None:
    assert apportion([60, 30, 10], 10, 0, [60, 30, 10]) == [6, 3, 1]
    assert apportion([5, 3, 2], 4, 0, [5, 3, 2]) == [2, 1, 1]
    assert apportion([98, 1, 1], 10, 1, [98, 1, 1]) == [8, 1, 1]
    assert apportion([4, 4], 8, 0, [4, 4]) == [4, 4]
    assert apportion([90, 10], 50, 1, [40, 10]) == [40, 10]
