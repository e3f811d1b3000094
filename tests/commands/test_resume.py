"""A run that ended at an awkward moment, or is finished, and is resumed. `pytest tests/commands/test_resume.py`"""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from cnnrun.cli import main
from cnnrun.errors import NotWritten
from cnnrun.run import Run

QUICK = ["dataset.limit=200", "model=mlp", "model.hidden=[16]", "threads=1", "figures=false", "hydra.run.dir=run"]
WEIGHTS = [f"checkpoints/{name}/model.safetensors" for name in ("best", "last")]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words, code=0):
    assert main(["train", *QUICK, *words]) == code
    return Run.open("run")


def contents(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def die_in_checkpoint(monkeypatch, name, error, number=1):
    """Let the saving of this checkpoint fail for the `number`-th time that it is saved."""
    save, times = Run.save_checkpoint, []

    def failing(run, saved, *content):
        times.append(saved)
        if saved == name and times.count(name) == number:
            raise error
        save(run, saved, *content)

    monkeypatch.setattr(Run, "save_checkpoint", failing)


def assert_same_end(whole):
    for name in ("results.csv", *WEIGHTS):
        assert (Path("run") / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize("end", ["killed", "full disk"])
def test_a_run_that_ended_in_its_first_checkpoint_goes_on(here, monkeypatch, capsys, end):
    whole = train("epochs=2").path.rename("whole")
    die_in_checkpoint(monkeypatch, "last", SystemExit if end == "killed" else NotWritten("the disk is full"))
    with suppress(SystemExit):
        train("epochs=2", code=1)
    assert ("go on with: cnnrun train resume=run" in capsys.readouterr().err) == (end == "full disk")
    assert not (here / "run/checkpoints/last").exists()
    assert main(["train", "resume=run"]) == 0
    assert_same_end(whole)


def test_a_finished_run_without_its_checkpoint_does_not_start_over(here, capsys):
    shutil.rmtree(train("epochs=1").checkpoint("last"))
    before = contents(here / "run")
    assert main(["train", "resume=run", "epochs=3"]) == 3
    assert "has no checkpoint 'last' to go on from, though its history has 1 epochs" in capsys.readouterr().err
    assert contents(here / "run") == before
