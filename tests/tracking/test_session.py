"""What a tracker is told of a run, and that nothing it does harms one. `pytest tests/tracking`"""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cnnrun import tracking
from cnnrun.cli import main
from cnnrun.commands.train import train as train_command
from cnnrun.config import Request, compose
from cnnrun.run import Run
from cnnrun.tracking import session
from cnnrun.training import distributed

QUICK = ["dataset.limit=200", "model=mlp", "model.hidden=[16]", "threads=1", "figures=false", "scheduler=constant"]


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """An own tracker as `logger=toy`; what it is told stands in `CALLS`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    Path("conf/logger").mkdir(parents=True)
    Path("conf/logger/toy.yaml").write_text("name: toy_trackers:Toy\nfails_in: nowhere\nhow: raises\n")
    import toy_trackers

    toy_trackers.CALLS.clear()
    toy_trackers.RELEASED.clear()
    yield toy_trackers
    toy_trackers.RELEASED.set()


def train(*words, code=0, folder="run"):
    assert main(["train", *QUICK, "epochs=2", f"hydra.run.dir={folder}", *words]) == code
    return Run.open(folder)


def told(toy, method):
    return [what for name, what in toy.CALLS if name == method]


def warnings_in(text):
    return [line for line in text.splitlines() if line.startswith("warning: logger=")]


def test_a_tracker_is_told_of_the_beginning_each_epoch_the_results_and_the_end(toy):
    run = train("logger=toy", "seed=7")
    assert [name for name, _ in toy.CALLS] == ["init", "begin", "epoch", "epoch", "results", "end"]
    rows = pd.read_csv(run.table_file("history")).to_dict("records")
    assert told(toy, "epoch") == rows
    [(metrics, figures)] = told(toy, "results")
    assert metrics == {f"best/{row['split']}/{row['metric']}": float(row["value"]) for row in run.results()}
    assert "best/test/accuracy" in metrics
    assert figures == []
    assert told(toy, "end") == [("finished", "")]


def test_a_tracker_gets_settings_and_tags_but_not_its_own_settings(toy):
    run = train("logger=toy", "seed=7", "optimizer.lr=0.01")
    [begun] = told(toy, "begin")
    assert begun.folder == run.path
    assert begun.settings["optimizer.lr"] == 0.01
    assert begun.settings["model.hidden"] == [16]
    assert not any(key.startswith(("logger", "resume", "trust_code")) for key in begun.settings)
    assert begun.tags["seed"] == "7"
    assert begun.tags["model"] == "mlp"
    assert "logger" not in begun.tags
    assert (begun.epoch, begun.known) == (0, None)


def test_figures_are_sent_where_they_are_drawn(toy):
    run = train("logger=toy", "figures=true")
    [(_, figures)] = told(toy, "results")
    assert {file.stem for file in figures} >= {"curves", "confusion"}
    assert all(file.is_file() and file.parent.parent == run.path for file in figures)


def test_the_same_bytes_with_and_without_a_tracker(toy):
    with_one, without = train("logger=toy"), train(folder="without")
    for name in ("results.csv", "checkpoints/best/model.safetensors"):
        assert (with_one.path / name).read_bytes() == (without.path / name).read_bytes()


@pytest.mark.parametrize("how", ["raises", "exits"])
@pytest.mark.parametrize("method", ["init", "begin", "epoch", "results", "end"])
def test_a_tracker_that_fails_costs_one_warning_and_no_run(toy, capsys, method, how):
    run = train("logger=toy", f"logger.fails_in={method}", f"logger.how={how}")
    assert run.status == "finished"
    assert len(run.results()) > 2
    assert [name for name, _ in toy.CALLS].count(method) == 1
    assert toy.CALLS[-1][0] == method, "nothing more is sent"
    [line] = warnings_in(capsys.readouterr().err)
    assert line.startswith("warning: logger=toy_trackers:Toy gets nothing more of this run, which goes on: ")
    assert (f"ConnectionError: no server in {method}" if how == "raises" else "SystemExit: 3") in line
    assert line.removeprefix("warning: ") in Path("run/run.log").read_text()


@pytest.mark.parametrize("method", ["begin", "epoch", "end"])
def test_a_tracker_that_hangs_is_left_behind(toy, monkeypatch, capsys, method):
    monkeypatch.setattr(session, "PATIENCE", 0.3)
    assert train("logger=toy", f"logger.fails_in={method}", "logger.how=hangs").status == "finished"
    assert len(warnings_in(capsys.readouterr().err)) == 1


def test_a_run_that_is_interrupted_goes_on_in_the_same_run_of_the_tracker(toy):
    run = train("logger=toy", "logger.fails_in=epoch", "logger.how=interrupts", "epochs=400", code=130)
    done = len(pd.read_csv(run.table_file("history")))
    assert told(toy, "end") == [("interrupted", run.record["reason"])]
    assert run.record["logger"] == {"name": "toy_trackers:Toy", "id": "the-17th"}
    toy.CALLS.clear()
    assert main(["train", "resume=run", f"epochs={done + 1}", "max_seconds=60", "trust_code=true"]) == 130
    [begun] = told(toy, "begin")
    assert (begun.known, begun.epoch) == ("the-17th", done)


def test_a_run_that_fails_ends_as_failed(toy):
    words = ["optimizer=sgd", "optimizer.lr=1e9", "epochs=5"]
    run = train("logger=toy", *words, code=1)
    assert told(toy, "end") == [("failed", run.record["reason"])]


def test_a_pruned_run_ends_as_pruned(toy):
    words = (*QUICK, "logger=toy", "epochs=3", "hydra.run.dir=run")
    job = compose.one(Request("train", "cnnrun.commands.train:train", words))
    train_command(job.config, replace(job.invocation, watch=lambda epoch, value: "hopeless"))
    assert [name for name, _ in toy.CALLS] == ["init", "begin", "epoch", "end"]
    assert told(toy, "end") == [("pruned", "hopeless")]


def test_only_the_process_that_speaks_tells_a_tracker(toy, monkeypatch):
    config = compose.one(Request("train", "", (*QUICK, "logger=toy"))).config
    monkeypatch.setattr(distributed, "is_first", lambda: False)
    with tracking.tracked(config, Run(Path("run"), writes=False)) as tracker:
        tracker.begin(config, 0, lambda: False)
        tracker.epoch({"epoch": 1})
        tracker.results([])
    assert toy.CALLS == []


def test_numbers_that_are_none_are_not_sent(toy, monkeypatch):
    config = compose.one(Request("train", "", (*QUICK, "logger=toy"))).config
    run = Run.create(Path("run"), config)
    with tracking.tracked(config, run) as tracker:
        tracker.begin(config, 0, lambda: False)
        tracker.epoch({"epoch": 1, "val/loss": float("inf"), "lr": 0.1})
        tracker.results([{"split": "val", "metric": "skill", "value": float("nan")}])
    assert told(toy, "epoch") == [{"epoch": 1, "lr": 0.1}]
    assert told(toy, "results") == [({}, [])]


# Without its package


@pytest.fixture
def bare(toy, monkeypatch):
    """Where no tracker is installed."""
    find = importlib.util.find_spec
    absent = ("tensorboard", "mlflow", "wandb")
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name in absent else find(name, *rest))


@pytest.mark.parametrize("logger", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_package_is_told_before_anything_is_done(bare, capsys, logger):
    assert main(["train", *QUICK, f"logger={logger}", "hydra.run.dir=run"]) == 2
    wanted = f"logger={logger}: it needs {logger}: pip install 'cnnrun[{logger}]', or leave it out: logger=null"
    assert wanted in capsys.readouterr().err
    assert not Path("run").exists()


def with_a_logger_that_is_not_there(run):
    run.write_config(run.config | {"logger": {"name": "tensorboard"}})
    run.close()


def test_a_run_is_judged_and_goes_on_where_its_tracker_is_not_installed(bare, capsys):
    with_a_logger_that_is_not_there(train())
    assert main(["eval", "run=run", "figures=false", "hydra.run.dir=judged"]) == 0
    assert main(["train", "resume=run", "epochs=3"]) == 2
    assert "or leave it out: logger=null" in capsys.readouterr().err
    assert main(["train", "resume=run", "epochs=3", "logger=null"]) == 0
    assert Run.open("run").record["epochs"] == 3


# As a setting


def test_a_config_without_a_logger_is_as_before_there_were_any(toy):
    assert "logger" not in train().config
    assert "logger" not in train("logger=null", folder="other").config
    assert "logger" not in json.loads(Path("run/run.json").read_text())


def test_a_mistake_in_the_name_is_told(toy, capsys):
    assert main(["train", *QUICK, "logger=tensorbord"]) == 2
    assert "tensorboard" in capsys.readouterr().err


def test_a_stranger_whose_config_names_a_tracker_of_his_own_is_not_trusted(toy, capsys):
    train("logger=toy")
    assert main(["train", "resume=run", "epochs=3"]) == 2
    assert "trust_code=true" in capsys.readouterr().err
