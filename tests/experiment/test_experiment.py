"""What is wired together from a config. `pytest tests/experiment`"""

from dataclasses import replace

import pytest
import torch

from cnnrun import config as configs
from cnnrun import experiment
from cnnrun.cli import COMMANDS
from cnnrun.config import compose
from cnnrun.training import residence

CPU, META = torch.device("cpu"), torch.device("meta")


@pytest.fixture
def config(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return compose.one(configs.Request("train", COMMANDS["train"].function, ("model=mlp",))).config


@pytest.mark.parametrize(("room", "where"), [(10**6, META), (52 * 64 - 1, CPU)])
def test_a_split_comes_to_the_device_where_it_fits_and_its_batches_in_any_case(
    room, where, config, blob_data, monkeypatch
):
    monkeypatch.setattr(residence, "room", lambda device: room)
    parts = experiment.build(config, blob_data, CPU)
    elsewhere = replace(parts, compute=replace(parts.compute, device=META))
    loader = elsewhere.loader(blob_data.train, batch_size=10, shuffle=True)
    assert loader.split.inputs.device == where
    assert loader.device == next(loader.batches()).inputs.device == META
    assert any(remark.startswith("train takes 0.0 GB") for remark in elsewhere.remarks) == (where == CPU)
    assert elsewhere.loader(blob_data.train, batch_size=4).split is loader.split


def test_on_the_cpu_a_split_stays_what_it_is(config, blob_data, monkeypatch):
    monkeypatch.setattr(residence, "room", lambda device: 0)
    parts = experiment.build(config, blob_data, CPU)
    assert parts.loader(blob_data.train, batch_size=10).split is blob_data.train
    assert parts.remarks == []
