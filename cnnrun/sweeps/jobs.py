"""One job of a sweep: what stands in its folder already, and what came of it."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cnnrun.config import config_of, overrides
from cnnrun.errors import CnnrunError, ConfigError
from cnnrun.run import RECORD, Run

AUTOMATIC = "auto"
"""A run stores what `auto` came to; either is the same setting."""
APART = ("resume", "trust_code")
"""Settings that say how to run, not what."""


@dataclass(frozen=True)
class Asked:
    """A config, and the words that asked for it."""

    words: dict[str, str]
    choices: dict[str, str]
    config: dict[str, Any]

    @classmethod
    def of(cls, run: Run) -> Self:
        """What a run was asked for."""
        words = dict(map(overrides.split, run.record.get("overrides", [])))
        return cls(words, run.record.get("choices", {}), config_of(run)[0])

    def value(self, key: str) -> Any:
        """The option of a group, or the value of a dotted key; None where it has none."""
        value: Any = self.config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return self.choices.get(key, value)

    def text(self, key: str) -> str:
        """The same as it was typed, or could have been."""
        value = self.value(key)
        return self.words.get(key) or (value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))


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
    """The metric on val that chose its checkpoint, such as val/accuracy; of an evaluation: that of the run's."""
    best_value: float | None = None
    """Of that metric, at the chosen checkpoint."""
    higher_is_better: bool = True
    subject: str = ""
    """What a run forecasts, how far ahead; empty for classes. Errors of different subjects do not compare."""


def is_finished(folder: Path, config: dict[str, Any]) -> bool | None:
    """Whether the job in `folder` has run to its end; None if it was never begun.

    Raises:
        ConfigError: if the run there has other settings than `config`.
    """
    if not (folder / RECORD).is_file():
        return None
    run = Run.open(folder)
    for name, (there, asked) in _differences(config_of(run)[0], config).items():
        raise _other_settings(folder, name, there, asked)
    return run.status == "finished"


def others(folder: Path, known: Iterable[Path]) -> list[Path]:
    """The jobs in a sweep's folder that are not among the `known`."""
    return sorted({file.parent for file in folder.glob(f"*/{RECORD}")} - set(known))


def refuse_another_sweep(folders: Iterable[Path], now: Asked, swept: Iterable[str]) -> None:
    """Jobs of one sweep differ in what is swept, in nothing else that was asked for.

    Raises:
        ConfigError: names the first of `folders` that differs in something else.
    """
    for folder in folders:
        there = Asked.of(Run.open(folder))
        for key in sorted((there.words.keys() | now.words.keys()) - {*swept, *APART}):
            if there.value(key) != now.value(key) and now.value(key) != AUTOMATIC:
                raise _other_settings(folder, key, there.text(key), now.text(key))


def _other_settings(folder: Path, name: str, there: Any, now: Any) -> ConfigError:
    return ConfigError(
        f"{folder} holds a run with other settings ({name} is {there} there, {now} now); "
        "choose another folder: sweep=NAME"
    )


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
        record.get("monitor") or _monitor_of(record.get("of")),
        record.get("best_value"),
        record.get("higher_is_better", True),
        _subject_of(record.get("data")),
    )


def _subject_of(data: Any) -> str:
    """From the facts of a data set, which may be a stranger's."""
    return repr((data["targets"], data.get("horizon"))) if isinstance(data, dict) and "targets" in data else ""


def _monitor_of(judged: Any) -> str:
    """The metric that an evaluated run watched; nothing if that cannot be read any more."""
    with suppress(CnnrunError):
        return str(Run.open(str(judged)).record.get("monitor", ""))
    return ""


def _differences(stored: Any, asked: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted names of settings that differ, with both values."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in stored.keys() | asked.keys():
            if name or key not in APART:
                found |= _differences(stored.get(key), asked.get(key), f"{name}.{key}" if name else key)
        return dict(sorted(found.items()))
    return {} if stored == asked or asked == AUTOMATIC else {name: (stored, asked)}
