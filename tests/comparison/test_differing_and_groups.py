"""Which settings differ, which group is best, and how it is written. `pytest tests/comparison`"""

import math

import pytest

from cnnrun.comparison import find, names, read
from cnnrun.comparison.differing import settings_that_differ
from cnnrun.comparison.groups import PAIRED, WELCH, direction, standings
from cnnrun.comparison.wording import runtime, spread


def differing(folder):
    paths = find(["runs"])
    return settings_that_differ(read(paths, names(paths))[0])


def test_what_an_option_brings_along_is_no_column(folder):
    folder.run("a", 0.9, "model=mlp", model__hidden=[8])
    folder.run("b", 0.9, "model=cnn", model__hidden=[32])
    assert differing(folder) == ["model"]


def test_a_setting_of_an_option_in_which_its_runs_differ_is_a_column(folder):
    folder.run("a", 0.9, "model=mlp", "model.dropout=0")
    folder.run("b", 0.9, "model=mlp", "model.dropout=0.5")
    folder.run("c", 0.9, "model=cnn")
    assert differing(folder) == ["model", "model.dropout"]


def test_what_nobody_named_and_another_choice_explains_is_no_column(folder):
    for name, dataset, task in (("a", "digits", "one"), ("b", "energy", "two"), ("c", "energy", "two")):
        folder.run(name, 0.9, f"dataset={dataset}", record={}, task__name=task, batch_size=len(dataset))
    assert differing(folder) == ["dataset"]


def test_what_was_named_is_a_column_though_another_differs_with_it(folder):
    folder.run("a", 0.9, "model=mlp", "optimizer.lr=0.1")
    folder.run("b", 0.9, "model=cnn", "optimizer.lr=0.2")
    assert differing(folder) == ["model", "optimizer.lr"]


def test_files_that_were_changed_by_hand_differ_in_what_they_say(folder):
    folder.run("a", 0.9, batch_size=8)
    folder.run("b", 0.9, batch_size=16)
    assert differing(folder) == ["batch_size"]


def test_how_a_run_was_made_and_where_its_data_lie_is_no_column(folder):
    folder.run("a", 0.9, "seed=0", "threads=1", "figures=true", dataset__root="/here/mnist")
    folder.run("b", 0.9, "seed=1", "threads=2", "figures=false", dataset__root="/there/data")
    assert differing(folder) == []


def sample(*values):
    return dict(enumerate(values))


def test_the_best_by_mean_and_what_cannot_be_told_from_it():
    held = standings([sample(0.8, 0.81, 0.82), sample(0.95, 0.96, 0.97), sample(0.94, 0.97, 0.965)], True)
    assert [one.best for one in held] == [False, True, False]
    assert [one.tied for one in held] == [False, False, True]
    assert {one.test for one in held} == {"", PAIRED}
    assert math.isnan(held[1].p)


def test_lower_is_better_for_errors():
    assert [one.best for one in standings([sample(2, 3), sample(1, 2)], False)] == [False, True]


def test_other_seeds_are_tested_by_welch_and_one_seed_alone_cannot_be_told():
    held = standings([sample(0.9, 0.91), {5: 0.5, 6: 0.51, 7: 0.52}, {0: 0.2}], True)
    assert [one.test for one in held] == ["", WELCH, ""]
    assert [one.tied for one in held] == [False, False, True]


def test_nothing_is_tied_where_no_group_has_seeds():
    held = standings([{0: 0.9}, {0: 0.8}], True)
    assert [(one.best, one.tied) for one in held] == [(True, False), (False, False)]


@pytest.mark.parametrize("samples", [[{0: 0.9}, {0: 0.9}], [{0: 0.8, 1: 1.0}, {0: 1.0, 1: 0.8}]])
def test_equal_means_are_both_the_best(samples):
    held = standings(samples, True)
    assert [(one.best, one.tied) for one in held] == [(True, False), (True, False)]


def test_a_group_without_the_metric_takes_no_part():
    held = standings([{}, sample(0.9, 0.91)], True)
    assert [(one.best, one.tied) for one in held] == [(False, False), (True, False)]


@pytest.mark.parametrize(
    ("metric", "upward"),
    [
        ("test/accuracy", True),
        ("val/f1_macro", True),
        ("test/top5_accuracy", True),
        ("test/r2", True),
        ("val/log_loss", False),
        ("test/calibration_error", False),
        ("test/mae[load]", False),
        ("test/mae/naive", False),
        ("seconds", False),
        ("val/accuracy_gap", None),
        ("test/bias", None),
    ],
)
def test_names_of_metrics_tell_the_direction(metric, upward):
    assert direction(metric, []) is upward


def test_the_metric_that_a_run_watched_has_the_direction_that_it_says(folder):
    folder.run("a", 0.9, task__monitor="odd", record={"higher_is_better": False})
    assert direction("test/odd", read(find(["runs"]), ["a"])[0]) is False


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.2, "0s"), (12, "12s"), (59.7, "1m 0s"), (2227.4, "37m 7s"), (3903, "1h 5m 3s"), (90000, "25h 0m 0s")],
)
def test_runtimes_are_written_as_in_the_reference(seconds, written):
    assert runtime(seconds) == written


def test_a_mean_is_written_with_half_its_interval():
    assert spread(0.98675, 0.98795) == "0.9868 ± 0.0012"
    assert spread(0.5, math.nan) == "0.5000"
    assert spread(math.nan, math.nan) == ""
    assert spread(0.9897, 0.98973) == "0.9897 ± 3e-05"
