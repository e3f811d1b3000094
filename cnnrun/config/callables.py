"""Find the callable that a config names: a short name of ours, or a class of the user's own."""

import importlib
from collections.abc import Callable
from typing import Any

from cnnrun.config import foreign
from cnnrun.errors import ConfigError, near_miss

GROUPS = {
    "dataset": "cnnrun.data:DATASETS",
    "augment": "cnnrun.data:AUGMENTS",
    "model": "cnnrun.models:MODELS",
    "task": "cnnrun.tasks:TASKS",
    "optimizer": "cnnrun.training:OPTIMIZERS",
    "scheduler": "cnnrun.training:SCHEDULERS",
    "logger": "cnnrun.tracking:LOGGERS",
}
"""Where each group keeps its short names."""


def load(target: str) -> Any:
    """Import `module:attribute`."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def find(group: str, name: str) -> Callable[..., Any]:
    """The callable that `name` stands for in a group.

    Raises:
        ConfigError: if there is none.
    """
    if foreign.is_foreign(name):
        return foreign.load(group, name)
    names: dict[str, str] = load(GROUPS[group])
    if name not in names:
        raise ConfigError(
            f"{group}.name={name}: no such {group}{near_miss(name, names)} "
            f"(there are {', '.join(names)}; a class of your own is written my_package.my_module:MyClass)"
        )
    found: Callable[..., Any] = load(names[name])
    return found
