"""Studies: files, jobs, the table that ends them; `-m slow` runs them all. `pytest tests/sweeps/test_studies.py`"""

import csv
import math
import statistics
from pathlib import Path

import pytest
from scipy import stats

from cnnrun import cli
from cnnrun.config import Request, check, compose, options
from cnnrun.errors import ConfigError
from cnnrun.sweeps.studies.jobs import grid_of
from cnnrun.sweeps.studies.reading import read
from cnnrun.sweeps.studies.report import finish
from cnnrun.sweeps.studies.runs import patience_needed, volatility

CONF = Path(__file__).parents[2] / "conf"
STUDIES = sorted(file.stem for file in (CONF / "study").glob("*.yaml"))

TABLE = """
settings: {epochs: 7, dataset.root: nowhere}
rows:
  Small: {model: mlp}
  Large: {model: cnn}
  Wide: {model: cnn_wide}
cols:
  "0.1": {optimizer.lr: 0.10}
  "1e-3": {optimizer.lr: 1e-3}
seeds: [0, 1]
cells: [test/accuracy]
optional: [Wide]
published:
  source: a document
  n: 1000
  values:
    Small: {"0.1": [0.85], "1e-3": [0.2]}
    Wide: {"0.1": [0.99]}
  inconsistent:
    - {row: Small, col: "1e-3", why: the text has .9}
claims:
  - says: small is beautiful
    cell: test/accuracy
    within: 0.01
    differences:
      - {more: [Small / 0.1], less: [Large / 0.1]}
budget:
  smoke: {epochs: 1, rows: [Small], seeds: [3]}
"""


def write(text, name="mine"):
    Path("conf/study").mkdir(parents=True, exist_ok=True)
    Path(f"conf/study/{name}.yaml").write_text(text)


def study(*words, name="mine"):
    return cli.main(["train", "-m", "hydra/launcher=serial", f"study={name}", *words])


def rows_of(folder, name="study"):
    with open(folder / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def jobs_of(text, *words):
    given = {}
    for word in words:
        key, _, values = word.partition("=")
        given[key] = values.split(",")
    write(text)
    return grid_of(read("mine", [Path("conf")]), given)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_study_runs_rows_by_columns_by_seeds_under_names_of_what_was_typed(toy):
    write(TABLE)
    assert study() == 0
    folder = Path("outputs/sweeps/mine")
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        f"model={model},optimizer.lr={lr},seed={seed}"
        for model in ("cnn", "mlp")
        for lr in ("0.10", "1e-3")
        for seed in (0, 1)
    ]
    config, invocation = toy.CALLS[0]
    assert (config["model"]["name"], config["optimizer"]["lr"], config["epochs"]) == ("mlp", 0.1, 7)
    assert config["dataset"]["root"] == "nowhere"
    assert "seed=0" in invocation.overrides
    assert {"study.csv", "study.md", "sweep.csv"} <= {path.name for path in folder.iterdir() if path.is_file()}


def test_the_table_sets_ours_beside_what_was_published(toy, capsys):
    write(TABLE)
    assert study() == 0
    rows = {(row["row"], row["col"]): row for row in rows_of(Path("outputs/sweeps/mine"))}
    first = rows["Small", "0.1"]
    values = [0.85, 0.86]
    half = stats.t.ppf(0.975, 1) * stats.sem(values)
    assert float(first["mean"]) == pytest.approx(0.855)
    assert float(first["high"]) == pytest.approx(0.855 + half)
    wilson = stats.binomtest(850, 1000).proportion_ci(method="wilson")
    assert float(first["half"]) == pytest.approx(math.hypot(half, (wilson.high - wilson.low) / 2) + 0.01, abs=1e-5)
    assert (first["verdict"], first["n"]) == ("equal", "2")
    assert rows["Small", "1e-3"]["verdict"] == "published value inconsistent"
    assert rows["Small", "1e-3"]["remark"].startswith("the text has .9")
    assert rows["Large", "0.1"]["verdict"] == "nothing published"
    assert (rows["Wide", "0.1"]["verdict"], rows["Wide", "0.1"]["published"]) == ("not run", "0.99")
    assert ("Wide", "1e-3") not in rows, "neither run nor published"
    out = capsys.readouterr().out
    assert "study mine\n" in out
    assert '"small is beautiful": supported' in out
    assert "# study mine" in Path("outputs/sweeps/mine/study.md").read_text()


def test_a_small_budget_is_a_study_of_its_own_and_says_so(toy, capsys):
    write(TABLE)
    assert study("budget=smoke") == 0
    assert [(config["epochs"], config["seed"], config["optimizer"]["lr"]) for config, _ in toy.CALLS] == [
        (1, 3, 0.1),
        (1, 3, 0.001),
    ]
    assert "study mine, budget=smoke: a trial of the program" in capsys.readouterr().out
    rows = rows_of(Path("outputs/sweeps/mine-smoke"))
    assert rows[0]["remark"].startswith("one seed")


def test_the_same_command_skips_what_is_done_and_more_seeds_count_in_the_table(toy):
    write(TABLE)
    assert study("model=mlp") == 0
    assert len(toy.CALLS) == 4
    assert study("model=mlp", "seed=1,2") == 0
    assert [config["seed"] for config, _ in toy.CALLS[4:]] == [2, 2]
    assert [row["n"] for row in rows_of(Path("outputs/sweeps/mine")) if row["row"] == "Small"] == ["3", "3"]


def test_jobs_of_an_ordinary_sweep_are_those_of_the_study(toy):
    write(TABLE)
    words = ["model=choice(mlp)", "optimizer.lr=0.10,1e-3", "seed=choice(0)", "epochs=7", "dataset.root=nowhere"]
    assert cli.main(["train", "-m", "hydra/launcher=serial", *words, "hydra.sweep.dir=done"]) == 0
    assert len(toy.CALLS) == 2
    assert study("hydra.sweep.dir=done", "model=mlp", "seed=0") == 0
    assert len(toy.CALLS) == 2
    assert len(rows_of(Path("done"))) == 5


def test_the_table_is_written_with_what_there_is_when_jobs_failed(toy, capsys):
    write(TABLE)
    toy.ENDS[1] = "no data"
    assert study("model=mlp") == 4
    rows = rows_of(Path("outputs/sweeps/mine"))
    assert (rows[0]["n"], rows[0]["verdict"]) == ("1", "equal")
    assert "seed 1 failed" in rows[0]["remark"]
    assert "data/ has no digits" in rows[0]["remark"]
    assert "study mine\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", "{"),
        ("config.yaml", "a: [1"),
        ("results.csv", "split,metric,value,n\ntest,accuracy,0.9,many\n"),
        ("history.csv", "epoch,val/accuracy\n1,high\n"),
    ],
)
def test_a_damaged_run_is_left_out_of_the_table_by_name(toy, capsys, file, content):
    write(TABLE)
    assert study("model=mlp") == 0
    folder = Path("outputs/sweeps/mine")
    (folder / "model=mlp,optimizer.lr=0.10,seed=1" / file).write_text(content)
    found = read("mine", options.folders())
    finish(found, grid_of(found, {}).cases, folder, show=True)
    assert rows_of(folder)[0]["n"] == "1"
    assert "left out of the table: outputs/sweeps/mine/model=mlp,optimizer.lr=0.10,seed=1" in capsys.readouterr().err


def test_an_interrupted_study_leaves_its_table(toy):
    write(TABLE)
    toy.ENDS[1] = "interrupted"
    assert study("model=mlp") == 130
    assert rows_of(Path("outputs/sweeps/mine"))[0]["n"] == "1"
    toy.ENDS.clear()
    assert study("model=mlp") == 0
    assert rows_of(Path("outputs/sweeps/mine"))[0]["n"] == "2"


def test_a_study_goes_on_by_its_folder(toy, capsys):
    write(TABLE)
    toy.ENDS[1] = "no data"
    assert study("model=mlp") == 4
    toy.ENDS.clear()
    assert cli.main(["train", "resume=outputs/sweeps/mine", "hydra/launcher=serial"]) == 0
    assert [row["n"] for row in rows_of(Path("outputs/sweeps/mine"))][:2] == ["2", "2"]


def test_words_replace_settings_and_pick_rows_and_columns(here):
    grid = jobs_of(TABLE, "epochs=3", "optimizer.lr=0.1", "seed=5", "model=mlp")
    assert [case.name for case in grid.asked] == ["model=mlp,optimizer.lr=0.10,seed=5"]
    assert "epochs=3" in grid.asked[0].words
    assert "epochs=7" not in grid.asked[0].words
    assert len(grid.cases) == 6 * 3, "the table has all rows and seeds"


def test_a_study_of_a_nearer_folder_comes_first(toy):
    write(TABLE)
    Path("near/study").mkdir(parents=True)
    Path("near/study/mine.yaml").write_text("rows: {A: {model: mlp}}\nseeds: [4]\ncells: [seconds]\n")
    assert study("--config-dir", "near") == 0
    assert [config["seed"] for config, _ in toy.CALLS] == [4]
    assert rows_of(Path("outputs/sweeps/mine"))[0]["mean"] == "1.5"


def test_another_part_drops_what_was_set_inside_the_old_one(here):
    (case, *_) = jobs_of(TABLE, "dataset=other").asked
    assert "dataset=other" in case.words
    assert not any(word.startswith("dataset.") for word in case.words)
    (case, *_) = jobs_of(TABLE, "dataset=other", "dataset.root=there").asked
    assert "dataset.root='there'" in case.words


def test_an_optional_row_runs_where_no_other_has_the_value(here):
    assert {case.place[0] for case in jobs_of(TABLE).asked} == {"Small", "Large"}
    assert {case.place[0] for case in jobs_of(TABLE, "model=cnn_wide").asked} == {"Wide"}
    assert {case.place[0] for case in jobs_of(TABLE, "model=cnn_wide,mlp").asked} == {"Small"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["model=mpl"],
            "study mine has no such row or column - did you mean 'mlp'? (there are mlp, cnn, cnn_wide)",
        ),
        (["epochs=1,2"], "'epochs=1,2': study mine does not vary epochs; give one value, or leave out study"),
    ],
)
def test_a_word_that_does_not_fit_is_refused(here, words, told):
    with pytest.raises(ConfigError) as error:
        jobs_of(TABLE, *words)
    assert told in str(error.value)


WRONG = {
    "row: {}": "unknown key 'row' - did you mean 'rows'?",
    "rows: {}": "a study needs rows",
    "rows: {A: {}}": "rows.A: names no setting, as in {optimizer.lr: 0.1}",
    "rows: {A: {model: mlp}, B: {model: mlp}}": "'B' and 'A' are the same job",
    "rows: {A: {optimizer: {lr: 1}}}": "rows.A.optimizer: settings are written with dots: optimizer.lr: ...",
    "rows: {A: {seed: 1}}": "rows.A: 'seed' is no setting of a job; write seeds",
    "rows: [A]": "rows: must be keys and values, not that",
    "rows: {A: {model: mlp}, A: {model: cnn}}": "'A' stands there twice",
    "seeds: [a]": "seeds: must be whole numbers from 0 on, not 'a'",
    "seeds: 3": "seeds: must be a list, not '3'",
    "cells: [tset/accuracy]": "cells[0]: 'tset/accuracy': 'tset' is no split - did you mean 'test'?",
    "cells: [best_epok]": "unknown cell 'best_epok' - did you mean 'best_epoch'?",
    "cells: [train/loss@0]": "'train/loss@0': write a metric and an epoch, as in train/loss@1",
    "cells: [seconds, seconds]": "cells: 'seconds' stands there twice",
    "published: {n: 0}": "published.n: must be a whole number from 1 on, not '0'",
    "published: {values: {Smal: [1]}}": "published.values: no 'Smal' - did you mean 'Small'? (there are Small, Large)",
    "published: {values: {Small: [1, 2]}}": "published.values.Small: must be 1, one a cell (test/accuracy), not 2",
    "published: {values: {Small: [x]}}": "published.values.Small[0]: 'x' is no number",
    "published: {values: {Small: [nan]}}": "'nan' is no finite number",
    "published: {inconsistent: [{row: Small, why: x}]}": "published.inconsistent[0]: nothing is published for 'Small'",
    "published: {inconsistent: [{row: Small}]}": "published.inconsistent[0]: needs why",
    "claims: [{says: x}]": "claims[0]: needs cell and differences",
    "claims: [{says: x, cell: seconds, differences: [{more: [Small], less: [Larg]}]}]": "no 'Larg' - did you mean",
    "claims: [{says: x, cell: seconds, differences: [{more: [Small]}]}]": "differences[0]: needs more and less",
    "claims: [{says: x, cell: seconds, of: some, differences: []}]": "claims[0].of: no 'some' (there are all, any)",
    "optional: [Wide]": "optional[0]: no 'Wide' (there are Small, Large)",
    "budget: {smoke: {rows: [Wide]}}": "budget.smoke.rows[0]: no 'Wide' (there are Small, Large)",
    "budget: {smoke: {model: cnn}}": "budget.smoke: 'Large' and 'Small' are the same job",
    "rows: [": "line ",
    "? [a]\n: b": "a key must be a word",
}
LEAST = {
    "rows": "rows: {Small: {model: mlp}, Large: {model: cnn}}",
    "seeds": "seeds: [0]",
    "cells": "cells: [test/accuracy]",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_file_with_a_mistake_is_refused_with_its_name_and_the_place(here, text):
    kept = [line for key, line in LEAST.items() if not text.startswith(f"{key}:")]
    write("\n".join([*kept, text]))
    with pytest.raises(ConfigError) as error:
        read("mine", [Path("conf")])
    assert str(error.value).startswith("conf/study/mine.yaml: ")
    assert WRONG[text] in str(error.value)


def test_no_study_or_budget_of_that_name_is_told_with_those_there_are(here):
    write(TABLE)
    with pytest.raises(ConfigError, match=r"unknown study 'mien' - did you mean 'mine'\? \(there are mine\)"):
        read("mien", [Path("conf")])
    with pytest.raises(ConfigError, match=r"study mine has no budget 'smok' - did you mean 'smoke'\? \(full, smoke\)"):
        read("mine", [Path("conf")], "smok")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["study=mine"], "'study=mine' is a grid of runs: add -m"),
        (["-m", "budget=smoke", "seed=1,2"], "'budget=smoke' is that of a study: add study=NAME"),
        (["-m", "study=mine", "hydra/sweeper=grid"], "study mine has a grid of its own: leave out hydra/sweeper"),
    ],
)
def test_half_a_study_is_told_what_it_lacks(toy, words, told, capsys):
    write(TABLE)
    assert cli.main(["train", *words]) == 2
    assert told in capsys.readouterr().err
    assert toy.CALLS == []


def test_no_study_is_none(toy):
    assert cli.main(["train", "study=null", "budget=full", "hydra.run.dir=x"]) == 0
    assert cli.main(["train", "-m", "hydra/launcher=serial", "study=null", "seed=1,2"]) == 0
    assert len(toy.CALLS) == 3


def test_help_and_completion_know_the_studies(toy, capsys):
    write(TABLE)
    assert cli.main(["train", "--help"]) == 0
    assert "study=       mine" in capsys.readouterr().out
    assert cli.main(["__complete", "cnnrun train study=m"]) == 0
    assert capsys.readouterr().out == "study=mine\n"
    assert cli.main(["__complete", "cnnrun train budget="]) == 0
    assert capsys.readouterr().out.split() == ["budget=full", "budget=smoke"]


def test_volatility_is_the_deviation_of_the_steps():
    values = [0.5, 0.7, 0.65, 0.8]
    assert volatility(values) == pytest.approx(statistics.stdev([0.2, -0.05, 0.15]))
    assert volatility([0.5, 0.7]) is None


@pytest.mark.parametrize(
    ("values", "needed"),
    [([1, 2, 3], 1), ([1, 0, 0, 2, 0], 3), ([3, 2, 1], 1), ([1, 2, 2, 2, 3, 4], 3), ([], None)],
)
def test_the_patience_needed_is_the_least_that_reaches_the_best(values, needed):
    assert patience_needed(values, rising=True) == needed
    assert patience_needed([-value for value in values], rising=False) == needed
    if needed is None:
        return

    def best_with(patience):
        best, waited = values[0], 0
        for value in values[1:]:
            best, waited = (value, 0) if value > best else (best, waited + 1)
            if waited == patience:
                break
        return best

    reach = [patience for patience in range(1, 9) if best_with(patience) == max(values)]
    assert min(reach) == needed


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_of_ours_has_what_its_readers_need(name, here):
    path = CONF / "study" / f"{name}.yaml"
    found = read(name, [CONF])
    head = path.read_text().partition("settings:")[0]
    assert f"cnnrun train -m study={name}" in head
    assert "on two cores" in head
    assert "On a GPU" in head
    assert found.published.source
    assert set(found.published.values) <= {(place, cell) for place in found.places for cell in found.cells}
    assert read(name, [CONF], "smoke").budget == "smoke"


def test_the_learning_rates_of_mnist_are_the_jobs_of_a_plain_sweep(here):
    grid = grid_of(read("mnist_learning_rates", [CONF]), {"dataset.root": ["'there'"]})
    assert len(grid.asked) == 36
    assert grid.asked[0].name == "model=reference_002_dnn,optimizer.lr=0.1,seed=0"
    words = "dataset=mnist dataset.root='there' model=reference_002_dnn optimizer=adam optimizer.lr=0.1 "
    assert set(grid.asked[0].words) == {*words.split(), "scheduler=constant", "epochs=10", "batch_size=128", "seed=0"}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_every_job_of_a_study_of_ours_has_settings_that_can_be_run(name, here):
    files = {"energy_reference": {"dataset.csv": ["x.csv"]}, "folder_resnet": {"dataset.root": ["photos"]}}
    grid = grid_of(read(name, [CONF]), files.get(name, {}))
    for case in grid.cases:
        if case.seed == grid.cases[0].seed:
            config = compose.one(Request("train", cli.COMMANDS["train"].function, tuple(case.words))).config
            check("train", config)


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_the_smoke_budget_of_a_study_fills_its_table(name, here):
    assert study("budget=smoke", "threads=1", name=name) == 0
    folder = Path(f"outputs/sweeps/{name}-smoke")
    found = read(name, options.folders(), "smoke")
    rows = rows_of(folder)
    assert {(row["row"], row["col"]) for row in rows} >= {place for place in found.places if place[0] in found.rows}
    swept = {row["folder"]: row for row in rows_of(folder, "sweep")}
    cases = grid_of(found, {}).asked
    assert sorted(swept) == sorted(case.name for case in cases)
    for row in rows:
        jobs = [case for case in cases if case.place == (row["row"], row["col"])]
        split, _, metric = row["cell"].partition("/")
        values = [
            float(result["value"])
            for case in jobs
            for result in rows_of(folder / case.name, "results")
            if (result["split"], result["metric"]) == (split, metric)
        ]
        if values:
            assert float(row["mean"]) == pytest.approx(statistics.fmean(values))
            assert int(row["n"]) == len(values) == len(found.seeds)
            half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
            assert float(row["high"]) == pytest.approx(float(row["mean"]) + half)
