"""A training that leaves the test split unread. `pytest tests/commands/test_unread_test.py`"""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cnnrun.cli import main
from cnnrun.experiment import Experiment
from cnnrun.run import Run

DIGITS = ["dataset.limit=200", "model=mlp", "model.hidden=[16]", "epochs=2"]
SERIES = ["dataset=energy_demo", "dataset.lookback=14", "epochs=1", "batch_size=512"]
KINDS = {"classes": DIGITS, "a series": SERIES}
NOTE = "test was not read; once nothing is left to choose: cnnrun eval run=run split=test"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def guarded(here, monkeypatch):
    """Where nothing may ask what the model says of test."""
    outputs = Experiment.outputs

    def refusing(parts, split, *settings):
        assert split.name != "test"
        return outputs(parts, split, *settings)

    monkeypatch.setattr(Experiment, "outputs", refusing)
    return here


def train(*words, folder="run", figures="false"):
    assert main(["train", *words, "threads=1", f"figures={figures}", f"hydra.run.dir={folder}"]) == 0
    return Run.open(folder)


def rows(run, *splits):
    return [row for row in run.results() if row["split"] in splits]


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_those_of_train_and_val_and_a_note_says_how_test_is_read(guarded, capsys, kind):
    run = train(*KINDS[kind], "test=false")
    assert {row["split"] for row in run.results()} == {"train", "val"}
    assert run.record["test_reads"] == 0
    assert NOTE in run.record["notes"]
    told = capsys.readouterr()
    assert f"note: {NOTE}" in told.err
    assert "95 % of val" in told.out


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_a_run_that_reads_test_says_of_train_and_val(here, kind):
    whole = train(*KINDS[kind], folder="whole")
    run = train(*KINDS[kind], "test=false")
    assert run.results() == rows(whole, "train", "val")
    assert run.preprocessing == whole.preprocessing
    for name in ("best", "last"):
        ours, theirs = (one.checkpoint(name) / "model.safetensors" for one in (run, whole))
        assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_are_those_of_val(here, kind):
    run = train(*KINDS[kind], "test=false")
    assert main(["eval", "run=run", "split=val", "figures=false", "hydra.run.dir=val"]) == 0
    tables = {file.name: file.read_bytes() for file in Path("val/tables").iterdir()}
    both = tables.keys() & {"predictions.csv", "per_class.csv", "forecast.csv", "by_horizon.csv", "residuals.csv"}
    assert len(both) >= 2
    for name in both:
        assert (run.path / "tables" / name).read_bytes() == tables[name], name


def test_figures_are_drawn_of_val(guarded, monkeypatch):
    drawn = {}
    monkeypatch.setattr("cnnrun.report.classes.draw", lambda name, *facts: drawn.setdefault(name, facts) and b"")
    train(*DIGITS, "test=false", figures="true")
    for name in ("confusion", "per_class", "calibration"):
        assert drawn[name][1] == "val"
    assert drawn["confusion"][0].iloc[:, 1:].to_numpy().sum() == 20


def test_a_backtest_is_made_and_test_stays_unread(here):
    run = train(*SERIES, "test=false", "backtest.folds=1")
    assert {row["split"] for row in run.results()} == {"train", "val"}
    assert len(pd.read_csv(run.table_file("backtest"))) == 1
    assert run.record["test_reads"] == 0


def test_a_run_that_goes_on_leaves_test_unread_again(guarded):
    train(*DIGITS, "test=false")
    assert main(["train", "resume=run", "epochs=3"]) == 0
    run = Run.open("run")
    assert run.config["test"] is False
    assert run.record["epochs"] == 3
    assert run.record["test_reads"] == 0
    assert rows(run, "test") == []


def test_a_run_that_goes_on_cannot_be_told_to_read_test_after_all(here, capsys):
    train(*DIGITS, "test=false")
    assert main(["train", "resume=run", "test=true"]) == 2
    assert "a resumed run keeps its settings" in capsys.readouterr().err


def test_eval_reads_the_test_that_was_left(here):
    whole = train(*DIGITS, folder="whole")
    train(*DIGITS, "test=false")
    assert main(["eval", "run=run", "split=test", "figures=false", "hydra.run.dir=judged"]) == 0
    assert Run.open("judged").results() == rows(whole, "test")


def test_a_run_from_before_there_was_a_choice_reads_test(here):
    run = train(*DIGITS)
    config = {name: value for name, value in run.config.items() if name != "test"}
    run.config_file.write_text(yaml.safe_dump(config, sort_keys=False))
    assert main(["eval", "run=run", "figures=false", "hydra.run.dir=judged"]) == 0
    assert main(["train", "resume=run", "epochs=3"]) == 0
    record = json.loads(Path("run/run.json").read_text())
    assert record["test_reads"] == 2
    assert rows(Run.open("run"), "test")
