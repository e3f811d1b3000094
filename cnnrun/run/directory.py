"""Make a run directory, lock it, write it."""

import csv
import io
import json
import shutil
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from filelock import FileLock, Timeout

from cnnrun.errors import CnnrunError, ConfigError, Interrupted, NotWritten
from cnnrun.files import remove_leftovers, write_bytes
from cnnrun.run.layout import CONFIG, DONE, EVIDENCE, FIGURES, LOCK, LOG, PREPROCESSING, RECORD, WRITTEN_INTO
from cnnrun.run.stored import StoredRun, is_run, runs_near
from cnnrun.run.taking import make_folder, refuse_another_run, refuse_others_files, refuse_unwritable
from cnnrun.tables import Table

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


class Run(StoredRun):
    """One directory. Reading needs no lock; whoever writes holds the lock until its process ends or `close`.

    Of several processes that train together one writes; for the others `writes` is false and writing does nothing.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        super().__init__(path)
        self._writes = writes
        self._lock = FileLock(path / LOCK, timeout=0)

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], *, writes: bool = True, **record: Any) -> Self:
        """Make the directory and write its config and its record (status "running").

        Raises:
            ConfigError: if a run is already there, or files that are not a run's, or another process is writing it.
            CnnrunError: if the folder cannot be made.
            NotWritten: if nothing may be written there.
        """
        run = cls(path, writes=writes)
        if not writes:
            return run
        refuse_another_run(path)
        make_folder(path)
        refuse_others_files(path)
        run.lock()
        try:
            refuse_another_run(path)  # another process may have made one, and ended, since the first look
        except CnnrunError:
            run.close()
            raise
        run.write_config(config)
        run.update(status="running", started=time.strftime("%Y-%m-%dT%H:%M:%S%z"), **record)
        return run

    @classmethod
    def require_new(cls, path: Path) -> None:
        """What `create` would refuse, before the work is done that is to be written there.

        Raises:
            ConfigError: as `create`. CnnrunError: if nothing can be made there.
        """
        refuse_another_run(path)
        refuse_unwritable(path)
        if path.is_dir():
            refuse_others_files(path)

    @classmethod
    def open(cls, path: Path | str, *, writes: bool = True) -> Self:
        """Open a directory that `create` made.

        Raises:
            ConfigError: if it holds no run, or one that cannot be read.
        """
        run = cls(Path(path), writes=writes)
        if not is_run(run.path):
            near = ", ".join(map(str, runs_near(run.path)))
            hint = f"; runs there, newest first: {near}" if near else ""
            lacks = f"is no run folder (it has no {RECORD} and {CONFIG})" if run.path.exists() else "does not exist"
            raise ConfigError(f"{path} {lacks}{hint}")
        return run

    @classmethod
    def open_training(cls, path: Path | str) -> Self:
        """Open a directory that `train` made.

        Raises:
            ConfigError: as `open`, or if it holds an evaluation or a prediction.
        """
        run = cls.open(path)
        if run.judged is not None:
            advice = "name that run" if run.config.get("run") else "no run was trained there"
            raise ConfigError(f"{path} is {run.called} of {run.judged}: {advice}")
        return run

    def lock(self, *, seconds: float = 0) -> None:
        """Hold the directory until this process ends, so that two cannot write it.

        Args:
            seconds: how long to wait for another process that holds it.
        Raises:
            ConfigError: if another process holds it, or it leads elsewhere.
            NotWritten: if nothing may be written there.
        """
        if not self._writes:
            return
        links = [name for name in WRITTEN_INTO if (self.path / name).is_symlink()]
        if links:  # in a stranger's run it may point at anything
            raise ConfigError(f"{self.path / links[0]} is a link; a run is written in its own folder only")
        try:
            self._lock.acquire(timeout=seconds)
        except Timeout as error:
            raise ConfigError(f"{self.path} is being written by another process; wait for it, or stop it") from error
        except OSError as error:
            raise NotWritten(f"could not write into {self.path}: {error.strerror}") from error
        remove_leftovers(self.path)

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def clear(self) -> None:
        """Take away what a run has written that did not finish and cannot be gone on with, so that it can begin again.

        Raises:
            ConfigError: as `lock`.
            NotWritten: if something cannot be removed.
        """
        self.lock()
        try:
            if self.status not in DONE:  # another process may have done it since the caller looked
                for name in EVIDENCE:
                    _remove(self.path / name)
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
        self._record = (self.record if (self.path / RECORD).exists() else {}) | values
        self._write_json(RECORD, self._record)

    def write_config(self, config: dict[str, Any]) -> None:
        self._write(self.config_file, yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode())

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
            _remove(self.table_file(table.name))

    def write_frame(self, name: str, frame: "pd.DataFrame") -> None:
        self._write(self.table_file(name), frame.to_csv(index=False, lineterminator="\n").encode())

    def write_json_of(self, table: Table, content: bytes) -> None:
        """Write a table once more, beside its CSV."""
        self._write(self.table_file(table.name).with_suffix(".json"), content)

    def write_figure(self, name: str, png: bytes) -> None:
        self._write(self.path / FIGURES / f"{name}.png", png)

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
        with suppress(OSError), open(self.path / LOG, "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def _end(self, status: str, error: BaseException) -> None:
        """Where even that cannot be written, `error` is still the one to tell."""
        reason = str(error) if isinstance(error, Interrupted) else f"{type(error).__name__}: {error}"
        with suppress(CnnrunError):
            self.update(status=status, reason=reason)

    def _write(self, path: Path, content: bytes) -> None:
        if self._writes:
            write_bytes(path, content)

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        self._write(self.path / name, (json.dumps(values, indent=1) + "\n").encode())


def _remove(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise NotWritten(f"{path} could not be removed: {error.strerror}") from error
