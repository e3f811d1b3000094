"""What a comparison takes from a run's folder: its settings, how it ended, its results. Nothing in it is executed."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnrun.config import config_of
from cnnrun.config.callables import GROUPS
from cnnrun.config.schema import flat, shown
from cnnrun.errors import CnnrunError, DataError
from cnnrun.run import Run, is_run
from cnnrun.run.stored import StoredRun
from cnnrun.tables import HISTORY

if TYPE_CHECKING:
    import pandas as pd

FINISHED = "finished"
OF = "of"
"""The setting of an evaluation that names the run."""
UNTOLD = {"running": "it runs still, or was killed"}
"""Reasons that no record gives."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Signs that could steer a terminal, or turn a line round; a run may be a stranger's."""

LARGEST = 2**63
"""What numbers of a record stay below; NaN does not."""
PLACES = ("dataset.csv", "dataset.manifest", "dataset.root")
"""Settings that say where a data set is; of one of the user's own also what it is."""

COLUMNS = {
    *("run", "path", "status", "reason", "dead", "chosen", "monitor", "best_value", "best_epoch", "epochs_done"),
    *("seconds", "parameters", "n", "failed", "best", "tied", "p", "runtime", "mark", "folder", "out"),
}
"""What a comparison says itself of runs and groups; a setting of such a name is written config.NAME."""


@dataclass(frozen=True)
class Facts:
    """One run, as far as it could be read."""

    path: Path
    name: str
    status: str
    reason: str
    """Why it did not finish; of a dead one what it died of."""
    dead: bool
    seed: int | None
    options: dict[str, str]
    """The option of each group, such as model: cnn_wide."""
    values: dict[str, Any]
    """Every setting by its dotted name; lists stay whole."""
    words: frozenset[str]
    """The keys that the command line named."""
    monitor: str
    """The metric on val that chooses its checkpoint; of an evaluation: that of the run's; empty where nobody says."""
    higher_is_better: bool
    best_value: float | None
    best_epoch: int | None
    epochs: int | None
    """That were trained."""
    seconds: float | None
    parameters: int | None
    metrics: dict[str, float]
    """From its results, by name such as test/f1_macro."""
    data: Mapping[str, Any]
    """What its record says of the data set."""
    started: str

    @property
    def finished(self) -> bool:
        return self.status == FINISHED

    def value(self, key: str) -> Any:
        """The option of a group, or the value of a setting; None where it has none."""
        return self.options.get(key, self.values.get(key))

    def measure(self, name: str) -> float | None:
        """One of its metrics, or its seconds or parameters."""
        own = {"seconds": self.seconds, "parameters": self.parameters}.get(name)
        return self.metrics.get(name, own)

    @cached_property
    def subject(self) -> tuple[str, ...]:
        """What it classifies or forecasts: metrics of different subjects do not compare."""
        classes, targets, horizon = (self.data.get(key) for key in ("classes", "targets", "horizon"))
        facts = [text(fact) for fact in (classes, targets, horizon) if fact is not None]
        return (*self.source, *facts)

    @property
    def source(self) -> tuple[str, ...]:
        """Where its data come from, as far as its settings say."""
        place = [text(Path(str(self.values[key])).stem) for key in self.places]
        return (self.options.get("dataset", "unknown data"), *place)

    @property
    def places(self) -> list[str]:
        """Those of PLACES that tell what the data set is: the folder of pictures, or the file of a series."""
        keys = PLACES if self.values.get("dataset.name") == "image_folder" else PLACES[:2]
        return [key for key in keys if self.values.get(key) is not None]

    def history(self) -> "pd.DataFrame":
        """A row an epoch; empty where there is none.

        Raises:
            DataError: if it is damaged.
        """
        import pandas as pd

        file = StoredRun(self.path).table_file(HISTORY.name)
        if not file.is_file():
            return pd.DataFrame(columns=HISTORY.names)
        try:
            return pd.read_csv(file)
        except (ValueError, OSError) as error:
            raise DataError(f"{file} cannot be read: it is damaged") from error


def read(paths: Sequence[Path], names: Sequence[str]) -> tuple[list[Facts], list[str]]:
    """The runs that can be read, and a sentence for each that cannot."""
    runs, problems = [], []
    for path, name in zip(paths, names, strict=True):
        try:
            runs.append(facts_of(path, name))
        except CnnrunError as error:
            problems.append(f"left out: {text(error)}")
    return _with_known_data(runs), problems


def _with_known_data(runs: Sequence[Facts]) -> list[Facts]:
    """Let runs that ended before they read their data be of the same as the others that read it from there."""
    known: dict[tuple[str, ...], dict[tuple[str, ...], Mapping[str, Any]]] = {}
    for run in runs:
        if run.data:
            known.setdefault(run.source, {}).setdefault(run.subject, run.data)
    found = {source: next(iter(data.values())) for source, data in known.items() if len(data) == 1}
    return [run if run.data else replace(run, data=found.get(run.source, run.data)) for run in runs]


def facts_of(path: Path, name: str) -> Facts:
    """Read one run, or one evaluation.

    Raises:
        DataError: if its config, its record or its results are damaged.
    """
    run = Run(path, writes=False)
    record, (config, _) = run.record, config_of(run)
    judged = _judged(run)
    warnings = [text(warning) for warning in _list(record.get("warnings"))]
    dead = record.get("dead") is True
    status = text(run.status)
    reason = text(record.get("reason") or UNTOLD.get(status, ""))
    values = {text(key): value for key, value in flat(config).items()}
    monitor, best_value = _monitor(judged, values), _number(record.get("best_value"))
    metrics = _metrics(run)
    if monitor and best_value is not None and status == FINISHED:
        metrics.setdefault(monitor, best_value)
    if run.judged is not None:  # `run` is the name of the evaluation here
        values[OF] = values.pop("run", run.judged)
    values = {f"config.{key}" if key in COLUMNS else key: value for key, value in values.items()}
    return Facts(
        path=path,
        name=text(name),
        status=status,
        reason=next(iter(warnings), "") if dead and not reason else reason,
        dead=dead,
        seed=_whole(record.get("seed", config.get("seed"))),
        options=_options(judged, config),
        values=values,
        words=_words(record),
        monitor=monitor,
        higher_is_better=judged.get("higher_is_better", True) is not False,
        best_value=best_value,
        best_epoch=_whole(record.get("best_epoch")),
        epochs=_whole(record.get("epochs")),
        seconds=_number(record.get("seconds")),
        parameters=_whole(record.get("parameters")),
        metrics=metrics,
        data=record["data"] if isinstance(record.get("data"), dict) else {},
        started=text(record.get("started", "")),
    )


def text(value: Any) -> str:
    """A value in one line of signs that a terminal shows; as on the command line."""
    words = value if isinstance(value, str) else str(value) if isinstance(value, Exception) else shown(value)
    return _CONTROL.sub(" ", words)


def _judged(run: StoredRun) -> Mapping[str, Any]:
    """The record with the metric that chose the checkpoint: of an evaluation that of the run's, if it is there yet."""
    if run.judged is not None:
        of = Path(run.judged)  # from where the command was given, which may have been above
        places = [of, *(parent / of for parent in run.path.resolve().parents)]
        with suppress(CnnrunError):
            return StoredRun(next((place for place in places if is_run(place)), of)).record
    return run.record


def _monitor(judged: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """As recorded; of a run that ended before its first epoch did, the one that its settings name."""
    of_task = values.get("task.monitor")
    return text(judged.get("monitor") or (f"val/{of_task}" if of_task else ""))


def _options(record: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """As the record has them; without it, as for a run of another program, the name that the config has."""
    chosen = record.get("choices")
    options = {text(key): text(name) for key, name in chosen.items()} if isinstance(chosen, dict) else {}
    for group in GROUPS:
        node = config.get(group)
        if group not in options and isinstance(node, dict) and "name" in node:
            options[group] = text(node["name"])
    return options


def _words(record: Mapping[str, Any]) -> frozenset[str]:
    given = [word for word in _list(record.get("overrides")) if isinstance(word, str) and "=" in word]
    keys = {word.partition("=")[0].lstrip("+~") for word in given}
    return frozenset(keys | {OF} if "run" in keys else keys)


def _metrics(run: StoredRun) -> dict[str, float]:
    """
    Raises:
        DataError: if results.csv is damaged.
    """
    file = run.table_file("results")
    try:
        found = {f"{text(row['split'])}/{text(row['metric'])}": float(row["value"] or "nan") for row in run.results()}
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: it is damaged") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    return float(value) if usable else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
