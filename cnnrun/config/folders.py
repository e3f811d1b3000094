"""The folder of a run or sweep: as the command line names it, or a name for it."""

import os
import re
import secrets
import time
from pathlib import Path
from typing import Any

from cnnrun.errors import ConfigError

STAMP = re.compile(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-")


def named(key: str, value: str | None) -> Path | None:
    """The folder that the command line names with `key`, None where it names none.

    Raises:
        ConfigError: if a file stands there, or in the way.
    """
    if value is None:
        return None
    folder = Path(value)
    nearest = next((place for place in (folder, *folder.parents) if os.path.exists(place)), Path())
    if not nearest.is_dir():
        raise ConfigError(f"{key}={folder}: {nearest} is a file; name a folder")
    return folder


def run_folder(command: str, choices: dict[str, str], config: dict[str, Any]) -> Path:
    """outputs/<command>/<date_time>-<what>-<4 hex>, unique also for runs that start in the same second."""
    if "runs" in config:
        what = _compared(config["runs"])
    elif "run" in config:
        judged = config["split"] if "split" in config else Path(str(config["inputs"])).resolve().stem
        what = f"{_judge(config)}-{judged}"
    else:
        what = f"{choices.get('model')}-{choices.get('dataset')}"
    safe = re.sub(r"[^\w.=+,-]", "_", what)[:100]
    return Path("outputs", command, f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{safe}-{secrets.token_hex(2)}")


def _compared(runs: Any) -> str:
    """The last folder that a comparison names; of several the first."""
    first = runs[0] if isinstance(runs, list) and runs else str(runs).strip("[]").partition(",")[0]
    return STAMP.sub("", Path(str(first)).resolve().name)


def _judge(config: dict[str, Any]) -> str:
    """The run that judges or predicts, or the network that does without one."""
    if config["run"] is None:
        model = config.get("model")
        return str(model.get("arch", model.get("name"))) if isinstance(model, dict) else "predict"
    return STAMP.sub("", Path(str(config["run"])).resolve().name)
