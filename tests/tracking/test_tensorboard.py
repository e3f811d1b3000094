"""What TensorBoard's own reader finds of a run. `pytest tests/tracking/test_tensorboard.py`; `-m slow` for sweeps"""

import struct
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cnnrun.cli import main
from cnnrun.run import Run
from cnnrun.tracking.tensorboard import TensorBoard
from cnnrun.tracking.tracker import Begun

pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
QUICK = ["dataset.limit=200", "model=mlp", "model.hidden=[16]", "threads=1", "figures=false", "logger=tensorboard"]
COUNTS = ["epoch", "step"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def scalars(folder):
    """(step, value) by name."""
    found = read(folder)
    names = found.Tags()["scalars"] + [
        name for name in found.Tags()["tensors"] if not name.endswith(("text_summary", "data"))
    ]
    return {name: [(event.step, event.value) for event in found.Scalars(name)] for name in names}


def texts(folder):
    found = read(folder)
    return {
        name.partition("/")[0]: found.Tensors(name)[-1].tensor_proto.string_val[0].decode()
        for name in found.Tags()["tensors"]
        if name.endswith("text_summary")
    }


def assert_curves_are_the_history(run):
    history = pd.read_csv(run.table_file("history"))
    found = scalars(run.tensorboard)
    for column in history.columns.drop(COUNTS):
        expected = list(zip(history["epoch"], history[column], strict=True))
        assert [step for step, _ in found[column]] == [epoch for epoch, _ in expected], column
        assert [value for _, value in found[column]] == pytest.approx([value for _, value in expected], rel=1e-6)
    for row in run.results():
        [(_, value)] = found[f"best/{row['split']}/{row['metric']}"][-1:]
        assert value == pytest.approx(float(row["value"]), rel=1e-6)


def test_a_run_can_be_read_with_its_curves_results_settings_and_status(here):
    assert main(["train", *QUICK, "epochs=3", "seed=7", "hydra.run.dir=run"]) == 0
    run = Run.open("run")
    assert_curves_are_the_history(run)
    found = texts(run.tensorboard)
    assert "| model.hidden | [16] |" in found["settings"]
    assert "| seed | 7 |" in found["run"]
    assert found["status"] == "finished"
    assert "_hparams_/session_start_info" in read(run.tensorboard).summary_metadata


def test_a_run_that_goes_on_shows_each_epoch_once(here):
    assert main(["train", *QUICK, "epochs=2", "hydra.run.dir=run"]) == 0
    assert main(["train", "resume=run", "epochs=4"]) == 0
    assert len(list(Run.open("run").tensorboard.iterdir())) == 2
    assert_curves_are_the_history(Run.open("run"))


def test_epochs_that_a_killed_run_had_sent_and_not_saved_are_hidden(tmp_path):
    def begun(epoch, known):
        return Begun(tmp_path, tmp_path / "events", {}, {}, epoch, known)

    killed, again = TensorBoard(), TensorBoard()
    known = killed.begin(begun(0, None))
    for epoch in (1, 2, 3):
        killed.epoch({"epoch": epoch, "val/loss": float(epoch)})
    again.begin(begun(1, known))
    again.epoch({"epoch": 2, "val/loss": 20.0})
    again.end("finished", "")
    assert scalars(tmp_path / "events")["val/loss"] == [(1, 1.0), (2, 20.0)]


def test_a_figure_is_the_file_as_it_lies_in_the_run(tmp_path):
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + b"\x08\x06\x00\x00\x00rest"
    file = tmp_path / "curves.png"
    file.write_bytes(png)
    tracker = TensorBoard()
    tracker.begin(Begun(tmp_path, tmp_path / "events", {}, {}, 0, None))
    tracker.results({}, [file])
    tracker.end("finished", "")
    [image] = read(tmp_path / "events").Images("curves")
    assert (image.width, image.height, image.encoded_image_string) == (640, 480, png)


@pytest.mark.slow
def test_a_sweep_finds_its_jobs_again_whether_they_had_a_tracker_or_not(here):
    words = ["train", "-m", *QUICK[:-1], "epochs=1", "optimizer.lr=0.01,0.001", "sweep=lr"]
    assert main([*words, "logger=tensorboard"]) == 0
    stamps = {file: file.stat().st_mtime_ns for file in Path("outputs/sweeps/lr").glob("*/history.csv")}
    assert len(stamps) == 2
    assert main(words) == 0
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps


@pytest.mark.slow
def test_a_run_without_a_tracker_imports_none():
    code = (
        "import sys, cnnrun.commands.train, cnnrun.tracking.mlflow, cnnrun.tracking.wandb, cnnrun.tracking.tensorboard"
    )
    code += "; print([name for name in ('tensorboard', 'mlflow', 'wandb') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
