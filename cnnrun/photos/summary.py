"""What is said of a table of predictions: how many, which are broken, the first of them."""

from collections.abc import Sequence
from typing import Any

from cnnrun.data.image_walk import counted
from cnnrun.photos.classes import UNKNOWN
from cnnrun.photos.rows import Row

MOST_REASONS = 5
"""Broken files that are named in a sentence."""
WIDEST = 28
"""Characters of a label on screen, and half of those of a path: a row of all should fit into a window."""


def counts(table: Sequence[Row]) -> dict[str, int]:
    """files = predicted + broken; with_truth of those that were predicted."""
    broken = sum(row.is_broken for row in table)
    with_truth = sum(row.truth is not None and not row.is_broken for row in table)
    return {"files": len(table), "predicted": len(table) - broken, "broken": broken, "with_truth": with_truth}


def sentence(table: Sequence[Row]) -> str:
    """`102 files: 100 predicted, 2 broken`."""
    number = counts(table)
    return f"{counted(number['files'], 'file')}: {number['predicted']:,} predicted, {number['broken']:,} broken"


def title(table: Sequence[Row], shown: int) -> str:
    """Of a contact sheet that shows so many."""
    return sentence(table) if shown == len(table) else f"{shown} of {sentence(table)}"


def broken(table: Sequence[Row]) -> list[str]:
    """A sentence that names the broken files with their reasons; none where there are none."""
    named = [f"{row.path} ({row.error})" for row in table if row.is_broken]
    more = f" and {len(named) - MOST_REASONS:,} more" if len(named) > MOST_REASONS else ""
    return [f"{counted(len(named), 'broken file')}: {', '.join(named[:MOST_REASONS])}{more}"] if named else []


def on_screen(row: Row) -> dict[str, Any]:
    """Cells by the names of their columns; the middle of a long name is left out."""
    cells: dict[str, Any] = {"path": _clipped(row.path, 2 * WIDEST)}
    if row.is_broken:
        return cells | {"prediction": f"broken: {row.error}", "probability": None}
    first = row.guesses[0]
    label = f"{UNKNOWN} ({first.index})" if first.label == UNKNOWN else first.label
    cells |= {"prediction": _clipped(label, WIDEST), "probability": first.probability}
    return cells if row.truth is None else cells | {"truth": _clipped(row.truth.label, WIDEST)}


def _clipped(name: str, most: int) -> str:
    """The beginning and the end: both tell a name from others."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"
