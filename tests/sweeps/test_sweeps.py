"""A sweep from the command line: its jobs, folders and table; errors, skipping, going on. `pytest tests/sweeps`"""

import csv
import json
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from cnnrun import cli
from cnnrun.run import Run
from cnnrun.sweeps.going_on import advice
from cnnrun.sweeps.jobs import Outcome
from cnnrun.sweeps.table import chosen


def sweep(*words):
    return cli.main(["train", "-m", *words])


def the_sweep() -> Path:
    (folder,) = Path("outputs/sweeps").iterdir()
    return folder


def rows_of(folder):
    with open(folder / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


def jobs_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_every_combination_becomes_a_run(toy):
    assert sweep("model=mlp,cnn", "optimizer.lr=0.1,0.01", "epochs=3") == 0
    assert jobs_in(the_sweep()) == [
        "model=cnn,optimizer.lr=0.01",
        "model=cnn,optimizer.lr=0.1",
        "model=mlp,optimizer.lr=0.01",
        "model=mlp,optimizer.lr=0.1",
    ]
    assert [(config["model"]["name"], config["optimizer"]["lr"]) for config, _ in toy.CALLS] == [
        ("mlp", 0.1),
        ("mlp", 0.01),
        ("cnn", 0.1),
        ("cnn", 0.01),
    ]
    config, invocation = toy.CALLS[0]
    assert config["epochs"] == 3
    assert config["resume"] is None
    assert invocation.output_dir == the_sweep() / "model=mlp,optimizer.lr=0.1"
    assert invocation.choices["model"] == "mlp"
    assert invocation.overrides == ["model=mlp", "optimizer.lr=0.1", "epochs=3"]
    assert sorted(path.name for path in the_sweep().iterdir() if path.is_file()) == [".lock", "sweep.csv", "sweep.json"]


def test_layer_ranges_are_swept_as_they_were_typed(toy, monkeypatch):
    def part_of_it(input_shape: object, num_outputs: object, *, trainable: str) -> None: ...

    monkeypatch.setattr(toy, "part_of_it", part_of_it, raising=False)
    monkeypatch.setitem(toy.MODELS, "part_of_it", "toy_parts:part_of_it")
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/part_of_it.yaml").write_text("name: part_of_it\ntrainable: none\n")
    assert sweep("model=part_of_it", "model.trainable=none,top:40,[0:10,-80:-40],features.1[24]{1,2}") == 0
    ranges = ["none", "top:40", "[0:10,-80:-40]", "features.1[24]{1,2}"]
    assert [config["model"]["trainable"] for config, _ in toy.CALLS] == ranges
    assert [row["model.trainable"] for row in rows_of(the_sweep())] == ranges


def test_the_folder_tells_the_swept_keys_and_depends_on_the_rest(toy):
    assert sweep("model=mlp,cnn", "seed=1,2") == 0
    assert the_sweep().name.startswith("model-seed-")
    assert len(the_sweep().name) == len("model-seed-") + 8
    assert sweep("model=cnn,mlp", "seed=2,3,1") == 0
    assert len(toy.CALLS) == 6, "more values of the same keys go into the same folder"
    assert sweep("model=mlp,cnn", "seed=1,2", "epochs=3") == 0
    assert len(list(Path("outputs/sweeps").iterdir())) == 2


def test_how_a_sweep_is_run_does_not_name_another_folder(toy):
    assert sweep("model=mlp,cnn") == 0
    assert sweep("model=mlp,cnn", "trust_code=true") == 0
    assert len(list(Path("outputs/sweeps").iterdir())) == 1
    assert len(toy.CALLS) == 2


def test_a_setting_inside_a_swept_part_is_part_of_the_rest(toy):
    assert sweep("model=mlp,cnn", "model.dropout=0.5") == 0
    assert sweep("model=mlp,cnn", "model.dropout=0.25") == 0
    assert len(list(Path("outputs/sweeps").iterdir())) == 2


def test_a_setting_that_only_the_swept_models_have_is_no_error(toy):
    assert sweep("model=mlp", "model.hidden=[4],[8,8]") == 0
    assert sweep("model=cnn,cnn_wide", "model.channels=[4]") == 0
    assert [config["model"].get("hidden") for config, _ in toy.CALLS] == [[4], [8, 8], None, None]


def test_a_sweep_can_be_named(toy):
    assert sweep("seed=1,2", "sweep=first") == 0
    assert jobs_in(Path("outputs/sweeps/first")) == ["seed=1", "seed=2"]
    assert sweep("seed=1,2", "hydra.sweep.dir=here (1)") == 0
    assert jobs_in(Path("here (1)")) == ["seed=1", "seed=2"]


def test_names_of_jobs_are_safe_and_different(toy):
    assert sweep("model.note=a/b,a_b,'a b','it\\'s'", "sweep=x") == 0
    names = jobs_in(Path("outputs/sweeps/x"))
    assert len(names) == 4
    assert "model.note=a_b" in names
    assert all("/" not in name and " " not in name and "'" not in name for name in names)
    assert [config["model"]["note"] for config, _ in toy.CALLS] == ["a/b", "a_b", "a b", "it's"]


def test_jobs_whose_names_would_be_alike_have_folders_of_their_own(toy):
    assert sweep("batch_size=64,128", "model.note='a/b','a:b'", "sweep=x") == 0
    assert [(config["batch_size"], config["model"]["note"]) for config, _ in toy.CALLS] == [
        (64, "a/b"),
        (64, "a:b"),
        (128, "a/b"),
        (128, "a:b"),
    ]
    names = jobs_in(Path("outputs/sweeps/x"))
    assert all(name.startswith(("batch_size=64,model.note=a_b-", "batch_size=128,model.note=a_b-")) for name in names)
    assert len(rows_of(Path("outputs/sweeps/x"))) == len(names) == 4


def test_values_that_differ_only_in_quotes_or_brackets_are_different_jobs(toy):
    assert sweep("model.kernel_size=3,[3]", "model.note=null,'null'", "sweep=x") == 0
    assert len(toy.CALLS) == len(jobs_in(Path("outputs/sweeps/x"))) == 4
    assert "model.kernel_size=3,model.note=null" in jobs_in(Path("outputs/sweeps/x"))
    assert sweep("model.kernel_size=3,[3]", "model.note=null,'null'", "sweep=x") == 0
    assert len(toy.CALLS) == 4


def test_names_of_harmless_values_have_no_digest(toy):
    assert sweep("batch_size=64,128", "model.channels=[4,8],[16]", "sweep=x") == 0
    assert jobs_in(Path("outputs/sweeps/x")) == [
        "batch_size=128,model.channels=16",
        "batch_size=128,model.channels=4-8",
        "batch_size=64,model.channels=16",
        "batch_size=64,model.channels=4-8",
    ]


def test_equal_jobs_run_once(toy):
    assert sweep("seed=1,2,1") == 0
    assert [config["seed"] for config, _ in toy.CALLS] == [1, 2]
    assert sweep("optimizer.lr=0.1,1e-1") == 0
    assert len(toy.CALLS) == 3


def test_names_of_jobs_keep_what_was_typed(toy):
    assert sweep("optimizer.lr=1e9,0.10, 1e-3", "sweep=x") == 0
    assert jobs_in(Path("outputs/sweeps/x")) == ["optimizer.lr=0.10", "optimizer.lr=1e-3", "optimizer.lr=1e9"]
    assert [config["optimizer"]["lr"] for config, _ in toy.CALLS] == [1e9, 0.1, 1e-3]
    assert [row["optimizer.lr"] for row in rows_of(Path("outputs/sweeps/x"))] == ["1e9", "0.10", "1e-3"]


def test_the_same_command_again_skips_what_is_finished(toy, capsys):
    assert sweep("seed=1,2") == 0
    assert sweep("seed=1,2,3") == 0
    assert [config["seed"] for config, _ in toy.CALLS] == [1, 2, 3]
    out, err = capsys.readouterr()
    assert err.endswith(
        "[1/3] seed=1: finished before\n[2/3] seed=2: finished before\n[3/3] seed=3\n"
        "seed=3: finished, val/accuracy 0.9300, 1.5 s\n"
    )
    assert "[1/3]" not in out
    assert [row["status"] for row in rows_of(the_sweep())] == ["finished"] * 3


def test_the_table_has_a_row_a_job_and_marks_what_val_chose(toy, capsys):
    assert sweep("seed=1,3,2") == 0
    rows = rows_of(the_sweep())
    assert list(rows[0]) == ["seed", "status", "chosen", "seconds", "folder", "error", "val/accuracy", "test/accuracy"]
    assert [(row["seed"], row["chosen"]) for row in rows] == [("1", ""), ("3", "*"), ("2", "")]
    assert float(rows[1]["test/accuracy"]) == pytest.approx(0.88)
    assert rows[1]["folder"] == "seed=3"
    out = capsys.readouterr().out
    assert "seed  status    val/accuracy  test/accuracy  seconds  chosen" in out
    assert f"sweep folder: {the_sweep()}" in out


def test_a_failed_job_is_a_row_and_the_next_one_runs(toy, capsys):
    toy.ENDS |= {1: "no data", 2: "bug"}
    assert sweep("seed=0,1,2,3") == 4
    rows = rows_of(the_sweep())
    assert [row["status"] for row in rows] == ["finished", "failed", "failed", "finished"]
    assert [row["error"] for row in rows] == [
        "",
        "data/ has no digits",
        "ZeroDivisionError: division by zero",
        "",
    ]
    err = capsys.readouterr().err
    assert "seed=1: failed: data/ has no digits; 2 to go, " in err
    assert "Traceback" in err, "a bug shows where it is"
    last = err.splitlines()[-1]
    assert last == (
        f"cnnrun train: error: 2 of 4 jobs failed, {the_sweep()}/sweep.csv says why; "
        "the same command tries those again, and no others"
    )


def test_the_same_command_again_tries_failed_jobs(toy):
    toy.ENDS |= {1: "no data", 2: "bug"}
    assert sweep("seed=0,1,2") == 4
    toy.ENDS.clear()
    assert sweep("seed=0,1,2") == 0
    assert [config["seed"] for config, _ in toy.CALLS] == [0, 1, 2, 1, 2]
    assert [config["resume"] for config, _ in toy.CALLS[3:]] == [None, None], "there was no checkpoint to go on from"
    assert [row["status"] for row in rows_of(the_sweep())] == ["finished"] * 3


@pytest.mark.parametrize("end", ["interrupted", "ctrl-c", "ctrl-c at once"])
def test_an_interrupted_sweep_stops_and_goes_on(toy, end, capsys):
    toy.ENDS[2] = end
    assert sweep("seed=1,2,3") == 130
    assert re.sub("(?<=to go).*", "", capsys.readouterr().err) == (
        "[1/3] seed=1\nseed=1: finished, val/accuracy 0.9100, 1.5 s; 2 to go\n[2/3] seed=2\n"
        f"cnnrun train: stopped after 1 of 3 jobs in {the_sweep()}; the same command goes on with it, "
        f"or cnnrun train resume={the_sweep()}\n"
    )
    assert [row["status"] for row in rows_of(the_sweep())] == ["finished", "interrupted"]
    toy.ENDS.clear()
    assert sweep("seed=1,2,3") == 0
    assert [config["seed"] for config, _ in toy.CALLS] == [1, 2, 2, 3]
    assert toy.CALLS[2][0]["resume"] == (None if end == "ctrl-c at once" else str(the_sweep() / "seed=2"))
    assert [row["status"] for row in rows_of(the_sweep())] == ["finished"] * 3


@pytest.mark.parametrize(
    ("end", "done"), [("terminated at once", "finished interrupted"), ("terminated in a library", "finished finished")]
)
def test_a_termination_outside_the_training_loop_stops_the_sweep_with_its_table(toy, end, done, capsys):
    def nobody(*_):
        raise RuntimeError("nobody looks for SIGTERM")

    before = signal.signal(signal.SIGTERM, nobody)
    try:
        toy.ENDS[2] = end
        assert sweep("seed=1,2,3,4") == 143
        assert signal.getsignal(signal.SIGTERM) is nobody
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err.endswith(f" of 4 jobs in {the_sweep()}; {advice('train', the_sweep())}\n")
    assert [row["status"] for row in rows_of(the_sweep())][:2] == done.split()
    toy.ENDS.clear()
    assert sweep("seed=1,2,3,4") == 0
    assert [row["status"] for row in rows_of(the_sweep())] == ["finished"] * 4


def test_a_folder_with_other_settings_is_refused_before_the_first_job(toy, capsys):
    assert sweep("seed=1,2", "sweep=x", "epochs=7") == 0
    capsys.readouterr()
    assert sweep("seed=0,1,2", "sweep=x", "epochs=3") == 2
    assert len(toy.CALLS) == 2
    assert capsys.readouterr().err == (
        "cnnrun train: error: outputs/sweeps/x/seed=1 holds a run with other settings (epochs is 7 there, 3 now); "
        "choose another folder: sweep=NAME\n"
    )


def test_more_values_add_jobs_and_the_table_has_all_of_them(toy, capsys):
    assert sweep("seed=1,3", "sweep=x") == 0
    capsys.readouterr()
    assert sweep("seed=2", "optimizer.lr=1e-2,2e-2", "sweep=x") == 0
    rows = rows_of(Path("outputs/sweeps/x"))
    assert [(row["optimizer.lr"], row["seed"], row["status"], row["chosen"]) for row in rows] == [
        ("0.001", "1", "finished", ""),
        ("0.001", "3", "finished", "*"),
        ("1e-2", "2", "finished", ""),
        ("2e-2", "2", "finished", ""),
    ]
    assert len(capsys.readouterr().out.splitlines()) == 1 + 4 + 2
    toy.ENDS[7] = "interrupted"
    assert sweep("seed=7,1", "sweep=x") == 130
    assert [(row["seed"], row["status"]) for row in rows_of(Path("outputs/sweeps/x"))][-2:] == [
        ("3", "finished"),
        ("7", "interrupted"),
    ]


@pytest.mark.parametrize(
    ("words", "difference"),
    [
        (["seed=3,4", "epochs=3"], "epochs is 7 there, 3 now"),
        (["seed=3,4"], "epochs is 7 there, 10 now"),
        (["seed=3,4", "epochs=7", "model=mlp"], "model is cnn there, mlp now"),
        (["optimizer.lr=1,2", "epochs=8"], "epochs is 7 there, 8 now"),
    ],
)
def test_other_jobs_with_other_fixed_settings_are_refused(toy, words, difference, capsys):
    assert sweep("seed=1,2", "sweep=x", "epochs=7") == 0
    capsys.readouterr()
    assert sweep("sweep=x", *words) == 2
    assert capsys.readouterr().err == (
        f"cnnrun train: error: outputs/sweeps/x/seed=1 holds a run with other settings ({difference}); "
        "choose another folder: sweep=NAME\n"
    )
    assert len(toy.CALLS) == 2
    assert sweep("sweep=x", "seed=3,4", "epochs=7", "model=cnn") == 0, "the same, in other words"


def test_how_runs_are_told_elsewhere_makes_no_other_jobs(toy):
    record = Path("outputs/sweeps/x/seed=1/run.json")
    assert sweep("seed=1,2", "sweep=x") == 0
    content = json.loads(record.read_text())
    content["overrides"] += ["logger=wandb", "logger.project=mine", "offline=True"]
    record.write_text(json.dumps(content))
    assert sweep("seed=3,4", "sweep=x") == 0


def test_a_range_without_values_is_refused(toy, capsys):
    assert sweep("seed=range(3,3)") == 2
    assert capsys.readouterr().err == "cnnrun train: error: 'seed=range(3,3)' gives no value\n"


def test_a_damaged_job_says_how_it_can_run_again(toy, capsys):
    assert sweep("seed=1,2", "sweep=x") == 0
    Path("outputs/sweeps/x/seed=1/run.json").write_text("{")
    assert sweep("seed=1,2,3", "sweep=x") == 4
    said = "outputs/sweeps/x/seed=1/run.json cannot be read: it is damaged, it ends too early; without the folder"
    err = capsys.readouterr().err
    assert f"seed=1: failed: {said} outputs/sweeps/x/seed=1 the job runs again\n" in err
    assert [(row["seed"], row["status"]) for row in rows_of(the_sweep())] == [
        ("1", "failed"),
        ("2", "finished"),
        ("3", "finished"),
    ]
    assert sweep("seed=4", "sweep=x") == 0
    note = (
        "note: outputs/sweeps/x/seed=1/run.json cannot be read: it is damaged, it ends too early; the table lacks it\n"
    )
    assert note in capsys.readouterr().err
    assert [row["seed"] for row in rows_of(the_sweep())] == ["2", "3", "4"]


@pytest.mark.parametrize(
    "text", ["split,metric,value\nval,accuracy,much\n", "a,b\n1,2\n", "split,metric,value\nval,accuracy\n"]
)
def test_results_that_are_no_numbers_are_a_failed_row(toy, text, capsys):
    assert sweep("seed=1,2", "sweep=x") == 0
    Path("outputs/sweeps/x/seed=1/results.csv").write_text(text)
    assert sweep("seed=1,2", "sweep=x") == 4
    assert "seed=1: failed: outputs/sweeps/x/seed=1/results.csv is damaged: " in capsys.readouterr().err


def test_one_value_of_what_was_swept_before_is_the_same_job(toy):
    assert sweep("model=mlp,cnn", "seed=1,2", "sweep=x") == 0
    assert sweep("seed=2,3", "model=cnn", "sweep=x") == 0
    assert len(toy.CALLS) == 5, "seed=2 was done before, in whatever order the words stand"
    assert Path("outputs/sweeps/x/model=cnn,seed=3").is_dir()


def test_jobs_share_what_hydra_composes_for_their_parts(toy, monkeypatch):
    composed = []
    load = ConfigLoaderImpl.load_sweep_config
    monkeypatch.setattr(
        ConfigLoaderImpl,
        "load_sweep_config",
        lambda self, shared, words: composed.append(words) or load(self, shared, words),
    )
    assert sweep("model=mlp,cnn", "optimizer.lr=0.1,0.01", "seed=1,2,3") == 0
    assert len(toy.CALLS) == 12
    assert composed == [["model=mlp"], ["model=cnn"]]
    alone = [{"model": c["model"]["name"], "lr": c["optimizer"]["lr"], "seed": c["seed"]} for c, _ in toy.CALLS]
    assert alone == [
        {"model": m, "lr": lr, "seed": seed} for m in ("mlp", "cnn") for lr in (0.1, 0.01) for seed in (1, 2, 3)
    ]


def test_an_unknown_setting_of_a_job_is_refused_in_our_words(toy, capsys):
    assert sweep("model=mlp,cnn", "model.hiden=1,2") == 2
    assert "hiden" in capsys.readouterr().err
    assert not toy.CALLS


def test_a_run_that_stored_what_auto_came_to_has_the_same_settings(toy):
    assert sweep("seed=1,2") == 0
    run = Run.open(the_sweep() / "seed=1")
    run.write_config(run.config | {"precision": "bf16", "channels_last": True})
    assert sweep("seed=1,2") == 0
    assert len(toy.CALLS) == 2
    assert sweep("seed=1,2", "precision=fp32", f"hydra.sweep.dir={the_sweep()}") == 2


def test_an_experiment_can_be_swept(toy):
    assert sweep("experiment=null,quick", "seed=1") == 0
    assert [config["model"]["name"] for config, _ in toy.CALLS] == ["cnn", "mlp"]


def test_references_in_the_config_are_resolved_for_each_job(toy):
    Path("conf/optimizer").mkdir(parents=True)
    Path("conf/optimizer/linear.yaml").write_text("name: sgd\nlr: ${oc.select:epochs}\nmomentum: 0.5\n")
    Path("conf/model").mkdir()
    Path("conf/model/told.yaml").write_text("defaults: [cnn]\nnote: ${hydra:runtime.choices.dataset}\n")
    assert sweep("optimizer=linear", "model=told", "epochs=1,2", "dataset=digits,mnist") == 0
    assert [(config["optimizer"]["lr"], config["model"]["note"]) for config, _ in toy.CALLS] == [
        (1, "digits"),
        (1, "mnist"),
        (2, "digits"),
        (2, "mnist"),
    ]


def test_a_sweep_of_one_is_a_sweep(toy):
    assert sweep("seed=1") == 0
    assert the_sweep().name.startswith("single-")
    assert jobs_in(the_sweep()) == ["only"]


def test_evaluations_can_be_swept(toy):
    assert cli.main(["eval", "-m", "run=outputs/train/x", "split=val,test"]) == 4
    assert [config["split"] for config, _ in toy.CALLS] == ["val", "test"]


def test_paths_can_be_swept_and_name_a_job_with_their_last_part(toy, capsys):
    for folder in ("one", "a b/two", "c, d"):
        assert cli.main(["train", f"hydra.run.dir={folder}"]) == 0
    capsys.readouterr()
    assert cli.main(["eval", "-m", "run=one,a b/two"]) == 0
    assert [config["run"] for config, _ in toy.CALLS[3:]] == ["one", "a b/two"]
    assert [row["run"] for row in rows_of(the_sweep())] == ["one", "a b/two"]
    plain, inner = sorted(jobs_in(the_sweep()), key=len)
    assert plain == "run=one"
    assert inner.startswith("run=two-")
    assert len(inner) == len("run=two-") + 8
    assert "\na b/two  finished" in capsys.readouterr().out
    assert cli.main(["eval", "-m", "run=c, d"]) == 0
    assert toy.CALLS[-1][0]["run"] == "c, d"


def test_the_table_of_evaluations_shows_the_watched_metric_of_each_split(toy, capsys):
    assert cli.main(["train", "hydra.run.dir=first"]) == 0
    capsys.readouterr()
    assert cli.main(["eval", "-m", "run=first", "split=val,test"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split() for line in table[:3]] == [
        ["split", "status", "val/accuracy", "test/accuracy"],
        ["val", "finished", "0.9000"],
        ["test", "finished", "0.8500"],
    ]
    assert table[-1] == f"sweep folder: {the_sweep()}"


def test_an_interrupted_evaluation_is_done_again(toy, capsys):
    assert cli.main(["train", "hydra.run.dir=first"]) == 0
    words = ["eval", "-m", "run=first", "split=val,test", "hydra.sweep.dir=x"]
    toy.ENDS["val"] = "interrupted"
    assert cli.main(words) == 130
    toy.ENDS.clear()
    assert cli.main(words) == 0
    assert cli.main(words) == 0
    assert [config["split"] for config, _ in toy.CALLS[1:]] == ["val", "val", "test"]
    assert [row["status"] for row in rows_of(Path("x"))] == ["finished"] * 2
    assert "resume" not in capsys.readouterr().err


def test_an_evaluation_that_is_done_again_leaves_files_of_others_alone(toy):
    assert cli.main(["train", "hydra.run.dir=first"]) == 0
    words = ["eval", "-m", "run=first", "split=val,test", "hydra.sweep.dir=x"]
    toy.ENDS["val"] = "interrupted"
    assert cli.main(words) == 130
    toy.ENDS.clear()
    notes = Path("x/split=val/notes.txt")
    notes.write_text("mine")
    assert cli.main(words) == 4
    assert "holds other files (notes.txt)" in rows_of(Path("x"))[0]["error"]
    assert notes.read_text() == "mine"


def test_a_sweep_knows_its_command_whatever_hydra_calls_the_job(toy):
    assert sweep("seed=1,2", "hydra.job.name=x") == 0
    assert sweep("seed=1,2") == 0
    assert len(toy.CALLS) == 2, "the same folder"


@pytest.mark.parametrize("differs", [{"monitor": "val/rmse"}, {"subject": "(['load'], 7)"}])
def test_jobs_that_no_number_compares_have_no_best(tmp_path, differs):
    facts = {"status": "finished", "monitor": "val/mae", "best_value": 1.0, "higher_is_better": False}
    first = Outcome({"seed": "0"}, tmp_path / "a", **facts, subject="(['load'], 1)")
    second = replace(first, folder=tmp_path / "b", best_value=0.5)
    assert chosen([first, second]) is second
    assert chosen([first, replace(second, **differs)]) is None


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (["run.json"], "holds other files (results.csv); name a new folder for the run; without"),
        (["config.yaml"], "is no run folder (it has no run.json and config.yaml)"),
        (["results.csv"], "results.csv is missing; without the folder outputs/sweeps/x/seed=1 the job runs again"),
    ],
)
def test_a_job_that_lacks_a_file_is_a_failed_row_that_says_so(toy, capsys, gone, said):
    assert sweep("seed=1,2", "sweep=x") == 0
    for name in gone:
        Path("outputs/sweeps/x/seed=1", name).unlink()
    assert sweep("seed=1,2,3", "sweep=x") == 4
    (row,) = (row for row in rows_of(the_sweep()) if row["status"] == "failed")
    assert row["seed"] == "1"
    assert said in row["error"]
    assert "without the folder outputs/sweeps/x/seed=1 the job runs again" in row["error"]
    assert f"seed=1: failed: {row['error']}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["garbage\n", "Seed,status,chosen,seconds,folder,error\n1,finished,,,seed=1,\n", "\xff"]
)
def test_a_spoilt_table_of_the_sweep_is_written_anew(toy, text):
    assert sweep("seed=1,2", "sweep=x") == 0
    before = rows_of(the_sweep())
    Path("outputs/sweeps/x/sweep.csv").write_text(text, encoding="latin-1")
    assert sweep("seed=1,2", "sweep=x") == 0
    assert rows_of(the_sweep()) == before


def test_a_spoilt_or_missing_plan_is_written_anew_by_the_command(toy, capsys):
    plan = Path("outputs/sweeps/x/sweep.json")
    assert sweep("seed=1,2", "sweep=x") == 0
    whole = plan.read_text()
    plan.write_text("garbage")
    assert cli.main(["train", "resume=outputs/sweeps/x"]) == 3
    assert "it is damaged, see line 1; the sweep's own command writes it anew" in capsys.readouterr().err
    plan.unlink()
    assert cli.main(["train", "resume=outputs/sweeps/x"]) == 2
    assert "outputs/sweeps/x is a sweep without its sweep.json: give its -m command again" in capsys.readouterr().err
    plan.write_text("garbage")
    assert sweep("seed=1,2", "sweep=x") == 0
    assert plan.read_text() == whole


def test_the_order_of_the_words_makes_no_other_sweep(toy):
    assert sweep("model=mlp,cnn", "seed=1,2") == 0
    assert sweep("seed=1,2,3", "model=cnn,mlp") == 0
    assert the_sweep().name.startswith("model-seed-")
    assert len(toy.CALLS) == 6


def test_a_run_that_learned_nothing_is_named_below_the_table(toy, capsys):
    assert sweep("seed=1,2", "sweep=x") == 0
    record = Path("outputs/sweeps/x/seed=2/run.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"dead": True}))
    capsys.readouterr()
    assert sweep("seed=1,2", "sweep=x") == 0
    assert "\nlearned nothing: seed=2\n" in capsys.readouterr().out
