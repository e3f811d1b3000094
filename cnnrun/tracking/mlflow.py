"""MLflow: a run in a local database or on a server."""

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from cnnrun import caches
from cnnrun.tracking.tracker import Begun

SQLITE = "sqlite:///"
STATUSES = {"finished": "FINISHED", "pruned": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
"""In MLflow's words; a tag has ours."""
LONGEST = 500
"""Characters of a value that every version takes."""
AT_ONCE = 100
"""Parameters that it takes in one call."""


class MLflow:
    """Settings are parameters, figures are artifacts, the rest are metrics and tags."""

    package = "mlflow"

    def __init__(
        self, *, tracking_uri: Annotated[str, Field(min_length=1)], experiment: Annotated[str, Field(min_length=1)]
    ) -> None:
        self._uri = tracking_uri
        self._experiment = experiment
        self._epoch = 0

    def begin(self, begun: Begun) -> str:
        # It reports its use to its makers unless told otherwise; a run talks only to whom the user names.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._epoch = begun.epoch
        with self._alone():
            self._client = MlflowClient(self._uri)
            place = self._place()
        if begun.known and self._is_there(begun.known):
            self._id = begun.known
            self._client.update_run(self._id, status="RUNNING")
            return self._id
        self._id = self._client.create_run(place, run_name=begun.folder.name, tags=begun.tags).info.run_id
        self._send_settings(begun.settings)
        return self._id

    def epoch(self, row: dict[str, float]) -> None:
        self._epoch = int(row["epoch"])
        self._send({name: value for name, value in row.items() if name != "epoch"})

    def results(self, metrics: dict[str, float], figures: list[Path]) -> None:
        self._send(metrics)
        for file in figures:
            self._client.log_artifact(self._id, str(file), "figures")

    def end(self, status: str, reason: str) -> None:
        self._client.set_tag(self._id, "status", status)
        if reason:
            self._client.set_tag(self._id, "reason", reason[:LONGEST])
        self._client.set_terminated(self._id, STATUSES.get(status, "FAILED"))

    @property
    def _database(self) -> Path:
        return Path(self._uri.removeprefix(SQLITE))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Jobs that make the same database at once break each other's: MLflow takes no lock."""
        if not self._uri.startswith(SQLITE):
            yield
            return
        with caches.locked(self._database.absolute(), lambda: None):
            yield

    def _place(self) -> str:
        """The experiment, which is made where it is not there; on a server another run may do the same meanwhile."""
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self._experiment)
        local = self._uri.startswith(SQLITE)
        beside = self._database.with_name("mlflow-artifacts").resolve().as_uri() if local else None
        try:
            made = None if found else self._client.create_experiment(self._experiment, artifact_location=beside)
        except MlflowException:
            found = self._client.get_experiment_by_name(self._experiment)
            if found is None:
                raise
        return str(found.experiment_id if found else made)

    def _is_there(self, known: str) -> bool:
        """Whether it has the run; a database that was moved has not."""
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(known) is not None
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def _send_settings(self, settings: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(_name(key), str(value)[:LONGEST]) for key, value in settings.items()]
        for first in range(0, len(params), AT_ONCE):
            self._client.log_batch(self._id, params=params[first : first + AT_ONCE])

    def _send(self, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_name(name), value, now, self._epoch) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)


def _name(text: str) -> str:
    """With nothing in it that MLflow refuses, as the brackets of mae[load]."""
    return re.sub(r"[^\w./ -]", "_", text)
