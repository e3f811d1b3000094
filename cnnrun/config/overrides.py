"""The key=value words of a command line, before Hydra parses them."""

import errno
import glob
import os
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from cnnrun.errors import ConfigError, near_miss

PATHS = ("run", "runs", "resume", "root", "csv", "inputs", "labels", "truth", "judges", "model.weights")
RANGES = "model.trainable"
"""Layer ranges, which hold colons, brackets and other signs of Hydra's grammar. A comma parts the jobs of a sweep."""
PATH_ENDINGS = (".root", ".csv", ".manifest")
RUN_FOLDER, SWEEP_FOLDER = "hydra.run.dir", "hydra.sweep.dir"
EXPERIMENT = "experiment"
OPTIONAL = (EXPERIMENT, "logger")
"""Groups that need not be chosen."""
STUDY, BUDGET, FULL = "study", "budget", "full"
"""The settings that name a grid with published numbers, and how much of it to run: all of it by default."""
NO_CHOICE = (*(f"{group}=null" for group in OPTIONAL), "model=null", f"{STUDY}=null")
"""Words that say what is so in any case, where they are allowed; Hydra does not take them."""

Word = tuple[str, str]
"""The key and the value of one override, as text."""


def split(override: str) -> Word:
    """Take key=value apart.

    Raises:
        ConfigError: if it is not written so, or wants to add or remove a key.
    """
    key, equals, value = override.partition("=")
    if key.startswith(("+", "~")):
        bare = key.lstrip("+~")
        what = "removed" if key.startswith("~") else "added"
        raise ConfigError(f"'{override}': settings cannot be {what}; write {bare}=... to change one that exists")
    if not equals or not key:
        raise ConfigError(f"'{override}' is no setting: settings are written key=value")
    return key, value


def experiments(words: Iterable[str]) -> list[str]:
    """What `experiment=` names, one or several of a sweep."""
    values = [value for key, value in map(split, words) if key == EXPERIMENT]
    return [unquote(name.strip()) for value in values for name in value.split(",")]


def shown(override: str) -> str:
    """A word as it was typed, in quotes that a shell takes."""
    key, value = split(override)
    typed = f"{key}={bare(key, value)}"
    return shlex.quote(typed) if "'" in typed else f"'{typed}'"


def bare(key: str, value: str) -> str:
    """A value without the quotes that `prepare` puts around paths and layer ranges."""
    parts = _parts(value)
    if key == RANGES or (is_path(key) and all(map(_is_quoted, parts))):
        return ",".join(map(unquote, parts))
    return unquote(value) if is_path(key) else value


def is_path(key: str) -> bool:
    """Whether the value of a key is a path, which never means a list, and several only with -m."""
    return key in (*PATHS, RUN_FOLDER, SWEEP_FOLDER) or key.endswith(PATH_ENDINGS)


def prepare(
    overrides: Iterable[str],
    groups: Mapping[str, list[str]],
    names: Collection[str] = (),
    *,
    multirun: bool = False,
) -> tuple[str, ...]:
    """Check the form of each word, and quote paths, so that `Photos (1)/a,b.jpg` reaches Hydra whole, and layer ranges.

    With `multirun`, commas part several paths, unless there is something at the whole.

    Raises:
        ConfigError: as `split`; where a lone word is an option of one of the `groups`, or a path that one of the
            settings `names` can be, it says which. Also if a path is empty, as an unset variable makes it, or no path.
    """
    prepared = []
    for override in overrides:
        if "=" not in override and (meant := _meant(override, groups, names)):
            example = shlex.quote(f"{meant}={override}")
            raise ConfigError(f"'{override}' is no setting: settings are written key=value, as in {example}")
        key, value = split(override)
        if is_path(key):
            paths = _parts(value) if multirun and _are_several(key, value) else [value]
            prepared.append(f"{key}={','.join(_literal(_path(key, path)) for path in paths)}")
        elif key == RANGES:
            prepared.append(f"{key}={','.join(map(_literal, _parts(value)))}")
        else:
            prepared.append(override)
    if STUDY in names:
        _refuse_half_a_study(prepared, multirun)
    return tuple(prepared)


def _refuse_half_a_study(words: Sequence[str], multirun: bool) -> None:
    """Raises: ConfigError: for a study without -m, or a budget without a study."""
    study, budget = value_of(STUDY, words), value_of(BUDGET, words)
    if study is not None and not multirun:
        raise ConfigError(f"'{STUDY}={study}' is a grid of runs: add -m")
    if study is None and budget not in (None, FULL):
        raise ConfigError(f"'{BUDGET}={budget}' is that of a study: add {STUDY}=NAME")


def _are_several(key: str, value: str) -> bool:
    """Whether the commas of a value part paths, and are not of the name or the pattern of one."""
    whole = os.path.expanduser(unquote(value))
    return key not in (RUN_FOLDER, SWEEP_FOLDER) and not os.path.exists(whole) and not any(glob.iglob(whole))


def _path(key: str, value: str) -> str:
    """The value of a key that names a path; there need be nothing at it.

    Raises:
        ConfigError: if there can be nothing, or nobody may look.
    """
    if not unquote(value):
        raise ConfigError(f"'{key}=': a path must not be empty")
    # A shell does this only at the start of a word.
    path = str(Path(value).expanduser()) if value.startswith("~/") else value
    try:
        os.stat(unquote(path))
    except (FileNotFoundError, NotADirectoryError):
        return path
    except OSError as error:
        raise ConfigError(f"'{key}={unquote(path)}': {os.strerror(error.errno or errno.EINVAL)}") from error
    return path


def _literal(value: str) -> str:
    return value if value == "null" or _is_quoted(value) else quote(value)


def _parts(value: str) -> list[str]:
    """What commas part that stand neither in quotes nor in brackets: `0:40,[a,b]` is `0:40` and `[a,b]`."""
    parts, depth, quoted = [""], 0, ""
    for sign in value:
        if sign in "'\"" and quoted in ("", sign):
            quoted = "" if quoted else sign
        depth += not quoted and (sign in "([{") - (sign in ")]}")
        if sign == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _meant(word: str, groups: Mapping[str, list[str]], names: Collection[str]) -> str | None:
    """The key that a lone value most likely belongs to."""
    if group := next((group for group, options in groups.items() if word in options), None):
        return group
    looks_like_a_path = "/" in word and not word.startswith(("+", "~"))
    return next((key for key in ("run", "resume") if key in names), None) if looks_like_a_path else None


def quote(text: str) -> str:
    """Write text as a string of Hydra's grammar, in which a backslash is special only before a quote."""
    escaped = re.sub(r"(\\*)'", lambda match: match[1] * 2 + r"\'", text)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{chr(92) * trailing}'"


def unquote(value: str) -> str:
    """The text of a value that `quote` may have wrapped."""
    if not _is_quoted(value):
        return value
    inner = value[1:-1]
    trailing = len(inner) - len(inner.rstrip("\\"))
    inner = inner[: len(inner) - trailing // 2]
    return re.sub(r"(\\+)" + value[0], lambda match: match[1][: len(match[1]) // 2] + value[0], inner)


def value_of(key: str, overrides: Iterable[str]) -> str | None:
    """The text that the last `key=text` gives, None where there is none or it is null."""
    values = [value for name, value in map(split, overrides) if name == key]
    return unquote(values[-1]) if values and values[-1] != "null" else None


def refuse_others(overrides: Iterable[str], allowed: Sequence[str]) -> None:
    """Let through only the keys in `allowed`, beside resume itself.

    Raises:
        ConfigError: names the first other one.
    """
    for override in overrides:
        key, _ = split(override)
        if key != "resume" and key not in allowed:
            raise ConfigError(
                f"{shown(override)}: a resumed run keeps its settings; only {', '.join(allowed)} can be changed"
                f"{near_miss(key, allowed)}"
            )


def refuse_launcher(overrides: Iterable[str]) -> None:
    """A single run has no use for it, nor for a sweeper.

    Raises:
        ConfigError: if one is named.
    """
    for override in overrides:
        if re.match(r"hydra[./](launcher|sweeper)\b", override):
            raise ConfigError(f"{shown(override)} says how to run a sweep: add -m")


def refuse_folder_of_a_sweep(overrides: Iterable[str]) -> None:
    """A single run has no use for it.

    Raises:
        ConfigError: if one is named.
    """
    for override in overrides:
        key, value = split(override)
        if key in ("sweep", SWEEP_FOLDER) and value != "null":
            raise ConfigError(f"{shown(override)} names the folder of a sweep: add -m")


def refuse_folder_of_a_run(overrides: Iterable[str]) -> None:
    """The jobs of a sweep have folders in that of the sweep.

    Raises:
        ConfigError: if one is named.
    """
    for override in overrides:
        key, value = split(override)
        if key == RUN_FOLDER and value != "null":
            raise ConfigError(f"{shown(override)} names the folder of one run: with -m write {SWEEP_FOLDER}=...")


def without_none(words: Iterable[str]) -> list[str]:
    """Leave out the choice of no option, which is the default."""
    return [word for word in words if word not in NO_CHOICE]


NO_NAME = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?(inf|nan)|true|false", re.IGNORECASE)
"""What Hydra reads as a number, or as true or false."""


def refuse_no_choice(words: Iterable[Word], groups: Mapping[str, list[str]]) -> None:
    """All groups but OPTIONAL must be chosen; `groups` holds the options of each.

    Raises:
        ConfigError: if a group is set to null or to nothing.
    """
    for key, value in words:
        if key in groups and key not in OPTIONAL and value in ("null", ""):
            article = "an" if key[0] in "aeiou" else "a"
            raise ConfigError(
                f"'{key}={value}': cnnrun cannot do without {article} {key}; choose one of {', '.join(groups[key])}"
            )


def refuse_numbers(words: Iterable[Word], groups: Mapping[str, list[str]]) -> None:
    """The name of an option is text, and Hydra has no sentence for anything else.

    Raises:
        ConfigError: if a group is set to a number, or to true or false; `groups` holds the options of each.
    """
    for key, value in words:
        if key in groups and NO_NAME.fullmatch(value):
            raise ConfigError(
                f"unknown {key} '{value}'{near_miss(value, groups[key])} (there are {', '.join(groups[key])})"
            )


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
