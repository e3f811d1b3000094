"""The user's cache: folders of what can be computed again, shared by processes, the least used removed first.

Whoever cannot write there gets an OSError, and works without: a cache is never the reason that a run fails.
"""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

LIMIT_BYTES = 20 * 10**9
"""What the entries of one kind may take, or a fifth of what the disk has free, if that is more."""


def folder(kind: str) -> Path:
    """Where entries of a kind lie: $CNNRUN_CACHE, or the user's cache folder. It may not exist yet."""
    if chosen := os.environ.get("CNNRUN_CACHE"):
        return Path(chosen).expanduser().absolute() / kind
    return _user_folder() / "cnnrun" / kind


def _user_folder() -> Path:
    name = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    chosen = Path(os.environ.get(name, ""))
    if chosen.is_absolute():  # a relative one is to be ignored, says the XDG specification
        return chosen
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir())


@contextmanager
def locked(entry: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold an entry, which need not exist, against other processes; a process that dies lets go of it.

    Args:
        waiting: called once, if another process has it.
    Raises:
        OSError: if the cache cannot be written, or knows no locks.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock_of(entry)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
    except NotImplementedError as error:
        raise OSError(errno.ENOLCK, str(error), str(entry)) from error
    try:
        with suppress(OSError):
            os.utime(entry)
        yield
    finally:
        lock.release()


def trim(kind: str, limit_bytes: int | None = None) -> None:
    """Remove the entries that were locked longest ago, until the rest fits; those that a process has locked stay.

    Args: limit_bytes: None for LIMIT_BYTES or a fifth of the disk.
    """
    with suppress(OSError):
        place = folder(kind)
        entries = [Path(entry) for entry in os.scandir(place) if entry.is_dir(follow_symlinks=False)]
        sizes = {entry: _bytes_of(entry) for entry in entries}
        limit = max(LIMIT_BYTES, shutil.disk_usage(place).free // 5) if limit_bytes is None else limit_bytes
        for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime):
            if sum(sizes.values()) <= limit:
                return
            if _remove(entry):
                del sizes[entry]


def _remove(entry: Path) -> bool:
    lock = _lock_of(entry)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError, NotImplementedError):
        return False
    try:
        shutil.rmtree(entry, ignore_errors=True)
        return not entry.exists()
    finally:
        lock.release()


def _lock_of(entry: Path) -> FileLock:
    """Beside the entry: one inside would be removed with it, under the hands of who waits for it."""
    return FileLock(entry.with_name(f".{entry.name}.lock"))


def _bytes_of(entry: Path) -> int:
    return sum(file.stat().st_size for file in entry.rglob("*") if file.is_file())


def free_memory() -> int:
    """Bytes that this process can take without harm to others, as far as the system tells."""
    with suppress(OSError, ValueError, StopIteration):
        return min(_available(), _left_in_container())
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 4 * 10**9


def _available() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def _left_in_container() -> int:
    """Pages of files count as free: the kernel gives them up."""
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError, KeyError):
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        parts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(limit - used + int(parts["inactive_file"]), 0)
    return sys.maxsize
