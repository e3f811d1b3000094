"""Which pictures are train, val and test: as their folders say, and by stratified draws where they say nothing.

Pictures with the same bytes are one unit of a draw, so that no copy of a training picture is tested on.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from cnnrun.data.image_listing import Listing, SplitName, split_name
from cnnrun.data.image_walk import counted
from cnnrun.data.partition import refuse_small_limit, stratified_rows
from cnnrun.errors import DataError

Given = Sequence[SplitName | None]
"""The split that each file comes with; all of them do, or none."""


@dataclass(frozen=True)
class Draws:
    """How parts are drawn where the files do not say; val is drawn from what test leaves."""

    test_fraction: float
    val_fraction: float
    split_seed: int
    limit: int | None
    """At most so many in train and val together, and in test."""
    of_any_size: bool = False
    """Whether a class may be too small to be in every split, or in none: where a run is only judged."""


NEEDED = 3
"""Pictures of a class, for one in each split that is drawn."""


@dataclass(frozen=True)
class Parts:
    """Ascending positions (n,) int64 of the pictures of each split."""

    train: Tensor
    val: Tensor
    test: Tensor


def taken_whole(listing: Listing, known: Sequence[str], own_root: str | None) -> Listing:
    """A folder to judge a run on: all of it as one split, if it is one, or cannot be parted as the run's own was.

    Args: known: the classes of the run. own_root: the folder that it was trained on; one of that name is parted as it.
    """
    if any(file.split for file in listing.files):
        return listing
    root = listing.root.absolute()
    is_named_as_own = own_root is not None and Path(own_root).absolute().name == root.name
    if not is_named_as_own and (split := _ready_made(root)):
        return _as_split(listing, split, "it lies beside a folder for train")
    counts = Counter(file.label for file in listing.files)
    if all(counts[name] >= NEEDED for name in known):
        return listing
    return _as_split(listing, "test", "it has too few pictures of some classes to be parted as that was")


def _ready_made(folder: Path) -> SplitName | None:
    """Which split a folder is by its name, if there is one for train beside it."""
    split = split_name(folder.name)
    if split in (None, "train"):
        return None
    with suppress(OSError):  # what is above need not be ours to read
        if any(split_name(path.name) == "train" and path.is_dir() for path in folder.parent.iterdir()):
            return split
    return None


def _as_split(listing: Listing, split: SplitName, reason: str) -> Listing:
    files = tuple(replace(file, split=split) for file in listing.files)
    return replace(listing, files=files, whole_because=reason)


def drawn_splits(given: Given) -> list[SplitName]:
    """The splits that no file comes with, in the order in which they are drawn, if there is something to draw from."""
    there = set(given)
    names: tuple[SplitName, ...] = ("test", "val")
    return [name for name in names if name not in there] if there & {"train", None} else []


def limited(targets: Tensor, given: Given, num_classes: int, draws: Draws) -> tuple[Tensor, Draws]:
    """Positions (n,) of the files that a limit leaves over, so that no others are read; and how to part these.

    Args: targets: (N,) int64, of all files, broken or not.
    Raises:
        DataError: if the limit is too small.
    """
    limit = draws.limit
    if limit is None:
        return torch.arange(len(targets)), draws
    refuse_small_limit(limit, num_classes)
    pool = _pool(given)
    of_test = min(limit, round(len(pool) * draws.test_fraction)) if "test" in drawn_splits(given) else 0
    of_train = min(limit, len(pool) - of_test)
    wanted = [(pool, of_train + of_test), (_given_as(given, "val"), limit), (_given_as(given, "test"), limit)]
    kept = [_some(rows, targets, size, num_classes, draws.split_seed) for rows, size in wanted]
    return torch.cat(kept).sort().values, replace(draws, test_fraction=of_test / max(of_train + of_test, 1))


def part(targets: Tensor, digests: Sequence[str], given: Given, class_names: Sequence[str], draws: Draws) -> Parts:
    """Part pictures (N,), of which none is broken.

    Args: targets: (N,) int64. digests: of the bytes of each.
    Raises:
        DataError: if a class is too small to be in every split that is drawn.
    """
    drawn = drawn_splits(given)
    parts = {name: _given_as(given, name) for name in ("val", "test")}
    pool = _pool(given)
    if not draws.of_any_size:
        _refuse_small_classes(targets, digests, pool, class_names, drawn, draws.limit)
    for name in drawn:
        fraction = draws.test_fraction if name == "test" else draws.val_fraction
        stay = 1 + len(drawn[drawn.index(name) + 1 :])
        pool, parts[name] = _draw(pool, targets, digests, fraction, stay, len(class_names), draws.split_seed)
    return _cut(Parts(pool, parts["val"], parts["test"]), targets, len(class_names), draws)


def _pool(given: Given) -> Tensor:
    """What is drawn from: what was given as train, or all."""
    return torch.tensor([row for row, split in enumerate(given) if split in ("train", None)], dtype=torch.int64)


def _given_as(given: Given, name: str) -> Tensor:
    return torch.tensor([row for row, split in enumerate(given) if split == name], dtype=torch.int64)


def _units(pool: Tensor, digests: Sequence[str]) -> list[list[int]]:
    """The positions of a pool, those of the same bytes together."""
    units: dict[str, list[int]] = {}
    for row in pool.tolist():
        units.setdefault(digests[row], []).append(row)
    return list(units.values())


def _classes_of(units: Sequence[Sequence[int]], targets: Tensor) -> Tensor:
    """(U,) int64; of copies that lie in two classes the first counts."""
    return targets[torch.tensor([unit[0] for unit in units], dtype=torch.int64)]


def _draw(
    pool: Tensor, targets: Tensor, digests: Sequence[str], fraction: float, stay: int, num_classes: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Part a pool into what stays, at least `stay` units of each class, and what is drawn, at least one of each."""
    units = _units(pool, digests)
    classes = _classes_of(units, targets)
    at_most = (torch.bincount(classes, minlength=num_classes) - stay).clamp(min=0)
    size = min(max(round(len(units) * fraction), num_classes), int(at_most.sum()))
    chosen = stratified_rows(classes, size, 1, at_most, seed)
    drawn = torch.tensor([row for unit in chosen.tolist() for row in units[unit]], dtype=torch.int64)
    return pool[~torch.isin(pool, drawn)], drawn.sort().values


def _cut(parts: Parts, targets: Tensor, num_classes: int, draws: Draws) -> Parts:
    """Leave out what copies, or given splits, have brought above the limit; val keeps its share."""
    if draws.limit is None:
        return parts
    train, val, limit = parts.train, parts.val, draws.limit
    if (both := len(train) + len(val)) > limit:
        of_val = min(max(round(limit * len(val) / both), num_classes), limit - num_classes)
        val = _some(val, targets, of_val, num_classes, draws.split_seed)
        train = _some(train, targets, limit - len(val), num_classes, draws.split_seed)
    return Parts(train, val, _some(parts.test, targets, limit, num_classes, draws.split_seed))


def _some(rows: Tensor, targets: Tensor, size: int, num_classes: int, seed: int) -> Tensor:
    """At most `size` of them, in the proportions of the classes."""
    if len(rows) <= size:
        return rows
    counts = torch.bincount(targets[rows], minlength=num_classes)
    at_least = NEEDED if size >= NEEDED * num_classes else 0
    return rows[stratified_rows(targets[rows], size, at_least, counts, seed)]


def _refuse_small_classes(
    targets: Tensor,
    digests: Sequence[str],
    pool: Tensor,
    class_names: Sequence[str],
    drawn: Sequence[str],
    limit: int | None,
) -> None:
    """Every class needs a picture to train on, and one more for each split that is drawn."""
    units = torch.bincount(_classes_of(_units(pool, digests), targets), minlength=len(class_names)).tolist()
    pictures = torch.bincount(targets[pool], minlength=len(class_names)).tolist()
    small = [label for label, count in enumerate(units) if count < 1 + len(drawn)]
    if not small:
        return
    label = small[0]
    without = f"{units[label]} without copies" if units[label] else "all copies of pictures of other classes"
    copies = f" ({without})" if units[label] < pictures[label] else ""
    splits = " and ".join(["train", *reversed(drawn)]).replace(" and ", ", ", len(drawn) - 1)
    need = f"{splits} need one each" if drawn else "train needs one"
    that_small = f"{len(small)} of {len(class_names)} classes are that small"
    raise DataError(
        f"class '{class_names[label]}' has {counted(pictures[label], 'picture')}{copies} to train on, and {need} "
        f"({that_small}): add pictures, or leave the class out"
        + ("" if limit is None else f", or take more than dataset.limit={limit}")
    )
