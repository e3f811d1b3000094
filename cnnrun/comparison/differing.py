"""The settings in which runs differ: the columns of a comparison."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cnnrun.comparison.reading import LARGEST, PLACES, Facts, text
from cnnrun.settings import HOW_TO_RUN

NO_COLUMN = (*HOW_TO_RUN, "figures", "threads", "test", "seed")
"""Settings that change no number; and the seed, which has a column of its own."""


def settings_that_differ(runs: Sequence[Facts]) -> list[str]:
    """The groups and the dotted names of settings that have several values, without those that follow from another.

    What an option brings along (model.channels where the models differ) is no column of its own, unless runs of one
    option differ in it; nor is what nobody named on a command line, where the options that differ explain it.
    """
    texts = {key: [_identity(run, key) for run in runs] for key in _keys(runs)}
    differing = {key: column for key, column in texts.items() if len(set(column)) > 1}
    named = frozenset[str]().union(*(run.words for run in runs))
    options = [key for key in differing if any(key in run.options for run in runs)]
    causes = [key for key in options if key in named] or options
    kept = [key for key in options if key in causes or not _follows(differing, key, causes)]
    for key in differing:
        head = key.partition(".")[0]
        explained = (head in options and _follows(differing, key, [head])) or (
            key not in named and options and _follows(differing, key, options)
        )
        if key not in options and not explained:
            kept.append(key)
    return kept


def cell(run: Facts, key: str) -> Any:
    """The value of a setting as a table has it: a number, or text; None where the run has no such setting."""
    if key not in run.options and key not in run.values:
        return None
    value = run.value(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    return value if is_number else text(value)


def _keys(runs: Iterable[Facts]) -> list[str]:
    """Groups first, then settings, in the order of the configs."""
    runs = list(runs)
    found = dict.fromkeys(key for run in runs for key in run.options)
    found |= dict.fromkeys(key for run in runs for key in run.values)
    return [key for key in found if key.partition(".")[0] not in NO_COLUMN]


def _identity(run: Facts, key: str) -> Any:
    """Equal for equal settings: of a place its name alone, and only where that tells what the data set is."""
    if key in PLACES:
        return Path(str(run.values[key])).stem if key in run.places else None
    return cell(run, key)


def _follows(columns: dict[str, list[Any]], key: str, causes: Sequence[str]) -> bool:
    """Whether the values of `causes` leave no choice for that of `key`."""
    seen: dict[tuple[Any, ...], Any] = {}
    reasons = zip(*(columns[cause] for cause in causes), strict=True)
    return bool(causes) and all(
        seen.setdefault(reason, value) == value for reason, value in zip(reasons, columns[key], strict=True)
    )
