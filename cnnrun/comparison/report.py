"""A comparison as one page that a browser shows without a network, and a page for a single run."""

import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnnrun.comparison.compared import Comparison
from cnnrun.comparison.differing import cell
from cnnrun.comparison.figures import Figure
from cnnrun.comparison.groups import direction
from cnnrun.comparison.reading import Facts, text
from cnnrun.comparison.remarks import ranked_by
from cnnrun.comparison.sheets import MARK, Sheet, mark_of
from cnnrun.comparison.wording import runtime, setting, spread
from cnnrun.console.numbers import number
from cnnrun.errors import DataError
from cnnrun.pages import PageCell, PageColumn, PageFigure, PageTable, page, run_page
from cnnrun.run.stored import StoredRun
from cnnrun.tables import PER_CLASS

PNG = b"\x89PNG\r\n\x1a\n"
FOLDER = "folder"
"""Key of the rows that holds where a run lies."""
MOST_VALUES = 12
"""Of a setting, in the list of those that differ."""


def of_comparison(
    compared: Comparison,
    sheet: Sheet,
    title: str,
    *,
    folder: Path,
    remarks: Sequence[str],
    problems: Sequence[str],
    figures: Iterable[Figure],
    files: Sequence[str],
    pages: dict[str, str],
) -> bytes:
    """The HTML file.

    Args:
        sheet: the table that was asked for; another of all runs stands below it. folder: where the page will lie.
        problems: runs that could not be read, a sentence each. files: of the same comparison, beside the page.
        pages: the page of a run by its name, relative to `folder`; runs without one link to their folders.
    """
    groups = [_groups(compared)] if compared.has_seeds and sheet.name == "compare" else []
    asked = [] if sheet.name == "compare" else [_of_sheet(sheet)]
    marks = (
        [] if asked or groups or MARK not in sheet.columns else [row[sheet.columns.index(MARK)] for row in sheet.rows]
    )
    first, *others = [*asked, *groups, _runs(compared, folder, pages, marks, folded=bool(asked or groups))]
    return page(
        title,
        facts=_facts(compared),
        tables=[replace(first, notes=[*first.notes, *remarks]), *others],
        figures=[PageFigure(caption, png) for _, caption, png in figures],
        settings=[(name, _values(compared, name)) for name in compared.settings],
        warnings=problems,
        links=[(name, name) for name in files],
    )


def of_run(run: Facts, folder: Path) -> bytes:
    """The page of one run, to lie in `folder`.

    Raises:
        DataError: if its tables are damaged.
    """
    stored = StoredRun(run.path)
    record = stored.record
    found = record.get("versions")
    versions = found if isinstance(found, dict) else {}
    facts = {
        "status": run.status + (f": {run.reason}" if run.reason else ""),
        "started": run.started,
        "runtime": "" if run.seconds is None else runtime(run.seconds),
        "epochs": "" if run.epochs is None else str(run.epochs),
        "best epoch": "" if run.best_epoch is None else f"{run.best_epoch}, by {run.monitor}",
        "parameters": "" if run.parameters is None else f"{run.parameters:,}",
        "seed": "" if run.seed is None else str(run.seed),
        "device": text(record.get("device") or ""),
        "versions": ", ".join(f"{text(name)} {text(version)}" for name, version in versions.items()),
    }
    try:
        pictures = [(file.stem, file.read_bytes()) for file in stored.figures()]
        return run_page(
            run.name,
            facts=[(name, value) for name, value in facts.items() if value],
            results=stored.results(),
            settings=stored.config,
            figures=[PageFigure(name.replace("_", " "), png) for name, png in pictures if png.startswith(PNG)],
            per_class=stored.rows(PER_CLASS),
            warnings=_sentences(record.get("warnings")),
            notes=_sentences(record.get("notes")),
            folder=os.path.relpath(run.path, folder),
        )
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error) as error:
        raise DataError(f"a table or a figure of {run.path} is damaged: {type(error).__name__}") from error


def _facts(compared: Comparison) -> list[tuple[str, str]]:
    runs = compared.facts
    finished = sum(run.finished for run in runs)
    counts = f"{len(runs)}" if finished == len(runs) else f"{len(runs)}, of which {finished} finished"
    value = runs[0].measure(compared.metric) if runs[0].finished and len({run.subject for run in runs}) == 1 else None
    facts = [("runs", counts), ("ranked by", ranked_by(compared))]
    if value is not None and direction(compared.metric, runs) is not None:
        facts.append(("best run", f"{runs[0].name}, {compared.metric} {number(value)}"))
    return [(name, text) for name, text in facts if text]


def _values(compared: Comparison, name: str) -> str:
    values = list(dict.fromkeys(setting(cell(run, name)) for run in compared.facts))
    more = f" and {len(values) - MOST_VALUES} more" if len(values) > MOST_VALUES else ""
    return ", ".join(values[:MOST_VALUES]) + more


def _groups(compared: Comparison) -> PageTable:
    """A row a combination of settings, with the mean of each metric of val and test."""
    names = [name for name in compared.metrics() if name.count("/") == 1 and not name.startswith("train/")]
    first = [name for name in (compared.metric,) if name in names]
    metrics = [*first, *(name for name in names if name not in first)]
    rows = []
    for values in compared.groups.to_dict("records"):
        row: dict[str, Any] = {name: values[name] for name in (*compared.settings, "n", "failed", "dead", "best")}
        row[MARK] = mark_of(values)
        for name in metrics:
            row[name] = _estimate(values[name], values[f"{name}/low"], values[f"{name}/high"])
        rows.append(row | {"runtime": _runtime(values["seconds"])})
    columns = [
        *(_column(compared, name) for name in compared.settings),
        PageColumn("n", "number", "runs that finished"),
        PageColumn("failed", "number", "runs that did not"),
        PageColumn("dead", "number", "runs that learnt nothing"),
        PageColumn(MARK),
        *(PageColumn(name, "number", "mean over the seeds") for name in metrics),
        PageColumn("runtime", "number", "mean"),
    ]
    return PageTable("Groups", columns, rows, strong="best", notes=["Small under a mean: its 95 % interval."])


def _runs(
    compared: Comparison, folder: Path, pages: dict[str, str], marks: Sequence[str], *, folded: bool
) -> PageTable:
    """A row a run, with a link to its page or its folder; `marks` of each, or none of any."""
    metrics = [name for name in compared.metrics() if name.count("/") == 1 and not name.startswith("train/")]
    rows: list[dict[str, Any]] = []
    for run, values in zip(compared.facts, compared.runs.to_dict("records"), strict=True):
        row: dict[str, Any] = {
            name: values[name] for name in (*compared.settings, *metrics, "seed", "status", "reason")
        }
        row |= {"run": run.name, "best epoch": values["best_epoch"], "runtime": _runtime(run.seconds)}
        row |= {"best": values["chosen"], "out": not run.finished or run.dead}
        row |= {MARK: marks[len(rows)]} if marks else {}
        rows.append(row | {FOLDER: pages.get(run.name, os.path.relpath(run.path, folder))})
    columns = [
        PageColumn("run"),
        PageColumn("status"),
        *([PageColumn(MARK)] if marks else []),
        *(_column(compared, name) for name in compared.settings),
        PageColumn("seed", "number"),
        *(PageColumn(name, "number") for name in metrics),
        PageColumn("best epoch", "number"),
        PageColumn("runtime", "number"),
        PageColumn("reason", holds="why it did not finish, or what it died of"),
    ]
    return PageTable("Runs", columns, rows, links={"run": FOLDER}, strong="best", faint="out", folded=folded)


def _of_sheet(sheet: Sheet) -> PageTable:
    """The table as it is printed."""
    by_number = {place for _, place in sheet.values}
    columns = [
        PageColumn(name, "number" if right or place in by_number else "text")
        for place, (name, right) in enumerate(zip(sheet.columns, sheet.numeric, strict=True))
    ]
    rows = [
        {
            name: PageCell(held, sheet.values.get((row, place)), strong=(row, place) in sheet.bold)
            for place, (name, held) in enumerate(zip(sheet.columns, line, strict=True))
        }
        for row, line in enumerate(sheet.rows)
    ]
    return PageTable(sheet.title or sheet.name.capitalize(), columns, rows)


def _column(compared: Comparison, name: str) -> PageColumn:
    numeric = all(isinstance(cell(run, name), int | float | None) for run in compared.facts)
    return PageColumn(name, "number" if numeric else "text")


def _estimate(mean: float | None, low: float, high: float) -> PageCell | None:
    if mean is None or mean != mean:
        return None
    note = "" if low != low else f"{low:.4g} to {high:.4g}"
    return PageCell(spread(mean, high), mean, note)


def _runtime(seconds: float | None) -> PageCell | None:
    return None if seconds is None or seconds != seconds else PageCell(runtime(seconds), float(seconds))


def _sentences(value: Any) -> list[str]:
    return [text(sentence) for sentence in value] if isinstance(value, list) else []
