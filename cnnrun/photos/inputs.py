"""Which files are to be predicted: those of a folder, of a glob, of a list, or a single one."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cnnrun.data.image_walk import NO_PICTURES, Left, counted, entries, identity, is_junk, pictures, shown
from cnnrun.errors import DataError, near_miss
from cnnrun.run import is_run

LIST = ".txt"
"""How the name of a file ends that lists others."""


@dataclass(frozen=True)
class Inputs:
    """Files in the order of their paths, each once."""

    root: Path
    paths: tuple[str, ...]
    """Relative to the root, with slashes; absolute for what a list names elsewhere."""
    remarks: tuple[str, ...] = ()
    """What was left out, a sentence each."""

    def file(self, path: str) -> Path:
        return self.root / path

    def digest(self) -> str:
        """16 hex digits that change with any path."""
        return hashlib.sha256("\0".join(map(shown, self.paths)).encode()).hexdigest()[:16]


def find_inputs(inputs: str) -> Inputs:
    """The files that `inputs` names. Folders of runs below it, the one of this prediction too, are left out.

    Raises:
        DataError: if it names nothing, or nothing that may be a picture.
    """
    place = Path(inputs).expanduser()
    if place.is_dir():
        return _of_folder(place)
    if os.path.lexists(place):
        lines = _lines(place)
        return Inputs(place.parent, (place.name,)) if lines is None else _of_list(place, lines)
    if glob.has_magic(inputs):
        return _of_glob(str(place))
    raise DataError(f"inputs={inputs}: there is no such file or folder{_several(inputs) or _near(place)}")


def _several(inputs: str) -> str:
    """How to name several, for words that may have been meant so."""
    return "; a list of pictures is a .txt file with a path on each line" if "," in inputs else ""


def _near(place: Path) -> str:
    """The name beside it that may be meant, or the first folder on the way that is not there."""
    missing = next(path for path in (*reversed(place.parents), place) if not path.exists())
    names = [entry.name for entry in islice(os.scandir(missing.parent), 10_000)] if missing.parent.is_dir() else []
    close = near_miss(missing.name, names)
    return close if missing == place else f" ({missing} is not there{close})"


# --- a folder


def _of_folder(folder: Path) -> Inputs:
    left = Left()
    runs: list[str] = []
    closed: list[str] = []
    found = sorted(_walk(str(folder), left, runs, closed))
    remarks = [*left.remarks(), *_remark_on(runs, "of runs"), *_remark_on(closed, "that cannot be read")]
    if found:
        return Inputs(folder, tuple(found), tuple(remarks))
    if remarks:
        raise DataError(f"{folder} holds no pictures: {'; '.join(remarks)}")
    raise DataError(f"{folder} is empty: inputs names a folder with pictures, at any depth")


def _walk(folder: str, left: Left, runs: list[str], closed: list[str]) -> Iterator[str]:
    """The paths of what may be pictures; each folder once, however many links lead to it.

    Folders of runs, and those that are closed to this user, are noted and left out.
    """
    seen = set()
    waiting = [(folder, "")]
    while waiting:
        place, prefix = waiting.pop()
        try:
            if (it := identity(place)) in seen:
                continue
            seen.add(it)
            if prefix and is_run(Path(place)):
                runs.append(prefix)
                continue
            folders, files = entries(place)
        except DataError:
            if not prefix:
                raise
            closed.append(prefix)
            continue
        yield from (picture.path for picture in pictures(files, prefix, left))
        waiting += [(entry.path, f"{prefix}{entry.name}/") for entry in reversed(folders)]


def _remark_on(folders: list[str], kind: str) -> list[str]:
    if not folders:
        return []
    return [f"{counted(len(folders), 'folder')} {kind} left out: {', '.join(map(shown, sorted(folders)[:3]))}"]


# --- a glob


def _of_glob(pattern: str) -> Inputs:
    root = _fixed_part(pattern)
    below = glob.glob(os.path.relpath(pattern, root), root_dir=root, recursive=True)
    files = [path for path in below if not os.path.isdir(root / path)]
    own = _outside_of_runs(root, (path for path in files if not is_junk(os.path.basename(path))))
    wanted = os.path.splitext(pattern)[1].lower()
    others = [path for path in own if _suffix(path)[1:] in NO_PICTURES and _suffix(path) != wanted]
    found = sorted(Path(path).as_posix() for path in set(own) - set(others))
    remarks = Left(Counter(map(_suffix, others))).remarks()
    if found:
        return Inputs(root, tuple(found), tuple(remarks))
    raise DataError(f"inputs={pattern}: no picture matches{_several(pattern) or _there(root)}")


def _fixed_part(pattern: str) -> Path:
    """The folder that all matches lie in."""
    parts = Path(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:fixed])


def _outside_of_runs(root: Path, paths: Iterable[str]) -> list[str]:
    known: dict[Path, bool] = {Path(): False}

    def in_a_run(folder: Path) -> bool:
        if folder not in known:
            known[folder] = in_a_run(folder.parent) or is_run(root / folder)
        return known[folder]

    return [path for path in paths if not in_a_run(Path(path).parent)]


def _there(root: Path) -> str:
    """What the folder holds instead."""
    if not root.is_dir():
        return f": there is no folder {root}"
    kinds = Counter(os.path.splitext(entry.name)[1] or "(no suffix)" for entry in os.scandir(root) if entry.is_file())
    held = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common(5))
    return f"; {root} holds {held}" if held else f"; {root} holds no files"


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


# --- a list


def _lines(file: Path) -> list[str] | None:
    """The lines of a list; None for a file that is none: the bytes say so, where the name does not."""
    if file.suffix.lower() != LIST:
        return None
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in text else [line.strip() for line in text.splitlines() if line.strip()]


def _of_list(file: Path, lines: list[str]) -> Inputs:
    """What it names need not be there: reading it will tell."""
    root = file.parent
    paths = sorted({_relative(root, line) for line in lines})
    if not paths:
        raise DataError(f"{file} is empty: a list has the path of a picture on each line")
    twice = len(lines) - len(paths)
    return Inputs(root, tuple(paths), (f"{file}: {counted(twice, 'path')} repeated, counted once",) if twice else ())


def _relative(root: Path, line: str) -> str:
    path = os.path.normpath(os.path.join(root, os.path.expanduser(line)))
    here = os.path.normpath(root)
    if here == os.curdir:
        return Path(path).as_posix()
    inside = path.startswith(here.rstrip(os.sep) + os.sep)
    return Path(os.path.relpath(path, here) if inside or not os.path.isabs(line) else path).as_posix()
