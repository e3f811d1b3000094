"""What a run directory holds. Reading needs no lock."""

import csv
import os
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from cnnrun.errors import ConfigError, DataError
from cnnrun.files import read_json, to_read
from cnnrun.run.layout import (
    ANNOTATED,
    CHECKPOINTS,
    CONFIG,
    FIGURES,
    PREPROCESSING,
    RECORD,
    TABLES,
    TENSORBOARD,
    TOP_TABLES,
)
from cnnrun.tables import RESULTS, Table

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Of the same values; the one in C, which not every build of PyYAML has, takes a tenth of the time."""
DEEPEST = 50
"""Levels of a config: ours have three."""


class StoredRun:
    """One directory, as a reader sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._record: dict[str, Any] | None = None

    @property
    def config_file(self) -> Path:
        return self.path / CONFIG

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, plain values."""
        return _read_config(self.config_file)

    @property
    def record(self) -> dict[str, Any]:
        """run.json: status, choices, seed, versions, ..."""
        if self._record is None:
            self._record = read_json(self.path / RECORD)
        return self._record

    @property
    def status(self) -> str:
        """running | finished | failed | interrupted | pruned, which is a training that a search ended early."""
        return str(self.record.get("status", "running"))

    @property
    def judged(self) -> str | None:
        """The run that this is an evaluation of; None for a training."""
        of = self.record.get("of")
        return None if of is None else str(of)

    @property
    def called(self) -> str:
        """`a run`, which is a training; `an evaluation`; `a prediction`; `a comparison`."""
        if self.judged is None:
            return "a run"
        command = self.record.get("command")
        return {"predict": "a prediction", "compare": "a comparison"}.get(str(command), "an evaluation")

    def doubt(self, fingerprint: str) -> str | None:
        """Why a data set with this fingerprint may not be that of the run; None if it is."""
        data = self.record.get("data")
        stored = data.get("fingerprint") if isinstance(data, dict) else None
        if stored is None:
            return f"{self.path / RECORD} has no fingerprint of the data set that the run was trained on"
        if stored != fingerprint:
            return f"the data set is not the one that {self.path} was trained on: its fingerprint has changed"
        return None

    @property
    def preprocessing(self) -> dict[str, Any]:
        return read_json(self.path / PREPROCESSING)

    def results(self) -> list[dict[str, str]]:
        """The rows of results.csv, as text; none if the run did not get that far."""
        return self.rows(RESULTS)

    def rows(self, table: Table) -> list[dict[str, str]]:
        file = self.table_file(table.name)
        if not file.is_file():
            return []
        with open(file, newline="") as stream:
            return list(csv.DictReader(stream))

    def checkpoint(self, name: str) -> Path:
        """The folder of a checkpoint ("best", "last"); it may not exist."""
        return self.path / CHECKPOINTS / name

    def has_checkpoint(self, name: str) -> bool:
        return to_read(self.checkpoint(name)).is_dir()

    def require_checkpoint(self, name: str) -> Path:
        """The same, for one that must exist.

        Raises:
            ConfigError: if it does not; names those that do.
        """
        folder = self.checkpoint(name)
        if not self.has_checkpoint(name):
            there = sorted(entry.name for entry in folder.parent.glob("[!.]*")) if folder.parent.is_dir() else []
            found = f" (found: {', '.join(there)})" if there else ""
            found += "; try checkpoint=last" if "last" in there else ""
            raise ConfigError(f"run {self.path} has no checkpoint '{name}'{found}")
        return folder

    def table_file(self, name: str) -> Path:
        folder = self.path if name in TOP_TABLES else self.path / TABLES
        return folder / f"{name}.csv"

    def figures(self) -> list[Path]:
        """The PNG files of figures/, by name."""
        return sorted((self.path / FIGURES).glob("*.png"))

    @property
    def tensorboard(self) -> Path:
        """Where TensorBoard's files lie, if the run was told to it."""
        return self.path / TENSORBOARD

    def annotated(self, name: str) -> Path:
        """Where the annotated copy of an input lies; `name` may have folders."""
        return self.path / ANNOTATED / name


def is_run(path: Path) -> bool:
    """Whether it is a folder that `Run.create` made."""
    # Path.is_file raises where the folder may not be searched
    return os.path.isfile(path / RECORD) and os.path.isfile(path / CONFIG)


def run_of(path: Path) -> Path | None:
    """The run that a path is the folder of, or that it is a checkpoint of, or a file of one."""
    folders = (path, *path.parents[:3])
    return next((folder for folder in folders if is_run(folder) and _in_checkpoints(path, folder)), None)


def _in_checkpoints(path: Path, folder: Path) -> bool:
    return path == folder or path.is_relative_to(folder / CHECKPOINTS)


def runs_near(path: Path) -> list[Path]:
    """The newest trainings below `path`, or beside it where it does not exist; the newest first."""
    folder = next((parent for parent in (path, *path.parents) if parent.is_dir()), Path())
    records = sorted(folder.glob(f"*/{RECORD}"), key=lambda file: file.stat().st_mtime, reverse=True)
    return list(islice((file.parent for file in records if _is_training(file.parent)), 3))


def _is_training(path: Path) -> bool:
    try:
        return StoredRun(path).judged is None
    except DataError:
        return False


def _read_config(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text()
        refused = _refused(text)
        config = None if refused else yaml.load(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        line = f", see line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{file} cannot be read: it is damaged{line}") from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise DataError(f"{file} cannot be read: {reason}") from error
    if refused:
        raise DataError(f"{file} is no config: {refused}")
    if not isinstance(config, dict):
        raise DataError(f"{file} is no config: it holds {type(config).__name__}, not keys and values")
    return config


def _refused(text: str) -> str:
    """Why a YAML must not be loaded, from its events, which cost little whatever it holds; nothing if it may be."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):  # a few lines of them can stand for endless values
            return "it has a reference (*name) in the place of a value"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:  # the loader in C recurses, and dies of some thousand
            return f"it is nested more than {DEEPEST} deep"
    return ""
