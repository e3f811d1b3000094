"""`train` and `eval` from end to end, on a few digits. `pytest tests/commands`"""

import json
import shutil

import pandas as pd
import pytest
import yaml

from cnnrun.cli import main
from cnnrun.errors import CnnrunError
from cnnrun.run import Run
from cnnrun.tables import CLASSES, HISTORY, LAYERS, PREDICTIONS, RESULTS
from cnnrun.training import checkpoints

QUICK = ["dataset.limit=200", "model=mlp", "model.hidden=[16]", "threads=1"]
FIGURES = [
    "architecture",
    "augmented_batch",
    "calibration",
    "class_counts",
    "confusion",
    "curves",
    "first_images",
    "mistakes",
    "per_class",
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words, code=0):
    assert main(["train", *QUICK, "figures=false", "hydra.run.dir=run", *words]) == code
    return Run.open("run")


def test_a_run_leaves_the_folder_that_the_readme_describes(here):
    assert main(["train", *QUICK, "epochs=2", "hydra.run.dir=run"]) == 0
    run = here / "run"
    there = {str(file.relative_to(run)) for file in run.rglob("*") if file.is_file() and not file.name.startswith(".")}
    tables = {
        f"tables/{name}.csv" for name in ("layers", "classes", "per_class", "confusion", "predictions", "calibration")
    }
    checkpoints = {
        f"checkpoints/{name}/{file}" for name in ("best", "last") for file in ("manifest.json", "state.json")
    }
    checkpoints |= {"checkpoints/best/model.safetensors"}
    checkpoints |= {f"checkpoints/last/{stem}.safetensors" for stem in ("model", "optimizer", "sums")}
    top = {"config.yaml", "run.json", "history.csv", "results.csv", "preprocessing.json", "run.log"}
    assert there == top | tables | checkpoints | {f"figures/{name}.png" for name in FIGURES}


def test_tables_have_the_columns_that_tables_py_lists(here):
    run = train("epochs=2")
    for table in (HISTORY, RESULTS, LAYERS, CLASSES, PREDICTIONS):
        columns = list(pd.read_csv(run.table_file(table.name)))
        assert [name for name in columns if name in table.names] == table.names, table.name
        assert bool(table.wide) == (len(columns) > len(table.names)), table.name


def test_the_record_says_where_the_numbers_come_from(here):
    record = train("epochs=2", "seed=7").record
    assert record["status"] == "finished"
    assert record["seed"] == 7
    assert record["choices"]["model"] == "mlp"
    assert record["data"]["samples"] == {"train": 180, "val": 20, "test": 200}
    assert record["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert set(record["versions"]) >= {"cnnrun", "torch", "python"}
    assert record["epochs"] == 2
    assert 1 <= record["best_epoch"] <= 2


def test_a_prediction_can_be_traced_and_agrees_with_the_results(here):
    run = train("epochs=2")
    predictions = pd.read_csv(run.table_file("predictions"))
    accuracy = next(
        float(row["value"]) for row in run.results() if (row["split"], row["metric"]) == ("test", "accuracy")
    )
    assert predictions["correct"].mean() == pytest.approx(accuracy)
    assert predictions["id"].is_unique
    assert len(predictions) == 200


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_eval_repeats_what_train_wrote(here, split):
    run = train("epochs=2")
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    assert main(["eval", "run=run", f"split={split}", "figures=false", "hydra.run.dir=again"]) == 0
    again = {row["metric"]: row for row in Run.open("again").results()}
    wrote = {
        row["metric"]: row for row in run.results() if row["split"] == split and not row["metric"].endswith("_gap")
    }
    assert again == wrote
    assert {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()} == before


def test_the_default_folder_of_an_evaluation_names_the_run(here):
    train("epochs=1")
    assert main(["eval", "run=run", "figures=false"]) == 0
    (folder,) = (here / "outputs" / "eval").iterdir()
    assert "run-test" in folder.name
    assert Run.open(folder).record["of"] == "run"


@pytest.mark.parametrize(
    ("error", "code", "status"), [(CnnrunError, 1, "failed"), (KeyboardInterrupt, 130, "interrupted")]
)
def test_an_evaluation_that_does_not_end_well_says_so_in_its_folder(here, monkeypatch, error, code, status):
    def end(*_):
        raise error("no such luck")

    train("epochs=1")
    monkeypatch.setattr("cnnrun.report.classes.ClassesReport.write_tables", end)
    assert main(["eval", "run=run", "hydra.run.dir=again"]) == code
    assert Run.open("again").status == status


def test_a_run_that_learned_nothing_is_named_and_still_ends_well(here, capsys):
    record = train("epochs=1", "optimizer=sgd", "optimizer.lr=1e-9", "optimizer.nesterov=false").record
    assert record["dead"]
    assert any("learned nothing: train/loss" in sentence for sentence in record["warnings"])
    assert "learned nothing" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_the_evidence(here, capsys):
    run = train("epochs=5", "optimizer=sgd", "optimizer.lr=1e9", code=1)
    assert "optimizer.lr" in capsys.readouterr().err
    assert run.status == "failed"
    assert "became" in run.record["reason"]
    assert "became" in (here / "run" / "run.log").read_text()
    assert run.record["reason"].endswith("the weights as they were then are in run/checkpoints/diverged")
    tensors, values = checkpoints.read(run.checkpoint("diverged"))
    assert not all(weights.isfinite().all() for weights in tensors["model"].values())
    assert values["progress"]["step"] > 0
    assert len(pd.read_csv(run.table_file("history"))) == values["progress"]["epoch"]


def test_a_second_run_does_not_write_over_the_first(here, capsys):
    train("epochs=1")
    assert main(["train", *QUICK, "hydra.run.dir=run"]) == 2
    assert "already holds a run" in capsys.readouterr().err


def test_a_finished_run_can_be_given_more_epochs(here):
    whole = train("epochs=3", "scheduler=constant")
    assert main(["train", *QUICK, "figures=false", "hydra.run.dir=part", "epochs=2", "scheduler=constant"]) == 0
    assert main(["train", "resume=part", "epochs=3"]) == 0
    timeless = ["seconds", "samples_per_second"]
    histories = [pd.read_csv(f"{name}/history.csv").drop(columns=timeless) for name in ("run", "part")]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    last = [(here / name / "checkpoints/last/model.safetensors").read_bytes() for name in ("run", "part")]
    assert last[0] == last[1]
    assert whole.config["epochs"] == Run.open("part").config["epochs"] == 3


def test_a_run_that_is_finished_twice_says_that_test_was_read_twice(here, capsys):
    record = train("epochs=1").record
    assert record["test_reads"] == 1
    assert "test was read" not in capsys.readouterr().err
    assert main(["train", "resume=run", "epochs=2"]) == 0
    record = Run.open("run").record
    assert record["test_reads"] == 2
    assert any(note.startswith("test was read 2 times: ") for note in record["notes"])
    assert "test was read 2 times" in capsys.readouterr().err


def test_a_stranger_whose_config_names_code_is_not_trusted(here, capsys):
    run = train("epochs=1")
    config = run.config
    config["model"] = {"name": "os:system", "command": "touch owned"}
    (here / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    for words in (["eval", "run=run"], ["train", "resume=run"]):
        assert main(words) == 2
        assert "trust_code=true" in capsys.readouterr().err
    assert not (here / "owned").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run=nowhere"], "nowhere does not exist"),
        (["run=run", "checkpoint=last"], None),
        (["run=run", "split=holdout"], "split=holdout"),
    ],
)
def test_eval_says_what_it_cannot_do(here, capsys, words, sentence):
    train("epochs=1")
    assert main(["eval", *words, "figures=false"]) == (2 if sentence else 0)
    if sentence:
        assert sentence in capsys.readouterr().err


def test_a_broken_checkpoint_is_refused(here, capsys):
    train("epochs=1")
    file = here / "run" / "checkpoints" / "best" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    assert main(["eval", "run=run"]) == 3
    assert "is not the file that was saved" in capsys.readouterr().err
    assert not (here / "outputs").exists()


def test_data_that_changed_since_are_refused(here, capsys):
    run = train("epochs=1")
    record = run.record | {"data": run.record["data"] | {"fingerprint": "0" * 16}}
    (here / "run" / "run.json").write_text(json.dumps(record))
    assert main(["train", "resume=run", "epochs=2"]) == 3
    assert "its fingerprint has changed" in capsys.readouterr().err


def test_an_evaluation_warns_of_data_that_changed_since(here, capsys):
    run = train("epochs=1")
    assert main(["eval", "run=run", "figures=false"]) == 0
    assert "fingerprint" not in capsys.readouterr().err
    record = run.record | {"data": run.record["data"] | {"fingerprint": "0" * 16}}
    (here / "run" / "run.json").write_text(json.dumps(record))
    assert main(["eval", "run=run", "figures=false"]) == 0
    assert "warning: the data set is not the one that run was trained on" in capsys.readouterr().err


def test_weights_of_another_model_are_refused(here, capsys):
    config = train("epochs=1").config
    config["model"]["hidden"] = [17]
    (here / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    assert main(["eval", "run=run"]) == 3
    line = capsys.readouterr().err.splitlines()[-1]
    assert (
        "checkpoint run/checkpoints/best does not fit the model of its config.yaml, which may have been changed" in line
    )
    assert "size mismatch for" in line


def test_a_run_killed_before_it_had_written_anything_but_its_record_ends_with_all_files(here):
    run = train("epochs=1")
    there = sorted(run.path.rglob("*"))
    for entry in run.path.iterdir():
        if entry.name not in ("config.yaml", "run.json", ".lock"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    assert main(["train", "resume=run"]) == 0
    assert sorted(run.path.rglob("*")) == there
    assert main(["eval", "run=run", "figures=false"]) == 0


def test_a_reader_that_has_gone_does_not_make_a_finished_run_a_failed_one(here, monkeypatch):
    def gone(*_):
        raise BrokenPipeError

    monkeypatch.setattr("cnnrun.console.results", gone)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert train("epochs=1", code=1).status == "finished"


def test_the_config_of_a_run_says_which_precision_auto_came_to(here, monkeypatch):
    monkeypatch.setattr("cnnrun.training.device.multiplies_bf16", lambda device: True)
    run = train("epochs=1")
    assert run.config["precision"] == run.record["precision"] == "bf16"


def test_classes_that_changed_since_are_refused(here, capsys):
    run = train("epochs=1")
    stored = run.preprocessing | {"class_names": [*"abcdefghij"]}
    (here / "run" / "preprocessing.json").write_text(json.dumps(stored))
    assert main(["eval", "run=run"]) == 3
    assert "the data set has the classes 0, 1, 2" in capsys.readouterr().err


def test_a_sweep_marks_the_job_that_val_chose_and_skips_what_is_finished(here, capsys):
    words = ["train", "-m", *QUICK, "figures=false", "epochs=2", "optimizer.lr=0.0001,0.01", "sweep=lr"]
    assert main(words) == 0
    table = pd.read_csv(here / "outputs/sweeps/lr/sweep.csv")
    assert list(table["optimizer.lr"]) == [0.0001, 0.01]
    assert table["val/accuracy"].idxmax() == table.index[table["chosen"] == "*"][0]
    assert "test/accuracy" in table
    histories = {file: file.stat().st_mtime_ns for file in here.glob("outputs/sweeps/lr/*/history.csv")}
    assert len(histories) == 2
    capsys.readouterr()
    assert main(words) == 0
    assert {file: file.stat().st_mtime_ns for file in histories} == histories
    assert "val/accuracy" in capsys.readouterr().out


def test_a_job_that_fails_leaves_the_others_and_the_exit_code_says_so(here, capsys):
    words = ["optimizer=sgd", "optimizer.lr=1e9,0.01", "epochs=2", "sweep=lr"]
    assert main(["train", "-m", *QUICK, "figures=false", *words]) == 4
    table = pd.read_csv(here / "outputs/sweeps/lr/sweep.csv")
    assert list(table["status"]) == ["failed", "finished"]
    assert "became" in table["error"][0]


def test_the_log_says_what_happened_epoch_by_epoch(here):
    log = (train("epochs=2", "patience=1").path / "run.log").read_text().splitlines()
    assert "started: cnnrun train dataset.limit=200" in log[0]
    assert "epoch 1: train/loss" in log[1]
    assert "val/accuracy" in log[1]
    assert "all 2 epochs are done" in log[-1] or "no improvement" in log[-1]


def test_a_training_that_ends_early_says_why(here, capsys):
    train("epochs=50", "max_seconds=0.0001")
    assert "training ended before its last epoch: the time is used up" in capsys.readouterr().err


def test_resume_with_other_epochs_says_that_the_schedule_jumps(here, capsys):
    train("epochs=2")
    assert main(["train", "resume=run", "epochs=3"]) == 0
    assert "epochs was 2 and is 3, and the learning rate of scheduler=cosine" in capsys.readouterr().err


def test_resume_of_a_finished_run_says_that_nothing_is_left(here, capsys):
    train("epochs=2")
    assert main(["train", "resume=run"]) == 0
    assert "2 epochs are done already; epochs=4 would go on training" in capsys.readouterr().err


def test_a_run_whose_checkpoint_is_gone_does_not_start_over_in_silence(here, capsys):
    train("epochs=2")
    shutil.rmtree(here / "run" / "checkpoints" / "last")
    history = (here / "run" / "history.csv").read_bytes()
    assert main(["train", "resume=run", "epochs=3"]) == 3
    assert "has no checkpoint 'last' to go on from, though its history has 2 epochs" in capsys.readouterr().err
    assert (here / "run" / "history.csv").read_bytes() == history


def test_batch_norm_that_would_see_one_value_is_refused_before_training(here, capsys):
    words = ["dataset.limit=40", "model=resnet20", "model.strides=[2,2,2]", "batch_size=1", "hydra.run.dir=run"]
    assert main(["train", *words]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "cnnrun train: error: batch_size=1: where a process trains on one sample, features.stage3.block1.residual.bn1 "
        "has one value a channel and cannot normalise it; take a larger batch_size or dataset.image_size, or fewer "
        "poolings"
    )


def test_stored_preprocessing_of_another_number_of_channels_is_refused(here, capsys):
    train("epochs=1")
    file = here / "run/preprocessing.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"scale": [1.0, 1.0, 1.0]}))
    assert main(["eval", "run=run"]) == 3
    assert "has scale and shift for 3 and 1 channels, and the data set has 1" in capsys.readouterr().err


def test_a_balanced_sampler_draws_other_samples(here):
    drawn = [row["train/loss"] for row in train("epochs=1", "sampler=balanced").rows(HISTORY)]
    shutil.rmtree("run")
    assert drawn != [row["train/loss"] for row in train("epochs=1").rows(HISTORY)]


def test_a_balanced_sampler_is_refused_for_a_series(here, capsys):
    assert main(["train", "dataset=energy_demo", "sampler=balanced", "threads=1"]) == 2
    assert "a series has none; take sampler=uniform" in capsys.readouterr().err


def test_weights_that_are_not_there_are_told_before_the_data_is_looked_for(here, capsys):
    words = ["dataset=image_folder", "dataset.root=nowhere", "model=backbone", "model.weights=gone.pth", "threads=1"]
    assert main(["train", *words]) == 3
    assert "model.weights=gone.pth: there is no such file" in capsys.readouterr().err
