"""A run directory: create, lock, open, read, write; the only place that spells the file names inside one."""

import csv
import errno
import io
import json
import os
import shlex
import shutil
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from filelock import FileLock, Timeout

from cnnrun.errors import CnnrunError, ConfigError, DataError, Interrupted, NotWritten
from cnnrun.files import read_json, remove_leftovers, to_read, write_bytes
from cnnrun.tables import HISTORY, RESULTS, Table

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

CONFIG = "config.yaml"
RECORD = "run.json"
PREPROCESSING = "preprocessing.json"
LOG = "run.log"
LOCK = ".lock"
ANNOTATED = "annotated"
WRITTEN_INTO = (LOCK, LOG, "checkpoints", "tables", "figures", ANNOTATED)
"""What is not replaced as a whole."""
OF_EVALUATION = (f"{RESULTS.name}.csv", "tables", "figures", ANNOTATED, LOG, RECORD)
"""What an evaluation writes beside its config; the record is the last to go, as it tells that one was begun."""
TOP_TABLES = (HISTORY.name, RESULTS.name)
"""Tables beside config.yaml; all others lie in tables/."""


class Run:
    """One directory. Reading needs no lock; whoever writes holds the lock until its process ends or `close`.

    Of several processes that train together one writes; for the others `writes` is false and writing does nothing.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path = path
        self._writes = writes
        self._lock = FileLock(path / LOCK, timeout=0)
        self._record: dict[str, Any] | None = None

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], *, writes: bool = True, **record: Any) -> Self:
        """Make the directory and write its config and its record (status "running").

        Raises:
            ConfigError: if a run is already there, or files that are not a run's.
        """
        run = cls(path, writes=writes)
        if not writes:
            return run
        run._refuse_another_run()
        run._make_folder()
        run._refuse_others_files()
        run.lock()
        run._refuse_another_run()  # another process may have made one, and ended, since the first look
        run.write_config(config)
        run.update(status="running", started=time.strftime("%Y-%m-%dT%H:%M:%S%z"), **record)
        return run

    @classmethod
    def require_new(cls, path: Path) -> None:
        """What `create` would refuse, before the work is done that is to be written there.

        Raises:
            ConfigError: as `create`. CnnrunError: if nothing can be made there.
        """
        run = cls(path)
        run._refuse_another_run()
        if path.is_dir():
            run._refuse_others_files()
        nearest = next(place for place in (path, *path.parents) if place.exists())
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise CnnrunError(f"could not write into {nearest}: {os.strerror(errno.EACCES)}")

    @classmethod
    def open(cls, path: Path | str, *, writes: bool = True) -> Self:
        """Open a directory that `create` made.

        Raises:
            ConfigError: if it holds no run, or one that cannot be read.
        """
        run = cls(Path(path), writes=writes)
        if not is_run(run.path):
            raise ConfigError(f"{path} is no run folder (it has no {RECORD} and {CONFIG}){_runs_below(run.path)}")
        return run

    @classmethod
    def open_training(cls, path: Path | str) -> Self:
        """Open a directory that `train` made.

        Raises:
            ConfigError: as `open`, or if it holds an evaluation.
        """
        run = cls.open(path)
        if run.judged is not None:
            raise ConfigError(f"{path} is an evaluation of {run.judged}: name that run")
        return run

    # --- what it holds

    @property
    def config_file(self) -> Path:
        return self._file(CONFIG)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, plain values."""
        try:
            text = self._file(CONFIG).read_text()
            aliases = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader))
            config = None if aliases else yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = f", see line {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise DataError(f"{self._file(CONFIG)} cannot be read: it is damaged{line}") from error
        except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise DataError(f"{self._file(CONFIG)} cannot be read: {reason}") from error
        if aliases:  # a few lines of them can stand for endless values
            raise DataError(f"{self._file(CONFIG)} is no config: it has a reference (*name) in the place of a value")
        if not isinstance(config, dict):
            raise DataError(f"{self._file(CONFIG)} is no config: it holds {type(config).__name__}, not keys and values")
        return config

    @property
    def record(self) -> dict[str, Any]:
        """run.json: status, choices, seed, versions, ..."""
        if self._record is None:
            self._record = self._read_json(RECORD)
        return self._record

    @property
    def status(self) -> str:
        """running | finished | failed | interrupted."""
        return str(self.record.get("status", "running"))

    @property
    def judged(self) -> str | None:
        """The run that this is an evaluation of; None for a training."""
        of = self.record.get("of")
        return None if of is None else str(of)

    def doubt(self, fingerprint: str) -> str | None:
        """Why a data set with this fingerprint may not be that of the run; None if it is."""
        data = self.record.get("data")
        stored = data.get("fingerprint") if isinstance(data, dict) else None
        if stored is None:
            return f"{self._file(RECORD)} has no fingerprint of the data set that the run was trained on"
        if stored != fingerprint:
            return f"the data set is not the one that {self.path} was trained on: its fingerprint has changed"
        return None

    @property
    def preprocessing(self) -> dict[str, Any]:
        return self._read_json(PREPROCESSING)

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
        return self.path / "checkpoints" / name

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
        return self._file(f"{name}.csv") if name in TOP_TABLES else self.path / "tables" / f"{name}.csv"

    # --- writing

    def lock(self) -> None:
        """Hold the directory until this process ends, so that two cannot write it.

        Raises:
            ConfigError: if another process holds it, or it leads elsewhere.
            NotWritten: if nothing may be written there.
        """
        if not self._writes:
            return
        links = [name for name in WRITTEN_INTO if self._file(name).is_symlink()]
        if links:  # in a stranger's run it may point at anything
            raise ConfigError(f"{self._file(links[0])} is a link; a run is written in its own folder only")
        try:
            self._lock.acquire()
        except Timeout as error:
            raise ConfigError(f"{self.path} is being written by another process; wait for it, or stop it") from error
        except OSError as error:
            raise NotWritten(f"could not write into {self.path}: {error.strerror}") from error
        remove_leftovers(self.path)

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def clear(self) -> None:
        """Take away what an evaluation has written that did not finish, so that it can be made again.

        Raises:
            ConfigError: as `lock`.
            NotWritten: if something cannot be removed.
        """
        self.lock()
        try:
            if self.status != "finished":  # another process may have done it since the caller looked
                for name in OF_EVALUATION:
                    self._remove(self._file(name))
        finally:
            self.close()

    @contextmanager
    def recorded(self, advice: str = "") -> Iterator[None]:
        """Write into run.json how the work on the run ended, unless it ends well, and let go of the lock.

        Args:
            advice: what a user can do next who interrupted it, or whose disk was full.
        """
        try:
            yield
        except Interrupted as error:
            self.log(str(error))
            self._end("interrupted", error)
            raise Interrupted(f"{error}{advice}", error.signum) from error
        except KeyboardInterrupt as error:
            self._end("interrupted", error)
            raise
        except NotWritten as error:
            self.log(str(error))
            self._end("failed", error)
            raise NotWritten(f"{error}{advice}") from error
        except BaseException as error:
            self.log(str(error) if isinstance(error, CnnrunError) else traceback.format_exc())
            self._end("failed", error)
            raise
        finally:
            self.close()

    def update(self, **values: Any) -> None:
        """Change entries of run.json."""
        self._record = (self._record or {}) | values
        self._write_json(RECORD, self._record)

    def write_config(self, config: dict[str, Any]) -> None:
        self._write(self._file(CONFIG), yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode())

    def write_preprocessing(self, values: dict[str, Any]) -> None:
        self._write_json(PREPROCESSING, values)

    def write_rows(self, table: Table, rows: Iterable[dict[str, Any]]) -> None:
        """Write a small table: the columns that it always has, then the others of the first row."""
        rows = list(rows)
        text = io.StringIO()
        columns = list(dict.fromkeys([*table.names, *(rows[0] if rows else ())]))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self._write(self.table_file(table.name), text.getvalue().encode())

    def remove_table(self, table: Table) -> None:
        if self._writes:
            self._remove(self.table_file(table.name))

    def write_frame(self, name: str, frame: "pd.DataFrame") -> None:
        self._write(self.table_file(name), frame.to_csv(index=False, lineterminator="\n").encode())

    def write_json_of(self, table: Table, content: bytes) -> None:
        """Write a table once more, beside its CSV."""
        self._write(self.table_file(table.name).with_suffix(".json"), content)

    def write_figure(self, name: str, png: bytes) -> None:
        self._write(self.path / "figures" / f"{name}.png", png)

    def annotated(self, name: str) -> Path:
        """Where the annotated copy of an input lies; `name` may have folders."""
        return self.path / ANNOTATED / name

    def write_annotated(self, name: str, content: bytes) -> None:
        self._write(self.annotated(name), content)

    def save_checkpoint(self, name: str, tensors: dict[str, dict[str, "Tensor"]], values: dict[str, Any]) -> None:
        """Replace checkpoints/<name>, see training.checkpoints."""
        from cnnrun.training import checkpoints

        if self._writes:
            checkpoints.write(self.checkpoint(name), tensors, values)

    def log(self, text: str) -> None:
        """Add a line to run.log, with the time."""
        if not self._writes:
            return
        with suppress(OSError), open(self._file(LOG), "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    # --- inside

    def _end(self, status: str, error: BaseException) -> None:
        """Where even that cannot be written, `error` is still the one to tell."""
        reason = str(error) if isinstance(error, Interrupted) else f"{type(error).__name__}: {error}"
        with suppress(CnnrunError):
            self.update(status=status, reason=reason)

    def _file(self, name: str) -> Path:
        return self.path / name

    def _refuse_another_run(self) -> None:
        if self._file(RECORD).exists():
            self.close()
            what, can_go_on = "a run", True
            if self.judged is not None:
                is_prediction = self.record.get("command") == "predict"
                what = "a prediction" if is_prediction else "an evaluation"
                can_go_on = is_prediction and self.status != "finished"
            advice = f", or go on with it: {shlex.quote(f'resume={self.path}')}" if can_go_on else ""
            raise ConfigError(f"{self.path} already holds {what}; name another folder{advice}")

    def _remove(self, path: Path) -> None:
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise NotWritten(f"{path} could not be removed: {error.strerror}") from error

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CnnrunError(f"could not make the folder {self.path}: {error.strerror}") from error

    def _refuse_others_files(self) -> None:
        """A process that was killed as it began may have left a config."""
        others = sorted(entry.name for entry in self.path.iterdir() if entry.name != CONFIG and entry.name[0] != ".")
        if others:
            raise ConfigError(f"{self.path} holds other files ({', '.join(others[:3])}); name a new folder for the run")

    def _read_json(self, name: str) -> dict[str, Any]:
        return read_json(self._file(name))

    def _write(self, path: Path, content: bytes) -> None:
        if self._writes:
            write_bytes(path, content)

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        self._write(self._file(name), (json.dumps(values, indent=1) + "\n").encode())


def is_run(path: Path) -> bool:
    """Whether it is a folder that `Run.create` made."""
    return (path / RECORD).is_file() and (path / CONFIG).is_file()


def _runs_below(path: Path) -> str:
    """A hint at runs nearby: below `path`, or beside it where it does not exist."""
    folder = next((parent for parent in (path, *path.parents) if parent.is_dir()), Path())
    newest = sorted(folder.glob(f"*/{RECORD}"), key=lambda file: file.stat().st_mtime, reverse=True)[:3]
    return "; runs there, newest first: " + ", ".join(str(file.parent) for file in newest) if newest else ""
