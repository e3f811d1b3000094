"""What was asked for on the command line, and what a command is told beside its config."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Watch = Callable[[int, float], str | None]
"""Told of each epoch and of the monitor's value after it; a sentence ends the training."""


@dataclass(frozen=True)
class Request:
    """One command line, parsed but not yet composed."""

    command: str
    function: str
    """Where the command is, as `module:function`."""
    overrides: tuple[str, ...]
    """The key=value words, in Hydra's grammar."""
    config_dir: Path | None = None
    trusted: bool = True
    """Whether the words may name code that did not come with cnnrun: they may not where a stranger wrote them."""


@dataclass(frozen=True)
class Invocation:
    """What a command function gets beside its config."""

    output_dir: Path
    """The folder to write; it may not exist yet."""
    choices: dict[str, str]
    """The option of each group, such as model: cnn_wide."""
    overrides: list[str]
    remarks: list[str] = field(default_factory=list)
    """What is to be known of the config, a sentence each."""
    watch: Watch | None = None
    """Of a search, for a training that may end early; can be pickled."""
