"""Runs as a table of one setting against another: a cell holds the mean over the seeds, with its interval."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnrun.comparison.compared import Comparison, by_kind, kind_of, require_metrics
from cnnrun.comparison.groups import Group, Standing, grouped
from cnnrun.comparison.wording import setting
from cnnrun.errors import ConfigError, near_miss

if TYPE_CHECKING:
    import pandas as pd

Label = tuple[Any, ...]
"""The values of the settings that make a row, or a column."""


@dataclass(frozen=True)
class Cell:
    """One metric of one group."""

    mean: float
    low: float
    """Of the 95 % t interval over the seeds; NaN for one seed, as is `high`."""
    high: float
    n: int
    """Runs that finished."""
    failed: int
    """Runs that did not."""
    dead: int
    best: bool
    tied: bool
    """It cannot be told from the best."""
    chosen: bool
    """It is the best on val."""
    p: float
    """Of the difference from the best, after Holm; NaN where there is no test."""
    test: str

    @property
    def marks(self) -> list[str]:
        """Words for what is to be known of it."""
        flags = {"best": self.best, "tied": self.tied, "chosen": self.chosen}
        return [name for name, is_so in (flags | {"dead": self.dead, "failed": self.failed}).items() if is_so]


@dataclass(frozen=True)
class Pivot:
    """A cell for each row, column and metric; None where there is no such run."""

    rows: list[str]
    """The settings that tell the rows apart."""
    cols: list[str]
    """Those of the columns; none for a table with a column a metric."""
    cells: list[str]
    """Metrics."""
    row_labels: list[Label]
    col_labels: list[Label]
    grid: dict[tuple[Label, Label, str], Cell]
    hidden: list[str]
    """Settings that differ within a cell: it shows the group that is best on val."""

    def frame(self, metric: str) -> "pd.DataFrame":
        """The cells of a metric, a row a label, a column a label; None where there is no run."""
        import pandas as pd

        content = [[self.grid.get((row, col, metric)) for col in self.col_labels] for row in self.row_labels]
        index = pd.Index(names(self.row_labels), name=", ".join(self.rows))
        return pd.DataFrame(content, index, pd.Index(names(self.col_labels), name=", ".join(self.cols)))

    def means(self, metric: str) -> "pd.DataFrame":
        """The means of a metric; NaN where there is no run."""
        return self.frame(metric).map(lambda held: held.mean if held is not None else math.nan).astype(float)

    def marks(self, metric: str) -> "pd.DataFrame":
        """What is to be known of each cell, as words with spaces between them."""
        return self.frame(metric).map(lambda held: " ".join(held.marks) if held is not None else "")

    def long(self) -> "pd.DataFrame":
        """A row a cell, as pivot.csv has it."""
        import pandas as pd

        rows: list[dict[str, Any]] = [
            dict(zip([*self.rows, *self.cols], [*row, *col], strict=True)) | {"metric": metric} | vars(held)
            for (row, col, metric), held in self.grid.items()
        ]
        return pd.DataFrame(rows)


def names(labels: Sequence[Label]) -> list[Any]:
    """The value of each label; of several values their text."""
    return [label[0] if len(label) == 1 else ", ".join(map(setting, label)) for label in labels]


def pivot(compared: Comparison, rows: Sequence[str], cols: Sequence[str], cells: Sequence[str]) -> Pivot:
    """Arrange the groups of a comparison.

    Where groups that differ in something else would share a cell, it shows the one that is best on val.

    Raises:
        ConfigError: if a name is neither a setting nor a metric of the runs, a setting is to make rows and columns,
            there is nothing to show, or runs that cannot be ranked would share a cell.
    """
    _require_settings(compared, "rows", rows)
    _require_settings(compared, "cols", cols)
    if both := [name for name in cols if name in rows]:
        raise ConfigError(f"cols={both[0]}: {both[0]} makes the rows already; take another setting, or leave cols out")
    require_metrics("cells", cells, compared.facts)
    if not cells:
        none = (
            "none of these has finished" if not any(run.finished for run in compared.facts) else "name some: cells=..."
        )
        raise ConfigError(f"rows={','.join(rows)} is a table of metrics, and {none}")
    keys = [*rows, *cols]
    groups = grouped(compared.facts, list(dict.fromkeys([*keys, *compared.settings])))
    places: dict[tuple[Label, Label], list[Group]] = {}
    for group in groups:
        values = {key: group.settings[key] for key in keys}
        place = tuple(values[key] for key in rows), tuple(values[key] for key in cols)
        places.setdefault(place, []).append(group)
    shown = {place: _best_on_val(place, together, [*rows, *cols]) for place, together in places.items()}
    crowded = [together for together in places.values() if len(together) > 1]
    return Pivot(
        rows=list(rows),
        cols=list(cols),
        cells=list(cells),
        row_labels=_sorted([row for row, _ in shown]),
        col_labels=_sorted([col for _, col in shown]),
        grid=_fill(shown, cells),
        hidden=[key for key in compared.settings if key not in keys and _differs(key, crowded)],
    )


def _fill(shown: dict[tuple[Label, Label], Group], cells: Sequence[str]) -> dict[tuple[Label, Label, str], Cell]:
    groups = list(shown.values())
    chosen = by_kind(groups, lambda group: kind_of(group.members[0], None), None)
    grid = {}
    for metric in cells:
        held = by_kind(groups, lambda group: group.subject, metric)
        for (row, col), group, standing, on_val in zip(shown, groups, held, chosen, strict=True):
            grid[row, col, metric] = _cell(group, metric, standing, on_val.best)
    return grid


def _cell(group: Group, metric: str, held: Standing, chosen: bool) -> Cell:
    found = group.estimate(metric)
    nothing = math.nan
    return Cell(
        mean=found.value if found else nothing,
        low=found.low if found else nothing,
        high=found.high if found else nothing,
        n=len(group.sample(metric)),
        failed=sum(not run.finished for run in group.members),
        dead=group.dead,
        best=held.best,
        tied=held.tied,
        chosen=chosen,
        p=held.p,
        test=held.test,
    )


def _best_on_val(place: tuple[Label, Label], groups: Sequence[Group], keys: Sequence[str]) -> Group:
    """
    Raises:
        ConfigError: if the groups judge different things, or by different metrics.
    """
    if len(groups) == 1:
        return groups[0]
    kinds: set[Hashable] = {kind_of(group.members[0], None) for group in groups}
    if len(kinds) > 1:
        names = ", ".join(sorted({" ".join([*group.subject, group.members[0].monitor]) for group in groups}))
        where = ", ".join(f"{key}={setting(value)}" for key, value in zip(keys, sum(place, ()), strict=True))
        raise ConfigError(
            f"rows, cols: the cell {where} would hold runs that cannot be ranked together: {names}; "
            "put what tells them apart, such as dataset or task.monitor, into rows or cols, too"
        )
    held = by_kind(groups, lambda group: None, None)
    return next((group for group, one in zip(groups, held, strict=True) if one.best), groups[0])


def _differs(key: str, crowded: Sequence[Sequence[Group]]) -> bool:
    return any(len({group.settings[key] for group in together}) > 1 for together in crowded)


def _sorted(labels: Sequence[Label]) -> list[Label]:
    """Numbers by size, text by the alphabet, nothing first; each once."""

    def order(label: Label) -> list[tuple[int, float, str]]:
        return [
            (0, 0.0, "") if value is None else (1, value, "") if isinstance(value, int | float) else (2, 0.0, value)
            for value in label
        ]

    return sorted(dict.fromkeys(labels), key=order)


def _require_settings(compared: Comparison, key: str, names: Sequence[str]) -> None:
    known = dict.fromkeys(name for run in compared.facts for name in (*run.options, *run.values))
    for name in names:
        if name not in known:
            differ = f"these differ: {', '.join(compared.settings)}" if compared.settings else "the runs differ in none"
            raise ConfigError(f"{key}={name}: no run has this setting{near_miss(name, known)} ({differ})")
