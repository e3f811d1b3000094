"""A CSV that names pictures: path, label and, if it likes, split; other columns are for other readers."""

import csv
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cnnrun.data import table_columns
from cnnrun.data.image_walk import as_label, counted, shown
from cnnrun.errors import DataError, near_miss

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
SEPARATORS = (",", ";", "\t", "|")
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "val"
)
"""What folders and columns call the splits, in lower case."""
COLUMNS = {"path": table_columns.FILE, "label": table_columns.LABEL, "split": table_columns.SPLIT}


@dataclass(frozen=True)
class Listed:
    """A row: the file as it is to be opened (relative to the root where it lies there), and what the row says of it."""

    path: str
    size: int
    mtime_ns: int
    label: str
    split: str | None


def find_manifest(root: Path, manifest: str) -> Path:
    """In the root, or where the name says, or in the root under its last name: a run may have moved.

    Raises:
        DataError: if it is in none of these places.
    """
    given = Path(manifest).expanduser()
    for place in (root / given, given, root / given.name):
        if place.is_file():
            return place
    if (root / given).is_dir() or given.is_dir():
        raise DataError(f"dataset.manifest={manifest} is a folder; it names a CSV with the columns path and label")
    names = [entry.name for entry in islice(os.scandir(root), 1000) if entry.is_file()]
    raise DataError(
        f"dataset.manifest={manifest}: there is no such file, neither in {root} nor here{near_miss(given.name, names)}"
    )


def read_manifest(root: Path, file: Path) -> tuple[list[Listed], list[str]]:
    """The rows, and remarks.

    Raises:
        DataError: with the line, where a row or a column is not what it should be, or no file is where it says.
    """
    name = str(file)
    rows = _Rows(root, name)
    for line, fields in _records(name, _text(file)):
        rows.add(line, fields)
    return rows.finish()


class _Rows:
    def __init__(self, root: Path, name: str) -> None:
        self._root, self._name = root, name
        self._header: list[str] = []
        self._columns: dict[str, int] = {}
        self._lines: dict[str, int] = {}
        self._rows: dict[str, Listed] = {}
        self._repeated = 0
        self._missing: list[tuple[int, str]] = []

    def add(self, line: int, fields: list[str]) -> None:
        if not self._columns:
            self._header, self._columns = fields, _columns(f"{self._name}, line {line}", fields)
            return
        path, label = (self._field(line, fields, column) for column in ("path", "label"))
        row = self._located(line, path, as_label(label), self._split(line, fields))
        if row.path not in self._rows:
            self._rows[row.path], self._lines[row.path] = row, line
        elif self._rows[row.path] == row:
            self._repeated += 1
        else:
            raise self._wrong(
                line, f"'{path}' has another label or split than in line {self._lines[row.path]}; keep one of them"
            )

    def finish(self) -> tuple[list[Listed], list[str]]:
        if not self._rows:
            raise DataError(f"{self._name} has {'a header and no rows below it' if self._columns else 'no header'}")
        if len(self._missing) == len(self._rows):
            line, path = self._missing[0]
            raise self._wrong(
                line, f"there is no file {path} in {self._root}, nor any other that it names; see dataset.root"
            )
        without = [path for path, row in self._rows.items() if row.split is None]
        if 0 < len(without) < len(self._rows):
            raise self._wrong(
                self._lines[without[0]], f"no split, as in {counted(len(without), 'row')}, while others have one"
            )
        twice = [f"{self._name}: {counted(self._repeated, 'row')} repeated, counted once"] if self._repeated else []
        return list(self._rows.values()), twice

    def _field(self, line: int, fields: list[str], column: str) -> str:
        position = self._columns[column]
        value = fields[position].strip() if position < len(fields) else ""
        if not value:
            raise self._wrong(line, f"the column '{self._header[position].strip()}' is empty")
        return value

    def _split(self, line: int, fields: list[str]) -> str | None:
        position = self._columns.get("split", len(fields))
        word = fields[position].strip() if position < len(fields) else ""
        if word and word.lower() not in SPLITS:
            raise self._wrong(line, f"split '{word}'{near_miss(word, SPLITS)}: write train, val or test")
        return SPLITS[word.lower()] if word else None

    def _located(self, line: int, path: str, label: str, split: str | None) -> Listed:
        """A file that is not there stays in: it counts as broken."""
        for spelled in dict.fromkeys((path, path.replace("\\", "/"))):
            plain = os.path.abspath(self._root / os.path.expanduser(spelled))
            with_status = _status(plain)
            if with_status is not None:
                break
        else:
            self._missing.append((line, path))
        if with_status is not None and not stat.S_ISREG(with_status.st_mode):
            raise self._wrong(line, f"{path} is no file")
        root = os.path.abspath(self._root)
        inside = os.path.relpath(plain, root) if plain.startswith(root.rstrip(os.sep) + os.sep) else plain
        size, time = (with_status.st_size, with_status.st_mtime_ns) if with_status else (0, 0)
        return Listed(inside.replace(os.sep, "/"), size, time, label, split)

    def _wrong(self, line: int, what: str) -> DataError:
        return DataError(f"{self._name}, line {line}: {what}")


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    encoding = next((code for mark, code in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if "\0" in text:
        raise DataError(f"{file} is no text file; dataset.manifest names a table in CSV")
    return text


def _records(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """The first line and the fields of every record that is not blank."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=lambda mark: len(_known(header.split(mark))) * 100 + header.count(mark))
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=separator, skipinitialspace=True, strict=True)
    line = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {line}: {error}") from error


def _known(fields: list[str]) -> frozenset[str]:
    return table_columns.KNOWN & {table_columns.plain(field) for field in fields}


def _columns(place: str, header: list[str]) -> dict[str, int]:
    """Where path, label and, if there is one, split stand."""
    names = [table_columns.plain(field) for field in header]
    found: dict[str, int] = {}
    for what, called in COLUMNS.items():
        column = table_columns.column_of(called, names)
        if column is None and what != "split":
            there = ", ".join(shown(field.strip()) for field in header[:20])
            raise DataError(
                f"{place}: {table_columns.lacking(called, names)}; its columns are {there}, and a manifest needs path "
                "and label, and may have split"
            )
        if column is not None:
            if names.count(column) > 1:
                raise DataError(f"{place}: {names.count(column)} columns are called '{column}'; rename all but one")
            found[what] = names.index(column)
    return found
