"""The settings that a run stored, read with those of today: an older version had not all of them, or had others."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnrun import __version__
from cnnrun.config import options
from cnnrun.config.schema import COMMAND_GROUPS, LACKING, MISSING, UNKNOWN, check, shown
from cnnrun.errors import ConfigError

if TYPE_CHECKING:
    from cnnrun.run import Run


def config_of(run: "Run") -> tuple[dict[str, Any], str]:
    """The config of a run, what it lacks taken from the YAMLs of today, and a sentence that names this, or nothing.

    Raises:
        ConfigError: if a YAML cannot be read.
        DataError: if the config cannot.
    """
    config, command = run.config, run.record.get("command")
    if not isinstance(command, str) or command not in COMMAND_GROUPS:
        return config, ""
    places, taken = options.folders(), dict[str, Any]()
    defaults = _defaults(f"{command}.yaml", places)
    whole = _filled(config, defaults, taken)
    for key, block in defaults.items():
        if isinstance(block, dict) and isinstance(config.get(key), dict):
            whole[key] = _filled(config[key], block, taken, f"{key}.")
    for group in COMMAND_GROUPS[command]:
        if isinstance(node := config.get(group), dict):
            whole[group] = _filled(node, _option(group, node, run.record.get("choices"), places), taken, f"{group}.")
    if not taken:
        return config, ""
    named = ", ".join(f"{name}={shown(value)}" for name, value in taken.items())
    return whole, f"{run.path} is older than these settings; taken as by default: {named}"


def check_stored(run: "Run", command: str, config: dict[str, Any], *, trusted: bool) -> None:
    """As `check`, for a config that came from a run: of settings that are gone, or not there, it says what to do.

    Raises:
        ConfigError: lists every problem.
    """
    try:
        check(command, config, trusted=trusted)
    except ConfigError as error:
        advice = _advice(run, str(error))
        mark = "\n" if "\n" in str(error) else "; "
        if not advice:
            raise
        raise ConfigError(f"{error}{mark}{advice}") from error


def _advice(run: "Run", problems: str) -> str:
    """What to do about settings that are gone, or of which no default is known."""
    versions = run.record.get("versions")
    version = versions.get("cnnrun") if isinstance(versions, dict) else None
    writer = "another version of cnnrun" if version in (None, __version__) else f"cnnrun {version}"
    if UNKNOWN in problems:
        return (
            f"{run.config_file} was written by {writer}, and this is {__version__}: use that one, or take out of the "
            "file what is unknown here, if the run did not need it"
        )
    return f"write into {run.config_file} what the run was trained with" if LACKING in problems else ""


def _filled(
    values: dict[str, Any], defaults: Mapping[str, Any], taken: dict[str, Any], prefix: str = ""
) -> dict[str, Any]:
    """The values and the defaults of those that are not there, which are noted in `taken` by their dotted names."""
    lacking = {key: value for key, value in defaults.items() if key not in values}
    for key, value in lacking.items():
        block = value if isinstance(value, dict) and not prefix else {"": value}
        taken.update({f"{prefix}{key}.{inner}".rstrip("."): each for inner, each in block.items()})
    return values | lacking


def _option(group: str, node: Mapping[str, Any], choices: object, places: list[Path]) -> dict[str, Any]:
    """The settings of the option that a node came from; none where that cannot be told."""
    chosen = choices.get(group) if isinstance(choices, dict) else None
    for option in (chosen, node.get("name")):
        if _is_offered(group, option, places):
            settings = _defaults(f"{group}/{option}.yaml", places)
            if settings.pop("name", None) == node.get("name"):
                return settings
    return {}


def _is_offered(group: str, option: object, places: list[Path]) -> bool:
    """Whether it is the name of an option, and not a path to somewhere else."""
    if not isinstance(option, str) or Path(option).name != option:
        return False
    return any((place / group / f"{option}.yaml").is_file() for place in places)


def _defaults(file: str, places: list[Path]) -> dict[str, Any]:
    """What a YAML sets, and those that it begins with; without what must be given, or is said elsewhere."""
    path = next((place / file for place in places if (place / file).is_file()), None)
    if path is None:
        return {}
    content = deepcopy(_content(file, path, path.stat().st_mtime_ns, tuple(places)))
    if not isinstance(content, dict):
        return {}
    found: dict[str, Any] = {}
    for other in content.pop("defaults", []):
        if isinstance(other, str) and other != "_self_":
            found |= _defaults(str(Path(file).with_name(f"{other}.yaml")), places)
    own = {str(key): value for key, value in content.items() if key != "hydra"}
    return found | {key: value for key, value in own.items() if value != MISSING and "${" not in str(value)}


@cache
def _content(file: str, path: Path, changed: int, places: tuple[Path, ...]) -> Any:
    """What stands in a YAML, read once for all runs; `changed` is when it was written."""
    from omegaconf import OmegaConf

    from cnnrun.config.complaints import in_our_words

    with in_our_words(file.removesuffix(".yaml"), list(places)):
        return OmegaConf.to_container(OmegaConf.load(path))
