"""Two processes on the CPU, as torchrun starts them, against one; `-m slow` for all but a few.

`pytest -m slow tests/training/test_distributed.py`
"""

import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cnnrun import cli
from cnnrun.training import distributed

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SMALL = ["dataset.image_size=28", "dataset.limit=280", "figures=false", "device=cpu", "precision=fp32"]
"""252 digits to train on, as large as MNIST's."""
SECONDS = 240
"""Far more than any of these takes: what hangs fails."""


def launch(words, folder):
    """Start two processes. Their output goes to a file: a pipe that nobody reads would stop them."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            [*TORCHRUN, *words], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )


def finish(process, folder):
    """The exit code, and all that was said."""
    try:
        code = process.wait(SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
    return code, (folder / "output.txt").read_text()


def torchrun(words, folder):
    folder.mkdir(exist_ok=True)
    return finish(launch(words, folder), folder)


def alone(words, folder, monkeypatch):
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert cli.main(words) == 0


def rows_of(file):
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def the_run(folder):
    [run] = (folder / "outputs/train").iterdir()
    return run


MODELS = {
    "mlp": ["model=mlp", "optimizer=adam", "augment=flip_crop", "batch_size=35"],
    "reference_001_cnn": ["model=reference_001_cnn", "optimizer=sgd", "optimizer.lr=0.01", "batch_size=251"],
}
"""Of 252 samples: 7 are left for the last batch, which makes shares of 3 and 4; or 1, and a process has none."""


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_two_processes_agree_with_one(model, tmp_path, monkeypatch):
    words = ["train", *SMALL, *MODELS[model], "epochs=4", "grad_clip=0.5", "ema=0.9"]
    alone(words, tmp_path / "one", monkeypatch)
    code, output = torchrun(["-m", "cnnrun", *words], tmp_path / "two")
    assert code == 0, output
    one, two = the_run(tmp_path / "one"), the_run(tmp_path / "two")

    for name in ("best", "last"):
        ours, theirs = (load_file(run / f"checkpoints/{name}/model.safetensors") for run in (two, one))
        for key, weights in theirs.items():
            torch.testing.assert_close(ours[key], weights, rtol=1e-5, atol=1e-5, msg=f"{name} {key}")
    for ours, theirs in zip(rows_of(two / "history.csv"), rows_of(one / "history.csv"), strict=True):
        for column in ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "step"):
            assert float(ours[column]) == pytest.approx(float(theirs[column]), rel=1e-5, abs=1e-5), column
    for ours, theirs in zip(rows_of(two / "results.csv"), rows_of(one / "results.csv"), strict=True):
        assert [ours[key] for key in ("split", "metric", "n")] == [theirs[key] for key in ("split", "metric", "n")]
        assert float(ours["value"]) == pytest.approx(float(theirs["value"]), abs=1e-4)
    ids = [[row["id"] for row in rows_of(run / "tables/predictions.csv")] for run in (two, one)]
    assert ids[0] == ids[1]
    assert json.loads((two / "run.json").read_text())["processes"] == 2
    assert len(re.findall(r"^epoch ", output, re.M)) == 4
    assert output.count("run folder:") == 1


@pytest.mark.slow
def test_batch_norm_is_judged_with_the_same_statistics_by_all(tmp_path):
    words = ["train", *SMALL, "dataset.image_size=8", "epochs=3", "batch_size=16", "device=cpu", "optimizer.lr=0.01"]
    code, output = torchrun(["-m", "cnnrun", *words], tmp_path)
    assert code == 0, output
    run = the_run(tmp_path)
    best = max(rows_of(run / "history.csv"), key=lambda row: float(row["val/accuracy"]))
    results = {row["metric"]: row["value"] for row in rows_of(run / "results.csv") if row["split"] == "val"}
    assert float(results["accuracy"]) == pytest.approx(float(best["val/accuracy"]))
    assert float(results["log_loss"]) == pytest.approx(float(best["val/loss"]), rel=1e-4)


LONG = ["-m", "cnnrun", "train", *SMALL, "model=reference_001_cnn", "epochs=12", "batch_size=4", "ema=0.99"]
LONG += ["model.dropout=0.2", "augment=reference", "hydra.run.dir=run"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    code, output = torchrun(LONG, folder)
    assert code == 0, output
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize("target", ["torchrun", "one of its children"])
def test_terminated_processes_stop_together_and_go_on_to_the_same_bytes(target, uninterrupted, tmp_path):
    process = launch(LONG, tmp_path)
    deadline = time.monotonic() + SECONDS
    while not (tmp_path / "run/history.csv").exists():
        assert time.monotonic() < deadline, "no epoch came to its end"
        assert process.poll() is None, (tmp_path / "output.txt").read_text()
        time.sleep(0.02)
    os.kill(process.pid if target == "torchrun" else children(process.pid)[-1], signal.SIGTERM)
    code, output = finish(process, tmp_path)
    assert code != 0
    assert output.count("go on with: cnnrun train resume=run") == 1
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "interrupted"

    code, output = torchrun([*LONG[:3], "resume=run"], tmp_path)
    assert code == 0, output
    assert "not exact" not in output
    tensors = sorted(file.relative_to(uninterrupted) for file in uninterrupted.rglob("*.safetensors"))
    assert tensors
    for file in [*tensors, Path("tables/predictions.csv"), Path("results.csv")]:
        assert digest(tmp_path / "run" / file) == digest(uninterrupted / file), file
    history = [without_times(run / "history.csv") for run in (tmp_path / "run", uninterrupted)]
    assert history[0] == history[1]


def children(pid):
    """Ids of the processes that a process has started, first to last."""
    output = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return sorted(map(int, output.stdout.split()))


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def without_times(file):
    return [{k: v for k, v in row.items() if k not in ("seconds", "samples_per_second")} for row in rows_of(file)]


ERRORS = {
    "a wrong setting": (["batch_size=0"], 2, "batch_size"),
    "a folder that is taken": (["hydra.run.dir=taken"], 2, "already holds a run"),
    "data that is missing": (["dataset=mnist", "dataset.root=nowhere", "offline=true"], 3, "nowhere"),
    "a loss that is no number": (["optimizer=sgd", "optimizer.lr=1e30", "batch_size=4"], 1, "became"),
    "a batch for one process": (["batch_size=1"], 2, "2 processes need a sample each"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ERRORS)
def test_an_error_ends_both_processes_and_is_told_once(mistake, tmp_path):
    changes, code, words = ERRORS[mistake]
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/run.json").write_text("{}")
    failed, output = torchrun(["-m", "cnnrun", "train", *SMALL, *changes], tmp_path)
    assert failed != 0
    [said] = re.findall(r"^cnnrun train: error: .*", output, re.M)
    assert words in said
    assert f"exitcode  : {code}" in output
    assert "SIGABRT" not in output


@pytest.mark.slow
def test_what_processes_tell_each_other(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import torch
        from cnnrun.errors import DataError, ToldElsewhere
        from cnnrun.training import distributed as d

        def fail():
            raise DataError("no data")

        device = torch.device("cpu")
        with d.together(device):
            assert d.world_size() == 2
            assert d.total(torch.tensor([1.0, d.rank()])).tolist() == [2.0, 1.0]
            assert d.of_each(torch.tensor(d.rank() + 0.5)).tolist() == [0.5, 1.5]
            assert d.most_urgent(3 * d.rank(), device) == 3
            assert d.on_first(lambda: {"rank": d.rank(), "tensor": torch.ones(2)})["rank"] == 0
            assert d.first_then_others(d.rank) == d.rank()
            for rule in (d.on_first, d.first_then_others):
                try:
                    rule(fail)
                except DataError as error:
                    assert d.is_first() and str(error) == "no data"
                except ToldElsewhere as error:
                    assert not d.is_first() and (str(error), error.exit_code) == ("no data", 3)
            norm = torch.nn.BatchNorm1d(2)
            norm.running_mean.fill_(d.rank() + 1)
            d.share_buffers(norm)
            assert norm.running_mean.tolist() == [1.0, 1.0]
            print(f"process {d.rank()} is content", flush=True)
            if not d.is_first():
                raise DataError("only here")
            d.total(torch.zeros(1))
        """)
    )
    code, output = torchrun([str(script)], tmp_path)
    assert "process 0 is content" in output, output
    assert "process 1 is content" in output, output
    assert code != 0
    assert "only here" in output


def test_alone_everything_is_as_if_there_were_no_others():
    value = torch.tensor(2.5)
    with distributed.together(torch.device("cpu")):
        assert distributed.world_size() == 1
        assert distributed.is_first()
        assert distributed.total(value) is value
        assert distributed.of_each(value).tolist() == [2.5]
        assert distributed.most_urgent(2, torch.device("cpu")) == 2
        assert distributed.on_first(lambda: 7) == distributed.first_then_others(lambda: 7) == 7


def test_a_world_without_a_meeting_point_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert cli.main(["train", "device=cpu"]) == 2
    assert capsys.readouterr().err == (
        "cnnrun train: error: the environment says WORLD_SIZE=4, but not where to meet (MASTER_ADDR); "
        "start several processes with torchrun, or unset WORLD_SIZE\n"
    )


@pytest.mark.parametrize(
    ("words", "what"), [(["eval", "run=somewhere"], "eval"), (["train", "-m", "seed=0,1"], "train -m")]
)
def test_torchrun_is_refused_for_what_is_not_one_training(words, what, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli.main(words) == 2
    expected = f"error: torchrun is for one 'cnnrun train'; start 'cnnrun {what}' without it\n"
    assert capsys.readouterr().err.endswith(expected)
