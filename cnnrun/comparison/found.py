"""Find the folders of runs that a person means by a folder, a pattern, or several of them."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from cnnrun.config import overrides
from cnnrun.errors import ConfigError, DataError, near_miss
from cnnrun.run.layout import CONFIG, RECORD
from cnnrun.run.stored import StoredRun, runs_near

DEEPEST = 8
"""Folders below a named one that are searched: outputs/sweeps/NAME/JOB are three."""


def find(words: Sequence[str]) -> list[Path]:
    """The folders of trainings that the words name, sorted, each once.

    A word is a folder with a run, a folder above some, a file of a run, or a pattern such as 'outputs/train/*-cnn-*'.
    Evaluations are left out unless there is nothing else; comparisons are never taken.

    Raises:
        ConfigError: if a word leads to no run; says what is near.
    """
    folders: dict[str, Path] = {}
    for word in words:
        for folder in _named_by(word):
            folders.setdefault(os.path.realpath(folder), folder)
    kinds = {folder: _kind(folder) for folder in sorted(folders.values())}
    for wanted in ("a run", "an evaluation"):
        if found := [folder for folder, kind in kinds.items() if kind == wanted]:
            return found
    raise ConfigError(f"runs={','.join(words)}: there are only predictions or comparisons, which have no results")


def several(value: str | Sequence[str]) -> list[str]:
    """The words of `runs=`, which may be a list, or `[a,b]` as text; a path that exists is taken as it is."""
    if not isinstance(value, str):
        return list(value)
    if os.path.exists(value):
        return [value]
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    return list(_words(inner.split(",")))


def _words(parts: list[str]) -> Iterator[str]:
    """Paths from what commas part: names of jobs have commas, too, so the longest that leads somewhere is taken."""
    while parts:
        ends = range(len(parts), 0, -1)
        whole = next((end for end in ends if _leads_somewhere(_word(parts[:end]))), 1)
        yield _word(parts[:whole])
        parts = parts[whole:]


def _word(parts: Sequence[str]) -> str:
    return os.path.expanduser(overrides.unquote(",".join(parts).strip()))


def _leads_somewhere(word: str) -> bool:
    return os.path.exists(word) or any(glob.iglob(word, recursive=True))


def names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    ends = [_ends(folder) for folder in folders]
    counts = Counter(end for all_ends in ends for end in all_ends)
    return [next((end for end in all_ends if counts[end] == 1), all_ends[-1]) for all_ends in ends]


def _ends(folder: Path) -> list[str]:
    """Its name, its name and its parent's, ..."""
    parts = [part for part in folder.resolve().parts if part != os.sep]
    return ["/".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)] or [str(folder)]


def _named_by(word: str) -> list[Path]:
    path = Path(word)
    matches = [path] if os.path.exists(path) else [Path(match) for match in sorted(glob.glob(word, recursive=True))]
    if not matches:
        raise ConfigError(f"runs={word}: {_what_is_near(path, word)}")
    found = [folder for match in matches for folder in _runs_at(match)]
    if not found and path.is_file():
        raise ConfigError(
            f"runs={word}: that is a file, and no run's; name a folder that holds runs{_newest(path.parent)}"
        )
    if not found:
        raise ConfigError(f"runs={word}: no run in there (a run has {RECORD} and {CONFIG}){_newest(path)}")
    return found


def _runs_at(path: Path) -> Iterator[Path]:
    """A run, those below a folder, or the run that a file belongs to."""
    if path.is_dir():
        yield from _below(path, DEEPEST, set())
    elif _has_run(path.parent):
        yield path.parent


def _below(folder: Path, depth: int, seen: set[str]) -> Iterator[Path]:
    """Runs below a folder; what is in a run is not searched, and a folder that a link leads back to once only."""
    if _has_run(folder):
        yield folder
        return
    with suppress(OSError), os.scandir(folder) as entries:
        inner = sorted(entry.path for entry in entries if entry.is_dir() and not entry.name.startswith("."))
        for path in inner if depth else ():
            if (real := os.path.realpath(path)) not in seen:
                seen.add(real)
                yield from _below(Path(path), depth - 1, seen)


def _has_run(folder: Path) -> bool:
    """Whether it is a run's, even if the record is all that is left of it."""
    return os.path.isfile(folder / RECORD)


def _kind(folder: Path) -> str:
    """`a run`, also where its record cannot be read, `an evaluation`, ..."""
    with suppress(DataError):
        return StoredRun(folder).called
    return "a run"


def _what_is_near(path: Path, word: str) -> str:
    """Why nothing is at a path: the part of it that does not exist, and what is called alike."""
    if glob.has_magic(word):
        return f"nothing fits this pattern{_newest(path.parent)}"
    parent = next((folder for folder in path.parents if folder.is_dir()), Path())
    missing = path.relative_to(parent).parts[0] if path.is_relative_to(parent) else path.name
    with suppress(OSError):
        close = near_miss(missing, [entry.name for entry in parent.iterdir() if entry.is_dir()])
        return f"no '{missing}' in {parent.resolve() if parent == Path() else parent}{close or _newest(parent)}"
    return "no such folder"


def _newest(path: Path) -> str:
    near = runs_near(path)
    return f"; runs there, newest first: {', '.join(map(str, near))}" if near else ""
