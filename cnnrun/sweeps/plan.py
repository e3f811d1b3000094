"""A sweep's own folder: who runs it, and sweep.json, which says what was asked for, so that it can go on by itself.

A stranger may have made the folder: what its words can say is less than on a command line.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cnnrun.config import options, overrides
from cnnrun.errors import ConfigError, DataError, NotWritten
from cnnrun.files import read_json, write_bytes
from cnnrun.run.layout import PLAN as FILE
from cnnrun.run.taking import refuse_unwritable

LOCK = ".lock"
OF_SWEEPER = ("hydra/sweeper", "hydra.sweeper.")
UNSTORED = ("resume", "sweep", "trust_code")
AGAIN = "hydra.sweeper.storage"
"""It may hold a password, or lead to a stranger's server: it is not stored, and must be given again."""


@dataclass(frozen=True)
class Grid:
    """One command line of a sweep; a sweep has several after values were added to its grid."""

    words: list[str]
    """Without those that say how to run, or where."""
    jobs: list[str]
    """Names of the jobs that it asked for; none of a search."""
    again: list[str]
    """Settings that must be given again."""


@contextmanager
def sweep_folder(folder: Path) -> Iterator[None]:
    """Hold a sweep's folder until the end, or that of this process; it is made where there is none.

    Raises:
        ConfigError: if another process holds it.
        CnnrunError: if nothing may be written there.
    """
    refuse_unwritable(folder)
    lock = FileLock(folder / LOCK, timeout=0, is_singleton=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"{folder}: another sweep runs in it; wait for it, or choose another one: sweep=NAME"
        ) from error
    except OSError as error:
        raise NotWritten(f"could not write into {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def is_sweep(folder: Path) -> bool:
    """Whether it is a folder that `write_plan` has written."""
    return (folder / FILE).is_file()


def write_plan(folder: Path, command: str, words: Iterable[str], jobs: Sequence[str]) -> None:
    """Add what is asked for now to sweep.json; it takes the place of what had no other jobs."""
    given = {overrides.split(word)[0]: word for word in words}
    kept = [word for key, word in given.items() if _is_stored(key)]
    grid = Grid(kept, list(jobs), [AGAIN] if AGAIN in given else [])
    before: list[Grid] = []
    with suppress(DataError):  # what is damaged tells nothing that could be kept
        before = _read(folder, command) if is_sweep(folder) else []
    others = [there for there in before if not set(there.jobs) <= set(jobs)]
    if before != [*others, grid]:
        content = {"command": command, "grids": [asdict(each) for each in [*others, grid]]}
        write_bytes(folder / FILE, (json.dumps(content, indent=1) + "\n").encode())


def read_plan(folder: Path, command: str, names: Collection[str]) -> list[Grid]:
    """The grids of a sweep.

    Args:
        names: settings and groups of the command, which the words may set.
    Raises:
        ConfigError: if it is a sweep of another command, or wants what a stranger's must not.
        DataError: if the file is damaged.
    """
    grids = _read(folder, command)
    for word in (word for grid in grids for word in grid.words):
        if not _is_harmless(word, names):
            raise ConfigError(f"{folder / FILE} sets what a sweep's folder may not set: {word}")
    return grids


def _is_stored(key: str) -> bool:
    if key.startswith("hydra"):
        return key != AGAIN and key.startswith(OF_SWEEPER)
    return key not in UNSTORED


def _is_harmless(word: str, names: Collection[str]) -> bool:
    """Whether a word sets a setting of the command, or of a sweeper of ours, to a plain value."""
    key, value = overrides.split(word)
    if not _is_stored(key) or "${" in value or any(part.startswith("_") for part in key.split(".")):
        return False
    if key == "hydra/sweeper":
        return value in options.options(key, [options.packaged()])
    if key.startswith(OF_SWEEPER):
        return "{" not in value
    return key.partition(".")[0] in names


def _read(folder: Path, command: str) -> list[Grid]:
    try:
        content = read_json(folder / FILE)
    except DataError as error:
        raise DataError(f"{error}; the sweep's own command writes it anew") from error
    if content.get("command") != command:
        raise ConfigError(f"{folder} is no sweep of cnnrun {command}, but of cnnrun {content.get('command')}")
    grids = content.get("grids")
    if not isinstance(grids, list) or not grids:
        raise DataError(f"{folder / FILE} cannot be read: it is damaged")
    return [_grid(folder, grid) for grid in grids]


def _grid(folder: Path, content: Any) -> Grid:
    parts: list[Any] = [content.get(name) for name in Grid.__annotations__] if isinstance(content, dict) else []
    if not parts or any(
        not isinstance(part, list) or not all(isinstance(item, str) for item in part) for part in parts
    ):
        raise DataError(f"{folder / FILE} cannot be read: it is damaged")
    return Grid(*parts)
