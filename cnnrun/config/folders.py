"""Name the folder of a run where the command line does not."""

import re
import secrets
import time
from pathlib import Path
from typing import Any

STAMP = re.compile(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-")


def run_folder(command: str, choices: dict[str, str], config: dict[str, Any]) -> Path:
    """outputs/<command>/<date_time>-<what>-<4 hex>, unique also for runs that start in the same second."""
    if "run" in config:
        what = f"{STAMP.sub('', Path(str(config['run'])).resolve().name)}-{config.get('split', '')}"
    else:
        what = f"{choices.get('model')}-{choices.get('dataset')}"
    safe = re.sub(r"[^\w.=+,-]", "_", what)[:100]
    return Path("outputs", command, f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{safe}-{secrets.token_hex(2)}")
