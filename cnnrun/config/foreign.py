"""A class of the user's own, written my_package.my_module:MyClass: import it, and say where it fails."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnnrun.errors import CnnrunError, ConfigError, near_miss


def is_foreign(name: object) -> bool:
    """Whether a name is the user's own `module:attribute`, not one of ours."""
    return isinstance(name, str) and ":" in name


@contextmanager
def blamed(group: str, name: str) -> Iterator[None]:
    """Name the user's class and line in the place of whatever its code raises; ours keeps its traceback.

    Raises:
        ConfigError: with the error, and the last line of the user's package that it came through.
    """
    try:
        yield
    except CnnrunError:
        raise
    except Exception as error:
        if not is_foreign(name):
            raise
        what = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
        where = _place(error, name.partition(":")[0])
        raise ConfigError(f"{group}.name={name}: {type(error).__name__}: {what}{where}") from error


def load(group: str, name: str) -> Callable[..., Any]:
    """Import a class of the user's, with the working directory on the path as for `python -m`.

    Raises:
        ConfigError: if it is not there, or its module cannot be imported.
    """
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if not all(part.isidentifier() for part in [*module_name.split("."), attribute]):
        raise ConfigError(f"{group}.name={name}: write it as my_package.my_module:MyClass")
    with blamed(group, name):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            raise ConfigError(
                f"{group}.name={name}: no module '{error.name}' in {here} or among the installed packages"
            ) from error
    found = getattr(module, attribute, None)
    if not callable(found):
        public = [word for word, value in vars(module).items() if not word.startswith("_") and callable(value)]
        raise ConfigError(
            f"{group}.name={name}: '{module_name}' has no class '{attribute}'{near_miss(attribute, public)}"
        )
    checked: Callable[..., Any] = found
    return checked


def _place(error: Exception, module_name: str) -> str:
    """` (my_package/my_module.py, line 12)`: the innermost line of the user's package, or only its file."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({_shown(error.filename)}, line {error.lineno})"
    package = module_name.partition(".")[0]
    own = [
        f" ({_shown(frame.f_code.co_filename)}, line {line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package
        and Path(frame.f_code.co_filename).is_file()
    ]
    file = getattr(sys.modules.get(module_name), "__file__", None)
    return own[-1] if own else f" ({_shown(file)})" if file else ""


def _shown(file: str) -> str:
    """As seen from the working directory, if it lies in there."""
    return os.path.relpath(file) if Path(file).is_relative_to(Path.cwd()) else file
