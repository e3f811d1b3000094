"""A run that ended at an awkward moment, or is finished, and is resumed. `pytest tests/commands/test_resume.py`"""

import errno
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from cnnrun import saving
from cnnrun.cli import main
from cnnrun.errors import NotWritten
from cnnrun.run import Run
from cnnrun.tables import HISTORY
from cnnrun.training import checkpoints
from cnnrun.training.fit import Fit

QUICK = [
    *("dataset.limit=200", "model=mlp", "model.hidden=[16]", "batch_size=8", "optimizer.lr=0.01", "threads=1"),
    *("figures=false", "hydra.run.dir=run"),
]
WEIGHTS = [f"checkpoints/{name}/model.safetensors" for name in ("best", "last")]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(saving, "SECONDS_BETWEEN", 0.0)
    return tmp_path


def train(*words, code=0):
    assert main(["train", *QUICK, *words]) == code
    return Run.open("run")


def lines(file):
    return Path(file).read_text().splitlines(keepends=True)


def contents(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


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


def assert_told_of_one_training(run):
    [accuracy] = [row for row in run.results() if (row["split"], row["metric"]) == ("val", "accuracy")]
    assert float(accuracy["value"]) == run.record["best_value"]
    assert run.record["best_epoch"] == run.record["epochs"] == len(run.rows(HISTORY))


@pytest.mark.parametrize("end", ["killed", "full disk"])
@pytest.mark.parametrize("history", [False, True])
def test_a_run_that_ended_in_its_first_checkpoint_goes_on(here, monkeypatch, capsys, end, history):
    whole = train("epochs=2").path.rename("whole")
    die_in_checkpoint(monkeypatch, "last", SystemExit if end == "killed" else NotWritten("the disk is full"))
    with suppress(SystemExit):
        train("epochs=2", code=1)
    assert ("go on with: cnnrun train resume=run" in capsys.readouterr().err) == (end == "full disk")
    assert not (here / "run/checkpoints/last").exists()
    if history:  # as if it had been written before
        (here / "run/history.csv").write_text("".join(lines(whole / "history.csv")[:2]))
    assert main(["train", "resume=run"]) == 0
    assert_same_end(whole)


def test_a_run_that_ended_before_best_was_written_takes_it_from_last(here, monkeypatch):
    whole = train("epochs=4").path.rename("whole")
    die_in_checkpoint(monkeypatch, "best", SystemExit, number=2)
    with suppress(SystemExit):
        train("epochs=4")
    shutil.copytree("run", "other")
    assert checkpoints.read(here / "run/checkpoints/best")[1]["epoch"] == 1
    assert main(["train", "resume=run"]) == 0
    assert_same_end(whole)
    assert main(["train", "resume=other", "max_seconds=0.0001"]) == 0
    assert_told_of_one_training(Run.open("other"))


@pytest.mark.parametrize("dies_in", [("last", 1), ("best", 1), ("last", 2)])
def test_short_epochs_are_saved_together_and_a_run_that_dies_meanwhile_loses_nothing(here, monkeypatch, dies_in):
    """The best of the three epochs is the first, so its weights are not those of `last`."""
    monkeypatch.setattr(saving, "SECONDS_BETWEEN", 1000.0)
    monkeypatch.setattr(Fit, "_judge", first_is_best)
    whole = train("epochs=3").path.rename("whole")
    assert checkpoints.read(here / "whole/checkpoints/best")[1]["epoch"] == 1
    assert not (here / "whole/checkpoints/last/best.safetensors").exists()
    with monkeypatch.context() as patch:
        die_in_checkpoint(patch, dies_in[0], SystemExit, number=dies_in[1])
        with suppress(SystemExit):
            train("epochs=3")
    assert main(["train", "resume=run"]) == 0
    assert_same_end(whole)


def first_is_best(fit, monitor):
    progress = fit.state.progress
    if progress.best is not None:
        return False
    progress.best, progress.best_epoch = monitor, progress.epoch + 1
    return True


def test_a_best_that_is_ahead_of_last_is_not_judged(here, monkeypatch):
    die_in_checkpoint(monkeypatch, "last", SystemExit, number=2)
    with suppress(SystemExit):
        train("epochs=2")
    run = Run.open("run")
    tensors, values = checkpoints.read(run.checkpoint("best"))
    tensors["model"] = {name: weights + 1 for name, weights in tensors["model"].items()}
    run.save_checkpoint("best", tensors, values | {"epoch": 2})
    row = lines(run.table_file("history"))[1]
    run.table_file("history").write_text("".join([*lines(run.table_file("history")), row.replace("1,", "2,", 1)]))
    assert main(["train", "resume=run", "max_seconds=0.0001"]) == 0
    assert_told_of_one_training(Run.open("run"))


def test_a_best_that_cannot_be_had_again_is_refused(here, capsys):
    run = train("epochs=2")
    tensors, values = checkpoints.read(run.checkpoint("last"))
    _, best = checkpoints.read(run.checkpoint("best"))
    values["progress"] |= {"best_epoch": 1, "best": 0.25}
    run.save_checkpoint("last", tensors, values)
    run.save_checkpoint("best", tensors, best | {"epoch": 2})
    before = contents(run.path)
    assert main(["train", "resume=run", "epochs=3"]) == 3
    assert "is of epoch 2 (val/accuracy " in (error := capsys.readouterr().err)
    assert "'last' says that epoch 1 was the best (0.25), whose weights are gone; train again" in error
    assert contents(run.path) == before
    run.save_checkpoint("best", {"model": tensors["model"]}, {"epoch": 1, "val": {"accuracy": 0.25}})
    assert main(["train", "resume=run", "epochs=3"]) == 0


def test_a_finished_run_without_its_checkpoint_does_not_start_over(here, capsys):
    shutil.rmtree(train("epochs=1").checkpoint("last"))
    before = contents(here / "run")
    assert main(["train", "resume=run", "epochs=3"]) == 3
    assert "has no checkpoint 'last' to go on from, though its history has 1 epochs" in capsys.readouterr().err
    assert contents(here / "run") == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["epochs=2"], "2 epochs are done already; epochs=4 would go on training"),
        (["max_seconds=0.0001"], "the time is used up (max_seconds=0.0001)"),
    ],
)
def test_a_finished_run_with_nothing_left_to_do_stays_as_it_is(here, capsys, words, reason):
    before = contents(train(*words).path)
    table = capsys.readouterr().out
    assert main(["train", "resume=run"]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == [f"note: nothing is left to do: {reason}"]
    assert told.out == table
    assert contents(here / "run") == before


def test_fewer_epochs_than_are_done_are_refused(here, capsys):
    before = contents(train("epochs=2").path)
    assert main(["train", "resume=run", "epochs=1"]) == 2
    assert "error: epochs=1: 2 are done already; epochs=2 would end the run here" in capsys.readouterr().err
    assert contents(here / "run") == before


def test_what_is_not_exact_stays_in_the_record(here, capsys):
    train("epochs=2")
    assert main(["train", "resume=run", "epochs=3"]) == 0
    sentence = (
        "not exact: epochs was 2 and is 3, and the learning rate of scheduler=cosine depends on it, so it jumps here"
    )
    assert f"warning: {sentence}" in capsys.readouterr().err
    assert Run.open("run").record["not_exact"] == [sentence]
    assert sentence in (here / "run/run.log").read_text()


def test_a_best_that_is_gone_is_told_before_training_goes_on(here, capsys):
    run = train("epochs=2")
    tensors, values = checkpoints.read(run.checkpoint("last"))
    values["progress"] |= {"best_epoch": 1}
    run.save_checkpoint("last", tensors, values)
    shutil.rmtree(run.checkpoint("best"))
    before = contents(run.path)
    assert main(["train", "resume=run", "epochs=3"]) == 3
    assert "run/checkpoints/best is gone, and with it the best epoch; train again" in capsys.readouterr().err
    assert contents(run.path) == before


def test_a_run_where_nothing_can_be_written_is_told_in_a_sentence(here, capsys, monkeypatch):
    train("epochs=1")

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system", "run/.lock")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert main(["train", "resume=run", "epochs=2"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "cnnrun train: error: could not write into run: Read-only file system"
