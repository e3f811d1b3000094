"""Read a file of weights that somebody gives us: tensors only, and no code that a pickle may name."""

import argparse
import pickle
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cnnrun.errors import DataError
from cnnrun.files import to_read

SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "network", "net", "weights")
"""Keys under which training scripts put the state dict, beside an epoch or an optimizer."""
OF_A_CHECKPOINT = ("average.safetensors", "model.safetensors")
"""In a checkpoint of a run, in the order in which they are looked for."""


def read(path: Path) -> dict[str, Tensor]:
    """The tensors by name, as they stand in the file; a folder is a checkpoint of a run.

    Raises:
        DataError: if it is not there, is damaged, or holds more than tensors and plain values, or no state dict.
    """
    path = file_at(path)
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _load(path)
    except OSError as error:
        raise DataError(f"model.weights={path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise DataError(f"model.weights={path}: it is damaged, or no safetensors file ({error})") from error
    found = state_dict_in(content)
    if not found:
        raise DataError(f"model.weights={path}: it holds no state dict, but {_described(content)}")
    return found


def file_at(path: Path) -> Path:
    """The file of weights that a path names: itself, or one in the folder of a checkpoint.

    Raises:
        DataError: if there is none.
    """
    if not path.is_dir():
        if not path.is_file():
            raise DataError(f"model.weights={path}: there is no such file")
        return path
    folder = to_read(path)
    found = [folder / name for name in OF_A_CHECKPOINT if (folder / name).is_file()]
    if not found:
        raise DataError(
            f"model.weights={path}: it is a folder without {OF_A_CHECKPOINT[-1]}; name a file of weights, or the "
            "folder of a checkpoint, such as RUN/checkpoints/best"
        )
    return found[0]


def _load(path: Path) -> Any:
    """What a file of torch.save holds. Training scripts often store the words of their command line too."""
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise DataError(f"model.weights={path}: {_why_not(error)}") from error


def _why_not(error: Exception) -> str:
    text = str(error)
    if "TorchScript" in text:
        return "it is a TorchScript program, not a state dict; save model.state_dict() of the network instead"
    named = re.search(r"GLOBAL ([\w.]+)", text)
    if isinstance(error, pickle.UnpicklingError) and named:
        return (
            f"it holds {named[1]}, not tensors alone, and is not read because that could run code; where you trust it, "
            "load it yourself and save its state_dict()"
        )
    return "it is damaged, or no file of weights"


def state_dict_in(content: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, or of one that is wrapped in a larger dict; empty where there is none."""
    if not isinstance(content, Mapping):
        return {}
    for name in WRAPPERS:
        if isinstance(content.get(name), Mapping) and (found := state_dict_in(content[name])):
            return found
    return {name: tensor for name, tensor in content.items() if isinstance(name, str) and isinstance(tensor, Tensor)}


def _described(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    names = [str(name) for name in content]
    return f"a dict of {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "an empty dict"


def without_prefix(tensors: dict[str, Tensor], known: Iterable[str]) -> dict[str, Tensor]:
    """The tensors whose names begin as a wrapper has them (`module.`, `model.`, `features.`), without that.

    Of all beginnings that leave a known name, the one that leaves most; what does not begin so is of another part of
    the model, and left out.
    """
    known = set(known)
    found: Counter[str] = Counter()
    for name in tensors:
        parts = name.split(".")
        found.update(".".join(parts[:cut]) for cut in range(len(parts)) if ".".join(parts[cut:]) in known)
    prefix = max(found, key=lambda prefix: (found[prefix], -len(prefix)), default="")
    if not prefix:
        return tensors
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}
