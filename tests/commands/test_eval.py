"""What `eval` refuses, records and draws, on a few digits. `pytest tests/commands/test_eval.py`"""

import shutil
from pathlib import Path

import pytest
import yaml

from cnnrun.cli import main
from cnnrun.run import Run

TRAIN = ["train", "dataset.limit=200", "model=mlp", "model.hidden=[16]", "threads=1", "epochs=2", "figures=false"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main([*TRAIN, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """An empty folder but for a run."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, "run")
    return tmp_path


def evaluate(*words):
    assert main(["eval", "run=run", "hydra.run.dir=again", *words]) == 0
    return Run.open("again")


@pytest.mark.parametrize("words", [["eval", "run=again"], ["train", "resume=again"]])
def test_an_evaluation_is_no_run_to_judge_or_to_go_on_with(here, capsys, words):
    evaluate("figures=false")
    capsys.readouterr()
    assert main(words) == 2
    assert capsys.readouterr().err == (f"cnnrun {words[0]}: error: again is an evaluation of run: name that run\n")


@pytest.mark.parametrize(("checkpoint", "epoch"), [("best", "best_epoch"), ("last", "epochs")])
def test_the_record_of_an_evaluation_says_how_it_was_computed(here, checkpoint, epoch):
    trained = Run.open("run").record
    record = evaluate("figures=false", f"checkpoint={checkpoint}", "precision=bf16").record
    assert record["precision"] == "bf16"
    assert record["epoch"] == trained[epoch]
    alike = ("versions", "machine", "device", "threads", "processes", "parameters", "data")
    assert {name: record[name] for name in alike} == {name: trained[name] for name in alike}
    assert "git_commit" in record


def test_an_evaluation_leaves_the_files_that_the_readme_lists(here):
    evaluate("split=val")
    there = {str(file.relative_to(here / "again")) for file in here.glob("again/**/[!.]*") if file.is_file()}
    names = ("layers", "classes", "per_class", "confusion", "predictions", "calibration")
    tables = {f"tables/{name}.csv" for name in names}
    drawn = ("architecture", "confusion", "per_class", "calibration", "mistakes")
    assert there == {"config.yaml", "run.json", "results.csv"} | tables | {f"figures/{name}.png" for name in drawn}


def test_a_run_that_is_older_than_a_setting_is_judged_as_it_was(trained, here, capsys):
    config = yaml.safe_load(Path("run/config.yaml").read_text())
    del config["sampler"], config["cache"], config["dataset"]["val_fraction"]
    Path("run/config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    assert main(["eval", "run=run", "figures=false", "hydra.run.dir=out"]) == 0
    said = "run is older than these settings; taken as by default: sampler=uniform, cache.prefix=auto, cache.views=0"
    assert f"note: {said}, dataset.val_fraction=0.1\n" in capsys.readouterr().err
    before = [row for row in Run.open("run").results() if row["split"] == "test"]
    assert Run.open("out").results() == before
