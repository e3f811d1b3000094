"""The rows of a study's table and its conclusions, from runs that are made up. `pytest tests/sweeps`"""

from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from cnnrun.comparison.reading import Facts
from cnnrun.sweeps.studies.runs import Told
from cnnrun.sweeps.studies.study import Claim, Difference, Published, Study
from cnnrun.sweeps.studies.table import conclusions_of, is_share, notes, rows_of, title
from cnnrun.sweeps.studies.yaml_node import Number

A, B = ("A", ""), ("B", "")
STUDY = Study(
    name="mine",
    settings={},
    rows={"A": {"model": "mlp"}, "B": {"model": "cnn"}},
    cols={"": {}},
    seeds=["0", "1", "2"],
    cells=["test/accuracy"],
    optional=[],
)
NOBODY = Facts(
    path=Path("x"),
    name="x",
    status="finished",
    reason="",
    dead=False,
    seed=0,
    options={},
    values={},
    words=frozenset(),
    monitor="val/accuracy",
    higher_is_better=True,
    best_value=0.5,
    best_epoch=2,
    epochs=4,
    seconds=1.0,
    parameters=10,
    metrics={},
    data={},
    started="",
)


def told(seed, test, **facts):
    found = replace(NOBODY, metrics={} if test is None else {"test/accuracy": test}, **facts)
    history = [{"epoch": str(epoch), "val/accuracy": str(value)} for epoch, value in enumerate([0.2, 0.5, 0.4, 0.3], 1)]
    return Told(str(seed), found, {"test/accuracy": 100}, history)


def runs_of(first, second):
    return {place: [told(seed, value) for seed, value in values.items()] for place, values in ((A, first), (B, second))}


def claim(*, more=(A,), less=(B,), cell="test/accuracy", of="all", within=None):
    return Claim("it is so", cell, of, within, [Difference(list(more), list(less))])


def test_a_claim_is_tested_by_differences_of_the_seeds_that_both_have():
    runs = runs_of({0: 0.90, 1: 0.92, 2: 0.91}, {0: 0.80, 2: 0.83, 7: 0.1})
    ((_, found),) = conclusions_of(replace(STUDY, claims=[claim()]), runs)
    paired = [0.90 - 0.80, 0.91 - 0.83]
    (estimate,) = found.differences
    assert estimate.value == pytest.approx(0.09)
    assert estimate.high == pytest.approx(0.09 + stats.t.ppf(0.975, 1) * stats.sem(paired))
    assert found.seeds == (2,)
    assert found.word == "cannot be told"


@pytest.mark.parametrize(
    ("other", "word"),
    [({0: 0.80, 1: 0.82, 2: 0.81}, "supported"), ({0: 0.95, 1: 0.98, 2: 0.96}, "contradicted"), ({}, "cannot be told")],
)
def test_a_claim_is_supported_or_contradicted(other, word):
    runs = runs_of({0: 0.90, 1: 0.92, 2: 0.91}, other)
    ((_, found),) = conclusions_of(replace(STUDY, claims=[claim()]), runs)
    assert found.word == word


def test_an_interaction_adds_the_places_of_each_side():
    runs = {A: [told(0, 0.9)], B: [told(0, 0.7)], ("C", ""): [told(0, 0.5)]}
    ((_, found),) = conclusions_of(replace(STUDY, claims=[claim(more=(A, A), less=(B, ("C", "")))]), runs)
    assert found.differences[0].value == pytest.approx(0.9 + 0.9 - 0.7 - 0.5)


def test_runs_that_failed_have_no_number_and_are_named_dead_ones_count():
    runs = {
        A: [
            told(0, 0.9),
            told(1, 0.1, dead=True),
            told(2, None, status="failed", reason="train/loss is nan"),
            told(3, None, status="interrupted"),
        ]
    }
    (row, none) = rows_of(STUDY, runs)
    assert row["mean"] == pytest.approx(0.5)
    assert (row["n"], row["dead"]) == (2, "1")
    assert row["remark"] == "seed 2 failed (train/loss is nan); seed 3 interrupted"
    assert (none["verdict"], none["mean"]) == ("not run", None)
    assert "dead: the seeds of runs that learned nothing; they count in the means" in notes(STUDY, [row, none])


def test_val_chooses_among_rows_or_among_the_columns_of_a_row():
    runs = {A: [told(0, 0.9, best_value=0.5)], B: [told(0, 0.8, best_value=0.7)]}
    assert [row["chosen"] for row in rows_of(STUDY, runs)] == ["", "*"]
    assert [row["chosen"] for row in rows_of(STUDY, {B: runs[B]})] == ["", ""], "one alone is no choice"
    wide = replace(STUDY, cols={"1": {"seed": "1"}, "2": {"seed": "2"}})
    runs = {
        ("A", "1"): [told(0, 0.9, best_value=0.5)],
        ("A", "2"): [told(0, 0.9, best_value=0.4)],
        ("B", "1"): [told(0, 0.9, best_value=0.8)],
        ("B", "2"): [told(0, 0.9, best_value=0.9)],
    }
    assert [row["chosen"] for row in rows_of(wide, runs)] == ["*", "", "", "*"]


@pytest.mark.parametrize(
    "facts", [{"higher_is_better": False}, {"values": {"dataset.train_on_val": True}}, {"status": "failed"}]
)
def test_val_chooses_by_its_direction_and_not_where_it_was_trained_on(facts):
    runs = {A: [told(0, 0.9, best_value=0.5, **facts)], B: [told(0, 0.8, best_value=0.7, **facts)]}
    expected = ["*", ""] if "higher_is_better" in facts else ["", ""]
    assert [row["chosen"] for row in rows_of(STUDY, runs)] == expected


def test_cells_can_be_facts_of_the_run_and_metrics_after_an_epoch():
    cells = ["best_epoch", "stopped_epoch", "patience_needed", "volatility", "best_value", "val/accuracy@3", "seconds"]
    rows = rows_of(replace(STUDY, cells=cells), {A: [told(0, 0.9)]})
    found = {row["cell"]: row["mean"] for row in rows if row["row"] == "A"}
    assert found == pytest.approx(
        {
            "best_epoch": 2,
            "stopped_epoch": 4,
            "patience_needed": 1,
            "volatility": stats.tstd([0.3, -0.1, -0.1]),
            "best_value": 0.5,
            "val/accuracy@3": 0.4,
            "seconds": 1.0,
        }
    )


def test_a_remark_of_the_document_stands_beside_each_of_its_numbers():
    about = Published("a paper", None, "of another file", {(A, "test/accuracy"): Number(0.8, 0.1)}, {})
    row, other = rows_of(replace(STUDY, published=about), {A: [told(0, 0.9), told(1, 0.9)], B: [told(0, 0.9)]})
    assert row["remark"] == "the error of the published number is not known; of another file"
    assert other["remark"] == ""
    assert "of another file" in notes(replace(STUDY, published=about), [row])


@pytest.mark.parametrize(
    ("cell", "share"),
    [
        ("test/accuracy", True),
        ("train/accuracy@2", True),
        ("val/f1_macro", True),
        ("test/r2", False),
        ("seconds", False),
    ],
)
def test_shares_are_told_by_their_names(cell, share):
    assert is_share(cell) is share


def test_a_small_budget_stands_in_the_title():
    assert title(STUDY) == "study mine"
    assert "budget=smoke: a trial" in title(replace(STUDY, budget="smoke"))
