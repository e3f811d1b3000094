"""Read a CSV into equally spaced series, with every repair counted and every refusal naming file, line and column."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cnnrun.data.csv_numbers import Column, Decimal, read_numbers
from cnnrun.data.csv_tables import CsvTable, Separator
from cnnrun.data.daylight_saving import changed_days, localise, looks_like_daylight_saving, zone
from cnnrun.data.grid import Grid, at_one_hour, grid_of
from cnnrun.data.repairs import Duplicates, Gaps, Repair, Rows, fill_gaps, merge_duplicates, repair_of_stamps, sort
from cnnrun.data.timestamps import are_dates, offsets_differ, parse_stamps
from cnnrun.errors import ConfigError, DataError

SAMPLED_ROWS = 20
"""Rows in which the column that holds dates is looked for."""


@dataclass(frozen=True)
class Series:
    """One or several equally spaced series, after repairs."""

    names: tuple[str, ...]
    """Columns, targets first."""
    values: np.ndarray
    """(T, len(names)) float64; gaps filled by the policy; NaN only before the first number of a column."""
    observed: np.ndarray
    """(T, len(names)) bool: False where a value was filled in or is NaN. Filled targets are never scored."""
    index: pd.DatetimeIndex | None
    """(T,), regular; aware where a timezone was given or the stamps carry UTC offsets; None without a time column."""
    frequency: str | None
    """pandas offset alias (`D`, `h`, `15min`, `MS`); None without a time column."""
    repairs: tuple[Repair, ...]


@dataclass(frozen=True)
class Reading:
    """The settings of reading, without the columns; see conf/dataset/energy.yaml."""

    time: str | None
    """The column of timestamps, `auto` for the first that holds dates, None to number the rows."""
    frequency: str | None
    timezone: str | None
    decimal: Decimal
    separator: Separator
    date_format: str
    duplicates: Duplicates
    gaps: Gaps
    gap_limit: int


def series_of(table: CsvTable, columns: Sequence[str], reading: Reading, num_targets: int = 1) -> Series:
    """The columns of a table, in the order given, on a regular index.

    Args:
        columns: targets, then features. num_targets: so many of them may not be constant.
    Raises:
        DataError: with file, line, column and remedy. ConfigError: if a setting cannot be, for any file.
    """
    for name in columns:
        if columns.count(name) > 1:
            raise ConfigError(f"dataset.target and dataset.features name '{name}' more than once")
    wanted = [Column(name, table.position(name, "dataset.target or dataset.features")) for name in columns]
    time = _time_column(table, columns, reading)
    values, repairs = read_numbers(table, wanted, reading.decimal)
    rows = Rows(table.name, tuple(columns), None, values, np.arange(len(values)), table.place_of_row)
    series = _numbered(rows, reading) if time is None else _timed(table, time, rows, reading)
    _refuse_constant(table.name, series, num_targets)
    return replace(series, repairs=(*table.repairs, *repairs, *series.repairs))


def _time_column(table: CsvTable, columns: Sequence[str], reading: Reading) -> Column | None:
    if reading.time is None:
        for setting in ("frequency", "timezone"):
            if getattr(reading, setting) is not None:
                raise ConfigError(f"dataset.{setting}={getattr(reading, setting)} needs dataset.time, which is null")
        return None
    if reading.time in columns:
        raise ConfigError(f"dataset.time={reading.time} is also a target or feature")
    if reading.time != "auto":
        return Column(reading.time, table.position(reading.time, "dataset.time"))
    for position, name in enumerate(table.header):
        if name not in columns and are_dates(table.texts(position, SAMPLED_ROWS).dropna(), reading.date_format):
            return Column(name, position)
    raise DataError(
        f"{table.name}: none of its columns holds dates ({', '.join(table.header[:20])}); name one by dataset.time "
        f"and say how to read it by dataset.date_format, which is '{reading.date_format}' here, or number the rows by "
        "dataset.time=null"
    )


def _numbered(rows: Rows, reading: Reading) -> Series:
    known = np.flatnonzero(~np.isnan(rows.values).all(axis=1))
    values = rows.values[: known[-1] + 1] if len(known) else rows.values
    none = np.zeros(len(values), bool)
    filled, repairs = fill_gaps(rows, values, none, None, reading.gaps, reading.gap_limit)
    if len(values) < len(rows.values):
        repairs.append(
            Repair(
                "empty rows",
                "",
                len(rows.values) - len(values),
                f"row {len(values)}",
                f"row {len(rows.values) - 1}",
                "left out at the end",
            )
        )
    return Series(rows.names, filled, ~np.isnan(values), None, None, tuple(repairs))


def _timed(table: CsvTable, time: Column, rows: Rows, reading: Reading) -> Series:
    stamped, repairs = _stamp(table, time, rows, reading)
    in_order, sorting = sort(stamped)
    single, merging = merge_duplicates(in_order, reading.duplicates)
    timezone = None if reading.timezone is None else zone(reading.timezone)
    grid = grid_of(single, reading.frequency, timezone, reading.gap_limit, reading.gaps)
    spread = np.full((len(grid.index), rows.values.shape[1]), np.nan)
    spread[grid.positions] = single.values
    missing_rows = np.ones(len(grid.index), bool)
    missing_rows[grid.positions] = False
    filled, filling = fill_gaps(rows, spread, missing_rows, grid.index, reading.gaps, reading.gap_limit)
    clock = _clock_changes(in_order, grid, missing_rows, reading)
    return Series(
        rows.names,
        filled,
        ~np.isnan(spread),
        grid.index,
        grid.frequency,
        (*repairs, *sorting, *merging, *filling, *clock),
    )


def _stamp(table: CsvTable, time: Column, rows: Rows, reading: Reading) -> tuple[Rows, list[Repair]]:
    """The rows with their timestamps, in the zone that was asked for; empty rows are left out."""
    texts = table.texts(time.position)
    without = texts.isna().to_numpy()
    empty = without & np.isnan(rows.values).all(axis=1)
    repairs = []
    if (without & ~empty).any():
        row = int((without & ~empty).argmax())
        raise DataError(f"{table.place(row, time.name)}: no timestamp, but values; complete the row or take it out")
    if empty.all():
        raise DataError(f"{table.name}: column '{time.name}' is empty")
    if empty.any():
        first, last = (f"line {table.line(int(row))}" for row in np.flatnonzero(empty)[[0, -1]])
        repairs.append(Repair("empty rows", "", int(empty.sum()), first, last, "left out"))
    kept = np.flatnonzero(~empty)
    stamps = parse_stamps(texts.iloc[kept], reading.date_format, lambda row: table.place(int(kept[row]), time.name))
    stamps, zoning = _in_zone(stamps, texts.iloc[kept], reading.timezone)
    return replace(rows, stamps=stamps, values=rows.values[kept], rows=kept), repairs + zoning


def _in_zone(stamps: pd.DatetimeIndex, texts: pd.Series, timezone: str | None) -> tuple[pd.DatetimeIndex, list[Repair]]:
    """Local stamps of whole days stay naive: there may be no midnight on the day on which the clock is changed."""
    if stamps.tz is not None:
        if timezone is not None:
            return stamps.tz_convert(zone(timezone)), []
        if offsets_differ(texts):
            treatment = "read in UTC; dataset.timezone counts hours and days by a local clock"
            return stamps, [repair_of_stamps("UTC offsets that differ", stamps, treatment)]
    elif timezone is not None and not at_one_hour(stamps):
        return localise(stamps, timezone)
    return stamps, []


def _clock_changes(in_order: Rows, grid: Grid, missing_rows: np.ndarray, reading: Reading) -> list[Repair]:
    """What daylight saving did to rows closer than a day."""
    assert in_order.stamps is not None
    if grid.step is None or grid.step >= pd.Timedelta(1, "D"):
        return []
    if reading.timezone is not None:
        return changed_days(grid.index)
    if grid.index.tz is not None:
        return []
    duplicates = in_order.stamps[in_order.stamps.duplicated()]
    if not len(duplicates) and not missing_rows.any():
        return []
    return looks_like_daylight_saving(duplicates, grid.index[missing_rows], grid.index[0], grid.index[-1])


def _refuse_constant(name: str, series: Series, num_targets: int) -> None:
    for number in range(num_targets):
        column = series.values[series.observed[:, number], number]
        if len(column) > 1 and (column == column[0]).all():
            raise DataError(
                f"{name}: column '{series.names[number]}' is {column[0]:g} in all {len(column):,} rows, "
                "so there is nothing to forecast; see dataset.target"
            )
