"""Write a file or a folder of files so that the old one or the new one stands there, never half of one.

Who reads a folder file by file while it is replaced may still get some of both: see training.checkpoints.
"""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnrun.errors import DataError, NotWritten


def write_bytes(path: Path, content: bytes) -> None:
    """Write to a temporary name in the same folder, flush it to the disk, rename.

    Raises:
        NotWritten: if the disk is full or the folder cannot be written; what stood there before still stands.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise NotWritten(_complaint(path, error)) from error


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write files into a fresh folder, then put that folder in the place of `path`.

    A folder that is not empty cannot be replaced in one step, so the old one stands aside for a moment; `to_read`
    finds it there, also if the process died in between.

    Raises:
        CnnrunError: as write_bytes.
    """
    temporary = _temporary(path)
    try:
        temporary.mkdir(parents=True)
        fill(temporary)
        for file in temporary.iterdir():
            _flush(file)
        if path.exists():
            shutil.rmtree(_aside(path), ignore_errors=True)
            os.rename(path, _aside(path))
        os.rename(temporary, path)
        _flush(path.parent)
        shutil.rmtree(_aside(path), ignore_errors=True)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if to_read(path) != path:
            os.rename(_aside(path), path)
        raise NotWritten(_complaint(path, error)) from error


def read_json(path: Path) -> dict[str, Any]:
    """Raises: DataError: if it is missing, damaged, or no object."""
    try:
        text = path.read_text()
        values = json.loads(text)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        where = f"see line {error.lineno}" if text[error.pos :].strip() else "it ends too early"
        raise DataError(f"{path} cannot be read: it is damaged, {where}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: it is damaged") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} cannot be read: it holds {type(values).__name__}, not an object")
    return values


def to_read(path: Path) -> Path:
    """Where the folder `path` is: `write_folder` may have put the old one aside before the new one arrived.

    It is left there: a reader that moved it could stand in the way of a process that is writing.
    """
    return _aside(path) if not path.exists() and _aside(path).exists() else path


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that a killed process left below `folder`."""
    for leftover in folder.rglob(".*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A new name beside it, which is not too long where its own is just short enough."""
    return path.with_name(f".{path.name[:32]}.{secrets.token_hex(4)}.tmp")


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _complaint(path: Path, error: OSError) -> str:
    full = "; free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"could not write {path}: {error.strerror}; what was there before is unchanged{full}"


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
