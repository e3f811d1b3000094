"""What there is to say about a folder of pictures: its classes, copies and broken files. Sentences, and refusals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnnrun.data.image_listing import ImageFile, SplitName
from cnnrun.data.image_splits import drawn_splits
from cnnrun.data.image_walk import counted, shown
from cnnrun.errors import DataError, near_miss

NAMED = 3
"""Files of a kind that a sentence names."""
NAMED_CLASSES = 10
IMBALANCE = 3
"""From where on the largest class over the smallest is worth a sentence; in a small set chance makes half of that."""

Broken = Sequence[tuple[str, str]]
"""Path and reason."""


def sizes(files: Mapping[str, Sequence[ImageFile]], num_classes: int) -> str:
    """How many pictures there are, and where the splits come from."""
    total = sum(map(len, files.values()))
    parts = ", ".join(f"{name} {len(files[name]):,}" for name in ("train", "val", "test"))
    given = {file.split for of_split in files.values() for file in of_split}
    drawn = drawn_splits(list(given))[::-1]
    come = ""
    if None in given:
        come = ", drawn by dataset.split_seed"
    elif drawn:
        they = "they are" if len(drawn) > 1 else "it is"
        come = f"; none was given as {' or '.join(drawn)}: {they} drawn from train"
    return f"{counted(total, 'picture')} of {counted(num_classes, 'class', 'classes')}: {parts}{come}"


def redrawn(given: Sequence[SplitName | None]) -> str:
    """What to fear of the splits of a folder that has changed since a run was trained on it."""
    if not drawn_splits(given):
        return ""
    return (
        "its splits are drawn anew, so pictures that the run was trained on may be in val and test; to "
        "judge a folder of others, put its class folders into a folder test, or use cnnrun predict"
    )


def taken_whole(reason: str, count: int, split: str | None) -> str:
    """What was made of a folder without splits that cannot be that which a run was trained on."""
    return (
        f"{reason}, so all its {counted(count, 'file')} count as {split}; if the run was trained on some of them, the "
        "numbers are too good"
    )


def limited(limit: int | None, used: int, there: int, *, is_judged: bool) -> list[str]:
    """That a limit leaves files out, of a training or of what is judged with its settings."""
    if limit is None or used >= there:
        return []
    return [f"dataset.limit={limit}{', as in the training' if is_judged else ''}: {used:,} of {there:,} files are used"]


def classes(counts: Mapping[str, int], split: str) -> list[str]:
    """How many pictures of each class there are in a split, and whether that is uneven in train."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    mark = ":" if any(name[-1:].isdigit() for name in counts) else ""  # `2 11` is one number to the eye
    listed = [f"{name}{mark} {count:,}" for name, count in ordered]
    if len(listed) > NAMED_CLASSES:
        listed = [*listed[: NAMED_CLASSES // 2], "...", *listed[-NAMED_CLASSES // 2 :]]
    present = [(name, count) for name, count in ordered if count]
    said = [f"of each class in {split}: {', '.join(listed)}"]
    if split != "train":
        return said
    (most, largest), (least, smallest) = present[0], present[-1]
    if largest > IMBALANCE * smallest:
        said.append(
            f"{most} has {largest / smallest:.1f} times the pictures of {least}: task.class_weights=balanced or "
            "sampler=balanced give small classes more weight, and balanced_accuracy counts all classes alike"
        )
    return said


def broken(files: Broken) -> list[str]:
    if not files:
        return []
    them = "it is" if len(files) == 1 else "they are"
    return [
        f"{counted(len(files), 'file')} cannot be read, and {them} left out: {_first(files)} (see tables/broken.csv)"
    ]


def copies(files: Mapping[str, Sequence[ImageFile]], digests: Mapping[str, Sequence[str]]) -> list[str]:
    """Files with the same bytes, and those of them that have different labels."""
    groups = [group for group in _by_digest(files, digests).values() if len(group) > 1]
    if not groups:
        return []
    several = [group for group in groups if len({file.label for _, file in group}) > 1]
    extra = sum(map(len, groups)) - len(groups)
    have = "has" if len(groups) == 1 else "have"
    said = [f"{counted(len(groups), 'picture')} {have} copies, {extra:,} in all: a draw keeps them on one side"]
    if several:
        pair = " and ".join(shown(file.path) for _, file in several[0][:2])
        said.append(
            f"{len(several)} of these {'is' if len(several) == 1 else 'are'} in more than one class, such as {pair}: "
            "one label must be wrong"
        )
    return said


def leaks(files: Mapping[str, Sequence[ImageFile]], digests: Mapping[str, Sequence[str]]) -> list[str]:
    """Pictures to be judged on that were trained on, too; only splits that came as they are can have any."""
    said = []
    for name in ("val", "test"):
        seen = set(digests["train"])
        both = [file for file, digest in zip(files[name], digests[name], strict=True) if digest in seen]
        if both:
            said.append(
                f"{counted(len(both), 'picture')} of {name} {'is' if len(both) == 1 else 'are'} in train, too, such as "
                f"{shown(both[0].path)}: the numbers on {name} are better than they will be in use"
            )
    return said


def groups_of_copies(files: Mapping[str, Sequence[ImageFile]], digests: Mapping[str, Sequence[str]]) -> int:
    return sum(len(group) > 1 for group in _by_digest(files, digests).values())


def _by_digest(
    files: Mapping[str, Sequence[ImageFile]], digests: Mapping[str, Sequence[str]]
) -> dict[str, list[tuple[str, ImageFile]]]:
    groups: dict[str, list[tuple[str, ImageFile]]] = {}
    for name in files:
        for file, digest in zip(files[name], digests[name], strict=True):
            groups.setdefault(digest, []).append((name, file))
    return groups


def _first(files: Broken) -> str:
    named = [f"{path} ({reason})" for path, reason in files[:NAMED]]
    return ", ".join([*named, *([f"and {len(files) - NAMED:,} more"] if len(files) > NAMED else [])])


def refusal(root: Path, files: Broken) -> DataError:
    """The error of on_broken=error."""
    return DataError(
        f"{root}: {counted(len(files), 'file')} cannot be read: {_first(files)}; mend or remove them, or leave them "
        "out with dataset.on_broken=skip"
    )


def refuse_unreadable_classes(
    files: Sequence[ImageFile], pictures: Sequence[ImageFile], reasons: Mapping[str, str]
) -> None:
    """Raises: DataError: if no file of a class is a picture."""
    whole = {file.label for file in pictures}
    lost = [file for file in files if file.label not in whole]
    if not lost:
        return
    name = lost[0].label
    all_of_it = [(shown(file.path), reasons[file.path]) for file in lost if file.label == name]
    others = len({file.label for file in lost}) - 1
    more = f", nor of {counted(others, 'other class', 'other classes')}" if others else ""
    raise DataError(
        f"class '{name}': none of its {counted(len(all_of_it), 'file')} can be read{more}: {_first(all_of_it)}"
    )


def refuse_unknown_classes(found: Sequence[str], known: Sequence[str], counts: Counter[str]) -> None:
    """Raises: DataError: if the folder has classes that a run does not know."""
    unknown = [name for name in found if name not in known]
    if not unknown:
        return
    named = ", ".join(f"'{name}' ({counted(counts[name], 'picture')}{near_miss(name, known)})" for name in unknown[:5])
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    raise DataError(
        f"the folder has {counted(len(unknown), 'class', 'classes')} that the run does not know: {named}{more}; the "
        f"run knows {', '.join(known[:10])}{', ...' if len(known) > 10 else ''}: rename the folders, or take them out"
    )


def missing(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    listed = ", ".join(names[:NAMED_CLASSES]) + (", ..." if len(names) > NAMED_CLASSES else "")
    return [f"the folder has no pictures of {counted(len(names), 'class', 'classes')} that the run knows: {listed}"]
