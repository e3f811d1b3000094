"""A sweep that goes on by its folder, and what a stranger may say in one. `pytest tests/sweeps/test_resume.py`"""

import json
from pathlib import Path

import pytest

from cnnrun import cli

FOLDER = Path("outputs/sweeps/x")


def sweep(*words):
    return cli.main(["train", "-m", "sweep=x", *words])


def resume(*words, folder=FOLDER):
    return cli.main(["train", f"resume={folder}", *words])


def seeds(toy):
    return [config["seed"] for config, _ in toy.CALLS]


def plan():
    return json.loads((FOLDER / "sweep.json").read_text())


@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_a_sweep_goes_on_by_its_folder(toy, flags):
    toy.ENDS |= {1: "no data", 3: "interrupted"}
    assert sweep("seed=0,1,2,3,4", "epochs=3") == 130
    toy.ENDS.clear()
    assert cli.main(["train", *flags, f"resume={FOLDER}"]) == 0
    assert seeds(toy) == [0, 1, 2, 3, 1, 3, 4]
    assert {config["epochs"] for config, _ in toy.CALLS} == {3}
    assert [config["resume"] for config, _ in toy.CALLS[4:]] == [None, str(FOLDER / "seed=3"), None]
    assert resume() == 0
    assert len(toy.CALLS) == 7


def test_it_tells_what_was_asked_for_without_how_it_was_run(toy):
    assert sweep("seed=0,1", "model.note='a b'", "hydra/launcher=serial", "trust_code=false") == 0
    assert plan() == {
        "command": "train",
        "grids": [{"words": ["seed=0,1", "model.note='a b'"], "jobs": ["seed=0", "seed=1"], "again": []}],
    }


def test_values_that_are_added_are_part_of_it(toy):
    assert sweep("seed=0,1") == 0
    assert sweep("seed=0,1,2") == 0
    assert [grid["words"] for grid in plan()["grids"]] == [["seed=0,1,2"]], "it holds the former"
    toy.ENDS |= {5: "bug"}
    assert sweep("seed=4,5") == 4
    assert [grid["words"] for grid in plan()["grids"]] == [["seed=0,1,2"], ["seed=4,5"]]
    assert resume() == 4
    assert seeds(toy) == [0, 1, 2, 4, 5, 5]
    toy.ENDS.clear()
    assert resume() == 0
    assert seeds(toy)[6:] == [5]


def test_a_sweep_that_is_refused_leaves_no_trace_in_it(toy):
    assert sweep("seed=0,1") == 0
    before = plan()
    assert sweep("seed=0,1", "epochs=3") == 2
    assert sweep("seed=0,-1") == 2
    assert plan() == before


@pytest.mark.parametrize("word", ["epochs=3", "seed=0,1,2", "hydra/sweeper=grid", "hydra.sweep.dir=elsewhere"])
def test_other_settings_are_refused(toy, word, capsys):
    assert sweep("seed=0,1") == 0
    capsys.readouterr()
    assert resume(word) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"cnnrun train: error: '{word}': a resumed sweep keeps its settings; only hydra/launcher, ")
    assert resume("hydra/launcher=processes", "hydra.launcher.jobs=1", "trust_code=true") == 0


@pytest.mark.parametrize(
    "word",
    [
        "hydra.callbacks={x:{_target_:os.system}}",
        "hydra.searchpath=[file:///tmp]",
        "hydra.launcher.jobs={_target_:os.system}",
        "hydra.sweeper={_target_:os.system}",
        "hydra.sweeper.sampler={_target_:os.system}",
        "hydra.sweeper._target_=os.system",
        "hydra.sweeper.storage=postgresql://elsewhere/x",
        "hydra/sweeper=basic",
        "hydra/sweeper=../../x",
        "hydra/callbacks=x",
        "hydra.sweep.dir=/tmp",
        "hydra.run.dir=/tmp",
        "model._target_=os.system",
        "model.note=${oc.env:HOME}",
        "trust_code=true",
        "resume=elsewhere",
        "nonsense=1",
    ],
)
def test_a_strangers_folder_can_set_settings_and_nothing_else(toy, word, capsys):
    assert sweep("seed=0,1") == 0
    content = plan()
    content["grids"][0]["words"].append(word)
    (FOLDER / "sweep.json").write_text(json.dumps(content))
    capsys.readouterr()
    assert resume() == 2
    assert capsys.readouterr().err == (
        f"cnnrun train: error: {FOLDER / 'sweep.json'} sets what a sweep's folder may not set: {word}\n"
    )
    assert len(toy.CALLS) == 2


@pytest.mark.parametrize("word", ["+hydra.callbacks.x._target_=os.system", "~model", "seed"])
def test_words_that_are_no_settings_are_refused(toy, word):
    assert sweep("seed=0,1") == 0
    content = plan()
    content["grids"][0]["words"].append(word)
    (FOLDER / "sweep.json").write_text(json.dumps(content))
    assert resume() == 2


def test_code_that_did_not_come_with_cnnrun_needs_trust(toy, capsys):
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/mine.yaml").write_text("name: toy_parts:MLP\nhidden: [4]\ndropout: 0.5\n")
    toy.ENDS |= {1: "no data"}
    assert sweep("seed=0,1", "model=mine") == 4
    toy.ENDS.clear()
    capsys.readouterr()
    assert resume() == 2
    assert "this is code that did not come with cnnrun; trust_code=true runs it" in capsys.readouterr().err
    assert resume("trust_code=true") == 0
    assert seeds(toy) == [0, 1, 1]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", 3),
        ("[]", 3),
        ('{"command": "train", "grids": []}', 3),
        ('{"command": "train", "grids": [{"words": [1], "jobs": [], "again": []}]}', 3),
        ('{"command": "train", "grids": ["seed=1"]}', 3),
        ('{"command": "predict", "grids": [{"words": [], "jobs": [], "again": []}]}', 2),
    ],
)
def test_a_damaged_one_is_refused_in_one_sentence(toy, content, code, capsys):
    FOLDER.mkdir(parents=True)
    (FOLDER / "sweep.json").write_text(content)
    assert resume() == code
    assert len(capsys.readouterr().err.splitlines()) == 1
