"""Splits of a folder of pictures. Run: pytest tests/data/test_image_splits.py"""

from typing import Any

import pytest
import torch
from torch import Tensor

from cnnrun.data.image_splits import Draws, Parts, limited, part
from cnnrun.errors import DataError

NAMES = ("ant", "bee", "cat")
DRAWS = Draws(test_fraction=0.2, val_fraction=0.1, split_seed=0, limit=None)


def targets_of(*counts: int) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def parted(targets: Tensor, digests: list[str] | None = None, given: Any = None, **draws: Any) -> Parts:
    digests = digests or [str(row) for row in range(len(targets))]
    return part(targets, digests, given or [None] * len(targets), NAMES, Draws(**(vars(DRAWS) | draws)))


def counts(targets: Tensor, rows: Tensor) -> list[int]:
    return torch.bincount(targets[rows], minlength=len(NAMES)).tolist()


def rows_of(parts: Parts) -> list[list[int]]:
    return [parts.train.tolist(), parts.val.tolist(), parts.test.tolist()]


def test_test_is_drawn_from_all_and_val_from_the_rest_in_the_proportions_of_the_classes() -> None:
    """Of 500, 300, 200: 20 % are 100, 60, 40; 10 % of the rest 40, 24, 16."""
    targets = targets_of(500, 300, 200)
    parts = parted(targets)
    assert counts(targets, parts.test) == [100, 60, 40]
    assert counts(targets, parts.val) == [40, 24, 16]
    assert sorted(row for rows in rows_of(parts) for row in rows) == list(range(1000))
    assert all(rows == sorted(rows) for rows in rows_of(parts))


def test_the_seed_decides_alone() -> None:
    targets = targets_of(50, 30, 20)
    assert rows_of(parted(targets)) == rows_of(parted(targets))
    assert parted(targets).test.tolist() != parted(targets, split_seed=1).test.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_copies_stay_on_one_side(seed: int) -> None:
    """Every picture of 100 is there three times, two of them in two classes."""
    targets = targets_of(100, 100, 100)
    digests = [str(row // 3) for row in range(300)]
    parts = parted(targets, digests, split_seed=seed)
    sides = [{digests[row] for row in rows} for rows in rows_of(parts)]
    assert sides[0] | sides[1] | sides[2] == set(map(str, range(100)))
    assert sum(map(len, sides)) == 100
    assert [len(rows) for rows in rows_of(parts)] == [216, 24, 60]


def test_given_splits_stay_and_what_is_missing_is_drawn_from_train() -> None:
    targets = targets_of(100, 100, 100)
    for name, fraction in (("val", 0.2), ("test", 0.1)):
        given = [name if row % 10 == 0 else "train" for row in range(300)]
        parts = parted(targets, given=given)
        other = "test" if name == "val" else "val"
        assert getattr(parts, name).tolist() == list(range(0, 300, 10))
        assert counts(targets, getattr(parts, other)) == [round(90 * fraction)] * 3
        assert sorted(row for rows in rows_of(parts) for row in rows) == list(range(300))
    given = [("train", "val", "test")[row % 3] for row in range(300)]
    assert rows_of(parted(targets, given=given)) == [list(range(start, 300, 3)) for start in range(3)]


def test_a_small_class_is_in_every_split() -> None:
    targets = targets_of(500, 3, 500)
    parts = parted(targets)
    assert [counts(targets, rows)[1] for rows in (parts.train, parts.val, parts.test)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("sizes", "digests", "given", "said"),
    [
        ((10, 2, 10), None, None, r"'bee' has 2 pictures to train on, and train, val and test need one each \(1 of 3"),
        (
            (10, 2, 1),
            None,
            ["train"] * 12 + ["test"],
            "'cat' has 0 pictures to train on, and train and val need one each",
        ),
        ((9, 2, 2), None, ["train"] * 11 + ["test", "val"], "'cat' has 0 pictures to train on, and train needs one"),
        ((4, 3, 3), [*"xxxxabcdef"], None, r"'ant' has 4 pictures \(1 without copies\) to train on"),
        ((3, 3, 3), [*"abcabcdef"], None, r"'bee' has 3 pictures \(all copies of pictures of other classes\) to train"),
    ],
)
def test_a_class_that_is_too_small_is_refused(sizes: tuple[int, ...], digests: Any, given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parted(targets_of(*sizes), digests, given)


def kept_and_parted(targets: Tensor, limit: int, given: Any = None) -> tuple[Tensor, Parts]:
    given = given or [None] * len(targets)
    kept, draws = limited(targets, given, len(NAMES), Draws(0.2, 0.1, 0, limit))
    some = [given[row] for row in kept.tolist()]
    return kept, part(targets[kept], [str(row) for row in kept.tolist()], some, NAMES, draws)


def test_a_limit_reads_no_more_than_it_uses() -> None:
    """Of 5000, 3000, 2000 with a limit of 100: 100 for train and val, 100 for test, in proportion."""
    targets = targets_of(5000, 3000, 2000)
    kept, parts = kept_and_parted(targets, 100)
    assert counts(targets, kept) == [100, 60, 40]
    assert [len(rows) for rows in rows_of(parts)] == [90, 10, 100]
    assert counts(targets[kept], parts.test) == [50, 30, 20]
    assert rows_of(kept_and_parted(targets, 100)[1]) == rows_of(parts)


def test_a_limit_above_the_sizes_changes_nothing() -> None:
    targets = targets_of(50, 30, 20)
    kept, parts = kept_and_parted(targets, 1000)
    assert kept.tolist() == list(range(100))
    assert rows_of(parts) == rows_of(parted(targets))


def test_a_limit_holds_with_given_splits_and_with_copies() -> None:
    targets = targets_of(500, 300, 200)
    given = ["val" if row % 2 else "train" for row in range(1000)]
    _, parts = kept_and_parted(targets, 60, given)
    assert len(parts.train) + len(parts.val) == 60
    assert len(parts.test) == 60
    copies = [str(row // 7) for row in range(1000)]
    parts = part(targets, copies, [None] * 1000, NAMES, Draws(0.5, 0.1, 0, 100))
    assert len(parts.train) + len(parts.val) <= 100
    assert len(parts.test) <= 100
    assert all(count > 0 for rows in (parts.train, parts.val) for count in counts(targets, rows))


def test_a_limit_that_leaves_too_few_of_a_class_is_named() -> None:
    with pytest.raises(DataError, match=r"leave the class out, or take more than dataset\.limit=6$"):
        kept_and_parted(torch.arange(3).repeat(4), 6)


def test_a_limit_that_is_too_small_is_refused() -> None:
    with pytest.raises(DataError, match=r"dataset\.limit=5: 3 classes need at least 6 samples"):
        kept_and_parted(targets_of(10, 10, 10), 5)
