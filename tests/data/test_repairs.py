"""Order, duplicates, the step between rows, and gaps; pandas is the oracle. Run: pytest tests/data/test_repairs.py"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from cnnrun.data.frequencies import infer_frequency
from cnnrun.data.repairs import longest_run
from cnnrun.data.series import Series
from cnnrun.errors import DataError

Read = Callable[..., Series]

FREQUENCIES = ["30s", "15min", "h", "2h", "D", "10D", "B", "W-SUN", "W-TUE"]
CALENDAR_FREQUENCIES = ["MS", "ME", "2MS", "6MS", "QS-FEB", "QE-DEC", "YS-JAN"]


def frame_of(num_rows: int = 60, frequency: str = "h", seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    stamps = pd.date_range("2021-03-01", periods=num_rows, freq=frequency)
    return pd.DataFrame({"t": stamps, "y": generator.normal(size=num_rows).round(4), "x": np.arange(num_rows)})


def csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False)


def kinds(series: Series) -> dict[tuple[str, str], int]:
    return {(repair.kind, repair.column): repair.count for repair in series.repairs}


def test_a_file_without_faults_has_no_repairs(read: Read) -> None:
    series = read(csv(frame_of()))
    assert series.repairs == ()
    assert series.observed.all()


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_rows_does_not_change_the_series(read: Read, seed: int) -> None:
    frame = frame_of().drop(index=[7, 8, 30])
    in_order, shuffled = read(csv(frame)), read(csv(frame.sample(frac=1, random_state=seed)))
    assert shuffled.index is not None
    assert shuffled.index.equals(in_order.index)
    np.testing.assert_array_equal(shuffled.values, in_order.values)
    np.testing.assert_array_equal(shuffled.observed, in_order.observed)
    assert shuffled.repairs[1:] == in_order.repairs


def test_rows_that_come_after_a_later_one_are_counted(read: Read) -> None:
    frame = frame_of(6).iloc[[0, 3, 1, 2, 4, 5]]
    assert kinds(read(csv(frame))) == {("rows out of order", ""): 2}


@pytest.mark.parametrize("policy", ["mean", "first", "last"])
def test_one_row_is_left_of_duplicates(read: Read, policy: Literal["mean", "first", "last"]) -> None:
    frame = frame_of()
    twice = pd.concat([frame, frame.iloc[[4, 9]].assign(y=[100, np.nan]), frame.iloc[[4]].assign(y=-50)])
    series = read(csv(twice), duplicates=policy)
    if policy == "mean":
        expected = twice.groupby("t").y.mean()
    else:
        expected = twice.drop_duplicates("t", keep=policy).sort_values("t").y.ffill()
    np.testing.assert_allclose(series.values[:, 0], expected)
    assert kinds(series)["duplicate timestamps", ""] == 3


def test_duplicates_are_refused_by_policy_with_their_line(read: Read) -> None:
    frame = frame_of(5)
    with pytest.raises(DataError, match=r"data.csv, line 7: 2021-03-01 02:00:00 stands there again; take it out"):
        read(csv(pd.concat([frame, frame.iloc[[2]]])), duplicates="error")


def test_several_series_below_each_other_are_no_duplicates(read: Read) -> None:
    with pytest.raises(DataError, match=r"180 rows have only 60 different timestamps; .*each series its own column"):
        read(csv(pd.concat([frame_of(seed=seed) for seed in range(3)])))


def test_gaps_are_filled_forward_and_never_from_what_comes_after(read: Read) -> None:
    frame = frame_of()
    frame.loc[[0, 1, 20, 21, 40], "y"] = np.nan
    gapped = frame.drop(index=[10, 11, 12, 21])
    series = read(csv(gapped), columns=["y", "x"])
    regular = gapped.set_index("t").asfreq("h")
    np.testing.assert_array_equal(series.values, regular.ffill().to_numpy())
    np.testing.assert_array_equal(series.observed, regular.notna().to_numpy())
    assert kinds(series) == {
        ("missing rows", ""): 4,
        ("missing values", "y"): 2,
        ("missing at the start", "y"): 2,
    }


def test_interpolation_is_linear_and_says_that_it_reads_ahead(read: Read) -> None:
    frame = frame_of()
    frame.loc[[0, 5, 6, 58, 59], "y"] = np.nan
    gapped = frame.drop(index=[10, 11])
    series = read(csv(gapped), gaps="interpolate")
    expected = gapped.set_index("t").asfreq("h").y.interpolate(limit_direction="forward")
    np.testing.assert_allclose(series.values[:, 0], expected)
    assert "reads what comes after" in str(series.repairs[0])


@pytest.mark.parametrize("gaps", ["forward", "interpolate"])
def test_the_longest_gap_that_is_filled_is_the_limit(read: Read, gaps: str) -> None:
    frame = frame_of()
    empty = frame.copy()
    empty.loc[5:8, "y"] = np.nan
    for gapped, message in {
        csv(frame.drop(index=range(5, 9))): r"line 7: 4 rows are missing between 2021-03-01 04:00:00 and 2021-03-01 09",
        csv(empty): r"column 'y' has from 2021-03-01 05:00:00 a gap of 4 steps",
    }.items():
        assert len(read(gapped, gaps=gaps, gap_limit=4).values) == 60
        with pytest.raises(DataError, match=message + r".*dataset.gap_limit=3"):
            read(gapped, gaps=gaps, gap_limit=3)


def test_gaps_are_refused_by_policy_but_not_a_late_start(read: Read) -> None:
    frame = frame_of()
    frame.loc[:5, "y"] = np.nan
    assert np.isnan(read(csv(frame), gaps="error").values[:6]).all()
    with pytest.raises(DataError, match=r"line 12: 1 rows are missing .*dataset.gaps=error; set it to forward or"):
        read(csv(frame.drop(index=10)), gaps="error")
    frame.loc[30, "y"] = np.nan
    with pytest.raises(DataError, match=r"column 'y' has from 2021-03-02 06:00:00 a gap; set dataset.gaps"):
        read(csv(frame), gaps="error")


def test_a_mistaken_year_is_a_gap_and_makes_no_million_rows(read: Read) -> None:
    text = "t,y\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n9020-01-04,4\n"
    with pytest.raises(DataError, match=r"line 5: 2,556,697 rows are missing between 2020-01-03 and 9020-01-04"):
        read(text)


@pytest.mark.parametrize("frequency", FREQUENCIES + CALENDAR_FREQUENCIES)
def test_the_frequency_is_inferred_and_gaps_do_not_hide_it(read: Read, frequency: str) -> None:
    whole = frame_of(40, frequency)
    for frame in (whole, whole.drop(index=[5, 17, 18])):
        series = read(csv(frame))
        assert series.frequency == frequency
        assert series.index is not None
        assert series.index.equals(pd.DatetimeIndex(whole.t).as_unit("us"))
        assert int((~series.observed).sum()) == 40 - len(frame)
        assert read(csv(frame), frequency=frequency).values.tolist() == series.values.tolist()


@pytest.mark.parametrize(
    ("old", "frequency"),
    [("M", "ME"), ("H", "h"), ("T", "min"), ("W", "W-TUE"), ("Q", "QE-NOV"), ("QS", "QS-MAR"), ("Y", "YE-DEC")],
)
def test_old_and_short_names_of_frequencies_are_understood(read: Read, old: str, frequency: str) -> None:
    series = read(csv(frame_of(10, frequency)), frequency=old)
    assert series.index is not None
    assert series.index.equals(pd.DatetimeIndex(frame_of(10, frequency).t).as_unit("us"))


@pytest.mark.parametrize(
    ("frequency", "message"),
    [
        (
            "2h",
            r"line 3: 2021-03-01 01:00:00 is not on a step of 2h \(30 such rows\), and the most common step .* is h",
        ),
        ("MS", r"line 3: 2021-03-01 01:00:00 is not on a step of MS"),
        ("30min", r"dataset.frequency=30min, and the most common step between rows is h; see dataset.frequency"),
    ],
)
def test_a_frequency_that_is_not_the_files_is_refused(read: Read, frequency: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(csv(frame_of()), frequency=frequency)


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        (["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-03 05:00"], r"are D \(2 of 3\) and 5h \(1 of 3\); set"),
        (["2020-01-15", "2020-02-15", "2020-03-15"], r"are 29D \(1 of 2\) and 31D \(1 of 2\)"),
        (["2020-01-01"], r"has one timestamp; set dataset.frequency"),
    ],
)
def test_steps_without_a_common_measure_are_named(stamps: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        infer_frequency(pd.DatetimeIndex(stamps), "data.csv")


def test_one_row_is_read_if_its_frequency_is_given(read: Read) -> None:
    assert read("t,y\n2020-01-01,1\n", frequency="D").values.tolist() == [[1]]


def test_the_longest_run_is_found() -> None:
    assert longest_run(np.array([], bool)) == (0, 0)
    assert longest_run(np.array([True, False, True, True])) == (2, 2)
    assert longest_run(np.zeros(3, bool)) == (0, 0)
