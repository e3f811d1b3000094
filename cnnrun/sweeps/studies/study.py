"""What a study is: a grid of runs, the numbers that a document has published of them, and its conclusions."""

from dataclasses import dataclass, field
from typing import Literal

from cnnrun.config.overrides import FULL
from cnnrun.errors import near_miss
from cnnrun.sweeps.studies.yaml_node import Node, Number

ONLY = ""
"""The label of the one column where a study has none."""
SPLITS = ("train", "val", "test")
FACTS = {
    "best_value": "the watched metric on val at the chosen epoch",
    "best_epoch": "the chosen epoch, 1 for the first",
    "stopped_epoch": "epochs that were trained",
    "patience_needed": "epochs from one best on val to the next, at most: with less patience the chosen one is missed",
    "volatility": "standard deviation of the change from epoch to epoch of the watched metric on val",
    "seconds": "s, of training and validation",
    "parameters": "of the network",
}
"""Cells that are no metric of a split: what a run tells of itself."""

Settings = dict[str, str]
"""Settings and their values, as text that could stand on a command line."""
Place = tuple[str, str]
"""The labels of a row and a column."""


@dataclass(frozen=True)
class Published:
    """What a document says of the cells of a study."""

    source: str = ""
    n: int | None = None
    """Samples of its test set."""
    remark: str = ""
    """What must be known before any of its numbers is compared."""
    values: dict[tuple[Place, str], Number] = field(default_factory=dict)
    inconsistent: dict[tuple[Place, str], str] = field(default_factory=dict)
    """Where the document contradicts itself, and how."""


@dataclass(frozen=True)
class Difference:
    """The sum of a cell over some places minus that over others."""

    more: list[Place]
    less: list[Place]


@dataclass(frozen=True)
class Claim:
    """A sentence of the document, and the differences that it expects above 0, or nearly 0."""

    says: str
    cell: str
    of: Literal["all", "any"]
    within: float | None
    differences: list[Difference]


@dataclass(frozen=True)
class Study:
    """A study with one of its budgets."""

    name: str
    settings: Settings
    """That all jobs share."""
    rows: dict[str, Settings]
    cols: dict[str, Settings]
    seeds: list[str]
    cells: list[str]
    optional: list[str]
    """Rows that run only where a word asks for what no other row has."""
    published: Published = field(default_factory=Published)
    claims: list[Claim] = field(default_factory=list)
    budget: str = FULL
    """FULL is the study as it stands."""

    @property
    def places(self) -> list[Place]:
        return [(row, col) for row in self.rows for col in self.cols]


def titled(place: Place) -> str:
    """`row / col`, or the row alone where a study has no columns."""
    row, col = place
    return f"{row} / {col}" if col else row


def merged(settings: Settings, changes: Settings) -> Settings:
    """Settings with others in their place: another part, as the data set, drops what was set inside the old one."""
    return {key: value for key, value in settings.items() if key.partition(".")[0] not in changes} | changes


def check_cell(node: Node) -> str:
    """The name of a cell: a metric of a split, the same after an epoch, as in train/loss@1, or one of FACTS."""
    cell = node.text()
    metric, at, epoch = cell.partition("@")
    split, slash, _ = metric.partition("/")
    if at and not (slash and epoch.isdecimal() and int(epoch)):
        raise node.wrong(f"'{cell}': write a metric and an epoch, as in train/loss@1")
    if slash and split not in SPLITS:
        raise node.wrong(f"'{cell}': '{split}' is no split{near_miss(split, SPLITS)} ({', '.join(SPLITS)})")
    if not slash and cell not in FACTS:
        known = f"a metric of a split, as test/accuracy, or one of {', '.join(FACTS)}"
        raise node.wrong(f"unknown cell '{cell}'{near_miss(cell, FACTS)}: {known}")
    return cell
