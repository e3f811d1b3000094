"""The help of the program and of its commands, for somebody who has never seen a config file."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cnnrun.config import options

WIDTH = 100


class Described(Protocol):
    """What the help needs to know of a command."""

    @property
    def summary(self) -> str: ...

    @property
    def examples(self) -> tuple[str, ...]: ...


def program(commands: Mapping[str, Described]) -> str:
    """What `cnnrun --help` prints."""
    rows = [f"  {name:<12}{command.summary}" for name, command in commands.items()]
    examples = [f"  {example}" for command in commands.values() for example in command.examples]
    return "\n".join(
        [
            "usage: cnnrun <command> [setting=value ...] [flags]",
            "",
            "Run experiments with convolutional networks. Every setting has a default; name those to change.",
            "",
            "commands:",
            *rows,
            "  completion  Print what makes a shell complete cnnrun's words: completion bash, zsh or fish.",
            "",
            "examples:",
            *examples,
            "",
            "flags:",
            "  -h, --help     show this; 'cnnrun <command> --help' lists the settings of a command",
            "  -V, --version  show the version",
            "",
        ]
    )


def command(name: str, about: Described, places: list[Path]) -> str:
    """What `cnnrun <command> --help` prints: settings and options are read from the conf folders."""
    groups = options.groups(name, places)
    sections = [
        f"usage: cnnrun {name} [setting=value ...] [flags]",
        "",
        about.summary,
        "",
        *(_groups(name, groups, places) if groups else []),
        "settings, with their defaults (??? must be given):",
        *(_setting(setting) for setting in options.settings(name, places)),
        "",
        "flags:",
        "  -m, --multirun    values may be several, with commas: run every combination, as in seed=0,1,2",
        "  -c, --cfg job     print all settings that would be used, and stop",
        "  --config-dir DIR  look for option files in DIR, too (./conf is always searched)",
        "  -h, --help        show this",
        "",
        "examples:",
        *(f"  {example}" for example in about.examples),
    ]
    return "\n".join([*sections, ""])


def _groups(name: str, groups: dict[str, str], places: list[Path]) -> list[str]:
    """The options of each group, the default first."""
    lines = ["parts to choose by name, the first is the default:"]
    for group, default in groups.items():
        known = options.options(group, places)
        chosen = [] if default == "null" else [default]
        names = " | ".join([*chosen, *(option for option in known if option not in chosen)])
        label = f"  {group + '=':<13}"
        lines += textwrap.wrap(names, WIDTH, initial_indent=label, subsequent_indent=" " * len(label)) or [
            f"{label}(none yet)"
        ]
    return [
        *lines,
        "",
        f"Each part has settings of its own, such as optimizer.lr: 'cnnrun {name} --cfg job' prints them.",
        "A part of your own is a file: ./conf/model/mine.yaml becomes model=mine.",
        "",
    ]


def _setting(setting: options.Setting) -> str:
    text = f"  {setting.key}={setting.value}"
    return f"{text:<26}  {setting.comment}".rstrip()
