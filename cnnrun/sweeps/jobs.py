"""One job of a sweep: what stands in its folder already, and what came of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnrun.errors import ConfigError
from cnnrun.run import RECORD, Run

AUTOMATIC = "auto"
"""A run stores what `auto` came to; either is the same setting."""
APART = ("resume", "trust_code")
"""Settings that say how to run, not what."""


@dataclass(frozen=True)
class Outcome:
    """A row of sweep.csv."""

    settings: dict[str, str]
    """The swept keys and this job's values."""
    folder: Path
    status: str
    error: str = ""
    seconds: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    """From its results, by name such as test/f1_macro."""
    monitor: str = ""
    """The metric on val that chose its checkpoint, such as val/accuracy."""
    best_value: float | None = None
    """Of that metric, at the chosen checkpoint."""
    higher_is_better: bool = True


def is_finished(folder: Path, config: dict[str, Any]) -> bool | None:
    """Whether the job in `folder` has run to its end; None if it was never begun.

    Raises:
        ConfigError: if the run there has other settings than `config`.
    """
    if not (folder / RECORD).is_file():
        return None
    run = Run.open(folder)
    stored = run.config
    for name, (there, asked) in _differences(stored, config).items():
        raise ConfigError(
            f"{folder} holds a run with other settings ({name} is {there} there, {asked} now); "
            "choose another folder: sweep=NAME"
        )
    return run.status == "finished"


def outcome(settings: dict[str, str], folder: Path, error: str = "") -> Outcome:
    """What came of a job, from its folder; an error outweighs what stands there."""
    if not (folder / RECORD).is_file():
        return Outcome(settings, folder, "failed", error)
    run = Run.open(folder)
    metrics = {f"{row['split']}/{row['metric']}": float(row["value"]) for row in run.results()}
    record = run.record
    return Outcome(
        settings,
        folder,
        "failed" if error else run.status,
        error,
        record.get("seconds"),
        metrics,
        record.get("monitor", ""),
        record.get("best_value"),
        record.get("higher_is_better", True),
    )


def _differences(stored: Any, asked: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted names of settings that differ, with both values."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in stored.keys() | asked.keys():
            if name or key not in APART:
                found |= _differences(stored.get(key), asked.get(key), f"{name}.{key}" if name else key)
        return dict(sorted(found.items()))
    return {} if stored == asked or asked == AUTOMATIC else {name: (stored, asked)}
