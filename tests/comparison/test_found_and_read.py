"""Finding runs, and what is taken from each. `pytest tests/comparison`"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cnnrun.comparison import compare, find, found, reading, several
from cnnrun.errors import ConfigError, DataError
from cnnrun.run.stored import StoredRun


def names(*words):
    return [str(path) for path in find(words)]


def test_a_run_a_folder_of_runs_and_a_pattern_are_found_sorted_and_each_once(folder):
    for name in ("b", "a", "sweep/y", "sweep/x"):
        folder.run(name)
    assert names("runs") == ["runs/a", "runs/b", "runs/sweep/x", "runs/sweep/y"]
    assert names("runs/a") == ["runs/a"]
    assert names("runs/s*/*", "runs/sweep/x", str(Path("runs/sweep").resolve())) == ["runs/sweep/x", "runs/sweep/y"]
    assert names("runs/a/results.csv") == ["runs/a"]


def test_a_folder_that_links_lead_to_again_is_searched_once(folder):
    folder.run("a")
    Path("runs/loop").symlink_to(Path("runs").resolve())
    assert names("runs") == ["runs/a"]


def test_evaluations_are_left_out_unless_they_are_all_and_comparisons_always(folder):
    folder.run("a")
    folder.run("e", record={"of": "runs/a", "command": "eval"})
    folder.run("c", record={"of": "runs", "command": "compare"})
    assert names("runs") == ["runs/a"]
    assert names("runs/e", "runs/c") == ["runs/e"]
    with pytest.raises(ConfigError, match="only predictions or comparisons"):
        find(["runs/c"])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("runs/swep", "no 'swep' in runs - did you mean 'sweep'?"),
        ("rums/sweep", "no 'rums' in .* - did you mean 'runs'?"),
        ("runs/sweep/*-cnn", "nothing fits this pattern; runs there, newest first: runs/sweep/a"),
        ("empty", "no run in there"),
        ("runs/zzz", "no 'zzz' in runs"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_near(folder, word, said):
    folder.run("sweep/a")
    Path("empty").mkdir()
    with pytest.raises(ConfigError, match=said):
        find([word])


def test_several_words_may_hold_commas_of_their_own(folder):
    for name in ("model=cnn,seed=0", "model=cnn,seed=1", "b"):
        folder.run(name)
    both = "runs/model=cnn,seed=0", "runs/model=cnn,seed=1"
    assert several(f"[{both[0]},{both[1]}, runs/b]") == [*both, "runs/b"]
    assert several(",".join(both)) == list(both)
    assert several(both[0]) == [both[0]]
    assert several(["a", "b"]) == ["a", "b"]
    assert several("[runs/nothing,runs/model=*]") == ["runs/nothing", "runs/model=*"]


def test_names_are_the_shortest_ends_that_differ():
    paths = [Path("/x/one/seed=0"), Path("/x/two/seed=0"), Path("/x/two/seed=1")]
    assert found.names(paths) == ["one/seed=0", "two/seed=0", "seed=1"]


def damaged(folder, file, content):
    folder.run("bad")
    (Path("runs/bad") / file).write_text(content)
    runs, problems = reading.read([Path("runs/bad")], ["bad"])
    assert runs == []
    return problems[0]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.yaml", "a: [1"),
        ("config.yaml", "a: &x [1]\nb: *x\n"),
        ("config.yaml", "[" * 100_000),
        ("config.yaml", "[" * 3_000 + "]" * 3_000),
        ("config.yaml", "- a list"),
        ("run.json", "{"),
        ("run.json", "[1]"),
        ("results.csv", "split,metric,value\ntest,accuracy,high\n"),
        ("results.csv", "something\nelse\n"),
    ],
)
def test_a_damaged_run_is_one_line(folder, file, content):
    problem = damaged(folder, file, content)
    assert problem.startswith(f"left out: runs/bad/{file} ")
    assert "\n" not in problem


def test_a_config_nested_too_deep_is_refused_before_it_can_end_the_process(folder):
    folder.run("deep")
    Path("runs/deep/config.yaml").write_text("a: " + "[" * 60 + "]" * 60)
    with pytest.raises(DataError, match="nested more than 50 deep"):
        _ = StoredRun(Path("runs/deep")).config


def test_a_reference_in_a_config_stays_text(folder):
    folder.run("a", optimizer__lr="${oc.env:HOME}")
    (run,), _ = reading.read([Path("runs/a")], ["a"])
    assert run.value("optimizer.lr") == "${oc.env:HOME}"


def test_signs_that_steer_a_terminal_are_taken_out(folder):
    folder.run("a", record={"status": "failed", "reason": "boom\x1b[2J\nmore"})
    (run,), _ = reading.read([Path("runs/a")], ["a"])
    assert run.reason == "boom [2J more"


def test_a_record_of_a_stranger_may_hold_anything(folder):
    folder.run(
        "a", record={"seed": "x", "seconds": [1], "warnings": 3, "data": [], "choices": 1, "overrides": {"a": 1}}
    )
    (run,), problems = reading.read([Path("runs/a")], ["a"])
    assert problems == []
    assert (run.seed, run.seconds, run.data, run.options["model"]) == (None, None, {}, "mlp")


def test_the_place_of_a_strangers_data_is_one_line_without_signs_that_steer(folder):
    folder.run("a", 0.9, "dataset=csv", dataset__csv="x\n\\input{y}\x1b[2J.csv")
    (run,), _ = reading.read([Path("runs/a")], ["a"])
    assert run.subject[1] == "x \\input{y} [2J"


def test_a_setting_that_is_called_as_a_column_of_ours_does_not_take_its_place(folder):
    folder.run("a", 0.9, dead=True, status="x", n=3)
    folder.run("b", 0.8, dead=False, status="y", n=4)
    compared = compare(reading.read(find(["runs"]), ["a", "b"])[0])
    assert compared.settings == ["config.dead", "config.n", "config.status"]
    assert compared.runs["dead"].tolist() == [False, False]
    assert compared.groups["n"].tolist() == [1, 1]


def test_what_reads_and_compares_runs_imports_no_torch(folder):
    folder.run("a")
    code = (
        "import sys; from cnnrun.comparison import *; from cnnrun.comparison import reading;"
        "print(len(compare(reading.read(find(['runs']), ['a'])[0]).runs), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n"


def test_one_run_alone_is_a_comparison(folder):
    folder.run("a", 0.9)
    compared = compare(reading.read(find(["runs"]), ["a"])[0])
    assert compared.settings == []
    assert compared.runs.loc[0, ["run", "status", "val/accuracy", "epochs_done"]].tolist() == ["a", "finished", 0.9, 2]
    assert json.loads(compared.groups.to_json(orient="records"))[0]["n"] == 1
