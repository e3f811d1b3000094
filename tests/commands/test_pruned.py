"""A training that a search ends early. `pytest tests/commands/test_pruned.py`; `-m slow` with two processes"""

import os
import pickle
import subprocess
import sys
import textwrap
from dataclasses import dataclass, replace

import pandas as pd
import pytest

from cnnrun.cli import main
from cnnrun.commands.train import train
from cnnrun.config import Request, compose
from cnnrun.run import Run
from cnnrun.training import checkpoints

QUICK = [
    *("dataset.limit=200", "model=mlp", "model.hidden=[16]", "threads=1", "figures=false", "scheduler=constant"),
    "epochs=4",
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass
class EndsAfter:
    """Says so after that epoch; notes what it is told."""

    epoch: int
    told: list[tuple[int, float]]

    def __call__(self, epoch: int, value: float) -> str | None:
        self.told.append((epoch, value))
        return "worse than the median of 3 trials" if epoch == self.epoch else None


def watched(watch, *words):
    job = compose.one(Request("train", "cnnrun.commands.train:train", (*QUICK, "hydra.run.dir=run", *words)))
    train(job.config, replace(job.invocation, watch=watch))
    return Run.open("run")


def test_a_sentence_of_the_watch_ends_the_training_with_all_that_is_needed_to_go_on(here, capsys):
    watch = EndsAfter(2, [])
    run = watched(watch)
    history = pd.read_csv(run.table_file("history"))
    assert watch.told == [(row.epoch, row["val/accuracy"]) for _, row in history.iterrows()]
    record = run.record
    assert record["status"] == "pruned"
    assert record["reason"] == "worse than the median of 3 trials"
    assert record["epochs"] == len(history) == 2
    assert record["monitor"] == "val/accuracy"
    assert record["higher_is_better"] is True
    assert record["best_value"] == history["val/accuracy"].max()
    assert record["best_epoch"] == history["epoch"][history["val/accuracy"].idxmax()]
    assert record["seconds"] == pytest.approx(history["seconds"].sum(), abs=0.001)
    assert checkpoints.read(run.checkpoint("last"))[1]["progress"]["epoch"] == 2
    assert checkpoints.read(run.checkpoint("best"))[1]["epoch"] == record["best_epoch"]
    told = capsys.readouterr().err
    assert "pruned after epoch 2: worse than the median of 3 trials; test was not read: run" in told
    assert "pruned: worse" in (here / "run/run.log").read_text()


def test_the_test_split_of_a_pruned_run_is_not_read(here):
    run = watched(EndsAfter(1, []))
    assert "test_reads" not in run.record
    assert run.results() == []


def test_a_pruned_run_goes_on_to_where_an_unwatched_one_ends(here):
    watched(EndsAfter(2, []))
    assert main(["train", "resume=run"]) == 0
    assert main(["train", *QUICK, "hydra.run.dir=whole"]) == 0
    run = Run.open("run")
    assert run.status == "finished"
    assert run.record["reason"] is None
    assert run.record["test_reads"] == 1
    for name in ("results.csv", "checkpoints/best/model.safetensors"):
        assert (here / "run" / name).read_bytes() == (here / "whole" / name).read_bytes()


def test_after_the_last_epoch_the_run_is_finished_whatever_the_watch_says(here):
    watch = EndsAfter(4, [])
    assert watched(watch).status == "finished"
    assert [epoch for epoch, _ in watch.told] == [1, 2, 3, 4]


def test_a_watch_travels_to_another_process(here):
    job = compose.one(Request("train", "cnnrun.commands.train:train", tuple(QUICK)))
    again = pickle.loads(pickle.dumps(replace(job.invocation, watch=EndsAfter(2, []))))
    assert again.watch == EndsAfter(2, [])


@pytest.mark.slow
def test_two_processes_end_together_on_the_word_of_the_first(tmp_path):
    script = tmp_path / "watched.py"
    script.write_text(
        textwrap.dedent(f"""
        import os
        from dataclasses import replace
        from cnnrun.commands.train import train
        from cnnrun.config import Request, compose

        def watch(epoch, value):
            assert os.environ["RANK"] == "0"
            return "hopeless" if epoch == 2 else None

        words = {tuple(QUICK)} + ("device=cpu", "hydra.run.dir=run")
        job = compose.one(Request("train", "cnnrun.commands.train:train", words))
        train(job.config, replace(job.invocation, watch=watch))
        """)
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=240, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "run")
    assert run.status == "pruned"
    assert run.record["processes"] == 2
    assert done.stderr.count("pruned after epoch 2") == 1
