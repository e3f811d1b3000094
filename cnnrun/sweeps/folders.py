"""What stands in the folders of a sweep's jobs: who has finished, what came of each, what a dead process left."""

import csv
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnrun import errors
from cnnrun.config import Invocation, config_of
from cnnrun.errors import CnnrunError, ConfigError, DataError
from cnnrun.run import DONE, RECORD, Run
from cnnrun.run.taking import refuse_others_files
from cnnrun.settings import HOW_TO_RUN
from cnnrun.sweeps.jobs import AUTOMATIC, Asked, Outcome
from cnnrun.tables import PHOTOS, RESULTS

LINGERING = 2.0
"""Seconds; what a killed job had started, and holds its lock, too, takes a moment to end."""


def is_finished(folder: Path, config: dict[str, Any]) -> bool | None:
    """Whether the job in `folder` has nothing left to do; None if it was never begun.

    Raises:
        ConfigError: if the run there has other settings than `config`.
        DataError: if it cannot be read, or is not whole.
    """
    try:
        if not (folder / RECORD).is_file():
            if folder.is_dir():
                refuse_others_files(folder)
            return None
        run = Run.open(folder)
        stored, status = config_of(run)[0], run.status
        if status == "finished" and run.record.get("command") == "train" and not run.table_file(RESULTS.name).is_file():
            raise DataError(f"{run.table_file(RESULTS.name)} is missing")
    except CnnrunError as error:
        raise DataError(f"{error}; without the folder {folder} the job runs again") from error
    for name, (there, asked) in _differences(stored, config).items():
        raise _other_settings(folder, name, there, asked)
    return status in DONE


def others(folder: Path, known: Iterable[Path]) -> list[Path]:
    """The jobs in a sweep's folder that are not among the `known`."""
    return sorted({file.parent for file in folder.glob(f"*/{RECORD}")} - set(known))


def refuse_another_sweep(left: Mapping[Path, Asked], now: Asked, swept: Collection[str]) -> None:
    """Jobs of one sweep differ in what is swept, in nothing else that was asked for.

    Args:
        left: what the jobs were asked for that stand there.
    Raises:
        ConfigError: names the first that differs in something else.
    """
    for folder, there in left.items():
        for key in sorted(there.words.keys() | now.words.keys()):
            if key in swept or key.partition(".")[0] in HOW_TO_RUN:
                continue
            if there.value(key) != now.value(key) and now.value(key) != AUTOMATIC:
                raise _other_settings(folder, key, there.text(key), now.text(key))


def to_run(folder: Path, config: dict[str, Any], seconds: float = 0) -> dict[str, Any] | None:
    """The config to run a job with as its folder stands: from its checkpoint, or from the beginning; None: it is done.

    What cannot be gone on with is cleared.

    Args:
        seconds: how long to wait for a dying process that still holds the folder.
    Raises:
        ConfigError: if it holds it for longer.
    """
    if not folder.is_dir():
        return config
    run = Run(folder)
    run.lock(seconds=seconds)
    try:
        if not (folder / RECORD).is_file():
            return config
        if run.status in DONE:
            return None
        if "resume" in config and _can_go_on(run):
            return config | {"resume": str(folder)}
        run.clear()
    finally:
        run.close()
    return config


def _can_go_on(run: Run) -> bool:
    """A training from its checkpoint, a prediction behind its last row."""
    return run.has_checkpoint("last") or run.table_file(PHOTOS.name).is_file()


def settle(
    folder: Path, command: str, config: dict[str, Any], told: Invocation, reason: str, status: str = "failed"
) -> None:
    """Write into a job's folder how it ended, where its own process could not.

    A folder that holds somebody's files, or that another process writes, is left alone.
    """
    if not (folder / RECORD).is_file():
        with suppress(CnnrunError):
            run = Run.create(folder, config, command=command, choices=told.choices, overrides=told.overrides)
            run.update(status=status, reason=reason)
            run.close()
        return
    run = Run.open(folder)
    if run.status == "running" or (reason and run.status == "interrupted" and status == "failed"):
        with suppress(CnnrunError):
            run.lock(seconds=LINGERING)
            run.update(status=status, reason=reason or "its process ended without a word")
            run.close()


def outcome(settings: dict[str, str], folder: Path, error: str = "") -> Outcome:
    """What came of a job, from its folder; an error outweighs what stands there, as does what cannot be read."""
    if not (folder / RECORD).is_file():
        return Outcome(settings, folder, "failed", error)
    try:
        return _read(settings, Run.open(folder), error)
    except (CnnrunError, csv.Error, ValueError, KeyError, TypeError) as damage:
        said = str(damage) if isinstance(damage, CnnrunError) else f"{folder / RESULTS.name}.csv is damaged: {damage}"
        return Outcome(settings, folder, "failed", error or said)


def _read(settings: dict[str, str], run: Run, error: str) -> Outcome:
    metrics = {f"{row['split']}/{row['metric']}": float(row["value"]) for row in run.results()}
    record = run.record
    return Outcome(
        settings,
        run.path,
        "failed" if error else run.status,
        error or (_reason(record) if run.status in ("failed", "pruned") else ""),
        record.get("seconds"),
        metrics,
        record.get("monitor") or _monitor_of(record.get("of")),
        record.get("best_value"),
        record.get("higher_is_better", True),
        _subject_of(record.get("data")),
        record.get("dead") is True,
    )


def _reason(record: dict[str, Any]) -> str:
    """As a run wrote it, without the name of an error of ours, whose sentence says all."""
    reason = str(record.get("reason") or "")
    kind, _, sentence = reason.partition(": ")
    return sentence if kind in vars(errors) else reason


def _subject_of(data: Any) -> str:
    """From the facts of a data set, which may be a stranger's."""
    return repr((data["targets"], data.get("horizon"))) if isinstance(data, dict) and "targets" in data else ""


def _monitor_of(judged: Any) -> str:
    """The metric that an evaluated run watched; nothing if that cannot be read any more."""
    with suppress(CnnrunError):
        return str(Run.open(str(judged)).record.get("monitor", ""))
    return ""


def _other_settings(folder: Path, name: str, there: Any, now: Any) -> ConfigError:
    return ConfigError(
        f"{folder} holds a run with other settings ({name} is {there} there, {now} now); "
        "choose another folder: sweep=NAME"
    )


def _differences(stored: Any, asked: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted names of settings that differ, with both values."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in stored.keys() | asked.keys():
            if name or key not in HOW_TO_RUN:
                found |= _differences(stored.get(key), asked.get(key), f"{name}.{key}" if name else key)
        return dict(sorted(found.items()))
    return {} if stored == asked or asked == AUTOMATIC else {name: (stored, asked)}
