"""The table of a sweep: a row a job, with the one that val chose marked."""

import csv
import io
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from cnnrun import console
from cnnrun.config.overrides import unquote
from cnnrun.files import write_bytes
from cnnrun.sweeps.jobs import Outcome
from cnnrun.tables import SWEEP

FILE = f"{SWEEP.name}.csv"
CHOSEN = "*"


def write(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Write sweep.csv into the sweep's folder; nothing if no job was begun."""
    if not outcomes:
        return
    rows = table_rows(outcomes)
    metrics = list(dict.fromkeys(name for row in outcomes for name in row.metrics))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*outcomes[0].settings, *SWEEP.names, *metrics], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(folder / FILE, text.getvalue().encode())


def show(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Print what a person compares: settings, status, the metric that chose and the same on other splits, seconds."""
    rows = table_rows(outcomes)
    watched = {row.monitor.partition("/")[2] for row in outcomes if row.monitor}
    metrics = list(dict.fromkeys(name for row in outcomes for name in row.metrics if name.partition("/")[2] in watched))
    columns = [*outcomes[0].settings, "status", *metrics]
    columns += [column for column in ("seconds", "chosen") if any(row[column] for row in rows)]
    shown = [{column: row.get(column) for column in columns} for row in rows]
    remark = f"  ({CHOSEN} is the best on val)" if "chosen" in columns else ""
    dead = ", ".join(row.folder.name for row in outcomes if row.dead)
    learned = [f"\nlearned nothing: {dead}"] if dead else []
    console.table(shown, [*learned, f"\nsweep folder: {folder}{remark}"])


def swept_before(folder: Path) -> list[str]:
    """The settings that have a column in the table that stands in the folder; none if there is no such table."""
    if not (folder / FILE).is_file():
        return []
    with open(folder / FILE, newline="", errors="replace") as file:
        columns = next(csv.reader(file), [])
    if not set(SWEEP.names) <= set(columns):
        return []
    return list(takewhile(lambda column: column not in SWEEP.names, columns))


def table_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The rows of sweep.csv: tables.SWEEP between the settings and the metrics."""
    best = chosen(outcomes)
    return [
        {
            **{key: unquote(value) for key, value in row.settings.items()},
            "status": row.status,
            "chosen": CHOSEN if row is best else "",
            "seconds": row.seconds,
            "folder": row.folder.name,
            "error": row.error,
            **row.metrics,
        }
        for row in outcomes
    ]


def chosen(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The finished job that is best on val by the metric that its runs watched; the first of equals.

    None where they watched different ones, or forecast different things: no number tells which is the best.
    """
    values = {id(row): row.best_value for row in outcomes if row.status == "finished" and row.best_value is not None}
    measured = [row for row in outcomes if id(row) in values]
    if not measured or len({(row.monitor, row.subject) for row in measured}) > 1:
        return None
    pick = max if measured[0].higher_is_better else min
    return pick(measured, key=lambda row: values[id(row)])
