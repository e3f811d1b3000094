"""What a page is made of. Callers say what it holds; how it looks is the template's."""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

PIXELS_TO_CSS = 96 / 120
"""Figures have 120 pixels an inch, a page has 96."""
SHORT = 16
"""Characters; a column without a longer text is never broken into lines."""


@dataclass(frozen=True)
class PageColumn:
    """A column of a table on a page."""

    name: str
    kind: Literal["text", "number"] = "text"
    """How it is sorted, and to which side it is aligned."""
    holds: str = ""
    """What it holds, with unit where it has one."""
    digits: int | None = None
    """Decimals of its numbers; by default as `decimals` finds."""


@dataclass(frozen=True)
class PageCell:
    """A value that is written otherwise than it is sorted, such as a runtime or a mean with its interval."""

    text: str
    value: float | str | None = None
    """What it is sorted and filtered by; by default its text."""
    note: str = ""
    """Stands small under it."""
    strong: bool = False
    """Whether it stands out, as the best."""


@dataclass(frozen=True)
class PageTable:
    """A table that readers sort and filter."""

    name: str
    columns: Sequence[PageColumn]
    rows: Sequence[Mapping[str, Any]]
    """By the names of the columns: text, numbers, yes or no, None or NaN for nothing, PageCell."""
    links: Mapping[str, str] = field(default_factory=dict)
    """By the name of a column the key of the rows that holds where it links to: a path, relative to the page."""
    strong: str = ""
    """Key of the rows that says which stand out: the best."""
    faint: str = ""
    """Key of the rows that says which recede: the failed."""
    notes: Sequence[str] = ()
    """What stands under it: what a mark means."""
    folded: bool = False
    """Whether it is shown on request only."""


@dataclass(frozen=True)
class PageFigure:
    """A figure."""

    caption: str
    png: bytes
    alt: str = ""
    """What it shows, for those who do not see it; by default the caption."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page, from the header of the PNG (ISO/IEC 15948, section 11.2.2)."""
        width, height = struct.unpack(">II", self.png[16:24])
        return round(width * PIXELS_TO_CSS), round(height * PIXELS_TO_CSS)


@dataclass(frozen=True)
class DrawnCell:
    """A cell as the template writes it."""

    text: str
    value: str | None
    """Where it is sorted by something else than its text."""
    note: str
    link: str | None
    strong: bool = False


def with_decimals(table: PageTable) -> PageTable:
    """The table, its columns with as many decimals as suit their numbers."""
    columns = [
        replace(column, digits=decimals(row.get(column.name) for row in table.rows))
        if column.digits is None
        else column
        for column in table.columns
    ]
    return replace(table, columns=columns)


def decimals(values: Iterable[Any]) -> int | None:
    """The same number for all of a column that was measured; None, as they are, for settings such as 0.001."""
    floats = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value) and value]
    if all(float(f"{value:.5g}") == value for value in floats) or min(floats) < 0.001:
        return None
    return 4 if max(floats) < 10 else 2 if max(floats) < 1000 else 1


def drawn(row: Mapping[str, Any], column: PageColumn, link: str | None) -> DrawnCell:
    value = row.get(column.name)
    if isinstance(value, PageCell):
        by = None if value.value is None else _plain(value.value)
        return DrawnCell(
            value.text, by if by is not None else value.text if value.note else None, value.note, link, value.strong
        )
    text = written(value, column.digits)
    exact = _plain(value) if isinstance(value, float) and text else text
    return DrawnCell(text, None if exact == text else exact, "", link)


def written(value: Any, digits: int | None = None) -> str:
    """A value as it is read."""
    if is_nothing(value):
        return ""
    if type(value).__name__ in ("bool", "bool_"):  # also of numpy
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}" if digits is None else f"{value:.{digits}f}"
    return str(value)


def is_nothing(value: Any) -> bool:
    """None, NaN or pandas' own."""
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, float) and math.isnan(value))
    )


def is_short(table: PageTable, column: PageColumn) -> bool:
    """Whether no text of a column is long; a number never is."""
    return column.kind == "number" or all(len(drawn(row, column, None).text) <= SHORT for row in table.rows)


def _plain(value: float | str) -> str:
    return "" if is_nothing(value) else repr(float(value)) if isinstance(value, float) else str(value)
