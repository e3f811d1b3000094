"""A run directory, as its owner and as a stranger meet it. `pytest tests/test_run.py`"""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cnnrun.errors import ConfigError, DataError, Interrupted, NotWritten
from cnnrun.run import Run, run_of
from cnnrun.tables import HISTORY, RESULTS

CONFIG = {
    "seed": 0,
    "optimizer": {"name": "sgd", "lr": 1e-05},
    "model": {"name": "cnn", "channels": [1, 2]},
    "note": None,
}


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, seed=0)
    yield run
    run.close()


def test_a_config_comes_back_as_it_was(run):
    assert Run.open(run.path).config == CONFIG


def test_the_record_keeps_what_was_said_before(run):
    run.update(status="finished", seconds=1.5)
    opened = Run.open(run.path)
    assert (opened.status, opened.record["seed"], opened.record["seconds"]) == ("finished", 0, 1.5)


def test_a_run_that_was_just_opened_keeps_its_record_when_it_is_changed(run):
    Run.open(run.path).update(status="finished")
    assert (Run.open(run.path).status, Run.open(run.path).record["seed"]) == ("finished", 0)


def test_a_run_is_never_written_over(run):
    with pytest.raises(ConfigError, match=r"already holds a run; name another folder, or go on with it: resume=.*run"):
        Run.create(run.path, CONFIG)


def test_nobody_is_told_to_resume_an_evaluation(tmp_path):
    Run.create(tmp_path / "again", CONFIG, of="run").close()
    with pytest.raises(ConfigError, match=r"already holds an evaluation; name another folder$"):
        Run.create(tmp_path / "again", CONFIG, of="run")


def test_a_prediction_that_did_not_finish_can_be_gone_on_with(tmp_path):
    run = Run.create(tmp_path / "out", CONFIG, of="run", command="predict")
    with pytest.raises(ConfigError, match=r"already holds a prediction; name .* or go on with it: resume=.*out$"):
        Run.require_new(run.path)
    run.update(status="finished")
    with pytest.raises(ConfigError, match=r"already holds a prediction; name another folder$"):
        Run.require_new(run.path)
    run.close()


def test_an_evaluation_is_cleared_only_if_it_did_not_finish_and_nobody_is_writing_it(tmp_path):
    run = Run.create(tmp_path / "again", CONFIG, of="run")
    run.write_rows(RESULTS, [])
    with pytest.raises(ConfigError, match="is being written by another process"):
        Run.open(run.path).clear()
    run.update(status="finished")
    run.close()
    Run.open(run.path).clear()
    assert Run.open(run.path).status == "finished"
    run.update(status="failed")
    Run.open(run.path).clear()
    Run.create(run.path, CONFIG, of="run").close()
    assert Run.open(run.path).results() == []
    assert not run.table_file("results").exists()


def test_a_run_that_came_since_the_first_look_is_not_written_over(tmp_path, monkeypatch):
    def first_another(run):
        monkeypatch.undo()
        Run.create(run.path, CONFIG, seed=1).close()
        run.lock()

    monkeypatch.setattr(Run, "lock", first_another)
    with pytest.raises(ConfigError, match="already holds a run"):
        Run.create(tmp_path / "run", CONFIG, seed=2)
    assert Run.open(tmp_path / "run").record["seed"] == 1
    Run.open(tmp_path / "run").lock()


def test_a_folder_with_files_of_others_is_not_written_into(tmp_path):
    for name in ("notes.txt", ".notes.txt.0123abcd.tmp", "config.yaml"):
        (tmp_path / name).write_text("a user's own")
    with pytest.raises(ConfigError, match=r"holds other files \(notes\.txt\); name a new folder for the run"):
        Run.create(tmp_path, CONFIG)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["a user's own"] * 3


@pytest.mark.parametrize("name", [".lock", "run.log", "checkpoints"])
def test_a_run_that_leads_elsewhere_is_not_written(run, tmp_path, name):
    run.close()
    (tmp_path / "elsewhere").write_text("a user's own")
    (run.path / name).unlink(missing_ok=True)
    (run.path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=f"{re.escape(name)} is a link"):
        Run.open(run.path).lock()
    assert (tmp_path / "elsewhere").read_text() == "a user's own"


def test_a_folder_that_holds_no_run_is_refused_with_the_runs_nearby(run, tmp_path):
    with pytest.raises(ConfigError, match=f"does not exist; runs there, newest first: {re.escape(str(run.path))}"):
        Run.open(tmp_path / "rnu")


def test_a_checkpoint_belongs_to_the_run_that_it_lies_in(run, tmp_path):
    best = run.checkpoint("best")
    assert [run_of(path) for path in (run.path, best, best / "model.safetensors")] == [run.path] * 3
    assert [run_of(path) for path in (run.path / "exported.pth", tmp_path, Path("imagenet"))] == [None] * 3


def test_the_runs_nearby_are_trainings(run, tmp_path):
    Run.create(tmp_path / "judged", CONFIG, of="run", command="eval")
    Run.create(tmp_path / "predicted", CONFIG, of="run", command="predict")
    with pytest.raises(ConfigError, match=f"runs there, newest first: {re.escape(str(run.path))}$"):
        Run.open(tmp_path / "rnu")


@pytest.mark.parametrize(
    ("command", "source", "message"),
    [
        ("eval", "one", "there is an evaluation of one: name that run"),
        ("predict", "one", "there is a prediction of one: name that run"),
        ("predict", None, "there is a prediction of one: no run was trained there"),
    ],
)
def test_what_is_no_training_is_called_what_it_is(tmp_path, command, source, message):
    Run.create(tmp_path / "there", {"run": source}, of="one", command=command)
    with pytest.raises(ConfigError, match=f"{message}$"):
        Run.open_training(tmp_path / "there")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"- a\n- b\n",
        b"a: [1\n",
        b"\xff\xfe",
        b"!!python/object/apply:os.system [true]",
        b"a: &a [*a]\n",
        b"a: " + b"[" * 5000,
    ],
)
def test_a_config_of_rubbish_is_refused(run, content):
    (run.path / "config.yaml").write_bytes(content)
    with pytest.raises(DataError, match=r"config\.yaml [^\n]*$"):
        _ = Run.open(run.path).config


def test_a_config_with_a_syntax_error_names_its_line(run):
    (run.path / "config.yaml").write_text("seed: 0\nmodel: [1\n")
    with pytest.raises(DataError, match=r"config\.yaml cannot be read: it is damaged, see line 3$"):
        _ = run.config


def test_a_record_without_fingerprint_leaves_it_in_doubt_what_the_run_was_trained_on(run):
    assert "has no fingerprint of the data set" in run.doubt("0123")
    run.update(data={"fingerprint": "0123"})
    assert run.doubt("0123") is None
    assert "its fingerprint has changed" in run.doubt("4567")


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_record_of_rubbish_is_refused(run, content):
    (run.path / "run.json").write_text(content)
    with pytest.raises(DataError, match=r"run\.json cannot be read"):
        _ = Run.open(run.path).record


def test_another_process_cannot_write_a_run_that_is_being_written(run):
    code = f"from cnnrun.run import Run; Run.open({str(run.path)!r}).lock()"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "is being written by another process" in other.stderr


def test_the_lock_dies_with_its_owner(tmp_path):
    code = "import os, pathlib, sys; from cnnrun.run import Run; Run.create(pathlib.Path(sys.argv[1]), {}); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "r")])
    run = Run.open(tmp_path / "r")
    run.lock()
    run.close()


@pytest.mark.parametrize(
    ("error", "record", "log"),
    [
        (Interrupted("stopped by SIGTERM", 15), ("interrupted", "stopped by SIGTERM"), "stopped by SIGTERM"),
        (KeyboardInterrupt(), ("interrupted", "KeyboardInterrupt: "), None),
        (DataError("no images"), ("failed", "DataError: no images"), "no images"),
        (NotWritten("disk full"), ("failed", "NotWritten: disk full"), "disk full"),
        (ZeroDivisionError("by zero"), ("failed", "ZeroDivisionError: by zero"), "Traceback"),
    ],
)
def test_however_the_work_on_a_run_ends_its_record_says_so(run, error, record, log):
    match = "; what to do$" if isinstance(error, Interrupted | NotWritten) else None
    with pytest.raises(type(error), match=match) as raised, run.recorded("; what to do"):
        raise error
    opened = Run.open(run.path)
    assert (opened.status, opened.record["reason"]) == record
    assert getattr(raised.value, "signum", None) == getattr(error, "signum", None)
    assert (log in (run.path / "run.log").read_text()) if log else not (run.path / "run.log").exists()
    opened.lock()
    opened.close()


def test_tables_are_csv_files_beside_the_config_or_in_tables(run):
    run.write_rows(
        RESULTS, [{"split": "val", "metric": "accuracy", "value": 0.1 + 0.2, "low": None, "high": None, "n": 3}]
    )
    run.write_frame("per_class", pd.DataFrame({"class": ["a,b", "ü"]}))
    run.write_rows(HISTORY, [])
    assert (
        run.path / "results.csv"
    ).read_text() == "split,metric,value,low,high,n\nval,accuracy,0.30000000000000004,,,3\n"
    assert (run.path / "tables" / "per_class.csv").read_text(encoding="utf-8") == 'class\n"a,b"\nü\n'
    assert (run.path / "history.csv").read_text().splitlines() == [",".join(HISTORY.names)]
    assert run.results()[0]["metric"] == "accuracy"


def test_a_checkpoint_that_is_not_there_is_named_with_those_that_are(run):
    run.save_checkpoint("last", {}, {})
    with pytest.raises(ConfigError, match=r"has no checkpoint 'best' \(found: last\); try checkpoint=last"):
        run.require_checkpoint("best")


def test_a_checkpoint_of_broken_weights_is_named_and_not_offered(run):
    run.save_checkpoint("diverged", {}, {})
    with pytest.raises(ConfigError, match=r"has no checkpoint 'best' \(found: diverged\)$"):
        run.require_checkpoint("best")


def test_a_process_that_does_not_write_leaves_nothing(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG, writes=False)
    run.update(status="finished")
    run.save_checkpoint("last", {}, {})
    run.log("hello")
    assert list(tmp_path.iterdir()) == []
