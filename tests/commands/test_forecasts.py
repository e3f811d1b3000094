"""Runs on a series from end to end: what they leave, repeat and refuse. `pytest tests/commands/test_forecasts.py`"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cnnrun import saving
from cnnrun.cli import main
from cnnrun.data.energy_demo import energy_demo
from cnnrun.report.forecasts import OF_SPLIT
from cnnrun.run import Run
from cnnrun.tables import BASELINES, BY_HORIZON, BY_TIME, COMPARISON, FORECAST, RESIDUALS, SERIES
from cnnrun.tasks.forecasting import Forecasting

QUICK = ["dataset.lookback=14", "epochs=1", "batch_size=512", "figures=false", "threads=1"]
DEMO = ["train", "dataset=energy_demo", *QUICK]
HORIZON = 7
TEST = pd.date_range("2023-01-01", "2023-12-31")
TABLES = {"layers", "forecast", "baselines", "by_horizon", "by_time", "comparison", "residuals", "series", "repairs"}
WITH_THE_SPLIT = TABLES - {"baselines"}
"""Tables that hold one split."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main([*DEMO, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words, code=0):
    assert main([*DEMO, "hydra.run.dir=run", *words]) == code
    return Run.open("run") if code == 0 else None


def files_of(folder):
    return {str(file.relative_to(folder)) for file in Path(folder).glob("**/[!.]*") if file.is_file()}


def table(run, name):
    return pd.read_csv(run / f"tables/{name}.csv")


def results(run, split):
    return [row for row in Run.open(run).results() if row["split"] == split]


def values(run, split):
    return {row["metric"]: float(row["value"]) for row in results(run, split)}


def assert_same_end(run, whole):
    for name in ("results.csv", "preprocessing.json", "tables/forecast.csv", "tables/baselines.csv"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    weights = sorted(file.relative_to(whole) for file in whole.glob("checkpoints/*/*.safetensors"))
    assert weights
    for file in weights:
        assert (run / file).read_bytes() == (whole / file).read_bytes(), file
    timeless = ["seconds", "samples_per_second"]
    histories = [pd.read_csv(folder / "history.csv").drop(columns=timeless) for folder in (run, whole)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)


# What a run leaves


def test_a_run_leaves_these_files(trained):
    saved = {"checkpoints/best/model.safetensors"}
    saved |= {f"checkpoints/last/{stem}.safetensors" for stem in ("model", "optimizer", "sums")}
    saved |= {f"checkpoints/{name}/{file}.json" for name in ("best", "last") for file in ("manifest", "state")}
    top = {"config.yaml", "run.json", "history.csv", "results.csv", "preprocessing.json", "run.log"}
    assert files_of(trained) == top | saved | {f"tables/{name}.csv" for name in TABLES}


def test_tables_have_the_columns_that_tables_py_lists(trained):
    for listed in (FORECAST, BASELINES, BY_HORIZON, BY_TIME, RESIDUALS, COMPARISON):
        assert list(table(trained, listed.name)) == listed.names, listed.name
    assert list(table(trained, "series")) == [*SERIES.names, "Consumption", "Temperature"]


def test_the_results_hold_network_and_baselines_on_every_split(trained):
    demo = energy_demo().set_index("Date")["Consumption"]
    for split, rows in (("val", demo["2022"]), ("test", demo["2023"])):
        found = values(trained, split)
        starts = rows.index[: len(rows) - HORIZON + 1]
        ahead = np.array([[demo[day + pd.Timedelta(days=h)] for h in range(HORIZON)] for day in starts])
        week = np.array([[demo[day + pd.Timedelta(days=h - 7)] for h in range(HORIZON)] for day in starts])
        naive = np.array([demo[day - pd.Timedelta(days=1)] for day in starts])
        assert found["mae/naive"] == pytest.approx(np.abs(ahead - naive[:, None]).mean())
        assert found["mae/seasonal_naive"] == pytest.approx(np.abs(ahead - week).mean())
        assert found["mape/seasonal_naive"] == pytest.approx(100 * np.abs((ahead - week) / ahead).mean())
        assert {"mae", "rmse", "mape", "smape", "mase", "r2", "mse_scaled", "coverage", "mae/ridge"} <= set(found)
    assert values(trained, "train").keys() == values(trained, "test").keys()


def test_the_forecast_table_is_what_the_results_are_made_of(trained):
    forecast, found = table(trained, "forecast"), values(trained, "test")
    assert len(forecast) == (len(TEST) - HORIZON + 1) * HORIZON
    errors = forecast["forecast"] - forecast["actual"]
    assert found["mae"] == pytest.approx(errors.abs().mean(), rel=1e-6)
    assert found["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-6)
    assert found["r2"] == pytest.approx(
        1 - (errors**2).sum() / ((len(errors) - 1) * forecast["actual"].var()), abs=1e-6
    )
    inside = (forecast["low"] <= forecast["actual"]) & (forecast["actual"] <= forecast["high"])
    assert found["coverage"] == pytest.approx(inside.mean(), abs=1e-3)
    actual = energy_demo().set_index("Date")["Consumption"]
    assert list(forecast["actual"]) == pytest.approx(list(actual[pd.to_datetime(forecast["timestamp"])]))
    ahead = pd.to_datetime(forecast["timestamp"]) - pd.to_datetime(forecast["origin"])
    assert list(ahead.dt.days) == list(forecast["horizon"])


def test_the_margins_of_the_interval_come_from_val(trained):
    """Split conformal: on val itself, at least nine of ten are inside."""
    margins = np.array(Run.open(trained).preprocessing["margins"])
    forecast = table(trained, "forecast")
    low = (forecast["low"] - forecast["forecast"]).to_numpy().reshape(-1, HORIZON)
    np.testing.assert_allclose(low, np.broadcast_to(margins[0, :, 0], low.shape), atol=1e-3)
    assert values(trained, "val")["coverage"] >= 0.9


# Windows


@pytest.mark.parametrize("batch_size", [100, 5000])
def test_no_window_is_left_out_whatever_the_batch_size(here, batch_size):
    run = train(f"batch_size={batch_size}")
    rows = {"train": 1461 - 14, "val": 365, "test": 365}  # train begins once the look-back is known
    for split, count in rows.items():
        assert {int(row["n"]) for row in results(run.path, split)} == {count - HORIZON + 1}
    assert len(table(run.path, "forecast")) == (365 - HORIZON + 1) * HORIZON


@pytest.mark.parametrize("batch_size", [100])
def test_an_evaluation_does_not_depend_on_its_batches(trained, here, batch_size):
    assert main(["eval", f"run={trained}", f"batch_size={batch_size}", "figures=false", "hydra.run.dir=again"]) == 0
    again, before = values(here / "again", "test"), values(trained, "test")
    assert again == pytest.approx(before, rel=1e-5, abs=1e-5)


# Again


@pytest.mark.parametrize("split", ["val", "test"])
def test_eval_repeats_what_train_wrote(trained, here, split):
    before = {file: file.read_bytes() for file in trained.rglob("*") if file.is_file()}
    assert main(["eval", f"run={trained}", f"split={split}", "figures=false", "hydra.run.dir=again"]) == 0
    assert results(here / "again", split) == results(trained, split)
    if split == "test":
        for name in WITH_THE_SPLIT:
            file = f"tables/{name}.csv"
            assert (here / "again" / file).read_bytes() == (trained / file).read_bytes(), name
    assert {file: file.read_bytes() for file in trained.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("loss", ["mse", pytest.param("quantile", marks=pytest.mark.slow)])
def test_a_run_that_was_interrupted_ends_with_the_same_bytes(here, monkeypatch, loss):
    monkeypatch.setattr(saving, "SECONDS_BETWEEN", 0.0)
    words = ["epochs=3", "batch_size=256", f"task.loss={loss}", "model.dropout=0.2"]
    whole = train(*words).path.rename("whole")
    steps, compute = [], Forecasting.loss

    def interrupted(task, outputs, targets):
        steps.append(len(targets))
        if len(steps) == 9:  # in the second epoch: training and val have a loss a batch
            raise SystemExit
        return compute(task, outputs, targets)

    with monkeypatch.context() as patched:
        patched.setattr(Forecasting, "loss", interrupted)
        with pytest.raises(SystemExit):
            main([*DEMO, "hydra.run.dir=run", *words])
    assert main(["train", "resume=run"]) == 0
    assert_same_end(Path("run"), whole)


def test_the_same_command_gives_the_same_bytes(trained, here):
    assert_same_end(train().path, trained)


# What a run says


def test_with_quantiles_the_interval_is_theirs_and_its_coverage_is_measured(here):
    run = train("task.loss=quantile", "task.quantiles=[0.1,0.5,0.9]", "epochs=3", "batch_size=128")
    forecast, found = table(run.path, "forecast"), values(run.path, "test")
    assert (forecast["low"] <= forecast["forecast"]).all()
    assert (forecast["forecast"] <= forecast["high"]).all()
    assert forecast["high"].sub(forecast["low"]).std() > 0, "the width of quantiles changes from step to step"
    inside = (forecast["low"] <= forecast["actual"]) & (forecast["actual"] <= forecast["high"])
    assert found["coverage"] == pytest.approx(inside.mean(), abs=1e-3)
    assert found["interval_level"] == pytest.approx(0.8)
    assert run.preprocessing["margins"] is None


def test_val_that_was_trained_on_chooses_nothing(here, monkeypatch, capsys):
    """By its figures the first epoch is the best, and the last is kept."""
    worse = iter(range(100))
    monkeypatch.setattr(Forecasting, "epoch_metrics", lambda *_: dict.fromkeys(("loss", "mae", "rmse"), next(worse)))
    assert train("epochs=2").record["best_epoch"] == 1
    shutil.rmtree("run")
    run = train("epochs=2", "dataset.train_on_val=true")
    assert run.record["best_epoch"] == 2
    best, last = ((run.path / f"checkpoints/{name}/model.safetensors").read_bytes() for name in ("best", "last"))
    assert best == last
    assert any("figures on val are of rows that were trained on" in note for note in run.record["notes"])
    assert "figures on val are of rows that were trained on" in capsys.readouterr().err
    assert run.record["data"]["rows"]["train"] == [0, 1826]


def test_cleaning_that_reads_the_future_is_named_in_the_summary(here, capsys):
    run = train("dataset.clean=reference")
    assert any(note.startswith("dataset.clean=reference reads the future") for note in run.record["notes"])
    assert "dataset.clean=reference reads the future" in capsys.readouterr().err


def test_a_baseline_that_wins_is_named(trained):
    notes = Run.open(trained).record["notes"]
    assert values(trained, "test")["mae/ridge"] < values(trained, "test")["mae"]
    assert any(
        note.startswith(("ridge is better than the network on test", "ridge may be better than the network on test"))
        for note in notes
    )


def test_repairs_are_counted_on_screen_and_in_a_table(here, capsys):
    demo = energy_demo().drop(index=[500, 501])
    pd.concat([demo, demo[:3]])[::-1].to_csv("meter.csv", index=False)
    words = ["dataset=energy", "dataset.csv=meter.csv", "dataset.target=Consumption", *QUICK]
    assert main(["train", *words, "hydra.run.dir=run"]) == 0
    err = capsys.readouterr().err
    repairs = table(Path("run"), "repairs").set_index("kind")["count"]
    assert repairs["duplicate timestamps"] == 3
    assert repairs["missing rows"] == 2
    for kind in repairs.index:
        assert kind in err


# White noise


def noise_r2(clean):
    """R² on the test of noise that nobody can forecast; tests/benchmarks/forecast_checks.py has twenty seeds."""
    noise = np.random.default_rng(0).normal(10, 2, 3000)
    pd.DataFrame({"day": pd.date_range("2010-01-01", periods=len(noise)), "y": noise}).to_csv("noise.csv", index=False)
    words = ["dataset=energy", "dataset.csv=noise.csv", "dataset.target=y", "dataset.horizon=1", *QUICK, "epochs=10"]
    words += [f"dataset.clean={clean}", "dataset.clean_threshold=1.5", "model.channels=[8]", "model.dilation=1"]
    assert main(["train", *words, f"hydra.run.dir={clean}"]) == 0
    return values(Path(clean), "test")["r2"]


@pytest.mark.parametrize("clean", ["zscore", "hampel"])
def test_noise_is_not_forecast(here, clean):
    assert noise_r2(clean) <= 0.05
    assert not any("reads the future" in note for note in Run.open(clean).record["notes"])


# Sweeps


@pytest.mark.parametrize("models", ["cnn1d", pytest.param("cnn1d,temporal", marks=pytest.mark.slow)])
def test_a_sweep_marks_the_job_with_the_lowest_error_on_val(here, models):
    words = ["dataset.lookback=24,30", f"model={models}", "epochs=1", "batch_size=256", "sweep=look"]
    assert main(["train", "-m", "dataset=energy_demo", "figures=false", "threads=1", *words]) == 0
    found = pd.read_csv("outputs/sweeps/look/sweep.csv")
    assert list(found["status"]) == ["finished"] * 2 * len(models.split(","))
    assert set(found["dataset.lookback"]) == {24, 30}
    assert found.index[found["chosen"] == "*"].tolist() == [found["val/mae"].idxmin()]
    for folder, mae in zip(found["folder"], found["test/mae"], strict=True):
        assert values(Path("outputs/sweeps/look") / folder, "test")["mae"] == pytest.approx(mae)


# Runs and files that moved


@pytest.fixture
def moved(here):
    """A run on a file that is somewhere else now: ./elsewhere/run and ./elsewhere/meter.csv."""
    Path("first").mkdir()
    energy_demo().to_csv("first/meter.csv", index=False)
    words = ["dataset=energy", "dataset.csv=first/meter.csv", "dataset.target=Consumption", *QUICK]
    assert main(["train", *words, "hydra.run.dir=first/run"]) == 0
    return Path("first").rename("elsewhere")


def test_a_run_that_moved_asks_for_its_file(moved, capsys):
    for words in (["eval", "run=elsewhere/run"], ["train", "resume=elsewhere/run", "epochs=2"]):
        assert main(words) == 3
        err = capsys.readouterr().err.splitlines()[-1]
        assert "the file that this run was trained on is not there: first/meter.csv; name where it is: csv=FILE" in err


def test_a_run_that_moved_is_judged_alike_on_its_file(moved, capsys):
    words = ["csv=elsewhere/meter.csv", "figures=false", "hydra.run.dir=again"]
    assert main(["eval", "run=elsewhere/run", *words]) == 0
    assert "fingerprint" not in capsys.readouterr().err
    assert results("again", "test") == results("elsewhere/run", "test")


def test_a_run_that_moved_goes_on_with_its_file(moved):
    assert main(["train", "resume=elsewhere/run", "dataset.csv=elsewhere/meter.csv", "epochs=2"]) == 0
    run = Run.open("elsewhere/run")
    assert (run.record["epochs"], run.config["dataset"]["csv"]) == (2, "elsewhere/meter.csv")


def test_a_file_that_has_changed_is_named(moved, capsys):
    demo = energy_demo()
    demo.loc[2000, "Consumption"] += 1
    demo.to_csv("elsewhere/meter.csv", index=False)
    assert main(["eval", "run=elsewhere/run", "csv=elsewhere/meter.csv", "figures=false"]) == 0
    assert "warning: the data set is not the one that elsewhere/run was trained on" in capsys.readouterr().err
    assert main(["train", "resume=elsewhere/run", "dataset.csv=elsewhere/meter.csv", "epochs=2"]) == 3
    assert "its fingerprint has changed" in capsys.readouterr().err


def test_a_place_is_refused_where_the_data_set_has_none(trained, here, capsys):
    assert main(["eval", f"run={trained}", "csv=meter.csv"]) == 2
    assert "csv=meter.csv: the data set of this run is not read from a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda stored: stored["scalers"]["Consumption"].update(scale=-1), "scale: Input should be greater than 0"),
        (lambda stored: stored["scalers"].clear(), "scalers: there is none for 'Consumption'"),
        (
            lambda stored: stored["margins"][0][0].__setitem__(1, float("nan")),
            "margins.0.0.1: Input should be a finite",
        ),
        (lambda stored: stored["channels"].pop(), "the series gives the channels"),
        (lambda stored: stored["recipe"].update(horizon=10**9), "margins: 1 × 1000000000 pairs of numbers are needed"),
    ],
)
def test_the_preprocessing_of_a_stranger_is_checked(trained, here, capsys, damage, sentence):
    shutil.copytree(trained, "strange")
    stored = json.loads(Path("strange/preprocessing.json").read_text())
    damage(stored)
    Path("strange/preprocessing.json").write_text(json.dumps(stored))
    assert main(["eval", "run=strange", "figures=false"]) == 3
    err = capsys.readouterr().err
    assert "cnnrun eval: error: strange: " in err
    assert sentence in err
    assert len(err.splitlines()) == 1


# Parts that are not for each other


@pytest.mark.parametrize(
    "words",
    [
        ["model=mlp", "model.hidden=[8]"],
        ["model=resnet"],
        ["model=energy_reference", "dataset.target=[Consumption,Temperature]", "dataset.features=[]"],
        ["model=temporal", "model.patch_size=7", "dataset.target=[Consumption,Temperature]", "dataset.features=[]"],
    ],
)
def test_parts_that_fit_a_series_train_on_it(here, words):
    run = train(*words)
    assert run.status == "finished"
    assert np.isfinite(values(run.path, "test")["mae_scaled"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["task=classification"], "task.name=classification: this data set is for task=forecasting"),
        (["augment=flip_crop"], "take augment=none"),
        (["augment.mixup=0.2"], "augment: its settings are for images; with a series take augment=none"),
        (["dataset.holidays=XX"], "dataset.holidays=XX: no such country"),
        (["dataset.seasonal_lags=[3]"], "the value 3 steps before a forecast step is not known 7 steps ahead"),
        (["dataset.csv=meter.csv"], "the series is synthetic; take dataset=energy for a file"),
        (["hydra.run.dir=file/run"], "file is a file; name a folder"),
    ],
)
def test_settings_that_cannot_be_had_are_refused_in_a_sentence(here, capsys, words, sentence):
    Path("file").touch()
    train(*words, code=2)
    err = capsys.readouterr().err
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dataset.lookback=5000"], "the series is too short: train has 1,461 rows, and its first window takes 5,007"),
        (
            ["dataset.val=2023-01-01", "dataset.test=2022-01-01"],
            "rows must remain for train (from row 0), val and test",
        ),
        (["dataset.target=Consumtion"], "did you mean 'Consumption'?"),
    ],
)
def test_data_that_do_not_have_it_are_refused_in_a_sentence(here, capsys, words, sentence):
    train(*words, code=3)
    err = capsys.readouterr().err
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file"),
        ("", "meter.csv is empty"),
        ("Date,Consumption\n2020-01-01,1\n2020-01-02,two\n", "line 3, column 'Consumption': 'two' is no number"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(here, capsys, content, sentence):
    if content is not None:
        Path("meter.csv").write_text(content)
    words = ["dataset=energy", "dataset.csv=meter.csv", "dataset.target=Consumption", *QUICK]
    assert main(["train", *words, "hydra.run.dir=run"]) == 3
    err = capsys.readouterr().err
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_images_are_not_forecast(here, capsys):
    assert main(["train", "dataset=digits", "task=forecasting", "epochs=1"]) == 2
    assert "this data set is for task=classification" in capsys.readouterr().err


# Whole processes


def python(code, cwd):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=True)


LOADED = """
import json, sys
from cnnrun.cli import main
for words in {commands!r}:
    assert main(words) == 0
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("figures", "other"), [("true", []), ("false", ["matplotlib"])])
def test_what_is_not_needed_is_not_loaded_and_what_should_be_is_drawn(here, figures, other):
    energy_demo().to_csv("demo.csv", index=False)
    commands = [
        [*DEMO, f"figures={figures}", "hydra.run.dir=run"],
        ["eval", "run=run", f"figures={figures}"],
        ["predict", "run=run", "inputs=demo.csv", f"figures={figures}"],
    ]
    loaded = set(json.loads(python(LOADED.format(commands=commands), here).stdout.splitlines()[-1]))
    assert "torch" in loaded
    for name in ("torchvision", "sklearn", "scipy", "torch._dynamo", *other):
        assert name not in loaded, name
    drawn = {file.stem for file in Path("run/figures").glob("*.png")}
    assert drawn == ({"series", "architecture", "curves", *OF_SPLIT} if figures == "true" else set())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frequency", "words", "missing"),
    [
        ("YS", ["dataset.lookback=5"], {"error_by_time"}),
        ("MS", ["dataset.target=[y,z]", "backtest.folds=2"], set()),
        ("h", ["task.loss=quantile"], set()),
        (None, ["dataset.time=null"], {"error_by_time"}),
    ],
)
def test_whatever_the_steps_there_is_something_to_see(here, frequency, words, missing):
    values_ = np.random.default_rng(0).normal(10, 1, (120, 2))
    frame = pd.DataFrame(values_, columns=["y", "z"])
    if frequency:
        frame.insert(0, "t", pd.date_range("1900-01-01", periods=len(frame), freq=frequency))
    frame.to_csv("meter.csv", index=False)
    settings = ["dataset=energy", "dataset.csv=meter.csv", "dataset.target=y", *QUICK, "dataset.horizon=3"]
    assert main(["train", *settings, *words, "figures=true", "hydra.run.dir=run"]) == 0
    drawn = {file.stem for file in Path("run/figures").glob("*.png")}
    with_folds = {"backtest"} if "backtest.folds=2" in words else set()
    assert drawn == ({"series", "architecture", "curves", *OF_SPLIT} | with_folds) - missing
    assert main(["predict", "run=run", "inputs=meter.csv"]) == 0


SLOW_RUN = ["dataset=energy_demo", "epochs=8", "batch_size=8", "model.dropout=0.2", "figures=false", "threads=1"]


def start(*words, cwd):
    command = [sys.executable, "-m", "cnnrun", "train", *words]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize("extra", [[], ["task.loss=quantile", "ema=0.95"]])
def test_a_run_that_was_killed_ends_with_the_same_bytes(here, extra):
    for folder in ("one", "other"):
        Path(folder).mkdir()
    assert start(*SLOW_RUN, *extra, "hydra.run.dir=run", cwd="one").wait(300) == 0
    process = start(*SLOW_RUN, *extra, "hydra.run.dir=run", cwd="other")
    deadline = time.monotonic() + 120
    while not Path("other/run/checkpoints/last").is_dir():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)
    process.kill()
    process.wait()
    run = Run.open("other/run")
    assert run.status == "running"
    assert 0 < len(pd.read_csv(run.path / "history.csv")) < 8
    assert start("resume=run", cwd="other").wait(300) == 0
    assert_same_end(Path("other/run"), Path("one/run"))
