"""A run that is killed for real, and gone on with, ends with the same bytes. `pytest -m slow tests/commands`"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnnrun.run import Run

pytestmark = pytest.mark.slow

EVERYTHING = [
    *("model=cnn", "model.channels=[8,16]", "model.dropout=0.2", "augment=reference", "augment.mixup=0.2"),
    *(
        "scheduler=plateau",
        "scheduler.patience=1",
        "ema=0.95",
        "patience=4",
        "grad_clip=1.0",
        "task.label_smoothing=0.1",
    ),
    *("epochs=5", "batch_size=8", "figures=false", "threads=1"),
]
WITHOUT_TIMES = ("seconds", "samples_per_second")


def start(*words, cwd):
    command = [sys.executable, "-m", "cnnrun", "train", *words]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, code=0):
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out, err


def wait_for_epoch(folder: Path, epoch: int) -> None:
    """Until so many epochs are done and the next has begun."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (folder / "checkpoints/last").is_dir() and len(history(folder)) >= epoch:
            time.sleep(0.3)
            return
        time.sleep(0.01)
    raise AssertionError("the run did not get that far")


def history(folder):
    file = folder / "history.csv"
    if not file.exists():
        return []
    with open(file, newline="") as stream:
        return [{k: v for k, v in row.items() if k not in WITHOUT_TIMES} for row in csv.DictReader(stream)]


def assert_same_end(folder, whole):
    assert history(folder) == history(whole)
    for name in ("results.csv", "tables/predictions.csv", "tables/confusion.csv", "preprocessing.json"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    for file in sorted(whole.glob("checkpoints/*/*.safetensors")):
        assert (folder / file.relative_to(whole)).read_bytes() == file.read_bytes(), file.name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody disturbed."""
    here = tmp_path_factory.mktemp("whole")
    finish(start(*EVERYTHING, "hydra.run.dir=run", cwd=here))
    return here / "run"


def test_after_sigkill_in_the_middle_of_an_epoch(whole, tmp_path):
    process = start(*EVERYTHING, "hydra.run.dir=run", cwd=tmp_path)
    wait_for_epoch(tmp_path / "run", 2)
    process.kill()
    process.communicate()
    assert Run.open(tmp_path / "run").status == "running"
    finish(start("resume=run", cwd=tmp_path))
    assert_same_end(tmp_path / "run", whole)


def test_after_sigkill_before_the_first_epoch_was_done(whole, tmp_path):
    process = start(*EVERYTHING, "hydra.run.dir=run", cwd=tmp_path)
    while not (tmp_path / "run" / "run.json").exists():
        time.sleep(0.01)
    process.kill()
    process.communicate()
    finish(start("resume=run", cwd=tmp_path))
    assert_same_end(tmp_path / "run", whole)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_the_step_reached_and_the_run_goes_on_from_it(whole, tmp_path, signum, code):
    process = start(*EVERYTHING, "hydra.run.dir=run", cwd=tmp_path)
    wait_for_epoch(tmp_path / "run", 1)
    os.kill(process.pid, signum)
    _, err = finish(process, code)
    run = Run.open(tmp_path / "run")
    assert run.status == "interrupted"
    assert "go on with: cnnrun train resume=run" in err
    progress = json.loads((run.checkpoint("last") / "state.json").read_text())["progress"]
    assert progress["step"] > 0, "the signal came in the middle of an epoch"
    assert f"stopped in epoch {progress['epoch'] + 1} after step {progress['step']}" in err
    finish(start("resume=run", cwd=tmp_path))
    assert_same_end(tmp_path / "run", whole)
