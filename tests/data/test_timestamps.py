"""Text to timestamps. Run: pytest tests/data/test_timestamps.py"""

from collections.abc import Callable

import pandas as pd
import pytest

from cnnrun.data.series import Series
from cnnrun.data.timestamps import AmbiguousDates, are_dates, parse_stamps
from cnnrun.errors import DataError

FORMATS = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d %H:%M",
    "%Y%m%d %H%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%y %H:%M",
    "%m/%d/%y %I:%M %p",
    "%d-%b-%Y %H:%M",
    "%b %d, %Y %H:%M",
    "%d %B %Y %H:%M",
]


def parse(texts: list[str], date_format: str = "auto") -> pd.DatetimeIndex:
    return parse_stamps(pd.Series(texts), date_format, lambda row: f"row {row}")


@pytest.mark.parametrize("date_format", FORMATS)
def test_every_format_that_a_row_settles_is_read(date_format: str) -> None:
    stamps = pd.date_range("2021-03-05 22:00", periods=400, freq="h")
    assert parse(list(stamps.strftime(date_format))).equals(stamps)
    assert are_dates(pd.Series(stamps[:20].strftime(date_format)), "auto")


@pytest.mark.parametrize("date_format", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%y"])
def test_a_given_format_is_kept_to(date_format: str) -> None:
    stamps = pd.date_range("2021-01-01", periods=12)
    assert parse(list(stamps.strftime(date_format)), date_format).equals(stamps)
    with pytest.raises(DataError, match=r"row 0: '2021-01-01' is no date .*does not fit dataset.date_format="):
        parse(list(stamps.strftime("%Y-%m-%d")), date_format)


def test_a_day_and_month_that_nothing_settles_are_asked_about() -> None:
    with pytest.raises(AmbiguousDates) as told:
        parse(["01/01/2020", "02/01/2020 12:00", "03/01/2020"])
    assert str(told.value) == (
        "row 1: '02/01/2020 12:00' may be 2 January 2020 or 1 February 2020, and no other row settles it; "
        "set dataset.date_format=%d/%m/%Y %H:%M or dataset.date_format=%m/%d/%Y %H:%M"
    )


def test_the_settings_that_the_question_names_answer_it() -> None:
    texts = [f"{day:02d}.01.2020" for day in range(1, 11)]
    assert parse(texts, "%d.%m.%Y").equals(pd.date_range("2020-01-01", periods=10))
    assert parse(texts, "%m.%d.%Y").equals(pd.date_range("2020-01-01", periods=10, freq="MS"))


def test_equal_readings_are_no_question() -> None:
    assert parse(["01/01/2020", "02/02/2020"]).tolist() == [pd.Timestamp(2020, 1, 1), pd.Timestamp(2020, 2, 2)]


def test_two_digits_may_be_the_year_first_or_last() -> None:
    with pytest.raises(AmbiguousDates, match="may be 20 January 2001 or 1 January 2020"):
        parse(["20-01-01", "20-01-02"])
    assert parse(["99-12-30", "99-12-31"]).tolist() == [pd.Timestamp(1999, 12, 30), pd.Timestamp(1999, 12, 31)]


def test_iso_dates_are_never_asked_about() -> None:
    assert parse(["2020-02-01", "2020-03-01"]).equals(pd.DatetimeIndex(["2020-02-01", "2020-03-01"]))


def test_midnight_may_come_without_its_time() -> None:
    assert parse(["31.12.2020 23:00", "01.01.2021", "01.01.2021 01:00"]).equals(
        pd.date_range("2020-12-31 23:00", periods=3, freq="h")
    )


def test_seconds_and_milliseconds_since_1970_are_read_if_the_column_is_named() -> None:
    expected = pd.date_range("2020-01-01", periods=3, freq="h", tz="UTC")
    seconds = [1577836800 + 3600 * hour for hour in range(3)]
    assert parse([str(second) for second in seconds]).equals(expected)
    assert parse([f"{second}000" for second in seconds]).equals(expected)
    assert not are_dates(pd.Series([str(second) for second in seconds]), "auto")


def test_equal_offsets_are_kept_and_others_read_in_utc() -> None:
    equal = parse(["2020-01-01T00:00+01:00", "2020-01-01T01:00+01:00"])
    assert [str(stamp) for stamp in equal] == ["2020-01-01 00:00:00+01:00", "2020-01-01 01:00:00+01:00"]
    mixed = parse(["2020-03-29T01:00+01:00", "2020-03-29T03:00+02:00"])
    assert mixed.equals(pd.date_range("2020-03-29", periods=2, freq="h", tz="UTC"))
    assert parse(["2020-03-29 01:00+0100", "2020-03-29 03:00+0200"], "%Y-%m-%d %H:%M%z").equals(mixed)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["2020-01-01", "yesterday", "?"], r"row 1: 'yesterday' is no date \(the first of 2 such cells\)"),
        (["2020-02-28", "2020-02-30"], "row 1: '2020-02-30' is no date; see dataset.date_format"),
        (["2020-01-01 23:00", "2020-01-01 24:00"], "row 1: '2020-01-01 24:00' is no date"),
        (["13/01/2020", "01/13/2020"], "row 1: '01/13/2020' is no date"),
        (["soon", "later"], "row 0: 'soon' is no date"),
        (["2020-01-01T00:00Z", "2020-01-01T01:00"], "row 1: '2020-01-01T01:00' has no UTC offset, and other rows have"),
    ],
)
def test_what_is_no_date_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse(texts)


@pytest.mark.parametrize(
    "texts", [["1", "2"], ["1234.56", "99.5"], ["a", "b"], ["12:00", "13:00"], ["2019", "2020"], []]
)
def test_other_columns_are_not_taken_for_dates(texts: list[str]) -> None:
    assert not are_dates(pd.Series(texts, dtype=str), "auto")


@pytest.mark.parametrize("date_format", ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:00+01:00", "%d.%m.%Y %H:%M"])
@pytest.mark.parametrize("given", [True, False])
def test_spaces_around_a_stamp_are_no_part_of_it(read: Callable[..., Series], date_format: str, given: bool) -> None:
    stamps = pd.date_range("2021-03-05 22:00", periods=400, freq="h")
    rows = [f" {stamp:{date_format}} , {row} " for row, stamp in enumerate(stamps)]
    told = date_format.replace("+01:00", "%z") if given else "auto"
    found = read("\n".join(["time,y", *rows]), date_format=told)
    assert found.index is not None
    assert found.index.tz_localize(None).equals(stamps.as_unit("us"))


def test_a_question_names_the_line_of_the_file(read: Callable[..., Series]) -> None:
    with pytest.raises(DataError, match=r"data.csv, line 3, column 't': '02/01/2020' may be"):
        read("t,y\n01/01/2020,1\n02/01/2020,2\n")


def test_a_bad_stamp_names_the_line_of_the_file_below_empty_rows(read: Callable[..., Series]) -> None:
    with pytest.raises(DataError, match=r"data.csv, line 5, column 't': 'Total' is no date"):
        read("t,y\n2020-01-01,1\n,\n2020-01-02,2\nTotal,3\n")


def test_dates_of_which_a_spreadsheet_exchanged_some_are_refused():
    days = pd.date_range("2020-01-01", periods=200)
    mixed = [f"{day:%m/%d/%Y}" if day.day <= 12 else f"{day:%d/%m/%Y}" for day in days]
    with pytest.raises(DataError, match=r"in order if day and month are exchanged wherever the day is 12 or less"):
        parse_stamps(pd.Series(mixed), "auto", lambda row: f"line {row + 2}")
    right = [f"{day:%d/%m/%Y}" for day in days]
    assert list(parse_stamps(pd.Series(right), "auto", str)) == list(days)
    shuffled = pd.Series(right).sample(frac=1, random_state=0)
    assert sorted(parse_stamps(shuffled, "auto", str)) == list(days)
