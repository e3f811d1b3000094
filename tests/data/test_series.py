"""Reading a CSV: dialects, columns, numbers, and what is refused. Run: pytest tests/data/test_series.py"""

import gzip
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cnnrun.data.csv_tables import open_csv
from cnnrun.data.series import Series
from cnnrun.errors import CnnrunError, ConfigError, DataError

Read = Callable[..., Series]

DAYS = [f"2020-01-{day:02d}" for day in range(1, 13)]
NUMBERS = [float(number) for number in np.round(np.random.default_rng(0).normal(1500, 900, 12), 3)]


def table(values: list[Any], stamps: list[str] = DAYS, *, header: str = "t,y") -> str:
    rows = [f"{stamp},{value}" for stamp, value in zip(stamps, values, strict=False)]
    return "\n".join([header, *rows, ""])


def in_dialect(separator: str, decimal: str, quote: str, end: str, thousands: str = "") -> str:
    """The same numbers, with a text column and a missing cell."""
    lines = [separator.join(["t", "note", "y", "x"])]
    for number, (day, value) in enumerate(zip(DAYS, NUMBERS, strict=True)):
        text = f"{value:,}".replace(",", "_").replace(".", decimal).replace("_", thousands)
        x = "" if number == 3 else str(number)
        lines.append(separator.join([day, f'"a{separator}b"', f"{quote}{text}{quote}", x]))
    return end.join([*lines, ""])


def expected_by_pandas() -> pd.DataFrame:
    frame = pd.DataFrame({"y": NUMBERS, "x": np.arange(12.0)}, index=pd.DatetimeIndex(DAYS))
    frame.loc["2020-01-04", "x"] = np.nan
    return frame


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("separator", "decimal", "quote", "thousands"),
    [
        (",", ".", "", ""),
        (";", ".", "", ""),
        ("\t", ".", '"', ""),
        (";", ",", "", ""),
        ("\t", ",", "", ""),
        (",", ",", '"', ""),
        (";", ",", "", "."),
        (";", ",", "", " "),
        (",", ".", '"', ","),
    ],
)
def test_every_dialect_gives_the_same_values(
    read: Read, separator: str, decimal: str, quote: str, thousands: str, end: str
) -> None:
    series = read(in_dialect(separator, decimal, quote, end, thousands), columns=["y", "x"])
    frame = expected_by_pandas()
    assert series.index is not None
    assert series.index.equals(frame.index)
    assert series.frequency == "D"
    assert (series.observed == frame.notna().to_numpy()).all()
    np.testing.assert_array_equal(series.values, frame.ffill().to_numpy())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_every_encoding_gives_the_same_column(read: Read, encoding: str) -> None:
    series = read(table(NUMBERS, header="Zeit,Wärme").encode(encoding), columns=["Wärme"])
    np.testing.assert_array_equal(series.values[:, 0], NUMBERS)
    kinds = {"utf-8": [], "latin-1": ["not UTF-8"]}.get(encoding, ["byte order mark"])
    assert [repair.kind for repair in series.repairs] == kinds


def test_columns_come_in_the_order_asked_for_and_others_are_not_looked_at(read: Read) -> None:
    text = "a,t,note,b\n1,2020-01-01,x,5\n2,2020-01-02,y,6\n"
    series = read(text, columns=["b", "a"])
    assert series.names == ("b", "a")
    assert series.values.tolist() == [[5, 1], [6, 2]]


def test_the_first_column_of_dates_is_the_time(read: Read) -> None:
    text = "number,day,updated,y\n1,2020-01-01,2021-05-05,5\n2,2020-01-02,2021-05-05,6\n"
    assert read(text).index.tolist() == list(pd.date_range("2020-01-01", periods=2))


def test_without_a_time_column_rows_are_numbered(read: Read) -> None:
    series = read("y,x\n3,\n1,2\n,3\n2,4\n,\n", columns=["y", "x"], time=None)
    assert series.index is None
    assert series.frequency is None
    np.testing.assert_array_equal(series.values, [[3, np.nan], [1, 2], [1, 3], [2, 4]])
    assert [(repair.kind, repair.first) for repair in series.repairs] == [
        ("missing values", "row 2"),
        ("missing at the start", "row 0"),
        ("empty rows", "row 4"),
    ]


def test_empty_lines_at_the_end_are_left_out(read: Read) -> None:
    series = read(table(NUMBERS) + "\n  \n,\n,\n\n")
    assert len(series.values) == 12
    assert [(repair.kind, repair.count, repair.first) for repair in series.repairs] == [("empty rows", 2, "line 16")]


def test_a_separator_at_the_end_of_each_line_adds_no_column(read: Read) -> None:
    assert read(table([f"{value}," for value in NUMBERS])).values[:, 0].tolist() == NUMBERS


def test_excels_hint_of_the_separator_is_no_header(read: Read) -> None:
    assert read("sep=;\nt;y\n2020-01-01;1,5\n2020-01-02;2\n").values[:, 0].tolist() == [1.5, 2]


def test_truth_values_are_numbers(read: Read) -> None:
    text = "t,y,holiday\n2020-01-01,1,True\n2020-01-02,2,False\n"
    assert read(text, columns=["y", "holiday"]).values[:, 1].tolist() == [1, 0]


def test_a_decimal_comma_is_told_from_thousands_by_any_cell(read: Read) -> None:
    assert read(table(['"1,234"', '"0,5"'])).values[:, 0].tolist() == [1.234, 0.5]
    assert read(table(['"1,234"', '"1,234.5"'])).values[:, 0].tolist() == [1234, 1234.5]
    assert read(table(["1.234.567", "999.000"])).values[:, 0].tolist() == [1234567, 999000]
    assert read(table(['"1,234"', "0.5"])).values[:, 0].tolist() == [1234, 0.5]


def test_a_setting_tells_a_decimal_comma_from_thousands_where_no_cell_does(read: Read) -> None:
    text = table(['"1,234"', '"2,345"'])
    assert read(text, decimal=",").values[:, 0].tolist() == [1.234, 2.345]
    assert read(text, decimal=".").values[:, 0].tolist() == [1234, 2345]


REFUSED = {
    "an empty file": ("", r"data.csv is empty$"),
    "blank lines only": ("\n \n\n", r"data.csv is empty$"),
    "a header only": ("t,y\n", r"has a header and no rows below it"),
    "no such column": ("t,yield\n2020-01-01,1\n", r"no column 'y' \(dataset.target .*its columns are t, yield"),
    "a near name": ("t,Y\n2020-01-01,1\n", r"its columns are t, Y"),
    "no header": ("2020-01-01,1\n2020-01-02,2\n", r"its first line must hold the names of the columns"),
    "another separator": ("t|y\n2020-01-01|1\n", r"its columns are t\|y; see dataset.separator"),
    "two columns of a name": ("t,y,y\n2020-01-01,1,2\n", r"line 1: 2 columns are called 'y'; rename all but one"),
    "text": (
        table([1, "off", "on"]),
        r"data.csv, line 3, column 'y': 'off' is no number \(the first of 2 such cells\)",
    ),
    "text after blank lines": (
        't,y,note\n\n2020-01-01,1,"two\nlines"\n\n2020-01-02,off,\n',
        r"line 6, column 'y': 'off' is no number",
    ),
    "a unit": (table(["5 kWh", 1]), r"line 2, column 'y': '5 kWh' is no number; empty such cells"),
    "infinity": (table([1, "inf", "-inf"]), r"line 3, column 'y': an infinite number \(the first of 2\)"),
    "a number too large": (table([1, "1e999"]), r"line 3, column 'y': an infinite number"),
    "a comma with two readings": (
        table(['"1,234"', "7"]),
        r"line 2, column 'y': '1,234' may be 1.234 or 1234; say which by dataset.decimal=',' or dataset.decimal=\.",
    ),
    "two kinds of commas": (
        table(['"1,5"', '"1,234.5"']),
        r"line 2, column 'y': '1,5' has a decimal comma, and '1,234.5' in line 3 has none; write all",
    ),
    "a decimal comma between commas": (
        "t,y\n2020-01-01,1,5\n",
        r"line 2: 3 fields below a header of 2; a decimal comma",
    ),
    "an open quote": (table([1, 2, '"3']), r"line 4: a quote that is opened here is never closed"),
    "a constant": (table([7, 7, 7]), r"column 'y' is 7 in all 3 rows, so there is nothing to forecast"),
    "nothing in a column": (table(["", ""]), r"column 'y' holds no number"),
    "no dates": ("t,y\na,1\nb,2\n", r"none of its columns holds dates \(t, y\).*dataset.time=null"),
    "a row without a stamp": (table([1, 2, 3], ["2020-01-01", "", "2020-01-03"]), r"line 3, column 't': no timestamp"),
    "binary rubbish": (bytes(range(256)) * 4, r"is no text file: it holds control characters"),
    "gzip": (gzip.compress(b"t,y\n"), r"compressed with gzip; unpack it"),
    "Excel": (b"PK\x03\x04rest", r"a zip or Excel file; save the table as CSV"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_with_place_and_remedy(read: Read, what: str) -> None:
    content, message = REFUSED[what]
    with pytest.raises(DataError, match=message) as told:
        read(content)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": ["y", "y"]}, "name 'y' more than once"),
        ({"time": "y"}, "dataset.time=y is also a target or feature"),
        ({"time": None, "frequency": "D"}, "dataset.frequency=D needs dataset.time, which is null"),
        ({"time": None, "timezone": "UTC"}, "dataset.timezone=UTC needs dataset.time, which is null"),
        ({"frequency": "daily"}, "dataset.frequency=daily is no step, such as h"),
        ({"frequency": "0h"}, "dataset.frequency=0h is no step"),
        ({"timezone": "Europe/Berln"}, "is no time zone - did you mean 'Europe/Berlin'"),
        ({"timezone": "../etc/passwd"}, "is no time zone"),
        ({"date_format": "%Q"}, "dataset.date_format=%Q: "),
    ],
)
def test_a_setting_that_cannot_be_is_refused(read: Read, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(table(NUMBERS), **settings)


def test_a_constant_feature_is_read(read: Read) -> None:
    text = "t,y,x\n2020-01-01,1,5\n2020-01-02,2,5\n"
    assert read(text, columns=["y", "x"]).values[:, 1].tolist() == [5, 5]
    with pytest.raises(DataError, match="column 'x' is 5 in all 2 rows"):
        read(text, columns=["y", "x"], num_targets=2)


def test_a_missing_file_is_named_with_its_neighbours(tmp_path: Path, read: Read) -> None:
    read(table(NUMBERS))
    with pytest.raises(DataError, match=r"there is no such file \(dataset.csv\) - did you mean 'data.csv'"):
        open_csv(tmp_path / "dta.csv", "auto")
    with pytest.raises(DataError, match=r"is a folder; dataset.csv \(inputs with predict\) names a file"):
        open_csv(tmp_path, "auto")


def test_a_file_that_may_not_be_read_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"data.csv cannot be read: Permission denied"):
        read(table(NUMBERS))


def test_a_damaged_file_is_read_or_refused_with_a_sentence(read: Read) -> None:
    generator = np.random.default_rng(0)
    whole = in_dialect(";", ",", '"', "\r\n").encode()
    pieces = [b'"', b";", b"\n", b"\r", b"\xff", b"x", b"1,5", b"\t", b"-", b"2020-01-03"]
    for _ in range(80):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            damaged[place : place + generator.integers(0, 4)] = pieces[generator.integers(len(pieces))]
        with suppress(CnnrunError):
            series = read(bytes(damaged))
            assert series.index is not None
            assert series.values.shape == series.observed.shape == (len(series.index), 1)


def test_a_hundred_thousand_rows_take_less_than_a_second(read: Read) -> None:
    from time import process_time

    stamps = pd.date_range("2004-01-01", periods=100_000, freq="h")
    text = pd.DataFrame({"t": stamps, "y": np.arange(100_000) % 977}).to_csv(index=False)
    began = process_time()
    assert len(read(text).values) == 100_000
    assert process_time() - began < 1
