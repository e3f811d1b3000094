"""Whether a folder can become a run's."""

import errno
import os
import shlex
from pathlib import Path

from cnnrun.errors import CnnrunError, ConfigError
from cnnrun.run.layout import CONFIG, CONSOLE, RECORD
from cnnrun.run.stored import StoredRun


def refuse_another_run(path: Path) -> None:
    """Raises: ConfigError: if a run is there; says whether it can be gone on with."""
    if not os.path.exists(path / RECORD):  # Path.exists raises where a folder above may not be searched
        return
    there = StoredRun(path)
    what = there.called
    can_go_on = what == "a run" or (what == "a prediction" and there.status != "finished")
    advice = f", or go on with it: {shlex.quote(f'resume={path}')}" if can_go_on else ""
    raise ConfigError(f"{path} already holds {what}; name another folder{advice}")


def refuse_others_files(path: Path) -> None:
    """A process that was killed as it began may have left a config, and that of a job has begun its console.log.

    Raises:
        ConfigError: if there are other files.
    """
    others = sorted(
        entry.name for entry in path.iterdir() if entry.name not in (CONFIG, CONSOLE) and entry.name[0] != "."
    )
    if others:
        raise ConfigError(f"{path} holds other files ({', '.join(others[:3])}); name a new folder for the run")


def refuse_unwritable(path: Path) -> None:
    """Raises: CnnrunError: if nothing can be made there."""
    nearest = next(place for place in (path, *path.parents) if os.path.exists(place))
    if not nearest.is_dir():
        raise CnnrunError(f"{nearest} is a file, not a folder: move it away, or choose another folder for the results")
    if not os.access(nearest, os.W_OK | os.X_OK):
        read_only = hasattr(os, "statvfs") and os.statvfs(nearest).f_flag & os.ST_RDONLY
        raise CnnrunError(f"could not write into {nearest}: {os.strerror(errno.EROFS if read_only else errno.EACCES)}")


def make_folder(path: Path) -> None:
    """Raises: CnnrunError: if it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CnnrunError(f"could not make the folder {path}: {error.strerror}") from error
