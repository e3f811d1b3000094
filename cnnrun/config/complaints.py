"""Turn what Hydra and OmegaConf raise into one sentence with the near miss."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, ListConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from cnnrun.config import options, overrides
from cnnrun.errors import ConfigError, did_you_mean, near_miss

TAKEN_FOR = {"resume": "run", "run": "resume"}
"""What one command calls otherwise than another: both take the folder of a run."""

FUNCTIONS = {
    "range": "numbers: range(1,4) is 1,2,3 and range(0,1,0.5) is 0,0.5",
    "interval": "two numbers, as interval(0.001,0.1)",
    "choice": "values, as choice(a,b)",
    "tag": "a word and a range, as tag(log,interval(0.001,0.1))",
}
"""What is written with brackets for several values, and what each takes."""
GENERAL = ("image_folder", "energy")
"""Options to name where several have a setting: what reads data of one's own."""


@contextmanager
def in_our_words(command: str, places: list[Path]) -> Iterator[None]:
    """Raise a ConfigError in the place of what Hydra, OmegaConf and the YAML reader raise."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise ConfigError(_not_utf8(places)) from error
    except YAMLError as error:
        raise ConfigError(_unreadable(error)) from error
    except OmegaConfBaseException as error:
        raise ConfigError(_from_omegaconf(error, command, places)) from error
    except HydraException as error:
        raise ConfigError(_from_hydra(error, command, places)) from error


def _not_utf8(places: list[Path]) -> str:
    files = [file for place in places for file in sorted(place.rglob("*.yaml"))]
    for file in files:
        try:
            file.read_text("utf-8")
        except UnicodeDecodeError:
            return f"{file} is not text in UTF-8: save it as that"
    return f"a config file in {' or '.join(map(str, places))} is not text in UTF-8"


def _from_hydra(error: HydraException, command: str, places: list[Path]) -> str:
    cause = error.__cause__ or error.__context__
    if isinstance(error, MissingConfigException):
        return _no_such_option(error, command, places)
    if isinstance(error, OverrideParseException):
        return _unparsed(str(error.override))
    if isinstance(cause, OmegaConfBaseException):
        return _from_omegaconf(cause, command, places)
    text = str(error)
    if match := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.*)'", text):
        key, value = overrides.split(match[1])
        a_list = f", {key}=[{overrides.bare(key, value)}] is a list" if _is_a_list(key, command, places) else ""
        if command == "compare":
            return f"{overrides.shown(match[1])} gives several values: write [{overrides.bare(key, value)}]"
        return f"{overrides.shown(match[1])} gives several values: -m runs each of them{a_list}"
    if match := re.match(r"Could not override '([^']*)'", text):
        return f"unknown setting '{match[1]}'{near_miss(match[1], options.names(command, places))}"
    return text.splitlines()[0]


def _unparsed(override: str) -> str:
    """A word that is not in Hydra's grammar."""
    key, _, value = override.partition("=")
    cannot = f"cannot read {overrides.shown(override)}"
    for opening, closing in ("[]", "{}"):
        if value.startswith(opening) and value.count(opening) > value.count(closing):
            return f"{cannot}: the closing {closing} is missing"
    if re.fullmatch(r"\w+\(\s*\)", value):
        return f"{cannot}: there is nothing between the brackets"
    if re.match(r",|.*,\s*(,|$)", value):
        return f"{cannot}: there is a comma too many"
    if re.match(rf"({'|'.join(FUNCTIONS)})\(", value) and value.count("(") > value.count(")"):
        return f"{cannot}: the closing ) is missing"
    if match := re.fullmatch(r"(\w+)\(.*\)", value):
        return f"{cannot}: {_no_such_function(match[1])}"
    quoted = f"{key}={overrides.quote(value)}"
    pasteable = shlex.quote(quoted) if re.search(r'["$`\\]', quoted) else f'"{quoted}"'
    return f"{cannot}: put quotes around the value, as in {pasteable}"


def _no_such_function(name: str) -> str:
    if name in FUNCTIONS:
        return f"{name}(...) takes {FUNCTIONS[name]}"
    return f"there is no {name}(...){near_miss(name, FUNCTIONS)}"


def _is_a_list(key: str, command: str, places: list[Path]) -> bool:
    """Whether a setting's default is one, in any option of its group, or may be one."""
    if key == overrides.RANGES:
        return True
    group, _, name = key.rpartition(".")
    files = [f"{group}/{option}" for option in options.options(group, places)] if group else [command]
    settings = (setting for file in files for setting in options.settings(file, places))
    return any(setting.key == name and setting.value.startswith("[") for setting in settings)


def _no_such_option(error: MissingConfigException, command: str, places: list[Path]) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    if not any((place / group).is_dir() for place in places):
        return f"no config file '{error.missing_cfg_file}.yaml' in {' or '.join(map(str, places))}"
    known = options.offered(command, places).get(group) or options.options(group, places)
    return f"unknown {group} '{name}'{near_miss(name, known)} (there are {', '.join(known) or 'none'})"


def _from_omegaconf(error: OmegaConfBaseException, command: str, places: list[Path]) -> str:
    if isinstance(error, ConfigKeyError | ConfigAttributeError):
        return _unknown_setting(error, command, places)
    first = str(error).splitlines()[0]
    where = str(error.full_key) if error.full_key else "the config"
    return f"{where}: {first[:1].lower()}{first[1:]}"


def _unknown_setting(error: OmegaConfBaseException, command: str, places: list[Path]) -> str:
    """Say what is near it: in the same place, in another option of the group, or elsewhere in the config."""
    key, parent = str(error.full_key), error.parent_node
    place, _, name = key.rpartition(".")
    here = [str(known) for known in parent if known != "hydra"] if isinstance(parent, DictConfig) else []
    unknown = f"unknown setting '{key}'"
    if key not in here and options.groups(command, places).get(key) == "null":
        known = " or ".join(f"{key}={option}" for option in options.offered(command, places)[key])
        return f"{key} has no settings before it is chosen: add {known or f'{key}=...'}"
    if (meant := TAKEN_FOR.get(key)) in here:
        return unknown + did_you_mean([str(meant)])
    if owners := options.having(place, name, places):
        owner = next((option for option in GENERAL if option in owners), min(owners, key=len))
        return f"{unknown}: {_called(parent)} has no '{name}'; {place}={owner} has"
    elsewhere = [path for path in _leaves(error.parent_node) if path.rpartition(".")[2] == name]
    if close := near_miss(name, here, f"{place}." if place else "") or did_you_mean(elsewhere):
        return unknown + close
    if not here:
        return f"{unknown}: '{place}' is one value, without settings of its own"
    own = [known for known in here if not known.startswith("_")]
    return f"{unknown}; {place or f'cnnrun {command}'} has {', '.join(own)}"


def _called(node: object) -> str:
    """The option that a group node came from, by its name."""
    return str(node.get("name", "?")) if isinstance(node, DictConfig) else "?"


def _leaves(node: object, prefix: str = "") -> list[str]:
    """The dotted names of all values in the whole config that `node` belongs to."""
    config = node._get_root() if not prefix and isinstance(node, DictConfig | ListConfig) else node
    found: list[str] = []
    if not isinstance(config, DictConfig) or config._is_none() or config._is_missing():
        return found
    for word, value in config.items_ex(resolve=False):
        key = str(word)
        if key == "hydra" and not prefix:
            continue
        below = _leaves(value, f"{prefix}{key}.") if isinstance(value, DictConfig) else []
        found += below or [f"{prefix}{key}"]
    return found


def _unreadable(error: YAMLError) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.name} cannot be read: line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return f"a config file cannot be read: {error}"
