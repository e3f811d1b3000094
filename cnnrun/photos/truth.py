"""What files really show: from the names of their folders, or from a table."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cnnrun.data import table_columns
from cnnrun.data.image_manifest import SPLITS
from cnnrun.data.image_walk import as_label, counted, shown
from cnnrun.errors import DataError
from cnnrun.photos.classes import Classes
from cnnrun.photos.inputs import Inputs
from cnnrun.photos.texts import Table, parse_table, read_text


@dataclass(frozen=True)
class Truth:
    """The class of each input that has one, by its path."""

    indices: dict[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def of_folders(inputs: Inputs, classes: Classes) -> Truth:
    """The class that the folder of each file is called by; nothing, unless all folders are classes."""
    names = {path: as_label(inputs.file(path).absolute().parent.name) for path in inputs.paths}
    found = {name: classes.find(name) for name in set(names.values())}
    strangers = sorted(name for name, meant in found.items() if len(meant) != 1)
    if not strangers:
        return Truth({path: found[name][0] for path, name in names.items()})
    if len(strangers) == len(found):
        return Truth()
    first = strangers[0]
    why = "is the name of several" if found[first] else "is no class"
    return Truth(
        remarks=(
            f"the folders are not taken for the truth, as '{first}' {why}{'' if found[first] else classes.near(first)}"
            f"{f' (nor are {len(strangers) - 1} more)' if len(strangers) > 1 else ''}; truth=labels.csv names it",
        )
    )


def seen_in_training(inputs: Inputs, known: Truth, dataset: Mapping[str, Any], run: object) -> list[str]:
    """What to doubt of a score: that files lie in the folder that the run was trained on, its `test` aside.

    Args: dataset: the settings of the run's data set.
    """
    if dataset["name"] != "image_folder":
        return []
    root, here = (Path(place).expanduser().resolve() for place in (dataset["root"], inputs.root))
    places = (Path(os.path.normpath(here / path)) for path in known.indices)
    below = [place.relative_to(root).parts[0] for place in places if place.is_relative_to(root)]
    seen = sum(SPLITS.get(name.lower()) != "test" for name in below)
    if not seen:
        return []
    lie = "lies" if seen == 1 else "lie"
    return [
        f"{counted(seen, 'file')} with a truth {lie} in {dataset['root']}, which the run was trained on, so the "
        f"results are too good; cnnrun eval run={run} split=test judges those that it was not trained on"
    ]


def of_table(file: str, inputs: Inputs, classes: Classes) -> Truth:
    """The class of each file that a table names by its path from the inputs or from the table, or by its name alone.

    Raises:
        DataError: if it cannot be read, lacks a column, or calls a class what is none.
    """
    table = parse_table(read_text("truth", file))
    column = table.first(table_columns.FILE)
    if column is None:
        raise _lacks(file, table, table_columns.FILE, "")
    by_label, by_index = table.first(table_columns.LABEL), table.first(table_columns.INDEX)
    if by_label is None and by_index is None:
        raise _lacks(file, table, table_columns.LABEL, f", nor {table_columns.INDEX[0]}")
    known = _Names(inputs, Path(file).expanduser().parent)
    indices: dict[str, int] = {}
    strangers: list[str] = []
    for row in table.rows:
        path = known.find(row[column])
        if path is None:
            strangers.append(row[column] or "an empty cell")
        index = None if path is None else _index_of(file, row, by_label, by_index, classes)
        if path is not None and index is not None and indices.setdefault(path, index) != index:
            raise DataError(f"truth={file} says of {shown(path)} that it shows two things; keep one of the rows")
    if not indices:
        example = next((row[column] for row in table.rows if row[column]), "nothing")
        raise DataError(
            f"truth={file} names no file of the inputs; its column '{column}' begins with {example}, and the inputs "
            f"with {shown(inputs.paths[0])}"
        )
    return Truth(indices, (*_strange(file, strangers), *_contradictions(file, table, by_label, by_index, classes)))


def _strange(file: str, names: list[str]) -> tuple[str, ...]:
    """A sentence on rows that are of no use; a name that several inputs share is of none either."""
    if not names:
        return ()
    verb, more = ("names", "") if len(names) == 1 else ("name", ", ...")
    return (
        f"truth={file}: {counted(len(names), 'row')} {verb} none of the inputs, or several: {shown(names[0])}{more}",
    )


def _lacks(file: str, table: Table, names: tuple[str, ...], nor: str) -> DataError:
    return DataError(
        f"truth={file} has {table_columns.lacking(names, table.header)}{nor}; its columns are {table.columns}, and it "
        "needs the path or name of each picture and what it shows"
    )


class _Names:
    """The inputs by all that a table may call them."""

    def __init__(self, inputs: Inputs, folder: Path) -> None:
        self._paths = {shown(path): path for path in inputs.paths}
        self._places = {os.path.abspath(inputs.file(path)): path for path in inputs.paths}
        self._folder = folder
        lone = Counter(PurePosixPath(path).name for path in inputs.paths)
        self._names = {name: path for path in inputs.paths if lone[name := PurePosixPath(path).name] == 1}

    def find(self, cell: str) -> str | None:
        word = cell.replace("\\", "/").removeprefix("./")
        if word in self._paths:
            return self._paths[word]
        place = os.path.abspath(os.path.join(self._folder, os.path.expanduser(word)))
        return self._places.get(place) or (self._names.get(word) if "/" not in word else None)


def _index_of(
    file: str, row: dict[str, str], by_label: str | None, by_index: str | None, classes: Classes
) -> int | None:
    """The number, where the table has one, else what the name means; None for empty cells."""
    number = row.get(by_index, "") if by_index else ""
    if number:
        if not number.isdecimal() or int(number) >= len(classes):
            raise DataError(
                f"truth={file}: {by_index} {number} is no class; there are {len(classes):,}, from 0 to "
                f"{len(classes) - 1:,}"
            )
        return int(number)
    word = row.get(by_label, "") if by_label else ""
    if not word:
        return None
    meant = classes.find(word)
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise DataError(
            f"truth={file}: '{word}' is the name of the classes {', '.join(map(str, meant))}; give their number "
            "in a column class_index"
        )
    why = "; its classes have no names: labels=FILE" if classes.unnamed == len(classes) else classes.near(word)
    raise DataError(f"truth={file}: '{word}' is no class of the network{why}")


def _contradictions(
    file: str, table: Table, by_label: str | None, by_index: str | None, classes: Classes
) -> tuple[str, ...]:
    """A doubt, where the numbers of a table mean other classes than its names do."""
    if by_label is None or by_index is None:
        return ()
    pairs = [(classes.find(row.get(by_label, "")), row.get(by_index, "")) for row in table.rows]
    known = [(meant, int(number)) for meant, number in pairs if meant and number.isdecimal()]
    wrong = sum(number not in meant for meant, number in known)
    if wrong * 2 <= len(known):
        return ()
    return (
        f"truth={file}: the numbers in {by_index} are other classes than the names in {by_label} for "
        f"{counted(wrong, 'row')} of {len(known):,}; the numbers were taken",
    )
