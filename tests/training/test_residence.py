"""What lies on a device, and what stays where it is. `pytest tests/training/test_residence.py`"""

from dataclasses import replace

import pytest
import torch

from cnnrun import caches
from cnnrun.data.splits import Split
from cnnrun.data.windows import windows
from cnnrun.training import residence

CPU, META, CUDA = torch.device("cpu"), torch.device("meta"), torch.device("cuda", 0)


def split_of(num_samples, name="train"):
    """100 bytes a sample."""
    inputs = torch.zeros(num_samples, 1, 10, 10, dtype=torch.uint8)
    return Split(name, inputs, torch.zeros(num_samples, dtype=torch.int64), [""] * num_samples)


class Card:
    """The figures that torch has of a GPU."""

    def __init__(self, monkeypatch, free, reserved=0, allocated=0):
        self.free = free
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (self.free, 10**9))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: reserved)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: allocated)

    def settle(self, monkeypatch, split):
        """Whether it came to the card, which is fuller then."""
        there = replace(split, inputs=split.inputs.to("meta"))
        monkeypatch.setattr(Split, "to", lambda split, device: there)
        if residence.settled(split, CUDA) is not there:
            return False
        self.free -= split.inputs.nbytes
        return True


def test_half_of_what_is_free_on_a_gpu_may_be_taken(monkeypatch):
    Card(monkeypatch, free=1000)
    assert residence.room(CUDA) == 500


def test_what_torch_holds_without_using_it_is_free(monkeypatch):
    Card(monkeypatch, free=1000, reserved=700, allocated=500)
    assert residence.room(CUDA) == 600


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_the_memory_of_the_machine_is_for_others_too(device, monkeypatch):
    monkeypatch.setattr(caches, "free_memory", lambda: 1000)
    assert residence.room(torch.device(device)) == 250


@pytest.mark.parametrize(("num_samples", "device"), [(10, "meta"), (11, "cpu")])
def test_a_split_that_takes_more_than_there_is_room_for_stays(num_samples, device, monkeypatch):
    monkeypatch.setattr(residence, "room", lambda device: 1000)
    split = split_of(num_samples)
    found = residence.settled(split, META)
    assert found.inputs.device.type == found.targets.device.type == device
    assert (found is split) == (device == "cpu")


def test_each_split_is_judged_by_what_those_before_it_left(monkeypatch):
    card = Card(monkeypatch, free=2000)
    sizes = {"train": 9, "val": 6, "test": 5}
    came = {name: card.settle(monkeypatch, split_of(size, name)) for name, size in sizes.items()}
    assert came == {"train": True, "val": False, "test": True}  # of 2000, 1100 and 1100 bytes


def test_a_split_that_is_there_is_not_measured(monkeypatch):
    monkeypatch.setattr(residence, "room", lambda device: 0)
    split = split_of(50)
    assert residence.settled(split, CPU) is split


def test_only_the_rows_of_a_split_count(monkeypatch):
    monkeypatch.setattr(residence, "room", lambda device: 1000)
    rows = replace(split_of(50), targets=torch.zeros(10, dtype=torch.int64), rows=torch.arange(10))
    assert residence.settled(rows, META).inputs.device.type == "meta"


def test_what_windows_overlap_in_counts_once(monkeypatch):
    monkeypatch.setattr(residence, "room", lambda device: 4 * 300)
    cut = replace(split_of(201), inputs=windows(torch.zeros(1, 300), 100, 0, 201))
    assert residence.settled(cut, META).inputs.device.type == "meta"


def test_what_stays_is_told_in_a_sentence():
    splits = [split_of(2_000_000, "train"), split_of(3_000_000, "val"), split_of(1, "test").to("meta")]
    rest = "too much for cuda:0 beside the network, so each batch is copied there as it is needed"
    assert list(residence.remarks(splits[:1], CUDA)) == [f"train takes 0.2 GB, {rest}"]
    assert list(residence.remarks(splits[:2], CUDA)) == [f"train and val take 0.5 GB, {rest}"]
    assert list(residence.remarks(splits[:2], CPU)) == []
    assert list(residence.remarks(splits[2:], META)) == []
