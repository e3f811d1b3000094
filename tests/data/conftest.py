"""A CSV that is written, then read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnrun.data.csv_tables import open_csv
from cnnrun.data.series import Reading, Series, series_of

READING: dict[str, Any] = {
    "time": "auto",
    "frequency": None,
    "timezone": None,
    "decimal": "auto",
    "separator": "auto",
    "date_format": "auto",
    "duplicates": "mean",
    "gaps": "forward",
    "gap_limit": 24,
}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Series]:
    """`read(text or bytes, columns=["y"], **settings)` of a file `data.csv`."""

    def write_and_read(content: str | bytes, **settings: Any) -> Series:
        path = tmp_path / "data.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        columns, num_targets = settings.pop("columns", ["y"]), settings.pop("num_targets", 1)
        reading = Reading(**(READING | settings))
        return series_of(open_csv(path, reading.separator), columns, reading, num_targets)

    return write_and_read
