"""A checkpoint is a folder of safetensors and JSON with a sha256 manifest; no pickle is read or written."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cnnrun.errors import DataError
from cnnrun.files import read_json, to_read, write_folder

NAMES = ("best", "last")
"""Of the checkpoints that a run has."""
MANIFEST = "manifest.json"
VALUES = "state.json"
ATTEMPTS = 10
"""To read a checkpoint that a training replaces."""


def write(folder: Path, tensors: dict[str, dict[str, Tensor]], values: dict[str, Any]) -> None:
    """Replace the checkpoint in `folder` in one step.

    Args:
        tensors: file stem -> name -> tensor, e.g. {"model": state_dict, "optimizer": {...}}.
        values: plain JSON values.
    """

    def fill(target: Path) -> None:
        for stem, named in tensors.items():
            _save(named, target / f"{stem}.safetensors")
        (target / VALUES).write_text(json.dumps(values, indent=1))
        manifest = {file.name: _sha256(file) for file in sorted(target.iterdir())}
        (target / MANIFEST).write_text(json.dumps(manifest, indent=1))

    write_folder(folder, fill)


def _save(named: dict[str, Tensor], file: Path) -> None:
    """Raises: OSError: also where safetensors met it, which tells only its number, as text."""
    try:
        save_file(_separate(named), file)
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        if not found:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


def read(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what `write` wrote, on the CPU; again where a training replaced it meanwhile.

    Raises:
        DataError: if a file is missing, was changed, or cannot be read.
    """
    for _ in range(ATTEMPTS):
        before = _identity(folder)
        content, problem = None, None
        try:
            content = _read(to_read(folder))
        except DataError as error:
            problem = error
        if _identity(folder) != before:
            continue  # even files that could all be read may be some of the old ones and some of the new
        if content:
            return content
        others = [name for name in NAMES if name != folder.name and (folder.with_name(name) / MANIFEST).exists()]
        advice = "".join(f"; cnnrun eval and predict can use the other one: checkpoint={name}" for name in others)
        raise DataError(f"broken checkpoint: {problem}{advice or '; train again'}") from problem
    raise DataError(f"{folder} was replaced each of {ATTEMPTS} times that it was read; wait for the training to end")


def _identity(folder: Path) -> tuple[Path, int, int] | None:
    """Differs from one checkpoint in `folder` to the next, and while one is put in the place of another."""
    manifest = to_read(folder) / MANIFEST
    try:
        status = manifest.stat()
    except OSError:
        return None
    return manifest, status.st_ino, status.st_mtime_ns


def _read(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    manifest = read_json(folder / MANIFEST)
    if VALUES not in manifest:
        raise DataError(f"{folder / MANIFEST} does not vouch for {VALUES}")
    tensors = {}
    for name, digest in manifest.items():
        file = folder / name
        try:
            if file.name != name or _sha256(file) != digest:
                raise DataError(f"{file} is not the file that was saved (its sha256 differs)")
            if file.suffix == ".safetensors":
                tensors[file.stem] = load_file(file)
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}") from error
        except (ValueError, SafetensorError) as error:
            raise DataError(f"{file} cannot be read: {error}") from error
    return tensors, read_json(folder / VALUES)


def _separate(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous, each with memory of its own: safetensors refuses weights that are tied."""
    separate: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, tensor in named.items():
        tensor = tensor.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if memory in taken else tensor
        taken.add(memory)
    return separate


def _sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
