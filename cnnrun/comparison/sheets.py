"""What a comparison shows: one table of texts, the same on the screen and in each format, and sentences below it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cnnrun.comparison.compared import OWN, Comparison
from cnnrun.comparison.groups import Standing
from cnnrun.comparison.pivot import Cell, Pivot
from cnnrun.comparison.wording import runtime, setting, spread
from cnnrun.console.numbers import number
from cnnrun.plots.marks import MARKS

if TYPE_CHECKING:
    import pandas as pd

MARK = "mark"
BETWEEN = " | "
"""Metrics that share a cell."""
USUAL = ("accuracy", "mae")
"""Shown where the metric that the runs watched is not among their results, as in evaluations of test."""


@dataclass(frozen=True)
class Sheet:
    """A table as people read it."""

    name: str
    """Of its files, without the ending."""
    columns: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    """Which columns hold numbers, to be set to the right."""
    bold: set[tuple[int, int]] = field(default_factory=set)
    """Rows and columns of the best."""
    dispensable: list[str] = field(default_factory=list)
    """Columns that a narrow screen leaves out."""
    values: dict[tuple[int, int], float] = field(default_factory=dict)
    """By row and column the number that sorts a text of another kind; NaN for nothing."""
    title: str = ""
    """Stands above it on a page, where its name would say too little."""


def overview(compared: Comparison, metrics: Sequence[str]) -> Sheet:
    """A line a group of seeds, or a line a run where no group has several, with these metrics."""
    sheet = _of_groups(compared, metrics) if compared.has_seeds else _of_runs(compared, metrics)
    alone = len(compared.members) == 1 and not compared.runs["dead"].any()
    return _without_marks(sheet) if alone or not any(line[sheet.columns.index(MARK)] for line in sheet.rows) else sheet


def _without_marks(sheet: Sheet) -> Sheet:
    """Where there is nothing to be better than, or nothing that could be."""
    kept = [place for place, name in enumerate(sheet.columns) if name != MARK]
    return replace(
        sheet,
        columns=[sheet.columns[place] for place in kept],
        rows=[[line[place] for place in kept] for line in sheet.rows],
        numeric=[sheet.numeric[place] for place in kept],
        bold=set(),
    )


def headline_metrics(compared: Comparison) -> list[str]:
    """What ranks the runs, and the same on test."""
    watched = [compared.metric] if compared.metric else list(dict.fromkeys(run.monitor for run in compared.facts))
    stems = [name.partition("/")[2] for name in watched if "/" in name]
    there = [*compared.metrics(), *OWN]
    found = [name for name in dict.fromkeys([*watched, *(f"test/{stem}" for stem in stems)]) if name in there]
    return found or [name for name in there if name.partition("/")[2] in (*stems, *USUAL)]


def _of_groups(compared: Comparison, metrics: Sequence[str]) -> Sheet:
    frame, settings = compared.groups, compared.settings
    counts = ["n", *(name for name in ("failed", "dead") if frame[name].any())]
    columns = [*settings, *counts, *metrics, "runtime", MARK]
    rows = []
    for values in frame.to_dict("records"):
        line = [setting(values[name]) for name in settings] + [str(values[name]) for name in counts]
        line += [spread(_float(values[name]), _float(values[f"{name}/high"])) for name in metrics]
        rows.append([*line, _runtime(values["seconds"]), mark_of(values)])
    best = {(row, columns.index(name)) for row in _where(frame["best"]) for name in metrics[:1]}
    numeric = [*(_is_numeric(frame[name]) for name in settings), *(True for _ in counts), *(True for _ in metrics)]
    return Sheet("compare", columns, rows, [*numeric, True, False], best, ["runtime"])


def _of_runs(compared: Comparison, metrics: Sequence[str]) -> Sheet:
    frame = compared.runs
    seeds = ["seed"] if frame["seed"].nunique() > 1 else []
    status = ["status"] if (frame["status"] != "finished").any() else []
    epochs = ["best_epoch"] if frame["best_epoch"].notna().any() else []
    columns = [*compared.settings, *seeds, *status, *metrics, *epochs, "runtime", MARK, "run"]
    rows = []
    standings = {
        id(group.counted[0]): held
        for group, held in zip(compared.members, compared.standings, strict=True)
        if group.counted
    }
    held = [standings.get(id(run), Standing()) for run in compared.facts]
    for run, standing, values in zip(compared.facts, held, frame.to_dict("records"), strict=True):
        flags = values | {"best": standing.best, "tied": standing.tied}
        line = [setting(values[name]) for name in compared.settings]
        line += [_number(values[name]) for name in (*seeds, *status)] + [_number(run.measure(name)) for name in metrics]
        line += [_number(values[name]) for name in epochs]
        rows.append([*line, _runtime(values["seconds"]), mark_of(flags), values["run"]])
    best = {(row, columns.index(name)) for row in _where(one.best for one in held) for name in metrics[:1]}
    numeric = [_is_numeric(frame[name]) for name in compared.settings] + [
        name != "status" for name in [*seeds, *status]
    ]
    numeric += [True for _ in (*metrics, *epochs)]
    return Sheet("compare", columns, rows, [*numeric, True, False, False], best, ["run", "runtime"])


def of_pivot(table: Pivot) -> Sheet:
    """Settings down and across; metrics that share a cell stand behind each other."""
    if table.cols:
        heads = [
            ", ".join(f"{key}={setting(value)}" for key, value in zip(table.cols, label, strict=True))
            for label in table.col_labels
        ]
        places = [(label, table.cells) for label in table.col_labels]
    else:
        heads, places = list(table.cells), [((), [metric]) for metric in table.cells]
    rows, bold, values = [], set(), {}
    for place, row in enumerate(table.row_labels):
        line = [setting(value) for value in row]
        for label, metrics in places:
            cells = [table.grid.get((row, label, metric)) for metric in metrics]
            if any(held is not None and held.best for held in cells):
                bold.add((place, len(line)))
            values[place, len(line)] = math.nan if cells[0] is None else cells[0].mean
            line.append(BETWEEN.join(_cell_text(held) for held in cells if held is not None))
        rows.append(line)
    numeric = [_is_numeric([row[place] for row in table.row_labels]) for place in range(len(table.rows))]
    title = f"{', '.join(table.cells)} by {', '.join([*table.rows, *table.cols])}"
    right = [*numeric, *(False for _ in heads)]
    return Sheet("pivot", [*table.rows, *heads], rows, right, bold, values=values, title=title)


def of_reference(frame: "pd.DataFrame") -> Sheet:
    """The run table of a publication as it is printed."""
    texts = frame.assign(
        LEARNING_RATE=[setting(value) for value in frame["LEARNING_RATE"]],
        RUNTIME=[_runtime(value) for value in frame["RUNTIME"]],
    )
    place = list(frame).index("RUNTIME")
    values = {(row, place): float(seconds) for row, seconds in enumerate(frame["RUNTIME"])}
    rows = [[_number(value) for value in row] for row in texts.itertuples(index=False)]
    return Sheet(
        "reference", [str(name) for name in frame], rows, [_is_numeric(frame[name]) for name in frame], values=values
    )


def _cell_text(held: Cell) -> str:
    if math.isnan(held.mean):
        return MARKS["failed"] if held.failed else "-"
    words = [word for word in held.marks if word not in ("chosen",) or not held.best]
    signs = "".join(MARKS[word] for word in words)
    return f"{spread(held.mean, held.high)} {signs}".rstrip()


def mark_of(values: dict[Any, Any]) -> str:
    """The signs of a line; what ranks is the val metric, mostly, so that the best is the chosen one."""
    words = ["best"] if values["best"] else ["tied"] if values["tied"] else []
    words += ["chosen"] if values["chosen"] and not values["best"] else []
    words += ["dead"] if values["dead"] else []
    return "".join(MARKS[word] for word in words)


def _number(value: Any) -> str:
    import pandas as pd

    if value is None or pd.isna(value):
        return ""
    return number(float(value)) if isinstance(value, float) else str(value)


def _runtime(seconds: float) -> str:
    return "" if seconds is None or math.isnan(seconds) else runtime(seconds)


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _where(flags: Any) -> list[int]:
    return [place for place, flag in enumerate(flags) if flag]


def _is_numeric(values: Any) -> bool:
    given = [value for value in values if value is not None and value == value]
    return bool(given) and all(isinstance(value, int | float) for value in given)
