"""A YAML file as the text that stands in it, and complaints that name the place."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Self

import yaml

from cnnrun.errors import ConfigError, near_miss


@dataclass(frozen=True)
class Number:
    """A number as it was printed."""

    value: float
    unit: float
    """Of its last digit."""


@dataclass(frozen=True)
class Node:
    """A value in a file: text, a list or a mapping. Each method raises a ConfigError where it is no such thing."""

    file: Path
    where: str
    """The place, such as published.values.DNN; empty for the whole."""
    value: Any

    @classmethod
    def of_file(cls, path: Path) -> Self:
        whole = cls(path, "", None)
        try:
            return cls(path, "", yaml.load(path.read_text("utf-8"), _AsTyped))
        except UnicodeDecodeError as error:
            raise whole.wrong("is not text in UTF-8: save it as that") from error
        except yaml.MarkedYAMLError as error:
            line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
            raise whole.wrong(f"{line}{error.problem}") from error
        except yaml.YAMLError as error:
            raise whole.wrong(str(error)) from error

    def wrong(self, what: str) -> ConfigError:
        place = f"{self.where}: " if self.where else ""
        return ConfigError(f"{self.file}: {place}{what}")

    def mapping(self, keys: Iterable[str] | None = None) -> dict[str, Self]:
        """Its entries by their keys, which must be among `keys`."""
        if not isinstance(self.value, dict):
            raise self.wrong(f"must be keys and values, not {self._shown()}")
        for key in self.value if keys is not None else ():
            if key not in (known := list(keys or ())):
                raise self.wrong(f"unknown key '{key}'{near_miss(key, known)} (there are {', '.join(known)})")
        return {key: self._child(f"{self.where}.{key}".lstrip("."), value) for key, value in self.value.items()}

    def entries(self) -> list[Self]:
        if not isinstance(self.value, list):
            raise self.wrong(f"must be a list, not {self._shown()}")
        return [self._child(f"{self.where}[{number}]", value) for number, value in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            raise self.wrong(f"must be text, not {self._shown()}")
        return self.value

    def texts(self) -> list[str]:
        """A list of different ones."""
        texts = [entry.text() for entry in self.entries()]
        twice = next((text for text in texts if texts.count(text) > 1), None)
        if twice is not None:
            raise self.wrong(f"'{twice}' stands there twice")
        return texts

    def one_of(self, options: Iterable[str]) -> str:
        text, known = self.text(), list(options)
        if text not in known:
            raise self.wrong(f"no '{text}'{near_miss(text, known)} (there are {', '.join(known)})")
        return text

    def some_of(self, options: Iterable[str]) -> list[str]:
        known = list(options)
        self.texts()
        return [entry.one_of(known) for entry in self.entries()]

    def number(self) -> Number:
        text = self.text()
        try:
            number = Decimal(text)
        except InvalidOperation as error:
            raise self.wrong(f"'{text}' is no number") from error
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int):
            raise self.wrong(f"'{text}' is no finite number")
        return Number(float(number), 10.0**exponent)

    def count(self) -> int:
        text = self.text()
        if not text.isdecimal() or not int(text):
            raise self.wrong(f"must be a whole number from 1 on, not '{text}'")
        return int(text)

    def _child(self, where: str, value: Any) -> Self:
        return type(self)(self.file, where, value)

    def _shown(self) -> str:
        return "nothing" if self.value in (None, "") else f"'{self.value}'" if isinstance(self.value, str) else "that"


class _AsTyped(yaml.BaseLoader):
    """All values are text, so that 0.10, 1e-3 and 20:40 stay what they are. It makes no objects."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [getattr(key, "value", None) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None or not all(isinstance(key, str) for key in keys):
            problem = "a key must be a word" if twice is None else f"'{twice}' stands there twice"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)
