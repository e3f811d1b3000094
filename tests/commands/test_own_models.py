"""A model of the user's own trains, or fails in one sentence that names its line. `pytest tests/commands`"""

import re
import sys
from pathlib import Path

import pytest

from cnnrun.cli import main

NETS = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, input_shape, num_outputs, *, width: int):
        super().__init__()
        self.hidden = nn.Linear(64, width)
        self.head = nn.Linear(8, num_outputs)

    def forward(self, x):
        return self.head(self.hidden(x.flatten(1)))


class Few(Net):
    def __init__(self, input_shape, num_outputs, *, width: int):
        super().__init__(input_shape, 7, width=width)


class Merged(Net):
    def forward(self, x):
        return super().forward(x).sum(0, keepdim=True)


class Pair(Net):
    def forward(self, x):
        return super().forward(x), None


class Bare(nn.Module):
    def __init__(self, input_shape, num_outputs, *, width: int):
        super().__init__()

    def forward(self, x):
        return x.flatten(1)


class Still(Net):
    forward = None


def number(input_shape, num_outputs, *, width: int):
    return width
"""
WRONG = {
    ("Net", 9): r"RuntimeError: .*shapes cannot be multiplied \(2x9 and 8x10\) \(my_nets\.py, line 12\)",
    ("Net", -1): r"RuntimeError: .*-1.* \(my_nets\.py, line 8\)",
    ("Few", 8): r"gives 7 outputs for one sample, 10 are needed \(num_outputs\)",
    ("Merged", 8): r"gives outputs of shape \(1, 10\) for 2 samples, \(2, 10\) is needed",
    ("Pair", 8): "forward gives a tuple, a tensor is needed",
    ("Bare", 8): "has no parameters to train",
    ("Still", 8): r"TypeError: 'NoneType' object is not callable \(my_nets\.py\)",
    ("number", 8): "gives a int, a torch.nn.Module is needed",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    (tmp_path / "my_nets.py").write_text(NETS)
    return tmp_path


def train(name, width):
    folder = Path("conf/model")
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(f"name: my_nets:{name}\nwidth: {width}\n")
    return main(["train", "model=mine", "dataset.limit=100", "epochs=1", "figures=false", "threads=1"])


def test_one_that_keeps_to_the_contract_trains(here):
    assert train("Net", 8) == 0


@pytest.mark.parametrize(("name", "width"), WRONG)
def test_one_that_does_not_is_one_sentence_and_leaves_no_folder(here, name, width, capsys):
    assert train(name, width) == 2
    sentence = f"cnnrun train: error: model.name=my_nets:{name}: {WRONG[name, width]}\n"
    assert re.fullmatch(sentence, capsys.readouterr().err)
    assert not (here / "outputs").exists()


def test_an_error_in_a_model_of_ours_keeps_its_traceback(here, monkeypatch):
    monkeypatch.setattr("cnnrun.models.mlp.MLP.forward", None)
    with pytest.raises(TypeError):
        main(["train", "model=mlp", "dataset.limit=100", "epochs=1", "figures=false"])
