"""What the outputs of a network are called: names that come with it, or those of a file."""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cnnrun.data.image_walk import counted
from cnnrun.errors import DataError, near_miss
from cnnrun.photos.texts import parse_table, read_text

UNKNOWN = "unknown"
"""The name of a class that nobody named."""
MOST_NAMED = 5
"""Classes that a sentence names."""
INDEX_COLUMNS = ("index", "class_index", "id", "class_id", "number")
NAME_COLUMNS = ("label", "name", "class", "class_name")


@dataclass(frozen=True)
class Classes:
    """A name an output, and other words for it, such as the ids of WordNet that folders are called by."""

    names: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @classmethod
    def numbered(cls, count: int) -> "Classes":
        """Without names."""
        return cls((UNKNOWN,) * count)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def unnamed(self) -> int:
        return self.names.count(UNKNOWN)

    def find(self, word: str) -> list[int]:
        """The outputs that a word can mean; several, where classes share a name, such as the two cranes of ImageNet."""
        return self._known.get(_plain(word), [])

    def near(self, word: str) -> str:
        """` - did you mean ...?`"""
        return near_miss(word, dict.fromkeys(self.names))

    @cached_property
    def unique_names(self) -> list[str]:
        """With the index behind names that are not."""
        once = {name for name in self.names if self.names.count(name) == 1} if len(self) < 10_000 else set()
        return [name if name in once else f"{name} ({index})" for index, name in enumerate(self.names)]

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for words in (self.names, self.aliases):
            for index, word in enumerate(words):
                if word and word != UNKNOWN and index not in (there := found.setdefault(_plain(word), [])):
                    there.append(index)
        return found


def _plain(word: str) -> str:
    """Folders and tables write sea_lion, Sea Lion, or an accent in two characters."""
    return " ".join(unicodedata.normalize("NFC", word).casefold().replace("_", " ").split())


def read_classes(file: str, count: int, *, distinct: bool = False) -> Classes:
    """The names in a file: a name a line, JSON (a list, index to name, index to [id, name]), or CSV with both.

    Args:
        count: of the network's outputs. What lists all names in their order must have so many; what gives an index to
            each may leave out some.
        distinct: refuse a name that two classes share and no id tells apart. A run's classes are folders or words of a
            table, which differ; the list of ImageNet has its crane and its maillot twice.
    Raises:
        DataError: if it cannot be read, or is for another network.
    """
    text, suffix = read_text("labels", file), Path(file).suffix.lower()
    noun, places = "classes", list(range(count))
    if suffix == ".json":
        classes = _of_json(text, file, count)
    elif suffix in (".csv", ".tsv"):
        classes = _of_csv(text, file, count)
    else:
        lines = {number: line.strip() for number, line in enumerate(text.splitlines(), start=1) if line.strip()}
        classes = _in_order(list(lines.values()), file, count)
        noun, places = "lines", list(lines)
    if distinct:
        _refuse_twins(classes, file, noun, places)
    return classes


def _refuse_twins(classes: Classes, file: str, noun: str, places: Sequence[int]) -> None:
    """Args: places: where the name of each class stands, lines or classes."""
    aliases = classes.aliases or ("",) * len(classes)
    first: dict[tuple[str, str], int] = {}
    for place, name, alias in zip(places, classes.names, aliases, strict=True):
        before = first.setdefault((_plain(name), alias), place)
        if before != place and name != UNKNOWN:
            raise DataError(
                f"labels={file}: the {noun} {before} and {place} have the same name, '{name}'; give each class its own"
            )


def renamed(before: Classes, now: Classes) -> list[str]:
    """A sentence on the classes of a run that a file calls otherwise."""
    pairs = [(old, new) for old, new in zip(before.names, now.names, strict=True) if new not in (old, UNKNOWN)]
    if not pairs:
        return []
    told = ", ".join(f"{old} is now {new}" for old, new in pairs[:MOST_NAMED])
    more = f", and {len(pairs) - MOST_NAMED:,} more" if len(pairs) > MOST_NAMED else ""
    return [f"labels= names the run's classes otherwise: {told}{more}"]


def _in_order(names: Sequence[str], file: str, count: int) -> Classes:
    if len(names) != count:
        raise DataError(
            f"labels={file} has {counted(len(names), 'name')}, and the network has {counted(count, 'class', 'classes')}"
            ": it needs one for each, in their order"
        )
    return Classes(tuple(names))


def _of_json(text: str, file: str, count: int) -> Classes:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"labels={file} is no JSON: {str(error).splitlines()[0]}") from error
    if isinstance(values, list) and all(isinstance(name, str) for name in values):
        return _in_order(values, file, count)
    if not isinstance(values, dict):
        raise DataError(f"labels={file}: a list of names, or an object from index to name, was expected")
    return _by_index([(index, *_id_and_name(name, file)) for index, name in values.items()], file, count)


def _id_and_name(value: Any, file: str) -> tuple[str, str]:
    if isinstance(value, str):
        return "", value
    if isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return value[0], value[1]
    raise DataError(f"labels={file}: {json.dumps(value)[:60]} is neither a name nor a pair of id and name")


def _of_csv(text: str, file: str, count: int) -> Classes:
    table = parse_table(text)
    name, index = table.first(NAME_COLUMNS), table.first(INDEX_COLUMNS)
    if name is None:
        raise DataError(
            f"labels={file} has no column for the names ({', '.join(NAME_COLUMNS[:2])}); its columns are "
            f"{table.columns}"
        )
    if index is None:
        return _in_order([row[name] for row in table.rows], file, count)
    return _by_index([(row[index], "", row[name]) for row in table.rows], file, count)


def _by_index(triples: Iterable[tuple[str, str, str]], file: str, count: int) -> Classes:
    """From index, id and name of each class."""
    names, aliases = [UNKNOWN] * count, [""] * count
    for word, alias, name in triples:
        if not word.isdecimal():
            raise DataError(f"labels={file}: '{word}' is no index of a class; 0 is the first")
        index = int(word)
        if index >= count:
            raise DataError(
                f"labels={file} names a class {index:,}, and the network has {count:,}, from 0 to {count - 1:,}: it is "
                "for another network"
            )
        names[index], aliases[index] = name or UNKNOWN, alias
    return Classes(tuple(names), tuple(aliases))
