"""Which pictures a folder holds, and of which class and split: from its sub-folders, or from a manifest.

Nothing is opened here but the manifest: whether a file is a picture shows when it is read.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from cnnrun.data.image_manifest import SPLITS, Listed, find_manifest, read_manifest
from cnnrun.data.image_walk import Found, Left, as_label, counted, entries, pictures, shown, walk
from cnnrun.errors import DataError, near_miss

SplitName = Literal["train", "val", "test"]
LAYOUT = (
    "put the pictures of each class into a sub-folder with its name (in train/, val/ and test/, if they are parted "
    "already), or name a CSV with the columns path and label: dataset.manifest=FILE"
)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that may be a picture; `path` is relative to the root, with slashes, unless it lies elsewhere."""

    path: str
    label: str
    split: SplitName | None
    size: int
    """Bytes."""
    mtime_ns: int


@dataclass(frozen=True)
class Listing:
    """The files of a data set by their path, and its classes by name."""

    root: Path
    files: tuple[ImageFile, ...]
    class_names: tuple[str, ...]
    remarks: tuple[str, ...]
    """What was left out, or looks odd, a sentence each."""
    whole_because: str = ""
    """Why all of it is one split, where it was not parted."""


def list_images(root: Path, manifest: str | None, known: Sequence[str] | None = None) -> Listing:
    """Look through a folder.

    Args:
        known: the classes of a run that is to be judged on it, which needs neither two of them nor any to train on.
    Raises:
        DataError: if it is not there, holds no classes, or the manifest is wrong.
    """
    root = root.expanduser()
    _require_folder(root)
    if manifest is not None:
        files, remarks = _listed(root, manifest)
    else:
        files, remarks = _Scan(root, known).files()
    class_names = tuple(sorted({file.label for file in files}))
    if len(class_names) < 2 and known is None:
        if manifest is not None:
            raise DataError(f"dataset.manifest={manifest} has one class only, '{class_names[0]}'; add rows of another")
        raise DataError(f"{root} holds pictures of one class only, '{class_names[0]}': {LAYOUT}")
    ordered = tuple(sorted(files, key=lambda file: file.path))
    return Listing(root, ordered, class_names, (*remarks, *_same_but_for_case(class_names)))


def _require_folder(root: Path) -> None:
    where = "dataset.root (root with eval) names the folder of the pictures"
    if root.is_file():
        raise DataError(f"{root} is a file; {where}")
    if not root.is_dir():
        missing = next((place for place in (*reversed(root.parents), root) if not place.is_dir()), root)
        above = f" ({missing} is not there)" if missing != root else ""
        near = near_miss(missing.name, (entry.name for entry in islice(_dirs(missing.parent), 1000)))
        raise DataError(f"there is no folder {root}{above}{near or ';'} {where}")


def _dirs(folder: Path) -> Iterator["os.DirEntry[str]"]:
    return (entry for entry in os.scandir(folder) if entry.is_dir())


def _listed(root: Path, manifest: str) -> tuple[list[ImageFile], list[str]]:
    rows, remarks = read_manifest(root, find_manifest(root, manifest))
    return [_of_row(row) for row in rows], remarks


def _of_row(row: Listed) -> ImageFile:
    split = None if row.split is None else split_name(row.split)
    return ImageFile(row.path, row.label, split, row.size, row.mtime_ns)


def split_name(word: str) -> SplitName | None:
    """The split that a folder or a row calls so; None where it is none."""
    names: dict[str, SplitName] = {"train": "train", "val": "val", "test": "test"}
    return names.get(SPLITS.get(word.lower(), ""))


class _Scan:
    """One look through the sub-folders of a root."""

    def __init__(self, root: Path, known: Sequence[str] | None) -> None:
        self._root = root
        self._known = known
        self._left = Left()
        self._remarks: list[str] = []

    def files(self) -> tuple[list[ImageFile], list[str]]:
        folders, files = entries(str(self._root))
        loose = sum(1 for _ in pictures(files, "", self._left))
        splits = self._ready_made(folders)
        if splits is None:
            found = self._classes(folders, "", None)
        else:
            found = [file for folder, split in splits for file in self._of_split(folder, split)]
            if found and self._known is None and not any(file.split == "train" for file in found):
                raise DataError(f"{self._root} has a folder for train, and no pictures in it: {LAYOUT}")
        if not found:
            raise DataError(self._nothing(folders, loose))
        self._refuse_lone_folder(found)
        if loose:
            place = "lies" if loose == 1 else "lie"
            self._remarks.append(f"{counted(loose, 'picture')} left out that {place} outside of any class folder")
        return found, [*self._remarks, *self._left.remarks()]

    def _ready_made(self, folders: list["os.DirEntry[str]"]) -> list[tuple["os.DirEntry[str]", SplitName]] | None:
        """The folders that are splits; None where all are classes, of which one may be called `train`.

        Raises:
            DataError: if two folders are for the same split, or none is for train, where that is needed.
        """
        named = [(folder, split) for folder in folders if (split := split_name(folder.name))]
        others = [folder for folder in folders if not split_name(folder.name) and _holds_pictures(folder)]
        of_classes = [split for folder, split in named if _has_class_folders(folder)]
        counts = Counter(split for _, split in named)
        if not of_classes or (others and len(counts) < 2):
            return None
        if twice := next((split for split, count in counts.items() if count > 1), None):
            both = " and ".join(folder.name for folder, split in named if split == twice)
            raise DataError(f"{self._root} has two folders for {twice}, {both}: keep one of them")
        if "train" not in of_classes and self._known is None:
            raise DataError(
                f"{self._root} has a folder for {' and one for '.join(of_classes)}, and none for train; cnnrun eval "
                "judges a run on it: root=FOLDER"
            )
        if others:
            names = ", ".join(shown(folder.name) for folder in others[:5])
            self._remarks.append(f"left out beside the splits: {names}{' and more' if len(others) > 5 else ''}")
        return named

    def _of_split(self, folder: "os.DirEntry[str]", split: SplitName) -> list[ImageFile]:
        folders, files = entries(folder.path)
        if loose := sum(1 for _ in pictures(files, "", self._left)):
            pictures_of = counted(loose, "picture")
            self._remarks.append(
                f"{pictures_of} of {folder.name} left out, without a class folder and so without a label"
            )
        return self._classes(folders, f"{folder.name}/", split)

    def _classes(self, folders: list["os.DirEntry[str]"], prefix: str, split: SplitName | None) -> list[ImageFile]:
        found: list[ImageFile] = []
        empty = []
        for folder in folders:
            before = len(found)
            found += _labelled(walk(folder.path, f"{prefix}{folder.name}/", self._left), as_label(folder.name), split)
            if len(found) == before:
                empty.append(prefix + shown(folder.name))
        if empty and found:
            names = ", ".join(empty[:5]) + (" and more" if len(empty) > 5 else "")
            self._remarks.append(f"{counted(len(empty), 'folder')} without pictures left out: {names}")
        return found

    def _nothing(self, folders: list["os.DirEntry[str]"], loose: int) -> str:
        if loose and as_label(self._root.absolute().name) in (self._known or ()):
            return f"{self._root} is the folder of one class; name the one that it lies in, root={self._root.parent}"
        if loose:
            return (
                f"{self._root} holds {counted(loose, 'picture')} and no class folders: {LAYOUT}; to learn what a "
                f"trained network sees in {'it' if loose == 1 else 'them'}, use cnnrun predict"
            )
        if self._left.suffixes:
            return f"{self._root} holds no pictures ({self._left.remarks()[0]}): {LAYOUT}"
        return f"{self._root} {'has only empty folders' if folders else 'is empty'}: {LAYOUT}"

    def _refuse_lone_folder(self, found: list[ImageFile]) -> None:
        """An archive often unpacks into a folder within a folder."""
        tops = {file.path.split("/")[0] for file in found}
        if len(tops) > 1 or found[0].split is not None:
            return
        (top,) = tops
        if as_label(top) in (self._known or ()):
            return
        below = sorted({file.path.split("/")[1] for file in found if file.path.count("/") > 1})
        if len(below) > 1:
            raise DataError(
                f"{self._root} has one folder, {shown(top)}, with {counted(len(below), 'folder')} in it "
                f"({', '.join(map(shown, below[:5]))}{', ...' if len(below) > 5 else ''}): did you mean "
                f"dataset.root={self._root / shown(top)}?"
            )


def _labelled(found: Iterable[Found], label: str, split: SplitName | None) -> Iterator[ImageFile]:
    return (ImageFile(path, label, split, size, mtime_ns) for path, size, mtime_ns in found)


def _has_class_folders(folder: "os.DirEntry[str]") -> bool:
    return any(_holds_pictures(inner) for inner in entries(folder.path)[0])


def _holds_pictures(folder: "os.DirEntry[str]") -> bool:
    return next(walk(folder.path, "", Left()), None) is not None


def _same_but_for_case(class_names: Iterable[str]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for name in class_names:
        alike.setdefault(name.casefold(), []).append(name)
    return [
        f"the classes {' and '.join(names)} differ in case only: if they are the same, put them into one folder"
        for names in alike.values()
        if len(names) > 1
    ]
