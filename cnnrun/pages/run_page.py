"""One run as a page: what it was, what it reached, how it went, and every setting."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cnnrun import tables
from cnnrun.config.schema import flat, shown
from cnnrun.pages.page import Pairs, page
from cnnrun.pages.parts import PageCell, PageColumn, PageFigure, PageTable

SPLITS = ("test", "val", "train")
"""From left to right; others come behind them."""
INTERVAL = "Small under a value: its 95 % interval."


def run_page(
    title: str,
    *,
    facts: Pairs,
    results: Sequence[Mapping[str, str]],
    settings: Mapping[str, Any],
    figures: Sequence[PageFigure] = (),
    per_class: Sequence[Mapping[str, str]] = (),
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
    folder: str = "",
) -> bytes:
    """The HTML file.

    Args:
        facts: name and value, such as the status, the machine, the versions.
        results: rows of tables.RESULTS, as text; none if the run did not get that far. per_class: of tables.PER_CLASS.
        settings: the resolved config, plain values.
        folder: of the run, relative to where the page will lie.
    """
    shown = [_results(results)] if results else []
    if per_class:
        shown.append(_table("Classes", tables.PER_CLASS, per_class))
    shown.append(_settings(settings))
    links = [("the folder of the run", folder)] if folder else []
    return page(title, facts=facts, tables=shown, figures=figures, warnings=warnings, notes=notes, links=links)


def _results(results: Sequence[Mapping[str, str]]) -> PageTable:
    """A row a metric, a column a split."""
    found = list(dict.fromkeys(row["split"] for row in results))
    splits = [split for split in SPLITS if split in found] + [split for split in found if split not in SPLITS]
    rows: dict[str, dict[str, Any]] = {}
    counts: dict[str, str] = {}
    for row in results:
        rows.setdefault(row["metric"], {"metric": row["metric"]})[row["split"]] = _estimate(row)
        counts.setdefault(row["split"], row["n"])
    columns = [PageColumn(split, "number", f"of {counts[split]} samples") for split in splits]
    has_intervals = any(row["low"] for row in results)
    return PageTable(
        "Results", [PageColumn("metric"), *columns], list(rows.values()), notes=[INTERVAL] if has_intervals else []
    )


def _estimate(row: Mapping[str, str]) -> PageCell:
    value = _number(row["value"])
    low, high = _number(row["low"]), _number(row["high"])
    note = "" if math.isnan(low) or math.isnan(high) else f"{_short(low)} to {_short(high)}"
    return PageCell("" if math.isnan(value) else _short(value), value, note)


def _table(name: str, table: tables.Table, rows: Sequence[Mapping[str, str]]) -> PageTable:
    """A table of a run; the first of its columns holds names, the others numbers."""
    columns = [
        PageColumn(column.name, "number" if place else "text", column.holds)
        for place, column in enumerate(table.columns)
    ]
    cells = [{key: value if key == columns[0].name else _cell(value) for key, value in row.items()} for row in rows]
    return PageTable(name, columns, cells)


def _cell(text: str) -> Any:
    number = _number(text)
    return text if math.isnan(number) or "." not in text else PageCell(_short(number), number)


def _settings(settings: Mapping[str, Any]) -> PageTable:
    rows = [{"setting": name, "value": shown(value)} for name, value in flat(settings).items()]
    return PageTable("Settings", [PageColumn("setting"), PageColumn("value")], rows, folded=True)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _short(value: float) -> str:
    """Four decimals of a share, five digits of anything else."""
    return f"{value:.4f}" if abs(value) <= 1 else f"{value:.5g}"
