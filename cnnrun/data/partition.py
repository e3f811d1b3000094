"""Stratified shares of a pool of samples: rows in, rows out."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cnnrun.errors import DataError
from cnnrun.seeds import generator_of


def stratified_rows(targets: Tensor, size: int, at_least: int, at_most: Tensor, seed: int) -> Tensor:
    """Draw `size` rows with the classes in their proportions, to within one sample of a class where that can be.

    Args:
        targets: (N,) int64. at_least, at_most: samples of each class; at_most is (K,).
    Returns:
        (size,) rows in ascending order, a function of the arguments alone.
    """
    counts = torch.bincount(targets, minlength=len(at_most))
    wanted = apportion(counts.tolist(), size, at_least, at_most.tolist())
    rows = []
    for label, count in enumerate(wanted):
        members = (targets == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator_of("stratify", seed, label))
        rows.append(members[order[:count]])
    return torch.cat(rows).sort().values


def train_and_val_rows(
    targets: Tensor, class_names: Sequence[str], *, val_fraction: float, split_seed: int, limit: int | None
) -> tuple[Tensor, Tensor]:
    """Part the pool (N,) into rows of train and rows of val, both ascending; every class is in both.

    Args:
        limit: use only so many samples of the pool, in the proportions of the classes.
    Raises:
        DataError: if a class, or the limit, is too small for that.
    """
    counts = torch.bincount(targets, minlength=len(class_names))
    _refuse_small_classes(counts, class_names)
    refuse_small_limit(limit, len(class_names))
    rows = torch.arange(len(targets))
    if limit is not None and limit < len(targets):
        rows = stratified_rows(targets, limit, 2, counts, split_seed)
    pool = targets[rows]
    size = min(max(round(len(pool) * val_fraction), len(class_names)), len(pool) - len(class_names))
    at_most = torch.bincount(pool, minlength=len(class_names)) - 1
    in_val = torch.zeros(len(pool), dtype=torch.bool)
    in_val[stratified_rows(pool, size, 1, at_most, split_seed)] = True
    return rows[~in_val], rows[in_val]


def test_rows(targets: Tensor, num_classes: int, *, split_seed: int, limit: int | None) -> Tensor:
    """All rows of the test set, or `limit` of them in the proportions of the classes."""
    if limit is None or limit >= len(targets):
        return torch.arange(len(targets))
    return stratified_rows(targets, limit, 0, torch.bincount(targets, minlength=num_classes), split_seed)


def apportion(counts: Sequence[int], size: int, at_least: int, at_most: Sequence[int]) -> list[int]:
    """Deal `size` seats to classes by largest remainder; then move single seats until the bounds hold."""
    quotas = [count * size / sum(counts) for count in counts]
    seats = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(counts)), key=lambda label: (seats[label] - quotas[label], label))
    for label in by_remainder[: size - sum(seats)]:
        seats[label] += 1
    bounds = [(min(at_least, most), most) for most in at_most]
    seats = [min(max(seat, low), high) for seat, (low, high) in zip(seats, bounds, strict=True)]
    while (missing := size - sum(seats)) != 0:
        step = 1 if missing > 0 else -1
        movable = [label for label, (low, high) in enumerate(bounds) if low <= seats[label] + step <= high]
        seats[max(movable, key=lambda label: step * (quotas[label] - seats[label]))] += step
    return seats


def _refuse_small_classes(counts: Tensor, class_names: Sequence[str]) -> None:
    small = [(name, count) for name, count in zip(class_names, counts.tolist(), strict=True) if count < 2]
    if small:
        name, count = small[0]
        raise DataError(
            f"class '{name}' has {count} sample{'' if count == 1 else 's'}, and train and val need one each "
            f"({len(small)} of {len(class_names)} classes are that small): add samples, or leave the class out"
        )


def refuse_small_limit(limit: int | None, num_classes: int) -> None:
    """Raises: DataError: if it cannot hold a sample of each class for train and for val."""
    if limit is not None and limit < 2 * num_classes:
        raise DataError(
            f"dataset.limit={limit}: {num_classes} classes need at least {2 * num_classes} samples, "
            "one each for train and val"
        )
