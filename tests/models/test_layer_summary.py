"""The layer table in a few lines. `pytest tests/models/test_layer_summary.py`"""

from cnnrun.models.layer_schemes import Layer
from cnnrun.models.layer_summary import layer_summary


def row(name, parameters, trainable, batch_norm=""):
    return {"name": name, "parameters": parameters, "trainable": trainable, "batch_norm": batch_norm}


ROWS = [
    row("features.a.conv", 100, 0),
    row("features.a.bn", 10, 0, "eval"),
    row("features.b.conv", 200, 0),
    row("features.b.bn", 20, 0, "eval"),
    row("features.c.conv", 300, 0),
    row("features.c.bn", 30, 30, "train"),
    row("features.d.conv", 400, 400),
    row("features.d.bn", 40, 40, "train"),
    row("features.flat", 0, 0),
    row("head", 5, 5),
]
BLOCKS = [Layer(name, (f"features.{name}.conv", f"features.{name}.bn")) for name in "abcd"]


def test_blocks_that_are_treated_alike_are_one_line_and_the_head_is_one():
    assert [tuple(line.values()) for line in layer_summary(ROWS, BLOCKS)] == [
        ("a to b", 330, 0, "eval"),
        ("c", 330, 30, "train"),
        ("d", 440, 440, "train"),
        ("head", 5, 5, ""),
    ]


def test_a_block_whose_batch_norms_differ_says_so():
    rows = [row("features.a.conv", 1, 1), row("features.a.bn", 2, 2, "train"), row("features.a.bn2", 2, 0, "eval")]
    blocks = [Layer("a", ("features.a.conv", "features.a.bn", "features.a.bn2"))]
    assert layer_summary(rows, blocks)[0]["BatchNorm"] == "partly"


def test_the_lines_hold_every_parameter():
    assert sum(line["parameters"] for line in layer_summary(ROWS, BLOCKS)) == sum(r["parameters"] for r in ROWS)
