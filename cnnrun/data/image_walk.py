"""The files below a folder that may be pictures, with their size and time; junk is left out and counted."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from cnnrun.errors import DataError

JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir"})
"""Names, in lower case, that systems leave behind; what begins with a dot (.DS_Store, .ipynb_checkpoints) is junk, too.
"""
_SUFFIXES = (
    "txt csv tsv json jsonl xml yaml yml toml ini cfg log md rst html htm css js py ipynb sh bat r m tex bib pdf doc "
    "docx xls xlsx ppt pptx odt zip gz bz2 xz tar tgz 7z rar npy npz mat pkl pickle h5 hdf5 parquet db sqlite pt pth "
    "onnx safetensors mp3 wav flac mp4 avi mov mkv webm md5 sha1 sha256 lnk url exe bak tmp part lock"
)
NO_PICTURES = frozenset(_SUFFIXES.split())
"""Suffixes of files that are plainly no pictures; any other file is a sample, and broken if it is none."""
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that end a line or steer a terminal."""


class Found(NamedTuple):
    """A file that may be a picture; its path is relative to the root, with slashes."""

    path: str
    size: int
    mtime_ns: int


@dataclass
class Left:
    """Files that are no samples."""

    suffixes: Counter[str] = field(default_factory=Counter)
    """Of files that are no pictures by their name."""

    def remarks(self) -> list[str]:
        if not self.suffixes:
            return []
        kinds = ", ".join(f"{suffix} {count:,}" for suffix, count in self.suffixes.most_common(5))
        total = self.suffixes.total()
        return [
            f"{counted(total, 'file')} left out that {'is no picture' if total == 1 else 'are no pictures'}: {kinds}"
        ]


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2,000 files`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def shown(name: str) -> str:
    """A file name as text that can be printed and stored on one line, also where its bytes are no UTF-8."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def as_label(name: str) -> str:
    """The class that a folder's name means; systems write an accent in one character, or in two."""
    return unicodedata.normalize("NFC", shown(name))


def is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def identity(folder: str) -> tuple[int, int]:
    """What is the same for a folder on whatever way it is come to.

    Raises:
        DataError: if it is gone.
    """
    try:
        status = os.stat(folder)
    except OSError as error:
        raise DataError(f"the folder {shown(folder)} cannot be read: {error.strerror}") from error
    return status.st_dev, status.st_ino


def entries(folder: str) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """The sub-folders and the files of a folder, junk left out, by name; links count as what they lead to.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        with os.scandir(folder) as scan:
            there = sorted((entry for entry in scan if not is_junk(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"the folder {shown(folder)} cannot be read: {error.strerror}") from error
    folders = [entry for entry in there if _is_folder(entry)]
    return folders, [entry for entry in there if not _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def pictures(files: list[os.DirEntry[str]], prefix: str, left: Left) -> Iterator[Found]:
    """Those of the files that may be pictures; the others are counted in `left`."""
    for entry in files:
        suffix = os.path.splitext(entry.name)[1].lower()
        if suffix[1:] in NO_PICTURES:
            left.suffixes[suffix] += 1
        else:
            yield Found(prefix + entry.name, *_size_and_time(entry))


def _size_and_time(entry: os.DirEntry[str]) -> tuple[int, int]:
    """Of what a link leads to; of the link where it leads nowhere. Of a file that is gone again: reading it tells."""
    for follow in (True, False):
        with suppress(OSError):
            status = entry.stat(follow_symlinks=follow)
            return status.st_size, status.st_mtime_ns
    return 0, 0


def walk(folder: str, prefix: str, left: Left) -> Iterator[Found]:
    """The pictures of a folder and of those below it, each folder once, however many links lead to it."""
    seen = set()
    waiting = [(folder, prefix)]
    while waiting:
        place, before = waiting.pop()
        if (it := identity(place)) in seen:
            continue
        seen.add(it)
        folders, files = entries(place)
        yield from pictures(files, before, left)
        waiting += [(entry.path, f"{before}{entry.name}/") for entry in reversed(folders)]
