"""A search with Optuna: its space, its trials, what a kill leaves of it, the one look at test. `pytest tests/sweeps`"""

import csv
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from cnnrun import cli
from cnnrun.errors import ConfigError, DataError
from cnnrun.run import Run
from cnnrun.sweeps.jobs import Outcome
from cnnrun.sweeps.objective import Objective
from cnnrun.sweeps.search import storage, winner
from cnnrun.sweeps.search.pruning import Pruning, Watch
from cnnrun.sweeps.search.sampling import Sampling
from cnnrun.sweeps.search.space import Space
from cnnrun.sweeps.search.trials import Trials

LR = "optimizer.lr=tag(log,interval(0.0001,0.1))"
OBJECTIVE = Objective("val/accuracy", higher_is_better=True)


def space_of(*words):
    return Space.of(OverridesParser.create().parse_overrides(list(words)))


def search(*words, figures="false"):
    own = ["hydra/sweeper=optuna", "hydra/launcher=serial", "sweep=s", f"figures={figures}"]
    return cli.main(["train", "-m", *own, *words])


FOLDER = Path("outputs/sweeps/s")


def rows_of(file):
    with open(file, newline="") as stream:
        return list(csv.DictReader(stream))


class Job:
    """As much of a job as trials look at."""

    def __init__(self, words, folder):
        self.name = words[-1].partition("=")[2].strip("'")
        self.folder = folder / self.name
        self.params = dict(word.split("=", 1) for word in words[:-1])


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Let SQLite not wait for the disk, which only matters where the power fails."""
    connect = storage._connect

    def quick(file):
        connection = connect(file)
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    monkeypatch.setattr(storage, "_connect", quick)


@pytest.fixture
def begin(tmp_path):
    """Open the trials of a search, as a command does and the same command again."""

    def begin(*words, most=20, sampling=Sampling("tpe", 5, 0)):  # noqa: B008
        study = storage.open_study(
            storage.open_storage(tmp_path / "search.db"), "s", OBJECTIVE, pruner=optuna.pruners.NopPruner()
        )
        return Trials(study, space_of(*words), OBJECTIVE, sampling, lambda trial: None, [], most)

    return begin


def run_all(trials, folder, value_of):
    """Run the trials one by one; the params of each."""
    asked = []
    while words := trials.next():
        job = Job(words, folder)
        asked.append(job.params)
        trials.ended(job, finished(job, value_of(job.params)))
    return asked


def finished(job, value, status="finished", error=""):
    return Outcome(job.params, job.folder, status, error, monitor="val/accuracy", best_value=value)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a=interval(1,5)", Float(1.0, 5.0)),
        ("a=tag(log,interval(0.0001,0.1))", Float(1e-4, 0.1, log=True)),
        ("a=int(interval(1,5))", Int(1, 5)),
        ("a=tag(log,int(interval(8,64)))", Int(8, 64, log=True)),
        ("a=range(1,5)", Int(1, 4)),
        ("a=range(5,1,-2)", Int(3, 5, step=2)),
        ("a=range(0,1,0.25)", Float(0.0, 0.75, step=0.25)),
        ("a=tag(log,range(1,1000))", Int(1, 999, log=True)),
        ("a=choice(b,c)", Choice(["b", "c"])),
        ("a=c,b,b", Choice(["b", "c"])),
        ("a=1e-3,0.1", Choice(["0.1", "1e-3"])),
        ("a=[1,2],[3]", Choice(["[1,2]", "[3]"])),
        ("a=null,0.5", Choice(["0.5", "null"])),
    ],
)
def test_ranges_and_choices_mean_what_they_mean_to_hydra(word, expected):
    assert space_of(word).distributions == {"a": expected}


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("a=tag(log,interval(0,1))", "a logarithmic range begins above 0, not at 0"),
        ("a=interval(5,1)", "it must begin with the smaller end, and 5 is not below 1"),
        ("a=interval(1,1)", "and 1 is not below 1"),
        ("a=interval(1,inf)", "both ends must be numbers"),
        ("a=range(1,1)", "there is no number in it"),
        ("a=tag(log,range(0,5))", "whole numbers above 0"),
        ("a=tag(log,range(1,9,2))", "each of them"),
        ("a=tag(lgo,interval(1,2))", "there is no tag 'lgo' - did you mean 'log'?"),
        ("a=tag(log,choice(1,2))", "only interval(...) and range(...) have tags"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(word, why):
    with pytest.raises(ConfigError) as error:
        space_of("b=1,2", word)
    assert str(error.value).startswith(f"'{word}': ")
    assert why in str(error.value)


def test_a_search_without_a_range_says_how_to_write_one():
    with pytest.raises(ConfigError, match="nothing to search"):
        space_of("a=1")


@pytest.mark.parametrize(
    ("word", "value", "expected"),
    [
        ("a=tag(log,interval(1e-5,0.1))", 0.00123456789, "0.001235"),
        ("a=tag(log,interval(1e-5,0.1))", 1.23456e-5, "1.235e-05"),
        ("a=tag(log,interval(0.00012345,0.1))", 0.00012345, "0.00012345"),
        ("a=interval(0,1)", 0.123456789, "0.1235"),
        ("a=interval(0.99,0.99999)", 0.995321987, "0.995322"),
        ("a=interval(0,1000)", 123.456, "123.5"),
        ("a=range(0,1,0.1)", 0.1 * 3, "0.3"),
        ("a=range(1,9)", 4, "4"),
    ],
)
def test_numbers_are_rounded_so_that_a_person_can_type_them(word, value, expected):
    assert space_of(word).settings({"a": value}) == {"a": expected}


def test_points_count_where_all_settings_have_steps():
    assert space_of("a=range(0,1,0.1)", "b=x,y").size == 20
    assert space_of("a=range(0,1,0.1)", "b=interval(0,1)").size == math.inf


def test_trials_are_those_of_plain_optuna_with_the_same_seeds(begin, tmp_path):
    sampling = Sampling("tpe", 5, 3)
    trials = begin(LR, "model=cnn,mlp", most=14, sampling=sampling)
    got = run_all(trials, tmp_path, lambda params: -abs(math.log10(float(params["optimizer.lr"])) + 2))

    plain = optuna.create_study(direction="maximize")
    distributions = {"model": Choice(["cnn", "mlp"]), "optimizer.lr": Float(1e-4, 0.1, log=True)}
    expected = []
    for number in range(14):
        plain.sampler = optuna.samplers.TPESampler(seed=sampling.seed_of(number), n_startup_trials=5, multivariate=True)
        trial = plain.ask(distributions)
        rounded = float(f"{trial.params['optimizer.lr']:.4g}")
        expected.append((trial.params["model"], rounded))
        plain.tell(trial, -abs(math.log10(rounded) + 2))
    assert [(params["model"], float(params["optimizer.lr"])) for params in got] == expected


def test_a_search_that_was_killed_again_and_again_asks_what_an_undisturbed_one_asks(begin, tmp_path):
    def value_of(params):
        return float(params["a"])

    what = {"most": 5, "sampling": Sampling("tpe", 2, 0)}
    undisturbed = run_all(begin("a=interval(0,1)", **what), tmp_path, value_of)
    (tmp_path / "search.db").unlink()
    got = {}
    for _ in range(5):
        trials = begin("a=interval(0,1)", **what)
        job = Job(trials.next(), tmp_path)
        got.setdefault(job.name, job.params)
        again = Job(begin("a=interval(0,1)", **what).next(), tmp_path)
        assert again.name == job.name, "what ran when the search was killed is taken up, in the same folder"
        trials.ended(job, finished(job, value_of(job.params)))
    assert list(got.values()) == undisturbed
    assert begin("a=interval(0,1)", **what).is_exhausted()


def test_a_proposal_that_a_kill_cut_in_two_is_completed(begin, tmp_path):
    words = "a=interval(0,1)", "b=1,2"
    whole = begin(*words, most=2).next()
    (tmp_path / "search.db").unlink()
    trials = begin(*words, most=2)
    trials.study.ask()
    assert begin(*words, most=2).next() == whole


def test_no_point_is_tried_twice(begin, tmp_path):
    trials = begin("a=1,2", "b=range(0,3)", most=50, sampling=Sampling("tpe", 2, 0))
    assert trials.to_do == trials.most == 6
    asked = run_all(trials, tmp_path, lambda params: float(params["a"]))
    assert len({tuple(params.items()) for params in asked}) == len(asked) == 6
    assert len(trials.study.get_trials()) > 6, "TPE has proposed some twice"
    assert [tried.number for tried in trials.tried()] == list(range(1, 7))
    assert begin("a=1,2", "b=range(0,3)", most=50).next() is None


def test_points_that_are_asked_for_at_the_same_time_differ(begin, tmp_path):
    trials = begin("a=1,2,3", most=3)
    assert len({tuple(trials.next()) for _ in range(3)}) == 3
    assert trials.is_exhausted()


def test_a_failed_trial_counts_and_the_next_command_tries_it_again(begin, tmp_path):
    trials = begin("a=range(0,9)", most=3)
    for status, error in (("failed", "killed by SIGKILL"), ("finished", ""), ("pruned", "")):
        job = Job(trials.next(), tmp_path)
        trials.ended(job, finished(job, 0.5, status, error))
    assert trials.next() is None
    failed, *rest = trials.tried()
    assert failed.state == "FAIL"
    assert [each.state for each in rest] == ["COMPLETE", "PRUNED"]
    again = begin("a=range(0,9)", most=3)
    assert again.to_do == 1
    job = Job(again.next(), tmp_path)
    assert job.name == failed.name
    again.ended(job, finished(job, 0.7))
    assert again.is_exhausted()
    assert [each.state for each in again.tried()] == ["COMPLETE", "COMPLETE", "PRUNED"]


def test_a_run_that_diverged_has_failed_for_good(begin, tmp_path):
    trials = begin("a=range(0,9)", most=2)
    job = Job(trials.next(), tmp_path)
    run = Run.create(job.folder, {})
    run.update(status="failed", reason="Diverged: the loss is nan in epoch 1")
    run.close()
    trials.ended(job, finished(job, None, "failed", "the loss is nan in epoch 1"))
    job = Job(trials.next(), tmp_path)
    trials.ended(job, finished(job, math.nan))
    again = begin("a=range(0,9)", most=2)
    assert again.next() is None
    assert [each.state for each in again.tried()] == ["FAIL", "FAIL"]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"name": "classification", "monitor": "f1_macro"}, Objective("val/f1_macro", higher_is_better=True)),
        ({"name": "classification", "monitor": "loss"}, Objective("val/loss", higher_is_better=False)),
        ({"name": "forecasting", "monitor": "mae"}, Objective("val/mae", higher_is_better=False)),
    ],
)
def test_the_direction_is_that_of_the_task(task, expected):
    assert Objective.of({"task": task}) == expected


def test_a_lower_number_of_trials_takes_none_away(begin, tmp_path):
    run_all(begin("a=range(0,9)", most=4), tmp_path, lambda params: 0.5)
    fewer = begin("a=range(0,9)", most=2)
    assert (fewer.most, fewer.to_do, fewer.next()) == (4, 0, None)


def test_a_trial_that_was_judged_by_something_else_ends_the_search(begin, tmp_path):
    trials = begin("a=range(0,9)")
    job = Job(trials.next(), tmp_path)
    with pytest.raises(ConfigError, match="the search takes val/accuracy"):
        trials.ended(job, Outcome({}, job.folder, "finished", monitor="val/mae", best_value=1.0))


def watches(tmp_path, values, rule="median", epochs=10):
    """Trials of which each has told its values, epoch by epoch; what the watch said after each."""
    study = storage.open_study(
        storage.open_storage(tmp_path / "search.db"), "s", OBJECTIVE, pruner=optuna.pruners.NopPruner()
    )
    for row in values:
        trial = study.ask()
        watch = Watch(tmp_path / "search.db", "s", OBJECTIVE, Pruning(rule, 2, epochs), trial._trial_id)
        said = [watch(epoch, value) for epoch, value in enumerate(row, 1)]
        study.tell(trial, max(row))
        yield said


def test_the_median_rule_ends_a_trial_that_is_worse_than_half_of_the_finished_ones(tmp_path):
    values = [[0.1, 0.5 + n / 100, 0.6 + n / 100] for n in range(5)]
    *first, good, bad = watches(tmp_path, [*values, [0.0, 0.9, 0.9], [0.0, 0.515, 0.515]])
    assert {word for said in first for word in said} == {None}, "five trials must have finished"
    assert good == [None] * 3
    assert bad[0] is None, "every trial has two epochs"
    assert bad[1] == "median rule: 0.515 at best by epoch 2; of 6 finished trials the median was 0.525 then"


@pytest.mark.slow
def test_without_pruning_nothing_ends_early_and_hyperband_ends_something(tmp_path):
    values = [[n / 20] * 3 for n in range(9, 0, -1)]
    assert all(word is None for said in watches(tmp_path, values, "none") for word in said)
    (tmp_path / "search.db").unlink()
    ended = [said for said in watches(tmp_path, values, "hyperband", epochs=3) if any(said)]
    assert ended
    assert all(said[0] is None for said in ended)


def test_an_epoch_that_is_told_again_after_a_resume_is_no_trouble(tmp_path):
    (said,) = watches(tmp_path, [[0.1, 0.2]])
    assert said == [None, None]
    study = storage.open_study(
        storage.open_storage(tmp_path / "search.db"), "s", OBJECTIVE, pruner=optuna.pruners.NopPruner()
    )
    trial = study.ask()
    watch = Watch(tmp_path / "search.db", "s", OBJECTIVE, Pruning("median", 2, 5), trial._trial_id)
    assert [watch(epoch, 0.5) for epoch in (1, 2, 2, 3)] == [None] * 4
    assert study.trials[1].intermediate_values == {1: 0.5, 2: 0.5, 3: 0.5}


def _report(file, trial, epochs):
    watch = Watch(file, "s", OBJECTIVE, Pruning("median", 2, epochs), trial)
    for epoch in range(epochs):
        watch(epoch, 0.5)


@pytest.mark.slow
def test_processes_report_to_one_file_at_the_same_time(tmp_path):
    file = tmp_path / "search.db"
    study = storage.open_study(storage.open_storage(file), "s", OBJECTIVE, pruner=optuna.pruners.NopPruner())
    context = multiprocessing.get_context("spawn")
    trials = [study.ask() for _ in range(2)]
    processes = [context.Process(target=_report, args=(file, trial._trial_id, 15)) for trial in trials]
    for process in processes:
        process.start()
    for _ in range(5):
        study.tell(study.ask(), 0.5)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert [len(study.trials[number].intermediate_values) for number in (0, 1)] == [15, 15]


def test_a_storage_that_cannot_be_read_is_told_of_in_a_sentence(tmp_path):
    (tmp_path / "search.db").write_text("no database, but long enough to be looked at as one" * 50)
    with pytest.raises(DataError, match="cannot be read as the storage of a search"):
        storage.open_storage(tmp_path / "search.db")
    with pytest.raises(ConfigError, match=r"hydra\.sweeper\.storage: Could not parse"):
        storage.open_storage("nowhere")


def test_a_storage_with_trials_of_another_space_is_refused(begin):
    begin("a=x,y").next()
    with pytest.raises(DataError, match="trial 0 is of another space"):
        begin("a=x,z")


def test_a_path_with_odd_signs_is_no_trouble_for_the_storage(tmp_path):
    folder = tmp_path / "a {b} ?x=1 %20 'c'"
    folder.mkdir()
    storage.open_storage(folder / "search.db")
    assert (folder / "search.db").is_file()


@pytest.fixture
def toy_search(toy, monkeypatch):
    """A search among runs whose accuracy grows with the seed, and evaluations of the toy command."""
    monkeypatch.setattr(winner, "EVALUATE", "toy_parts:evaluate")
    return toy


def test_a_search_runs_its_trials_marks_the_winner_and_reads_test_once_for_it(toy_search, capsys):
    assert search("seed=range(0,30)", LR, "hydra.sweeper.n_trials=4", figures="true") == 0
    *trials, judged = toy_search.CALLS
    assert [config["test"] for config, _ in trials] == [False] * 4
    best = max(trials, key=lambda call: call[0]["seed"])
    assert Path(judged[0]["run"]) == best[1].output_dir
    assert judged[0]["split"] == "test"
    assert judged[1].output_dir == FOLDER / "test" / best[1].output_dir.name

    rows = rows_of(FOLDER / "sweep.csv")
    assert [(row["trial"], row["status"]) for row in rows] == [(str(n), "finished") for n in range(1, 5)]
    assert [row["seed"] for row in rows] == [str(config["seed"]) for config, _ in trials]
    assert [row["chosen"] for row in rows].count("*") == 1
    (chosen,) = (row for row in rows if row["chosen"])
    assert chosen["folder"] == best[1].output_dir.name == f"optimizer.lr={chosen['optimizer.lr']},seed={chosen['seed']}"
    assert float(chosen["test/accuracy"]) == pytest.approx(0.85 + best[0]["seed"] / 100)

    listed = rows_of(FOLDER / "trials.csv")
    assert [float(row["value"]) for row in listed] == pytest.approx([0.9 + c["seed"] / 100 for c, _ in trials])
    assert next(row["setting"] for row in rows_of(FOLDER / "importance.csv")) == "seed"
    for name in ("search_history", "importance"):
        assert (FOLDER / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")

    err = capsys.readouterr().err
    assert err.count(f"the one look at test, for the best on val, {chosen['folder']}:\n") == 1
    assert "search for the best val/accuracy (higher is better): 4 trials; tpe, pruning: median" in err
    assert "optimizer.lr from 0.0001 to 0.1 (log), seed from 0 to 29 whole" in err
    assert f"cnnrun train figures=true optimizer.lr={chosen['optimizer.lr']} seed={chosen['seed']}\n" in err


def test_the_same_command_again_runs_nothing_and_leaves_test_unread(toy_search):
    assert search("seed=range(0,30)", "hydra.sweeper.n_trials=3") == 0
    calls, table = len(toy_search.CALLS), (FOLDER / "sweep.csv").read_text()
    assert search("seed=range(0,30)", "hydra.sweeper.n_trials=3") == 0
    assert len(toy_search.CALLS) == calls
    assert (FOLDER / "sweep.csv").read_text() == table


def test_the_winner_of_a_strangers_folder_may_name_no_code_without_trust(toy_search):
    assert search("seed=range(0,30)", "hydra.sweeper.n_trials=2") == 0
    assert toy_search.CALLS[-1][0]["trust_code"] is True
    shutil.rmtree(FOLDER / "test")
    assert cli.main(["train", "-m", "hydra/launcher=serial", f"resume={FOLDER}"]) == 0
    config, _ = toy_search.CALLS[-1]
    assert (config["split"], config["trust_code"]) == ("test", False)


def test_more_trials_are_added_and_another_winner_says_that_test_was_read_before(toy_search, capsys):
    assert search("seed=range(0,6)", "hydra.sweeper.n_trials=2") == 0
    first = toy_search.CALLS[-1][0]["run"]
    assert search("seed=range(0,6)", "hydra.sweeper.n_trials=9") == 0
    assert sorted(config["seed"] for config, _ in toy_search.CALLS if "seed" in config) == [0, 1, 2, 3, 4, 5]
    assert "tries all of the 6 different settings" in capsys.readouterr().err
    evaluations = [config["run"] for config, _ in toy_search.CALLS if "seed" not in config]
    assert evaluations == [first, str(FOLDER / "seed=5")]
    (note,) = Run.open(FOLDER / "test" / "seed=5").record["notes"]
    assert note.startswith("test was read 2 times in this search")


def test_test_false_leaves_test_unread_for_the_winner_too(toy_search):
    assert search("seed=range(0,6)", "test=false", "hydra.sweeper.n_trials=2") == 0
    assert all("seed" in config for config, _ in toy_search.CALLS)
    assert search("seed=range(0,6)", "test=true", "hydra.sweeper.n_trials=2") == 2


def test_a_failing_trial_does_not_end_the_search(toy_search):
    toy_search.ENDS |= {1: "no data", 2: "bug"}
    assert search("seed=range(0,4)", "hydra.sweeper.n_trials=4") == 4
    rows = {row["seed"]: row for row in rows_of(FOLDER / "sweep.csv")}
    assert {seed: row["status"] for seed, row in rows.items()} == {
        "0": "finished",
        "1": "failed",
        "2": "failed",
        "3": "finished",
    }
    assert rows["1"]["error"] == "data/ has no digits"
    assert rows["3"]["chosen"] == "*"
    toy_search.ENDS.clear()
    done = len(toy_search.CALLS)
    assert search("seed=range(0,4)", "hydra.sweeper.n_trials=4") == 0
    assert sorted(config["seed"] for config, _ in toy_search.CALLS[done:]) == [1, 2]
    assert {row["status"] for row in rows_of(FOLDER / "sweep.csv")} == {"finished"}


def test_a_search_can_be_kept_in_a_database(toy_search, tmp_path):
    where = f"hydra.sweeper.storage=sqlite:///{tmp_path}/shared.db"
    for _ in range(2):
        assert search("seed=0,1", where, "hydra.sweeper.n_trials=2") == 0
    assert len(toy_search.CALLS) == 3, "two trials and the look at test"
    assert (tmp_path / "shared.db").is_file()
    assert not (FOLDER / "search.db").exists()


def test_ctrl_c_stops_a_search_and_the_same_command_goes_on(toy_search, capsys):
    toy_search.ENDS |= dict.fromkeys(range(2, 9), "interrupted")
    assert search("seed=range(0,9)", "hydra.sweeper.n_trials=5") == 130
    interrupted = toy_search.CALLS[-1][0]["seed"]
    assert rows_of(FOLDER / "trials.csv")[-1]["status"] == "interrupted"
    toy_search.ENDS.clear()
    done = len(toy_search.CALLS)
    assert search("seed=range(0,9)", "hydra.sweeper.n_trials=5") == 0
    config, _ = toy_search.CALLS[done]
    assert config["seed"] == interrupted
    assert config["resume"] == str(FOLDER / f"seed={interrupted}")
    assert len(rows_of(FOLDER / "sweep.csv")) == 5


def test_another_space_or_other_settings_are_refused_in_the_same_folder(toy_search, capsys):
    assert search("seed=range(0,6)", "epochs=3", "hydra.sweeper.n_trials=1") == 0
    assert search("seed=range(0,7)", "epochs=3", "hydra.sweeper.n_trials=1") == 2
    err = capsys.readouterr().err
    assert "holds another search (seed: from 0 to 5 whole there, from 0 to 6 whole now); choose another folder" in err
    assert search("seed=range(0,6)", "epochs=4", "hydra.sweeper.n_trials=1") == 2
    assert "(epochs: 3 there, 4 now)" in capsys.readouterr().err
    assert search("seed=range(0,6)", LR, "epochs=3", "hydra.sweeper.n_trials=1") == 2
    assert "(optimizer.lr: nothing there, from 0.0001 to 0.1 (log) now)" in capsys.readouterr().err
    assert search("seed=range(0,6)", "epochs=3", "hydra.sweeper.n_trials=1") == 0


def test_a_grid_and_a_search_do_not_share_a_folder(toy_search, capsys):
    assert cli.main(["train", "-m", "seed=0,1", "sweep=s", "hydra/launcher=serial"]) == 0
    assert search("seed=0,1,2", "hydra.sweeper.n_trials=3") == 2
    assert "holds runs of no search that is stored there" in capsys.readouterr().err
    assert cli.main(["train", "-m", "seed=2,3", "hydra/launcher=serial"]) == 0
    words = "hydra/launcher=serial", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=1"
    assert cli.main(["train", "-m", "seed=2,3", *words]) == 0
    assert {path.name[:-9] for path in FOLDER.parent.iterdir() if path != FOLDER} == {"seed", "search-seed"}


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("hydra.sweeper.n_trials=0", "hydra.sweeper.n_trials=0: "),
        ("hydra.sweeper.sampler=tpee", "hydra.sweeper.sampler=tpee: "),
        (
            "hydra.sweeper.n_trails=3",
            "unknown setting 'hydra.sweeper.n_trails' - did you mean 'hydra.sweeper.n_trials'?",
        ),
        (
            "hydra.sweeper.direction=up",
            "unknown setting 'hydra.sweeper.direction'; hydra.sweeper has n_trials, sampler, ",
        ),
        ("hydra.sweeper.pruner=mean", "hydra.sweeper.pruner=mean: "),
        ("epochs=interval(1,3)", "'epochs' takes whole numbers: write epochs=range(1,4), which ends at 3"),
        ("batch_size=choice()", "cannot read 'batch_size=choice()': there is nothing between the brackets"),
        ("test=true,false", "'test' is nothing to search"),
        ("task=classification,classification", "'task' is nothing to search"),
        ("model=mlp,cnnn", "unknown model 'cnnn'"),
        ("batch_size=choice(8,x)", "batch_size=x"),
        ("optimizer.lr=interval(-1,1)", "optimizer.lr=-1.0"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_trial(toy_search, capsys, word, says):
    assert search("seed=0,1", word) == 2
    assert says in capsys.readouterr().err
    assert toy_search.CALLS == []


def test_optuna_is_asked_for_where_it_is_missing(toy_search, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert search("seed=0,1") == 2
    assert "hydra/sweeper=optuna needs Optuna: pip install 'cnnrun[optuna]'" in capsys.readouterr().err


def descendants(pid):
    """The processes that came from one, as /proc tells."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find all processes")
def test_a_search_on_digits_that_is_killed_in_trial_7_of_20_goes_on(tmp_path):
    words = ["model=mlp", "dataset.limit=200", "epochs=6", "figures=false", "threads=1", LR]
    words += ["batch_size=16,32", "sweep=s", "hydra.launcher.jobs=2", "hydra.sweeper.n_trials=20"]
    command = [sys.executable, "-m", "cnnrun", "train", "-m", "hydra/sweeper=optuna", *words]
    folder = tmp_path / FOLDER

    def trials():
        return sorted(path.parent for path in folder.glob("*/run.json"))

    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while len([path for path in trials() if (path / "history.csv").exists()]) < 7:
            assert process.poll() is None
            time.sleep(0.02)
        for pid in descendants(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    before = {path.name: Run.open(path).record for path in trials()}
    assert "running" in {record["status"] for record in before.values()}
    done = {name for name, record in before.items() if record["status"] in ("finished", "pruned")}
    times = {name: (folder / name / "run.json").stat().st_mtime_ns for name in done}
    begun = {path.name: before[path.name]["started"] for path in trials() if Run.open(path).has_checkpoint("last")}

    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    rows = rows_of(folder / "trials.csv")
    assert [row["trial"] for row in rows] == [str(number) for number in range(1, 21)]
    assert len({(row["optimizer.lr"], row["batch_size"]) for row in rows}) == 20
    assert {row["folder"] for row in rows} == {path.name for path in trials()} >= before.keys()
    assert {row["folder"]: row["status"] for row in rows} == {path.name: Run.open(path).status for path in trials()}
    assert {row["status"] for row in rows} == {"finished", "pruned"}
    assert times == {name: (folder / name / "run.json").stat().st_mtime_ns for name in done}, "none is run twice"
    assert begun, "one had come to a checkpoint"
    assert {name: Run.open(folder / name).record["started"] for name in begun} == begun, "taken up from there"
    assert sum(Run.open(path).record.get("test_reads", 0) for path in trials()) == 0
    (judged,) = (folder / "test").iterdir()
    assert [row["folder"] for row in rows if row["chosen"]] == [judged.name]
    assert {row["split"] for row in Run.open(judged).results()} == {"test"}
