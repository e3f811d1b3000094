"""What stands in the folders of a sweep's jobs: who has finished, what came of each, what a dead process left."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnrun.config import config_of
from cnnrun.errors import CnnrunError, ConfigError
from cnnrun.run import RECORD, Run
from cnnrun.sweeps.jobs import APART, AUTOMATIC, DONE, Asked, Outcome


def is_finished(folder: Path, config: dict[str, Any]) -> bool | None:
    """Whether the job in `folder` has nothing left to do; None if it was never begun.

    Raises:
        ConfigError: if the run there has other settings than `config`.
    """
    if not (folder / RECORD).is_file():
        return None
    run = Run.open(folder)
    for name, (there, asked) in _differences(config_of(run)[0], config).items():
        raise _other_settings(folder, name, there, asked)
    return run.status in DONE


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
