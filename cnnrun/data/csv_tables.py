"""A CSV file as text: its encoding, separator and header, its cells by column, and the line that a row stands in."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from cnnrun.data.repairs import Repair
from cnnrun.errors import DataError, near_miss

Separator = Literal["auto", ",", ";", "tab"]

SEPARATORS = {"tab": "\t", ";": ";", ",": ","}
"""By the name in the setting; of two that fit a file equally well, the first: a comma may be a decimal one."""
SNIFFED_ROWS = 20
UNICODE_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
OTHER_FORMATS = {
    b"PK\x03\x04": "a zip or Excel file; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel file; save the table as CSV",
    b"\x1f\x8b": "compressed with gzip; unpack it",
    b"PAR1": "a Parquet file; save the table as CSV",
}
CONTROL_BYTES = bytes(sorted({*range(32), 127} - set(b"\t\n\v\f\r\x1a")))


@dataclass(frozen=True)
class CsvTable:
    """Rows are counted from 0 below the header; empty lines are no rows."""

    name: str
    """What messages call the file."""
    text: str
    separator: str
    header: tuple[str, ...]
    repairs: tuple[Repair, ...]

    def position(self, column: str, setting: str) -> int:
        """Raises: DataError: if no column, or more than one, has this name."""
        count = self.header.count(column)
        if count == 1:
            return self.header.index(column)
        names = ", ".join(self.header[:20]) + (f" and {len(self.header) - 20} more" if len(self.header) > 20 else "")
        if count:
            raise DataError(
                f"{self.name}, line {self.header_line}: {count} columns are called '{column}'; rename all but one"
            )
        raise DataError(
            f"{self.name} has no column '{column}' ({setting}){near_miss(column, self.header) or ';'} "
            f"its columns are {names}{self._hint()}"
        )

    def texts(self, position: int, rows: int | None = None) -> pd.Series:
        """(T,) str without the spaces around them, NaN where the cell is empty."""
        return self.frame([position], text=True, rows=rows)[str(position)].str.strip()

    def frame(
        self, positions: Sequence[int], *, decimal: str = ".", text: bool = False, rows: int | None = None
    ) -> pd.DataFrame:
        """The cells by str(position), as text or as pandas takes them.

        Raises:
            DataError: if a quote is left open.
        """
        names = [str(position) for position in range(len(self.header))]
        try:
            return pd.read_csv(
                io.StringIO(self.text),
                sep=self.separator,
                names=names,
                header=0,
                index_col=False,
                usecols=[str(position) for position in positions],
                dtype=str if text else None,
                decimal=decimal,
                skipinitialspace=True,
                low_memory=False,
                nrows=rows,
            )
        except pd.errors.ParserError as error:
            line = max((line for line, _ in self._records()), default=1)
            raise DataError(f"{self.name}, line {line}: a quote that is opened here is never closed") from error

    def line(self, row: int) -> int:
        """The number of a row's first line, as an editor counts them."""
        return next(islice((line for line, _ in self._records()), row + 1, None), 0)

    def place(self, row: int, column: str) -> str:
        return f"{self.place_of_row(row)}, column '{column}'"

    def place_of_row(self, row: int) -> str:
        return f"{self.name}, line {self.line(row)}"

    @property
    def header_line(self) -> int:
        return self.line(-1)

    def refuse_long_rows(self) -> None:
        """pandas drops what stands right of the header's columns without a word."""
        if '"' not in self.text and _most_fields(self.text, self.separator) <= len(self.header):
            return
        for line, fields in self._records():
            if any(field.strip() for field in fields[len(self.header) :]):
                decimals = (
                    "; a decimal comma needs quotes or another separator"
                    if self.separator == ","
                    else "; see dataset.separator"
                )
                raise DataError(
                    f"{self.name}, line {line}: {len(fields)} fields below a header of {len(self.header)}{decimals}"
                )

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        return _records(self.text, self.separator)

    def _hint(self) -> str:
        if all(_is_data(name) for name in self.header):
            return "; its first line must hold the names of the columns"
        if len(self.header) == 1:
            return "; see dataset.separator"
        return ""


def open_csv(path: Path, separator: Separator) -> CsvTable:
    """Raises: DataError: if it cannot be read, is empty, or is no text table."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file (dataset.csv){_neighbours(path)}") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder; dataset.csv (inputs with predict) names a file") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return parse_csv(str(path), content, separator)


def parse_csv(name: str, content: bytes, separator: Separator) -> CsvTable:
    """Raises: DataError: as open_csv."""
    text, repairs = _decode(name, content)
    first, _, rest = text.partition("\n")
    if first.strip().lower() in {f"sep={mark}" for mark in SEPARATORS.values()}:  # a hint that Excel writes and reads
        mark, text = first.strip()[-1], "\n" + rest
    else:
        mark = _sniff(text) if separator == "auto" else SEPARATORS[separator]
    records = list(islice(_records(text, mark), 2))
    if not records:
        raise DataError(f"{name} is empty")
    if len(records) == 1:
        raise DataError(f"{name} has a header and no rows below it")
    header = tuple(field.strip() for field in records[0][1])
    table = CsvTable(name, text, mark, header, tuple(repairs))
    table.refuse_long_rows()
    return table


def _decode(name: str, content: bytes) -> tuple[str, list[Repair]]:
    repairs = []
    for magic, what in OTHER_FORMATS.items():
        if content.startswith(magic):
            raise DataError(f"{name} is no CSV file but {what}")
    encoding = next((code for mark, code in UNICODE_MARKS.items() if content.startswith(mark)), "utf-8")
    if encoding != "utf-8":
        repairs.append(Repair("byte order mark", "", 1, "", "", f"skipped; read as {encoding.removesuffix('-sig')}"))
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        text = content.decode("latin-1")
        repairs.append(Repair("not UTF-8", "", 1, f"line {line}", f"line {line}", "read as Latin-1"))
    plain = text.encode("latin-1", "ignore")
    if len(plain.translate(None, CONTROL_BYTES)) < len(plain):
        raise DataError(f"{name} is no text file: it holds control characters; dataset.csv names a table in CSV")
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\x1a"), repairs


def _sniff(text: str) -> str:
    """The mark that cuts the first rows into equally many fields, more than one."""
    shares = {mark: _share_that_fits(text, mark) for mark in SEPARATORS.values()}
    best = max(shares, key=lambda mark: shares[mark])
    return best if shares[best] else ","


def _share_that_fits(text: str, mark: str) -> float:
    widths = [len(fields) for _, fields in islice(_records(text, mark), SNIFFED_ROWS + 1)]
    if not widths or widths[0] == 1:
        return 0.0
    return sum(width == widths[0] for width in widths) / len(widths)


def _records(text: str, mark: str) -> Iterator[tuple[int, list[str]]]:
    """The first line and the fields of every record that is not blank."""
    reader = csv.reader(io.StringIO(text), delimiter=mark, skipinitialspace=True)
    line = 1
    try:
        for fields in reader:
            if len(fields) > 1 or (fields and fields[0].strip()):
                yield line, fields
            line = reader.line_num + 1
    except csv.Error:  # a field without end: an open quote, for which `frame` has the words
        yield line, []


def _most_fields(text: str, mark: str) -> int:
    """Of any line, where nothing is quoted."""
    data = np.frombuffer(text.encode() + b"\n", np.uint8)
    marks = np.flatnonzero(data == ord(mark))
    ends = np.flatnonzero(data == ord("\n"))
    return int(np.diff(np.searchsorted(marks, ends), prepend=0).max()) + 1


def _is_data(field: str) -> bool:
    return bool(field) and field[0].isdigit()


def _neighbours(path: Path) -> str:
    names = [file.name for file in islice(path.parent.glob("*"), 1000)] if path.parent.is_dir() else []
    return near_miss(path.name, names)
