"""The parts of a model: found once, and the same in all processes. `pytest tests/experiment`"""

import pickle
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch import nn

from cnnrun.experiment import parting
from cnnrun.experiment.parting import Parting
from cnnrun.training.device import Compute

FP32 = Compute(torch.device("cpu"), "fp32", channels_last=True, compile=False)
AUTO = {"prefix": "auto", "views": 0}


def network(*, frozen=2):
    layers = [nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)]
    for layer in layers[:frozen]:
        layer.requires_grad_(False)
    return nn.Sequential(*layers)


class Others:
    """Process `rank` of two, which is told what the first one found."""

    def __init__(self, monkeypatch, rank, first=None):
        self.told = None
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", str(rank))

        def broadcast(objects):
            if rank:
                objects[:] = pickle.loads(first)
            else:
                self.told = pickle.dumps(objects)

        monkeypatch.setattr(dist, "broadcast_object_list", broadcast)


@pytest.mark.parametrize("frozen", [2, 0])
def test_all_processes_take_the_cut_of_the_first(frozen, blob_data, monkeypatch):
    first = Others(monkeypatch, rank=0)
    found = Parting(network(frozen=frozen), blob_data, FP32, AUTO)
    assert (found.parted is not None) == bool(frozen)

    def other_numbers(*_):
        raise AssertionError("another process must not judge for itself")

    monkeypatch.setattr(parting, "find_cut", other_numbers)
    Others(monkeypatch, rank=1, first=first.told)
    second = Parting(network(frozen=frozen), blob_data, FP32, AUTO)
    assert (second.parted and second.parted.cut) == (found.parted and found.parted.cut)
    assert second.whole == found.whole == ""


def test_a_cut_is_looked_for_once_and_only_when_it_is_asked_for(blob_data, monkeypatch):
    calls = []
    find = parting.find_cut
    monkeypatch.setattr(parting, "find_cut", lambda *args: calls.append(args) or find(*args))
    own = Parting(network(), blob_data, FP32, AUTO | {"prefix": "off"})
    assert calls == []
    assert own.parted is own.parted
    assert own.parted.cut.place == "after 3"
    assert not own.parted.keeps
    assert own.whole == ""
    assert len(calls) == 1


def test_a_model_that_cannot_be_parted_says_why(blob_data):
    model = network(frozen=0)
    model[1].requires_grad_(False)
    own = Parting(model, blob_data, replace(FP32, channels_last=False), AUTO)
    assert own.parted is None
    assert own.whole.startswith("every step computes the whole network: ")
    assert "0, which trains" in own.whole
