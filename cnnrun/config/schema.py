"""Check plain values against the signatures that they go to, and call what they name.

A callable's keyword-only parameters are its settings; its positional ones are facts that only a run knows.
"""

import dataclasses
import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from cnnrun.config.callables import GROUPS, find
from cnnrun.config.foreign import blamed, is_foreign
from cnnrun.errors import ConfigError, near_miss

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MISSING = "???"
"""How OmegaConf writes a value that must be given."""

UNKNOWN, LACKING = "unknown setting", "missing setting"
"""How `check` begins what it says of a setting that nobody has, and of one that is not there."""

COMMAND_GROUPS = {"train": tuple(GROUPS), "eval": (), "predict": ("model",), "compare": ()}
OPTIONAL_GROUPS = {"train": ("logger",), "predict": ("model",)}
"""Groups that may be missing, or null."""

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Knob:
    """One setting of a callable."""

    annotation: Any
    required: bool


@dataclass(frozen=True)
class Signature:
    """A callable as its config sees it."""

    owner: str
    facts: dict[str, bool]
    """The positional parameters, and whether each is required."""
    knobs: dict[str, Knob]
    takes_any: bool
    """Whether it has **kwargs."""


def check(command: str, config: dict[str, Any], *, trusted: bool = True) -> None:
    """Hold a config against everything that it names, before anything is loaded.

    Args:
        config: plain values, as composed or as a run stored them.
        trusted: whether it may name code that is not ours; false for a run that somebody else may have made.
    Raises:
        ConfigError: lists every problem.
    """
    _refuse(list(_unfit_for_storage(config)) or list(_problems(command, config, trusted)))


def check_fields(prefix: str, settings: type, values: dict[str, Any]) -> None:
    """Hold values against the fields of a dataclass.

    Args:
        prefix: what stands before each name where it is written, such as `hydra.sweeper.`
    Raises:
        ConfigError: lists every problem.
    """
    _refuse(list(_compare(prefix, signature_of_fields(settings), values)))


def _refuse(problems: list[str]) -> None:
    if len(problems) == 1:
        raise ConfigError(problems[0])
    if problems:
        raise ConfigError("\n  ".join([f"{len(problems)} problems in the settings", *problems]))


def bind(settings: type[Settings], config: dict[str, Any]) -> Settings:
    """The settings of a command that belong to no group, from its checked config."""
    names = [field.name for field in dataclasses.fields(settings)]  # type: ignore[arg-type]
    return settings(**{name: config[name] for name in names})


def build(group: str, node: dict[str, Any], **runtime: Any) -> Any:
    """Call what `node` names, with its settings and those facts of `runtime` that it asks for.

    Raises:
        ConfigError: if it asks for a fact that this group does not have, says so itself, or is foreign and fails.
    """
    target = find(group, node["name"])
    signature = signature_of(target, node["name"])
    unknown = [name for name, required in signature.facts.items() if required and name not in runtime]
    if unknown and not is_foreign(node["name"]):
        raise ConfigError(
            f"{group}.name={node['name']}: it is for data with '{unknown[0]}', which this data set has not"
        )
    if unknown:
        raise ConfigError(
            f"{group}.name={node['name']}: its positional parameter '{unknown[0]}' is not known here "
            f"(known are {', '.join(runtime)}); settings must be keyword-only: put a * before them"
        )
    facts = {name: runtime[name] for name in signature.facts if name in runtime}
    with blamed(group, node["name"]):
        return target(**facts, **{key: value for key, value in node.items() if key != "name"})


def signature_of(target: Callable[..., Any], owner: str) -> Signature:
    """Read a callable's parameters."""
    facts: dict[str, bool] = {}
    knobs: dict[str, Knob] = {}
    takes_any = False
    for name, parameter in inspect.signature(target, eval_str=True).parameters.items():
        required = parameter.default is parameter.empty
        if parameter.kind is parameter.KEYWORD_ONLY:
            knobs[name] = Knob(parameter.annotation, required)
        elif parameter.kind is parameter.VAR_KEYWORD:
            takes_any = True
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            facts[name] = required
    return Signature(owner, facts, knobs, takes_any)


def _unfit_for_storage(value: Any, where: str = "") -> Iterator[str]:
    """What must not stand in a config that one person gives to another."""
    if isinstance(value, str) and "${" in value:
        yield f"{where}={value}: a reference; write the value itself"
    elif isinstance(value, list):
        for item in value:
            yield from _unfit_for_storage(item, where)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or key.startswith("_"):
                yield f"{where or 'the config'} has the key '{key}': a setting's name is text without a leading _"
            else:
                yield from _unfit_for_storage(item, f"{where}.{key}" if where else key)


def _problems(command: str, config: dict[str, Any], trusted: bool) -> Iterator[str]:
    from cnnrun import settings

    if wrong := settings.wrong_form(command, config):
        yield wrong
        return
    groups = COMMAND_GROUPS[command]
    own = {key: value for key, value in config.items() if key not in groups}
    yield from _compare("", _command_signature(command), own, groups)
    for group in groups:
        optional = group in OPTIONAL_GROUPS.get(command, ())
        if group in config and not (optional and config[group] is None):
            yield from _group_problems(group, config[group], trusted)
        elif not optional:
            yield f"{LACKING} '{group}': cnnrun {command} needs it"


def _command_signature(command: str) -> Signature:
    from cnnrun import settings

    owner = settings.OF_COMMAND[command]
    return dataclasses.replace(signature_of_fields(owner), owner=f"cnnrun {command}")


def signature_of_fields(settings: type) -> Signature:
    """A settings dataclass, as if each field were a keyword-only parameter."""
    knobs = {field.name: Knob(field.type, required=True) for field in dataclasses.fields(settings)}
    return Signature(settings.__name__, {}, knobs, takes_any=False)


def _group_problems(group: str, node: Any, trusted: bool) -> Iterator[str]:
    if not isinstance(node, dict) or not isinstance(node.get("name"), str):
        what = f"{group}={shown(node)}" if not isinstance(node, dict) else f"{group} has no name"
        yield f"{what}: {group} must hold 'name' and the settings of what it names"
        return
    name = node["name"]
    if is_foreign(name) and not trusted:
        yield f"{group}.name={name}: this is code that did not come with cnnrun; trust_code=true runs it"
        return
    try:
        with blamed(group, name):
            found = find(group, name)
            signature = signature_of(found, name)
    except ConfigError as error:
        yield str(error)
        return
    if not is_foreign(name) and (package := _missing_package(found)):
        yield f"{group}={name}: it needs {package}: pip install 'cnnrun[{name}]', or leave it out: {group}=null"
    yield from _compare(f"{group}.", signature, {key: value for key, value in node.items() if key != "name"})


def _missing_package(found: Callable[..., Any]) -> str | None:
    """The optional package that a callable of ours says it needs in `package`, if it is not there."""
    package = getattr(found, "package", None)
    return package if isinstance(package, str) and importlib.util.find_spec(package) is None else None


def _compare(prefix: str, signature: Signature, values: dict[str, Any], groups: tuple[str, ...] = ()) -> Iterator[str]:
    """Names on either side that the other lacks, and values that do not fit."""
    unknown = [key for key in values if key not in signature.knobs and not signature.takes_any]
    yield from (_unknown(prefix, key, signature, groups) for key in unknown)
    for name, knob in signature.knobs.items():
        if values.get(name) == MISSING:
            yield f"{prefix}{name} is required: write {prefix}{name}=..."
        elif name not in values and knob.required:
            yield f"{LACKING} '{prefix}{name}': {signature.owner} needs it"
        elif name in values and knob.annotation is not inspect.Parameter.empty:
            yield from _value_problems(f"{prefix}{name}", knob.annotation, values[name], signature.owner)


def _unknown(prefix: str, key: str, signature: Signature, groups: tuple[str, ...]) -> str:
    if key in signature.facts:
        return (
            f"{prefix}{key}: '{key}' is a positional parameter of {signature.owner}; "
            "settings are keyword-only: put a * before it"
        )
    known = [*groups, *signature.knobs]
    close = near_miss(key, known, prefix)
    return f"{UNKNOWN} '{prefix}{key}'" + (close or f": {signature.owner} has {', '.join(known) or 'none'}")


def check_value(name: str, annotation: Any, value: Any) -> None:
    """Hold one value, which Hydra hands over unchecked, against its type.

    Raises:
        ConfigError: if it is not of that type; it says which would be.
    """
    _refuse(list(_value_problems(name, annotation, value, name)))


def _adapter(annotation: Any) -> "TypeAdapter[Any]":
    try:
        return _kept_adapter(annotation)
    except TypeError:  # an annotation of the user's own may have no hash
        return _new_adapter(annotation)


def _new_adapter(annotation: Any) -> "TypeAdapter[Any]":
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))


_kept_adapter = cache(_new_adapter)


def _value_problems(where: str, annotation: Any, value: Any, owner: str) -> Iterator[str]:
    from pydantic import PydanticSchemaGenerationError, ValidationError

    from cnnrun.config.reasons import reason

    try:
        _adapter(annotation).validate_python(value, strict=True)
    except ValidationError as error:
        index, why = reason(error, annotation)
        place = where + "".join(f"[{number}]" for number in index)
        for number in index:
            value = value[number]
        yield f"{place}={shown(value)}: {why}"
    except PydanticSchemaGenerationError:
        yield f"{where}: {owner} declares it as {annotation}; a setting is int, float, str, list[int], ..."


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted names; lists and empty blocks stay whole."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        is_block = isinstance(value, Mapping) and value
        found |= flat(value, f"{prefix}{key}.") if is_block else {f"{prefix}{key}": value}
    return found


def shown(value: Any) -> str:
    """A value as one would write it on the command line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(shown, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{shown(item)}" for key, item in value.items()) + "}"
    return str(value)
