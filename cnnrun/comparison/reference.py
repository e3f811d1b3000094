"""The run table of a published comparison of classifiers, in its own column names."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnrun.comparison.differing import cell
from cnnrun.comparison.reading import Facts, text
from cnnrun.comparison.wording import runtime
from cnnrun.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

NAMES = (
    *("MODEL_NAME", "INPUT_SHAPE", "BATCH_SIZE", "AUGMENT", "FINAL_VAL_ACCURACY", "FINAL_VAL_LOSS", "RUNTIME"),
    *("EPOCHS", "LEARNING_RATE", "NORMALIZE", "EPOCH/ACCURACY", "EPOCH/LOSS", "EPOCH/VAL_ACCURACY", "EPOCH/VAL_LOSS"),
    "TEST_ACCURACY",
)
"""In order. FINAL_VAL_* is val at `best`, EPOCH/* the last epoch's. Test is ours: there the test set was val."""
FAMILY = "backbone"
"""A model that is many: its architecture is the name."""


def reference_table(runs: Sequence[Facts]) -> "tuple[pd.DataFrame, list[str]]":
    """A row a finished run, the highest accuracy on val first, RUNTIME in seconds; and a sentence on what is not in it.

    Raises:
        ConfigError: if no run is a classification that finished.
    """
    import pandas as pd

    classifiers = [run for run in runs if not is_forecast(run)]
    if not classifiers:
        raise ConfigError("columns=reference is a table of classifiers, and these runs forecast a series: leave it out")
    left_out: list[str] = []
    rows = [_row(run, left_out) for run in classifiers if run.finished]
    if not rows:
        raise ConfigError("columns=reference is a table of finished runs, and none of these has finished")
    rows.sort(key=lambda row: -row["FINAL_VAL_ACCURACY"] if row["FINAL_VAL_ACCURACY"] is not None else math.inf)
    number = len(runs) - len(classifiers)
    if number:
        left_out.append(f"columns=reference is for classifiers: {number} forecasts are not in it")
    return pd.DataFrame(rows, columns=list(NAMES)), left_out


def as_published(table: "pd.DataFrame") -> "pd.DataFrame":
    """The table for a file, its runtimes as the document writes them: 37m 7s."""
    return table.assign(RUNTIME=["" if math.isnan(seconds) else runtime(seconds) for seconds in table["RUNTIME"]])


def is_forecast(run: Facts) -> bool:
    return "targets" in run.data or run.values.get("task.name") == "forecasting"


def _row(run: Facts, problems: list[str]) -> dict[str, Any]:
    """The line of a run; `problems` takes a sentence where its history cannot be read."""
    import pandas as pd

    try:
        history = run.history()
    except DataError as error:
        problems.append(text(error))
        history = pd.DataFrame()
    best = history[history["epoch"].astype(str) == str(run.best_epoch)] if "epoch" in history else history[:0]
    is_one_of_many = run.value("model") == FAMILY and "model.arch" in run.values
    values = {
        "MODEL_NAME": cell(run, "model.arch" if is_one_of_many else "model"),
        "INPUT_SHAPE": _channels_last(run.data.get("input_shape")),
        "BATCH_SIZE": cell(run, "batch_size"),
        "AUGMENT": str(_augments(run)).lower(),
        "FINAL_VAL_ACCURACY": run.metrics.get("val/accuracy"),
        "FINAL_VAL_LOSS": _last(best, "val/loss"),
        "RUNTIME": math.nan if run.seconds is None else run.seconds,
        "EPOCHS": run.epochs,
        "LEARNING_RATE": cell(run, "optimizer.lr"),
        "NORMALIZE": str(run.values.get("dataset.normalize") not in (None, "none", False)).lower(),
        "TEST_ACCURACY": run.metrics.get("test/accuracy"),
    }
    return values | {
        "EPOCH/ACCURACY": _last(history, "train/accuracy"),
        "EPOCH/LOSS": _last(history, "train/loss"),
        "EPOCH/VAL_ACCURACY": _last(history, "val/accuracy"),
        "EPOCH/VAL_LOSS": _last(history, "val/loss"),
    }


def _last(rows: "pd.DataFrame", column: str) -> float | None:
    import pandas as pd

    if column not in rows or not len(rows):
        return None
    return float(pd.to_numeric(rows[column], errors="coerce").iloc[-1])


def _augments(run: Facts) -> bool:
    """Whether anything of augment is on: a flag, or a number that is not 0."""
    own = {key: value for key, value in run.values.items() if key.startswith("augment.")}
    return any(isinstance(value, bool | int | float) and value for value in own.values())


def _channels_last(shape: Any) -> str:
    """[32,32,3] of (3, 32, 32), as the document prints it."""
    if not isinstance(shape, list) or not shape:
        return ""
    return "[" + ",".join(map(text, [*shape[1:], shape[0]])) + "]"
