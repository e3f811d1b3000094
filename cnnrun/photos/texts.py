"""Read the small files that a user writes beside photos: names of classes, tables of what is shown."""

import csv
from dataclasses import dataclass
from pathlib import Path

from cnnrun.data.table_columns import column_of, plain
from cnnrun.errors import DataError, near_miss

MARKS = (",", ";", "\t", "|")


def read_text(setting: str, file: str) -> str:
    """Raises: DataError: if the file that a setting names cannot be read as text."""
    path = Path(file).expanduser()
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{setting}={file}: there is no such file{near_miss(path.name, there)}") from error
    except OSError as error:
        raise DataError(f"{setting}={file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{setting}={file} is not text in UTF-8: save it as that") from error


@dataclass(frozen=True)
class Table:
    """The cells of a CSV by their columns, whose names are in lower case; an empty one where a row is short."""

    header: list[str]
    rows: list[dict[str, str]]

    def first(self, names: tuple[str, ...]) -> str | None:
        """The first of the names that is a column."""
        return column_of(names, self.header)

    @property
    def columns(self) -> str:
        """As a message lists them."""
        return ", ".join(self.header) or "none"


def parse_table(text: str) -> Table:
    """The separator is the one of MARKS that the header has most of."""
    first = text.partition("\n")[0]
    lines = [line for line in csv.reader(text.splitlines(), delimiter=max(MARKS, key=first.count)) if any(line)]
    header = list(map(plain, lines[0])) if lines else []
    rows = [dict.fromkeys(header, "") | dict(zip(header, map(str.strip, line), strict=False)) for line in lines[1:]]
    return Table(header, rows)
