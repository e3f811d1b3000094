"""The numbers in a CSV's columns: points or commas as decimals, thousands marks, and words where cells are none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from cnnrun.data.csv_tables import CsvTable
from cnnrun.data.repairs import Repair
from cnnrun.errors import DataError

Decimal = Literal["auto", ".", ","]

COMMA = r"[+-]?(?:(?:\d*|[1-9]\d{0,2}(?:\.\d{3})+),\d+(?:[eE][+-]?\d+)?|[1-9]\d{0,2}(?:\.\d{3}){2,})"
POINT = r"[+-]?(?:[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?|(?:0|\d{4,})?\.\d+|\d+\.(?!\d{3}$)\d+)"
"""Numbers with decimal commas, and with points; `1,234` is of either kind, and `1.234` settles nothing."""
THOUSANDS = {".": r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", ",": r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?"}
SPACES = r"(?<=\d)[\s\u00a0\u202f'](?=\d{3})"


@dataclass(frozen=True)
class Column:
    name: str
    position: int


def read_numbers(table: CsvTable, columns: Sequence[Column], decimal: Decimal) -> tuple[np.ndarray, list[Repair]]:
    """(T, C) float64, NaN where a cell is empty.

    Raises:
        DataError: naming the first cell that is no number or infinite, or two readings of the commas.
    """
    positions = [column.position for column in columns]
    frame = table.frame(positions, decimal="," if decimal == "," else ".")
    texts = [column for column in columns if not _is_numeric(frame[str(column.position)])]
    if decimal == "auto":
        decimal = _decimal_of(table, texts, frame)
        if decimal == ",":
            frame = table.frame(positions, decimal=",")
    repairs = []
    values = np.empty((len(frame), len(columns)))
    for index, column in enumerate(columns):
        cells = frame[str(column.position)]
        if _is_numeric(cells):
            values[:, index] = cells.to_numpy(float)
        else:
            values[:, index], thousands = _convert(table, column.name, cells, decimal)
            if thousands:
                repairs.append(Repair("thousands marks", column.name, thousands, "", "", "taken out"))
    if decimal == ",":
        repairs.append(Repair("decimal commas", "", len(frame), "", "", "read as decimal points"))
    _refuse_infinities(table, columns, values)
    return values, repairs


def _is_numeric(cells: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(cells)


def _decimal_of(table: CsvTable, columns: Sequence[Column], frame: pd.DataFrame) -> Literal[".", ","]:
    """What the cells that are no plain numbers say; a point where they say nothing."""
    doubtful: tuple[int, str, str] | None = None
    found: dict[str, tuple[int, str, str]] = {}
    for column in columns:
        cells = frame[str(column.position)].fillna("").astype(str).str.strip().str.replace(SPACES, "", regex=True)
        comma, point = (cells.str.fullmatch(pattern).to_numpy(bool) for pattern in (COMMA, POINT))
        for mark, mask in {",": comma & ~point, ".": point & ~comma}.items():
            if mask.any():
                found.setdefault(mark, (int(mask.argmax()), column.name, cells.iloc[mask.argmax()]))
        if (comma & point).any() and doubtful is None:
            row = int((comma & point).argmax())
            doubtful = (row, column.name, cells.iloc[row])
    if len(found) == 2:
        row, name, text = found[","]
        other_row, _, other = found["."]
        raise DataError(
            f"{table.place(row, name)}: '{text}' has a decimal comma, and '{other}' in line {table.line(other_row)} "
            "has none; write all numbers alike"
        )
    if found:
        return "," if "," in found else "."
    if doubtful and not _has_fractions(frame):
        row, name, text = doubtful
        raise DataError(
            f"{table.place(row, name)}: '{text}' may be {text.replace(',', '.')} or {text.replace(',', '')}; "
            "say which by dataset.decimal=',' or dataset.decimal=."
        )
    return "."


def _has_fractions(frame: pd.DataFrame) -> bool:
    """Whether pandas found numbers with decimal points."""
    return any(cells.dtype.kind == "f" and (cells % 1 > 0).any() for _, cells in frame.items())


def _convert(table: CsvTable, name: str, cells: pd.Series, decimal: str) -> tuple[np.ndarray, int]:
    """(T,) floats, and how many had marks between thousands."""
    stripped = cells.astype(str).str.strip()
    filled = (cells.notna() & (stripped != "")).to_numpy(bool)
    joined = stripped.str.replace(SPACES, "", regex=True)
    grouped = joined.str.fullmatch(THOUSANDS[decimal])
    plain = joined.where(~grouped, joined.str.replace("," if decimal == "." else ".", "", regex=False))
    if decimal == ",":
        plain = plain.where(~plain.str.contains(".", regex=False), "?").str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(plain, errors="coerce").to_numpy(float)
    bad = np.isnan(numbers) & filled
    if bad.any():
        row = int(bad.argmax())
        more = f" (the first of {bad.sum():,} such cells)" if bad.sum() > 1 else ""
        raise DataError(
            f"{table.place(row, name)}: '{stripped.iloc[row]}' is no number{more}; empty such cells to have them "
            f"filled (dataset.gaps), or see dataset.decimal, which is '{decimal}' here"
        )
    return numbers, int(((grouped | (joined != stripped)) & filled).sum())


def _refuse_infinities(table: CsvTable, columns: Sequence[Column], values: np.ndarray) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        row, index = (int(number) for number in np.argwhere(infinite)[0])
        raise DataError(
            f"{table.place(row, columns[index].name)}: an infinite number (the first of {infinite.sum():,}); "
            "empty such cells to have them filled (dataset.gaps)"
        )
