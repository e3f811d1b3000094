"""Where a series comes from: a user's CSV, a published one with its checksum, or the synthetic series."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cnnrun.data.csv_tables import open_csv, parse_csv
from cnnrun.data.energy_demo import energy_demo
from cnnrun.data.series import Reading, Series, series_of
from cnnrun.errors import ConfigError, DataError

Source = Literal["csv", "energy_demo", "opsd_germany", "etth1"]


@dataclass(frozen=True)
class Published:
    """A file that figures were published for."""

    title: str
    sha256: str
    url: str
    columns: tuple[str, ...]


PUBLISHED = {
    "opsd_germany": Published(
        "Open Power System Data, Germany, daily, GWh",
        "729b025d984497827cb6b89048d7c2c6a551e7aa727bc47ea0b74a2d1e84675d",
        "https://raw.githubusercontent.com/jenfly/opsd/master/opsd_germany_daily.csv",
        ("Date", "Consumption", "Wind", "Solar", "Wind+Solar"),
    ),
    "etth1": Published(
        "ETTh1 of the Electricity Transformer Dataset, hourly",
        "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
        "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh1.csv",
        ("date", "HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"),
    ),
}


def read_source(
    source: Source, csv: str | None, *, columns: Sequence[str], num_targets: int = 1, **reading: Any
) -> tuple[Series, list[str]]:
    """The columns of a source, and sentences to warn with.

    Args:
        reading: the fields of series.Reading.
    Raises:
        CnnrunError: as series_of; where csv is missing, or the file, with the address of a published one.
    """
    settings = Reading(**reading)
    if source == "energy_demo":
        if csv is not None:
            raise ConfigError(f"dataset.csv={csv} is not read: the series is synthetic; take dataset=energy for a file")
        table = parse_csv("energy_demo", energy_demo().to_csv(index=False).encode(), ",")
        return series_of(table, columns, settings, num_targets), []
    if csv is None:
        raise ConfigError(f"dataset.csv=FILE must name the table to read{_address(source)}")
    path = Path(csv)
    try:
        table = open_csv(path, settings.separator)
    except DataError as error:
        raise error if path.exists() else DataError(f"{error}{_address(source)}") from error
    return series_of(table, columns, settings, num_targets), _warnings(source, path)


def _address(source: str) -> str:
    """`; …` where a published file can be had."""
    if source not in PUBLISHED:
        return ""
    published = PUBLISHED[source]
    return f"; get {published.title} from {published.url} and set dataset.csv=..."


def _warnings(source: str, path: Path) -> list[str]:
    """Read all the same: a user's excerpt or update of the file is worth a forecast."""
    if source not in PUBLISHED:
        return []
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    published = PUBLISHED[source]
    if found == published.sha256:
        return []
    return [
        f"{path} is not the published file (sha256 {found[:16]}..., {published.sha256[:16]}... expected), so published "
        f"figures do not compare; the original is at {published.url}"
    ]
