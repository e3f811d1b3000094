"""Find the callable that a config names: a short name of ours, or a class of the user's own."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnnrun.errors import ConfigError, near_miss

GROUPS = {
    "dataset": "cnnrun.data:DATASETS",
    "augment": "cnnrun.data:AUGMENTS",
    "model": "cnnrun.models:MODELS",
    "task": "cnnrun.tasks:TASKS",
    "optimizer": "cnnrun.training:OPTIMIZERS",
    "scheduler": "cnnrun.training:SCHEDULERS",
}
"""Where each group keeps its short names."""


def load(target: str) -> Any:
    """Import `module:attribute`."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def is_foreign(name: object) -> bool:
    """Whether a name is the user's own `module:attribute`, not one of ours."""
    return isinstance(name, str) and ":" in name


def find(group: str, name: str) -> Callable[..., Any]:
    """The callable that `name` stands for in a group.

    Raises:
        ConfigError: if there is none.
    """
    if is_foreign(name):
        return _load_foreign(group, name)
    names: dict[str, str] = load(GROUPS[group])
    if name not in names:
        raise ConfigError(
            f"{group}.name={name}: no such {group}{near_miss(name, names)} "
            f"(there are {', '.join(names)}; a class of your own is written my_package.my_module:MyClass)"
        )
    found: Callable[..., Any] = load(names[name])
    return found


def _load_foreign(group: str, name: str) -> Callable[..., Any]:
    """Import a class of the user's, with the working directory on the path as for `python -m`."""
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(
            f"{group}.name={name}: no module '{error.name}' in {here} or among the installed packages"
        ) from error
    except ValueError as error:  # an empty or relative module name
        raise ConfigError(f"{group}.name={name}: write it as my_package.my_module:MyClass") from error
    found = getattr(module, attribute, None)
    if not callable(found):
        public = [word for word in vars(module) if not word.startswith("_")]
        raise ConfigError(
            f"{group}.name={name}: '{module_name}' has no class '{attribute}'{near_miss(attribute, public)}"
        )
    checked: Callable[..., Any] = found
    return checked
