"""What the conf folders offer, from file names and lines of text: no Hydra, so that help and completion are quick."""

import re
import shlex
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cnnrun
from cnnrun.errors import CnnrunError, ConfigError

LINE = re.compile(r"^(?P<key>\w+):[ \t]*(?P<value>[^#\n]*?)[ \t]*(?:#[ \t]*(?P<comment>.*))?$", re.MULTILINE)
CALLED = re.compile(r"^(?:name:|defaults: *\[|  -) *(?P<name>\w+)", re.MULTILINE)
"""What an option calls, or what other option it begins with."""
ONLY = {("predict", "model"): "backbone"}
"""Groups of which a command takes the options that call this, as the others bring no trained weights."""
DEFAULT = re.compile(r"^  - (?P<group>[a-z]+): (?P<option>\S+)$", re.MULTILINE)

GLOBAL = "# @package _global_"
"""What Hydra reads above a YAML whose keys are those of the whole config, and not of its own group."""


@dataclass(frozen=True)
class Setting:
    """A line `key: value  # comment` at the left edge of a YAML."""

    key: str
    value: str
    comment: str


@cache
def packaged() -> Path:
    """Our own conf folder: inside the package when installed, beside it in a checkout."""
    package = Path(cnnrun.__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise CnnrunError(f"the config files of cnnrun are missing beside {package}: install it again")


def folders(config_dir: Path | None = None) -> list[Path]:
    """Where configs are looked for, first to last: --config-dir, ./conf, our own.

    Raises:
        ConfigError: if `config_dir` is no folder, or a run's, whose files must not steer Hydra.
    """
    found = [Path.cwd() / "conf", packaged()]
    if config_dir is not None:
        from cnnrun.run import RECORD

        if not config_dir.is_dir():
            raise ConfigError(f"--config-dir {config_dir}: no such folder")
        if (config_dir / RECORD).is_file():
            raise ConfigError(
                f"--config-dir {config_dir}: this is the folder of a run; "
                f"to go on with it: {shlex.quote(f'resume={config_dir}')}"
            )
        found.insert(0, config_dir)
    return list(dict.fromkeys(folder.resolve() for folder in found if folder.is_dir()))


def groups(command: str, places: list[Path]) -> dict[str, str]:
    """The groups of a command, each with the option that it takes by default."""
    text = _text(f"{command}.yaml", places)
    return {match["group"]: match["option"] for match in DEFAULT.finditer(text)}


def options(group: str, places: list[Path]) -> list[str]:
    """The names that `group=` can take."""
    return sorted({file.stem for place in places for file in (place / group).glob("*.yaml")})


def offered(command: str, places: list[Path]) -> dict[str, list[str]]:
    """The options of each group of a command that it can work with."""
    return {
        group: [option for option in options(group, places) if _is_for(command, group, option, places)]
        for group in groups(command, places)
    }


def required(command: str, places: list[Path]) -> dict[str, list[str]]:
    """The options of each group that a command cannot do without."""
    defaults = groups(command, places)
    return {group: options for group, options in offered(command, places).items() if defaults[group] != "null"}


def _is_for(command: str, group: str, option: str, places: list[Path]) -> bool:
    wanted = ONLY.get((command, group))
    return wanted is None or wanted in CALLED.findall(_text(f"{group}/{option}.yaml", places))


def settings(name: str, places: list[Path]) -> list[Setting]:
    """The settings of a command (`train`) or of an option (`model/cnn`)."""
    found = LINE.finditer(_text(f"{name}.yaml", places))
    return [
        Setting(match["key"], match["value"], match["comment"] or "")
        for match in found
        if match["key"] not in ("defaults", "name", "hydra")
    ]


def settings_in_full(command: str, places: list[Path]) -> list[Setting]:
    """The same, with those of a block in its place, under their dotted names."""
    text = _text(f"{command}.yaml", places)
    found = []
    for setting in settings(command, places):
        block = re.search(rf"^{setting.key}:[^\n]*\n((?:  [^\n]*\n)+)", text, re.MULTILINE)
        inside = LINE.finditer(textwrap.dedent(block[1])) if block else []
        parts = [Setting(f"{setting.key}.{line['key']}", line["value"], line["comment"] or "") for line in inside]
        found += parts or [setting]
    return found


def names(command: str, places: list[Path]) -> list[str]:
    """What stands before a = behind a command: its groups and its settings."""
    return [*groups(command, places), *(setting.key for setting in settings(command, places))]


def refuse_misplaced(command: str, experiments: list[str], places: list[Path]) -> None:
    """Refuse files that Hydra would take for something else than their author.

    Raises:
        ConfigError: if a folder holds a few settings under the name of a command, or an experiment is not global.
    """
    for place in places:
        whole = place / f"{command}.yaml"
        # Another checkout of cnnrun has a whole one.
        if whole.is_file() and "override hydra/output" not in whole.read_text(errors="replace"):
            raise ConfigError(
                f"{whole} would stand in the place of all settings of cnnrun {command}; "
                "name it experiment/NAME.yaml there, and choose it with experiment=NAME"
            )
    for name in experiments:
        file = f"experiment/{name}.yaml"
        text = _text(file, places)
        if text and GLOBAL not in text.splitlines():
            path = next(place / file for place in places if (place / file).is_file())
            raise ConfigError(f"{path}: an experiment begins with the line '{GLOBAL}'")


def having(group: str, key: str, places: list[Path]) -> list[str]:
    """The options of a group that have a setting of that name."""
    return [
        option
        for option in options(group, places)
        if any(setting.key == key for setting in settings(f"{group}/{option}", places))
    ]


def _text(name: str, places: list[Path]) -> str:
    file = next((place / name for place in places if (place / name).is_file()), None)
    return file.read_text(errors="replace") if file else ""
