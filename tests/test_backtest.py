"""Folds of a series that roll forward, and the run that they belong to. `pytest tests/test_backtest.py`"""

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest

from cnnrun import console
from cnnrun.cli import main
from cnnrun.data.energy_demo import energy_demo
from cnnrun.run import Run

SETTINGS = ["dataset.lookback=14", "dataset.horizon=7", "epochs=1", "batch_size=256", "figures=false", "threads=1"]
DATES = ["dataset.val=2022-01-01", "dataset.test=2023-01-01"]
YEARS = {1: 2021, 2: 2022}
"""Of the test of each of two folds: each is as long as val, and the last one's is val."""


def words_for(file, *more):
    return ["train", "dataset=energy", f"dataset.csv={file}", "dataset.target=Consumption", *SETTINGS, *DATES, *more]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with two folds, and the file that it was given."""
    folder = tmp_path_factory.mktemp("whole")
    energy_demo().to_csv(folder / "demo.csv", index=False)
    words = words_for(folder / "demo.csv", "backtest.folds=2", f"hydra.run.dir={folder / 'run'}")
    assert main(words) == 0
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    energy_demo().to_csv("demo.csv", index=False)
    return tmp_path


def folds(run):
    with open(run / "tables/backtest.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_fold_is_judged_on_the_rows_after_those_it_was_trained_on(whole):
    demo = energy_demo().set_index("Date")["Consumption"]
    for row in folds(whole / "run"):
        year = str(YEARS[int(row["fold"])])
        assert (row["begin"], row["end"]) == (f"{year}-01-01 00:00:00", f"{year}-12-31 00:00:00")
        judged = demo[year]
        assert int(row["n"]) == len(judged) - 7 + 1
        steps = pd.concat({h: (demo.shift(-h) - demo).abs() for h in range(1, 8)}, axis=1)
        before = judged.index[: int(row["n"])] - pd.Timedelta(days=1)
        assert float(row["mae/naive"]) == pytest.approx(steps.loc[before].to_numpy().mean())
    ends = [pd.Timestamp(row["train_end"]) for row in folds(whole / "run")]
    assert ends == [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-12-31")]  # 2020 is a leap year, val has 365 days


@pytest.mark.parametrize("fold", [1, 2])
def test_a_fold_is_the_run_that_anybody_would_make_of_its_dates(whole, here, fold):
    row = folds(whole / "run")[fold - 1]
    val = pd.Timestamp(row["train_end"]) + pd.Timedelta(days=1)
    dates = [f"dataset.val={val.date()}", f"dataset.test={row['begin'][:10]}", f"dataset.end={YEARS[fold] + 1}-01-01"]
    assert main(words_for("demo.csv", *dates, "hydra.run.dir=run")) == 0
    by_hand = {found["metric"]: found["value"] for found in Run.open("run").results() if found["split"] == "test"}
    assert {"mae", "rmse", "mape", "mase", "r2", "coverage", "skill", "mae/ridge"} <= set(by_hand)
    assert {name: row[name] for name in list(row)[5:]} == by_hand


def test_no_row_of_test_is_read(whole, here):
    demo = energy_demo()
    test = demo["Date"] >= "2023-01-01"
    demo.loc[test, "Consumption"] = demo.loc[test, "Consumption"].to_numpy()[::-1] * 3
    demo.to_csv("demo.csv", index=False)
    assert main(words_for("demo.csv", "backtest.folds=2", "hydra.run.dir=run")) == 0
    there, of_whole = (folder / "tables/backtest.csv" for folder in (here / "run", whole / "run"))
    assert there.read_bytes() == of_whole.read_bytes()
    assert (here / "run/results.csv").read_bytes() != (whole / "run/results.csv").read_bytes()


def test_the_run_itself_is_the_one_without_folds(whole, here):
    assert main(words_for("demo.csv", "hydra.run.dir=run")) == 0
    for name in ("results.csv", "checkpoints/best/model.safetensors", "tables/forecast.csv", "preprocessing.json"):
        assert (here / "run" / name).read_bytes() == (whole / "run" / name).read_bytes(), name


def test_the_summary_tells_the_mean_over_the_folds(whole):
    found = folds(whole / "run")
    mean = {name: sum(float(row[name]) for row in found) / 2 for name in ("mae", "mae/ridge")}
    [sentence] = [note for note in Run.open(whole / "run").record["notes"] if note.startswith("backtest of 2 folds")]
    assert f"mae {mean['mae']:.4g} (95 %: " in sentence
    assert f"ridge {mean['mae/ridge']:.4g}" in sentence


@pytest.mark.parametrize("fold", [1, 2])
def test_folds_go_on_after_an_interruption(whole, here, monkeypatch, fold):
    note = console.note

    def interrupted(sentence):
        if sentence.startswith(f"backtest, fold {fold} of 2"):
            raise KeyboardInterrupt
        note(sentence)

    with monkeypatch.context() as patched:
        patched.setattr(console, "note", interrupted)
        assert main(words_for("demo.csv", "backtest.folds=2", "hydra.run.dir=run")) == 130
    run = Run.open("run")
    assert run.status == "interrupted"
    assert len(folds(run.path)) == fold
    assert not Path("run/results.csv").exists()
    assert main(["train", "resume=run"]) == 0
    for name in ("results.csv", "tables/backtest.csv", "checkpoints/best/model.safetensors"):
        assert (here / "run" / name).read_bytes() == (whole / "run" / name).read_bytes(), name
    assert Run.open("run").record["backtest"] == Run.open(whole / "run").record["backtest"]


def test_a_fold_that_diverges_says_which_it_was(here, capsys, monkeypatch):
    from cnnrun.errors import Diverged

    def diverged(*_):
        raise Diverged("train/loss became nan")

    monkeypatch.setattr("cnnrun.backtest._metrics", diverged)
    assert main(words_for("demo.csv", "backtest.folds=2", "hydra.run.dir=run")) == 1
    assert "backtest, fold 1: train/loss became nan" in capsys.readouterr().err


def test_too_many_folds_are_refused_before_anything_is_trained(here, capsys):
    assert main(words_for("demo.csv", "backtest.folds=5", "hydra.run.dir=run")) == 3
    assert capsys.readouterr().err == (
        "cnnrun train: error: backtest.folds=5: each fold takes 365 rows to be judged on, as many as val, and nothing "
        "is left to train on for fold 1; take fewer folds, or a shorter val\n"
    )
    assert not Path("run").exists()


def test_folds_without_a_metric_leave_it_empty(here, capsys):
    """MAPE where a value is 0; the ridge where a fold has too little past; intervals where val is too short."""
    demo = energy_demo()
    demo.loc[1200, "Consumption"] = 0
    demo.to_csv("demo.csv", index=False)
    assert main(words_for("demo.csv", "backtest.folds=2", "task.ridge_lags=900", "hydra.run.dir=run")) == 0
    first, second = folds(here / "run")
    assert first.keys() == second.keys()
    assert [(row["mape"] == "", row["mae/ridge"] == "") for row in (first, second)] == [(True, True), (False, False)]
    assert "backtest of 2 folds: mae " in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["dataset.target=[Consumption,Temperature]"],
        ["task.loss=quantile"],
        ["dataset.val=2022-12-15"],
    ],
)
def test_a_fold_has_the_metrics_of_the_run_itself(here, words):
    assert main([*words_for("demo.csv", "backtest.folds=1", "hydra.run.dir=run"), *words]) == 0
    assert any(note.startswith("backtest of 1 fold: mae") for note in Run.open("run").record["notes"])
    [row] = folds(here / "run")
    results = {found["metric"] for found in Run.open("run").results() if found["split"] == "val"}
    assert {name for name, value in row.items() if value != ""} >= results
    assert list(row)[:5] == ["fold", "train_end", "begin", "end", "n"]


def test_a_fold_of_which_nothing_was_observed_is_refused_before_anything_is_trained(here, capsys):
    demo = energy_demo()
    demo.loc[1096:1460, "Consumption"] = None
    demo.to_csv("demo.csv", index=False)
    words = ["backtest.folds=2", "dataset.gap_limit=1000", "hydra.run.dir=run"]
    assert main(words_for("demo.csv", *words)) == 3
    line = capsys.readouterr().err.splitlines()[-1]
    assert "backtest.folds=2, fold 1: " in line
    assert "gaps that were filled in" in line
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dataset=digits", "backtest.folds=2"], "backtest.folds=2: only a series can be judged on what came later"),
        (["dataset=energy_demo", "backtest.folds=-1"], "must be 0 or more"),
        (
            ["dataset=energy_demo", "backtest.fold=2"],
            "unknown setting 'backtest.fold' - did you mean 'backtest.folds'?",
        ),
    ],
)
def test_folds_that_cannot_be_meant_are_refused(here, capsys, words, sentence):
    assert main(["train", *words, "epochs=1", "figures=false"]) == 2
    assert sentence in capsys.readouterr().err


def test_folds_that_train_on_val_keep_their_last_epoch(here, monkeypatch):
    """As the run itself does; the folds' own val must not choose."""
    from cnnrun.tasks.forecasting import Forecasting

    losses = iter(range(100))
    monkeypatch.setattr(Forecasting, "epoch_metrics", lambda *_: dict.fromkeys(("loss", "mae", "rmse"), next(losses)))
    words = ["dataset.train_on_val=true", "epochs=2", "scheduler=constant", "hydra.run.dir=run"]
    assert main(words_for("demo.csv", "backtest.folds=1", *words)) == 0
    run = Run.open("run")
    assert run.record["best_epoch"] == 2
    dates = ["dataset.val=2020-12-31", "dataset.test=2022-01-01", "dataset.end=2023-01-01"]
    assert main(words_for("demo.csv", *words[:-1], *dates, "hydra.run.dir=hand")) == 0
    [mae] = [row["value"] for row in Run.open("hand").results() if (row["split"], row["metric"]) == ("test", "mae")]
    assert folds(run.path)[0]["mae"] == mae


def test_more_epochs_make_other_folds(here, whole):
    shutil.copytree(whole / "run", here / "run")
    before = (here / "run/tables/backtest.csv").read_text()
    epochs = 2 * Run.open("run").config["epochs"]
    assert main(["train", "resume=run", f"epochs={epochs}"]) == 0
    after = (here / "run/tables/backtest.csv").read_text()
    assert len(after.splitlines()) == len(before.splitlines())
    assert after != before
