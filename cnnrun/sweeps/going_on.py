"""Go on with a sweep by its folder: what was asked for stands there, and only how to run can be said anew."""

import shlex
from dataclasses import replace
from pathlib import Path

from cnnrun.config import Request, compose, options, overrides
from cnnrun.errors import ConfigError, near_miss
from cnnrun.sweeps.plan import AGAIN, is_sweep, read_plan

ALLOWED = ("hydra/launcher", "hydra.launcher", AGAIN, "hydra.sweeper.n_trials", "trust_code")
"""What may be given beside resume."""


def folder_to_resume(request: Request) -> Path | None:
    """The sweep that `resume` names; None where it names none.

    Raises:
        ConfigError: if it names something else.
    """
    named = overrides.value_of("resume", request.overrides)
    if named is None:
        return None
    if not is_sweep(Path(named)):
        raise ConfigError("resume goes on with one run, leave out -m; a sweep goes on when its command is given again")
    return Path(named)


def requests(request: Request, folder: Path) -> list[Request]:
    """What was asked for in a sweep's folder, as if it came from command lines.

    Raises:
        ConfigError: if other settings are given, the folder asks for what a stranger's must not, or for more words.
        DataError: if it cannot be read.
    """
    given = [word for word in request.overrides if overrides.split(word)[0] != "resume"]
    keys = [overrides.split(word)[0] for word in given]
    for key, word in zip(keys, given, strict=True):
        if key not in ALLOWED and not key.startswith("hydra.launcher."):
            raise ConfigError(
                f"{overrides.shown(word)}: a resumed sweep keeps its settings; only {', '.join(ALLOWED)} can be changed"
                f"{near_miss(key, ALLOWED)}"
            )
    grids = read_plan(folder, request.command, options.names(request.command, options.folders(request.config_dir)))
    for key in (key for grid in grids for key in grid.again if key not in keys):
        raise ConfigError(f"{folder} was searched with {key}=..., which is not stored: give it again")
    trusted = overrides.value_of("trust_code", given) == "true"
    where = f"hydra.sweep.dir={overrides.quote(str(folder))}"
    kept = [word for word, key in zip(given, keys, strict=True) if key != "trust_code"]
    return [replace(request, overrides=(*grid.words, *kept, where), trusted=trusted) for grid in grids]


def advice(command: str, folder: Path) -> str:
    """What goes on with a sweep that was stopped."""
    by_folder = f", or cnnrun {command} {shlex.quote(f'resume={folder}')}" if command in compose.RESUMABLE else ""
    return f"the same command goes on with it{by_folder}"
