"""The table of a sweep: a row a job, with the one that val chose marked."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from cnnrun.files import write_bytes
from cnnrun.sweeps.jobs import Outcome

FILE = "sweep.csv"


def write(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Write sweep.csv and print the table; nothing if no job was begun."""
    if not outcomes:
        return
    rows = table_rows(outcomes)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(folder / FILE, text.getvalue().encode())


def table_rows(outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """The rows of sweep.csv: settings, status, whether val chose it, metrics, seconds, folder, error."""
    best = chosen(outcomes)
    return [
        {
            **row.settings,
            "status": row.status,
            "chosen": "*" if row is best else "",
            **{name: f"{value:.6g}" for name, value in row.metrics.items()},
            "seconds": "" if row.seconds is None else f"{row.seconds:.1f}",
            "folder": row.folder.name,
            "error": row.error,
        }
        for row in outcomes
    ]


def chosen(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The finished job that is best on val by the metric that its runs watched."""
    measured = [row for row in outcomes if row.status == "finished" and row.monitor in row.metrics]
    if not measured:
        return None
    pick = max if measured[0].higher_is_better else min
    return pick(measured, key=lambda row: row.metrics[row.monitor])
