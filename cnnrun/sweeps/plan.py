"""A sweep's own folder: who runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cnnrun.errors import ConfigError, NotWritten

LOCK = ".lock"


@contextmanager
def sweep_folder(folder: Path) -> Iterator[None]:
    """Hold a sweep's folder until the end, or that of this process; it is made where there is none.

    Raises:
        ConfigError: if another process holds it.
        NotWritten: if nothing may be written there.
    """
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
