"""The settings of a backbone as its YAML has them, but for the network, and with random weights."""

from pathlib import Path
from typing import Any

import yaml

YAML = Path(__file__).parents[2] / "conf" / "model" / "backbone.yaml"
NODE: dict[str, Any] = yaml.safe_load(YAML.read_text())
PLAIN = {key: value for key, value in NODE.items() if key not in ("name", "arch")} | {"weights": "none"}
