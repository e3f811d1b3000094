"""`predict`: what follows a file, and what a run had not seen of it. `pytest tests/commands/test_predict.py`"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cnnrun.cli import main
from cnnrun.data.energy_demo import energy_demo
from cnnrun.report.forecasts import OF_SPLIT
from cnnrun.run import Run

QUICK = ["dataset.lookback=14", "epochs=1", "batch_size=512", "figures=false", "threads=1"]
HORIZON, SEEN = 7, 1900
"""Steps that are forecast, and rows of the file that the run was given."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run on the demo, in ./run, one on its first SEEN rows, in ./part, and the file, ./demo.csv."""
    folder = tmp_path_factory.mktemp("trained")
    demo = energy_demo()
    demo.to_csv(folder / "demo.csv", index=False)
    demo[:SEEN].to_csv(folder / "part.csv", index=False)
    words = ["train", "dataset=energy", f"dataset.csv={folder / 'part.csv'}", "dataset.target=Consumption"]
    words += [f"dataset.horizon={HORIZON}", "dataset.calendar=[day_of_week]", "task.ridge_lags=60"]
    demo = ["dataset=energy_demo", "dataset.seasonal_lags=[364]", *QUICK]
    assert main(["train", *demo, f"hydra.run.dir={folder / 'run'}"]) == 0
    assert main([*words, *QUICK, f"hydra.run.dir={folder / 'part'}"]) == 0
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run", "part"):
        (tmp_path / name).symlink_to(trained / name)
    shutil.copy(trained / "demo.csv", tmp_path)
    return tmp_path


def predict(run, inputs="file.csv", code=0, *words):
    assert main(["predict", f"run={run}", f"inputs={inputs}", "figures=false", "hydra.run.dir=out", *words]) == code


def demo_rows(begin, stop):
    energy_demo()[begin:stop].to_csv("file.csv", index=False)


def table(name, folder="out"):
    return pd.read_csv(f"{folder}/tables/{name}.csv")


def metrics(folder="out"):
    return {row["metric"]: float(row["value"]) for row in Run.open(folder).results()}


def scored():
    """Windows."""
    [windows] = {int(row["n"]) for row in Run.open("out").results()}
    return windows


@pytest.mark.parametrize("stop", [1826, 2000, 2184])
def test_a_file_cut_at_a_row_gives_what_the_run_had_forecast_from_there(here, stop):
    demo_rows(0, stop)
    predict("run")
    ahead, forecast = table("ahead"), table("forecast", "run")
    origin = str(energy_demo()["Date"][stop - 1].date())
    window = forecast[forecast["origin"] == origin].reset_index(drop=True)
    assert len(window) == HORIZON
    assert list(ahead["timestamp"]) == list(window["timestamp"])
    for column in ("forecast", "low", "high"):
        np.testing.assert_allclose(ahead[column], window[column], rtol=1e-6)
    assert not Path("out/results.csv").exists()


def test_only_the_end_of_a_file_matters_to_what_follows_it(here):
    demo_rows(2191 - 371, 2191)  # the look-back and the lag of 364
    predict("run")
    short = table("ahead")
    predict("run", "demo.csv", 0, "hydra.run.dir=whole")
    pd.testing.assert_frame_equal(short, table("ahead", "whole"), rtol=1e-6)


def test_rows_that_the_run_had_not_seen_are_scored(here, capsys):
    predict("part", "demo.csv")
    demo, found, forecast = energy_demo()["Consumption"].to_numpy(), metrics(), table("forecast")
    rows = np.arange(SEEN, len(demo) - HORIZON + 1)[:, None] + np.arange(HORIZON)
    assert scored() == len(rows)
    assert list(forecast["actual"]) == pytest.approx(demo[rows].ravel())
    errors = np.abs(forecast["forecast"] - forecast["actual"])
    assert found["mae"] == pytest.approx(errors.mean(), rel=1e-5)
    assert found["mape"] == pytest.approx(100 * (errors / forecast["actual"]).mean(), rel=1e-5)
    assert found["mae/naive"] == pytest.approx(np.abs(demo[rows] - demo[rows[:, :1] - 1]).mean())
    assert found["mae/seasonal_naive"] == pytest.approx(np.abs(demo[rows] - demo[rows - 7]).mean())
    assert found["coverage"] == pytest.approx(forecast["actual"].between(forecast["low"], forecast["high"]).mean())
    assert "what the run had not seen, scored:" in capsys.readouterr().out


def test_the_baselines_are_those_of_a_run_that_was_given_the_whole_file_and_the_same_train(here):
    stamp, (begin_of_val, _) = energy_demo()["Date"].dt.date, Run.open("part").record["data"]["rows"]["val"]
    words = ["dataset=energy", "dataset.csv=demo.csv", "dataset.target=Consumption", f"dataset.horizon={HORIZON}"]
    words += [f"dataset.val={stamp[begin_of_val]}", f"dataset.test={stamp[SEEN]}", "task.ridge_lags=60", *QUICK]
    assert main(["train", *words, "dataset.calendar=[day_of_week]", "hydra.run.dir=whole"]) == 0
    predict("part", "demo.csv")
    whole = {row["metric"]: row for row in Run.open("whole").results() if row["split"] == "test"}
    of_baselines = [row for row in Run.open("out").results() if "/" in row["metric"]]
    assert {row["metric"].partition("/")[2] for row in of_baselines} == {"naive", "seasonal_naive", "ridge"}
    assert of_baselines == [whole[row["metric"]] for row in of_baselines]


@pytest.mark.parametrize("begin", [SEEN + 10, 1480])
def test_a_file_without_all_of_train_is_scored_beside_the_baselines_that_need_none(here, begin):
    demo_rows(begin, 2191)
    predict("part")
    found = metrics()
    assert scored() == 2191 - max(begin + 14, SEEN) - HORIZON + 1
    assert {"mae/naive", "mae/seasonal_naive"} <= set(found)
    assert not [name for name in found if name.endswith("/ridge")]


def test_the_timestamps_continue_hours_through_the_change_to_summer_time(here):
    zone, stop = "Europe/Berlin", pd.Timestamp("2024-03-31", tz="Europe/Berlin")
    index = pd.date_range(end=stop, periods=800, freq="h")
    level = 100 + 10 * np.sin(np.arange(800) * np.pi / 12)
    frame = pd.DataFrame({"t": index.tz_localize(None), "kWh": level + np.random.default_rng(0).normal(size=800)})
    frame.to_csv("hours.csv", index=False)
    words = ["dataset=energy", "dataset.csv=hours.csv", "dataset.target=kWh", f"dataset.timezone={zone}"]
    assert main(["train", *words, "dataset.horizon=6", *QUICK, "hydra.run.dir=hours"]) == 0
    predict("hours", "hours.csv")
    expected = pd.date_range(stop, periods=7, freq="h")[1:]
    assert expected[1].hour == 3
    assert list(pd.to_datetime(table("ahead")["timestamp"], utc=True)) == list(expected)


def test_a_run_without_a_time_column_counts_the_rows(here):
    values = np.random.default_rng(0).normal(size=(300, 1)).cumsum(axis=0)
    pd.DataFrame(values, columns=["y"]).to_csv("rows.csv", index=False)
    words = ["dataset=energy", "dataset.csv=rows.csv", "dataset.target=y", "dataset.time=null", "dataset.season=5"]
    assert main(["train", *words, "dataset.horizon=3", *QUICK, "hydra.run.dir=rows"]) == 0
    predict("rows", "rows.csv")
    assert list(table("ahead")["timestamp"]) == [300, 301, 302]


def test_a_prediction_leaves_its_folder_and_the_run_as_it_was(here):
    before = {file: file.read_bytes() for file in Path("part/").rglob("*") if file.is_file()}
    assert before
    predict("part", "demo.csv")
    assert {file: file.read_bytes() for file in Path("part/").rglob("*") if file.is_file()} == before
    there = {str(file.relative_to("out")) for file in Path("out").glob("**/[!.]*") if file.is_file()}
    tables = {"ahead", "forecast", "baselines", "by_horizon", "by_time", "comparison", "residuals", "series", "repairs"}
    assert there == {"config.yaml", "run.json", "results.csv"} | {f"tables/{name}.csv" for name in tables}
    record = Run.open("out").record
    assert (record["status"], record["of"], record["inputs"], record["epoch"]) == ("finished", "part", "demo.csv", 1)
    assert any("better than the network" in note for note in record["notes"])


def test_a_run_cleaned_with_the_future_says_so_where_it_is_scored(here, capsys):
    words = ["dataset=energy", "dataset.csv=part.csv", "dataset.target=Consumption", "dataset.clean=reference"]
    energy_demo()[:SEEN].to_csv("part.csv", index=False)
    assert main(["train", *words, *QUICK, "hydra.run.dir=reads"]) == 0
    capsys.readouterr()
    predict("reads", "demo.csv")
    assert "dataset.clean=reference reads the future" in capsys.readouterr().err


def test_gaps_filled_with_what_came_later_are_named_where_they_are_scored(here, capsys):
    words = ["dataset=energy", "dataset.csv=demo.csv", "dataset.target=Consumption", "dataset.gaps=interpolate"]
    assert main(["train", *words, "dataset.end=2023-01-01", *QUICK, "hydra.run.dir=lines"]) == 0
    energy_demo().drop(index=[2100, 2101]).to_csv("file.csv", index=False)
    capsys.readouterr()
    predict("lines")
    err = capsys.readouterr().err
    assert "dataset.gaps=interpolate reads the future" in err
    assert "missing" in err


def changed(name):
    demo = energy_demo()
    if name == "no column":
        return demo.drop(columns="Temperature")
    if name == "hours":
        return demo.assign(Date=pd.date_range("2018-01-01", periods=len(demo), freq="h"))
    if name == "weeks":
        return demo[::7]
    if name == "short":
        return demo[:20]
    return demo.astype({"Consumption": object}).replace({"Consumption": {demo["Consumption"][5]: "n/a?"}})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no column", "file.csv has no column 'Temperature'"),
        ("hours", "is not on a step of D"),
        ("weeks", "the most common step between rows is 7D"),
        ("short", "run=run, inputs=file.csv: the file has 20 rows, and a forecast takes the last 371"),
        ("text", "file.csv, line 7, column 'Consumption': 'n/a?' is no number"),
    ],
)
def test_a_file_that_is_not_like_the_runs_own_is_refused_in_a_sentence(here, capsys, name, sentence):
    changed(name).to_csv("file.csv", index=False)
    predict("run", code=3)
    err = capsys.readouterr().err
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["run=run", "inputs=nowhere.csv"], 3, "nowhere.csv: there is no such file"),
        (["run=run", "inputs=folder"], 3, "folder is a folder"),
        (["run=run", "inputs=empty.csv"], 3, "empty.csv is empty"),
        (["run=nowhere", "inputs=demo.csv"], 2, "nowhere does not exist"),
        (["run=run", "input=demo.csv"], 2, "unknown setting 'input' - did you mean 'inputs'?"),
    ],
)
def test_words_that_cannot_be_meant_are_answered_in_a_sentence(here, capsys, words, code, sentence):
    Path("folder").mkdir()
    Path("empty.csv").touch()
    assert main(["predict", *words]) == code
    err = capsys.readouterr().err
    assert sentence in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("word", ["truth=labels.csv", "labels=names.txt", "annotate=true", "compile=true"])
def test_settings_of_photos_are_refused_where_a_run_forecasts(here, capsys, word):
    predict("run", "demo.csv", 2, word)
    assert capsys.readouterr().err == (
        f"cnnrun predict: error: {word} is for photos, and the run run forecasts: leave it out\n"
    )


def scaler(**values):
    return lambda stored: stored["scalers"]["Consumption"].update(values)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (scaler(scale=0), "scalers.Consumption.scale: Input should be greater than 0"),
        (scaler(shift=float("nan")), "scalers.Consumption.shift: Input should be a finite number"),
        (lambda stored: stored["scalers"].pop("Temperature"), "scalers: there is none for 'Temperature'"),
        (lambda stored: stored["recipe"].update(lookback=10**9), "a forecast takes the last 1,000,000,357"),
        (
            lambda stored: stored["margins"][0][0].__setitem__(0, float("nan")),
            "margins.0.0.0: Input should be a finite",
        ),
        (lambda stored: stored["stamps"].update(val=["x", "y"]), "stamps: Unknown datetime string format"),
        (lambda stored: stored.update(frequency="h"), "the run was trained on steps of h"),
    ],
)
def test_the_preprocessing_of_a_stranger_is_checked(here, capsys, damage, sentence):
    shutil.copytree("run/", "strange")
    file = Path("strange/preprocessing.json")
    stored = json.loads(file.read_text())
    damage(stored)
    file.write_text(json.dumps(stored))
    predict("strange", "demo.csv", 3)
    err = capsys.readouterr().err
    assert "error: run=strange, inputs=demo.csv: " in err
    assert sentence in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_a_prediction_is_drawn(here):
    predict("part", "demo.csv", 0, "figures=true")
    drawn = {file.stem for file in Path("out/figures").iterdir()}
    assert drawn == {"ahead", *OF_SPLIT}
