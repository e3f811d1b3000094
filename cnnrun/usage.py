"""The help of the program and of its commands, for somebody who has never seen a config file."""

import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cnnrun.config import options
from cnnrun.config.overrides import STUDY

NARROWEST, USUAL = 60, 100
"""Columns: at least, and where no terminal says otherwise."""


FLAGS = {
    "-m, --multirun": "values may be several, with commas: run every combination, as in seed=0,1,2",
    "-c, --cfg job": "print all settings that would be used, and stop",
    "--config-dir DIR": "look for option files in DIR, too (./conf is always searched)",
    "-h, --help": "show this",
}
"""Of every command, with their meaning."""


class Described(Protocol):
    """What the help needs to know of a command."""

    @property
    def summary(self) -> str: ...

    @property
    def examples(self) -> tuple[str, ...]: ...


def program(commands: Mapping[str, Described]) -> str:
    """What `cnnrun --help` prints."""
    about = "Run experiments with convolutional networks. Every setting has a default; name those to change."
    scripts = "Print what makes a shell complete cnnrun's words: completion bash, zsh or fish."
    return "\n".join(
        [
            "usage: cnnrun <command> [setting=value ...] [flags]",
            "",
            *_wrapped("", about),
            "",
            "commands:",
            *(line for name, command in commands.items() for line in _wrapped(f"  {name:<12}", command.summary)),
            *_wrapped(f"  {'completion':<12}", scripts),
            "",
            "examples:",
            *(f"  {example}" for command in commands.values() for example in command.examples),
            "",
            "flags:",
            *_wrapped("  -h, --help     ", "show this; 'cnnrun <command> --help' lists the settings of a command"),
            *_wrapped("  -V, --version  ", "show the version"),
            "",
        ]
    )


def completion(first_lines: Mapping[str, str]) -> str:
    """What `cnnrun completion --help` prints; the first line of each script tells how to install it."""
    return "\n".join(
        [
            f"usage: cnnrun completion {'|'.join(first_lines)}",
            "",
            *_wrapped("", "Print a script that makes a shell complete cnnrun's words. To have it in every shell:"),
            "",
            *(f"  {shell:<6}{line.removeprefix('# ')}" for shell, line in first_lines.items()),
            "",
        ]
    )


def command(name: str, about: Described, places: list[Path]) -> str:
    """What `cnnrun <command> --help` prints: settings and options are read from the conf folders."""
    groups = options.groups(name, places)
    sections = [
        f"usage: cnnrun {name} [setting=value ...] [flags]",
        "",
        *_wrapped("", about.summary),
        "",
        *(_groups(name, groups, places) if groups else []),
        *(_studies(name, places) if STUDY in options.names(name, places) else []),
        "settings, with their defaults (??? must be given):",
        *(line for setting in options.settings_in_full(name, places) for line in _setting(setting)),
        "",
        "flags:",
        *(line for flag, meaning in FLAGS.items() for line in _wrapped(f"  {flag:<16}  ", meaning)),
        "",
        "examples:",
        *(f"  {example}" for example in about.examples),
    ]
    return "\n".join([*sections, ""])


def _groups(name: str, groups: dict[str, str], places: list[Path]) -> list[str]:
    """The options of each group, the default first."""
    optional = set(groups.values()) == {"null"}
    lines = ["parts to choose by name:" if optional else "parts to choose by name, the first is the default:"]
    for group, default in groups.items():
        known = options.offered(name, places)[group]
        chosen = [] if default == "null" else [default]
        names = " | ".join([*chosen, *(option for option in known if option not in chosen)])
        none = "" if optional or chosen else "(none) | "
        lines += _wrapped(f"  {group + '=':<13}", none + (names or "(none yet)"))
    if optional:
        (group,) = groups
        choice = next(iter(options.offered(name, places)[group]), "...")
        shown = f"cnnrun {name} {group}={choice} --cfg job"
        return [*lines, "", *_wrapped("", f"It has settings of its own: '{shown}' prints them."), ""]
    own = (
        f"Each part has settings of its own, such as optimizer.lr: 'cnnrun {name} --cfg job' prints those of the "
        f"defaults, 'cnnrun {name} dataset=image_folder --cfg job' those of another."
    )
    mine = "A part of your own is a file: ./conf/model/mine.yaml becomes model=mine."
    return [*lines, "", *_wrapped("", own), *_wrapped("", mine), ""]


def _studies(name: str, places: list[Path]) -> list[str]:
    """The grids that come with published numbers."""
    known = " | ".join(options.options(STUDY, places)) or "(none yet)"
    about = f"tables of documents, run by 'cnnrun {name} -m study=NAME'; conf/study/NAME.yaml tells how long it takes:"
    return [*_wrapped("", about), *_wrapped(f"  {STUDY + '=':<13}", known), ""]


def _setting(setting: options.Setting) -> list[str]:
    text = f"  {setting.key}={setting.value}"
    return _wrapped(f"{text:<26}  ", setting.comment) if setting.comment else [text]


def _wrapped(label: str, text: str) -> list[str]:
    """A label and a text beside it, as wide as the terminal."""
    width = max(NARROWEST, shutil.get_terminal_size((USUAL, 0)).columns)
    indent = " " * len(label)
    return textwrap.wrap(
        text, width, initial_indent=label, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
