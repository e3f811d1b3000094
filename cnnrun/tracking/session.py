"""One training and its tracker: what is sent, and what is done about a tracker that fails."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from cnnrun import config as configs
from cnnrun import console
from cnnrun.config.schema import flat
from cnnrun.errors import CnnrunError
from cnnrun.run import Run
from cnnrun.tracking.tracker import Begun, Tracker
from cnnrun.tracking.worker import Task, Worker
from cnnrun.training import distributed

PATIENCE = 60.0
"""Seconds that a training waits for its tracker, at its beginning and at its end: a first database takes ten."""
KEPT_BACK = ("logger", "resume", "trust_code")
"""Settings that are no tracker's business; the address of a server may hold a password."""


class Session:
    """Without a tracker, and after it has failed, everything here does nothing."""

    def __init__(self, run: Run, node: dict[str, Any] | None) -> None:
        self._run = run
        self._node = node
        self._worker: Worker | None = None
        self._tracker: Tracker | None = None

    def begin(self, config: dict[str, Any], epoch: int, should_stop: Callable[[], bool]) -> None:
        """Open the tracker, and store in run.json by what it finds the run again.

        Args: epoch: epochs that are done. should_stop: whether to wait for it no longer.
        """
        if self._node is None:
            return
        self._worker = Worker()
        begun, found = self._begun(config, epoch), list[str]()
        self._give(lambda: found.append(self._open(begun)))
        self._wait(should_stop)
        if found:
            self._run.update(logger={"name": self._node["name"], "id": found[0]})

    def epoch(self, row: Mapping[str, float]) -> None:
        """Send a row of the history."""
        if self._worker:
            numbers = _finite(row)
            self._tell(lambda tracker: tracker.epoch(numbers))

    def results(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Send rows of tables.RESULTS, and the figures."""
        if self._worker:
            metrics = _finite({f"best/{row['split']}/{row['metric']}": row["value"] for row in rows})
            self._tell(lambda tracker: tracker.results(metrics, self._run.figures()))

    def end(self) -> None:
        """Send how the run ended, as its record has it, and wait until all has arrived."""
        if self._worker:
            status, reason = self._run.status, str(self._run.record.get("reason") or "")
            self._tell(lambda tracker: tracker.end(status, reason))
            with suppress(KeyboardInterrupt):  # the run has ended, only the waiting is given up
                self._wait(lambda: False)
            if self._worker:
                self._worker.stop()

    def _open(self, begun: Begun) -> str:
        self._tracker = configs.build("logger", self._node or {})
        return self._tracker.begin(begun)

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        def told() -> None:
            assert self._tracker is not None
            what(self._tracker)

        self._give(told)

    def _give(self, task: Task) -> None:
        if self._worker:
            self._worker.give(task)
            self._look()

    def _wait(self, should_stop: Callable[[], bool]) -> None:
        """Until the tracker has done what it was given, but not longer than PATIENCE."""
        if self._worker is None:
            return
        done, until = self._worker.done(), time.monotonic() + PATIENCE
        while not done.wait(0.05) and not should_stop():
            if time.monotonic() > until:
                self._give_up(f"it has not answered for {PATIENCE:g} s")
                return
        self._look()

    def _look(self) -> None:
        if self._worker and (error := self._worker.error):
            kind = "" if isinstance(error, CnnrunError) else f"{type(error).__name__}: "
            self._give_up(f"{kind}{' '.join(str(error).split()) or 'no reason given'}")

    def _give_up(self, why: str) -> None:
        """Say so once, and let the training go on alone."""
        assert self._worker is not None
        assert self._node is not None
        self._worker.stop()
        self._worker = None
        sentence = f"logger={self._node['name']} gets nothing more of this run, which goes on: {why}"
        console.warn(sentence)
        self._run.log(sentence)

    def _begun(self, config: dict[str, Any], epoch: int) -> Begun:
        record = self._run.record
        tags = {"folder": str(self._run.path), "git_commit": record.get("git_commit"), "seed": config["seed"]}
        choices = record.get("choices")
        tags |= choices if isinstance(choices, dict) else {}
        return Begun(
            folder=self._run.path,
            events=self._run.tensorboard,
            settings=flat({key: value for key, value in config.items() if key not in KEPT_BACK}),
            tags={key: str(value) for key, value in tags.items() if value is not None and key not in KEPT_BACK},
            epoch=epoch,
            known=self._known(record.get("logger"), config["logger"]["name"]),
        )

    @staticmethod
    def _known(before: Any, name: str) -> str | None:
        """What `begin` stored in the record, which may be a stranger's, if it was of the same tracker."""
        known = before.get("id") if isinstance(before, dict) and before.get("name") == name else None
        return known if isinstance(known, str) else None


@contextmanager
def tracked(config: dict[str, Any], run: Run) -> Iterator[Session]:
    """What tells the tracker of the config of a run, if there is one, and in the process that speaks; ends with it."""
    told = Session(run, config.get("logger") if distributed.is_first() else None)
    try:
        yield told
    finally:
        with suppress(CnnrunError):
            told.end()


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    """What of it is a number that every tracker takes."""
    return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(float(value))}
