"""Runs whose data set is no longer where they were trained. `pytest tests/commands/test_moved_runs.py`"""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torchvision

from cnnrun.cli import main
from cnnrun.data import idx_files
from cnnrun.downloads import DownloadFailed
from cnnrun.run import Run

TRAIN = ["train", "dataset=mnist", "dataset.root=there", "model=mlp", "model.hidden=[4]", "threads=1", "epochs=1"]
SENTENCE = "the data set of this run is not in there or data; name the folder where it is, or is to be downloaded to"


def packed(array):
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """A run in ./run, whose data set has moved from ./there to ./here; what was tried to be downloaded."""
    generator = np.random.default_rng(0)
    resources, tried = [], []
    (tmp_path / "there").mkdir()
    for file, count in (("train", 60), ("t10k", 20)):
        images, labels = generator.integers(0, 256, (count, 28, 28)), np.arange(count) % 10
        for name, array in ((f"{file}-images-idx3-ubyte.gz", images), (f"{file}-labels-idx1-ubyte.gz", labels)):
            body = packed(array.astype(np.uint8))
            (tmp_path / "there" / name).write_bytes(body)
            resources.append((name, hashlib.md5(body, usedforsecurity=False).hexdigest()))

    def fetch(urls, path, *_):
        tried.append(path)
        raise DownloadFailed("downloading failed")

    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    monkeypatch.setattr(idx_files, "fetch", fetch)
    monkeypatch.delenv("CNNRUN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main([*TRAIN, "dataset.val_fraction=0.2", "figures=false", "hydra.run.dir=run"]) == 0
    Path("there").rename("here")
    return tried


@pytest.mark.parametrize("words", [["eval", "run=run"], ["train", "resume=run", "epochs=2"]])
def test_nothing_is_downloaded_to_where_a_run_says_its_data_were(downloads, words, capsys):
    assert main(words) == 3
    assert SENTENCE in capsys.readouterr().err
    assert downloads == []
    assert not Path("there").exists()


@pytest.mark.parametrize("words", [["eval", "run=run", "figures=false"], ["train", "resume=run", "epochs=2"]])
def test_data_are_found_where_this_machine_keeps_them(downloads, monkeypatch, words):
    monkeypatch.setenv("CNNRUN_DATA", "here")
    assert main(words) == 0


def test_an_evaluation_can_be_told_where_the_data_are(downloads, capsys):
    assert main(["eval", "run=run", "root=here", "figures=false"]) == 0
    assert "fingerprint" not in capsys.readouterr().err


def test_a_training_that_goes_on_can_be_told_where_the_data_are(downloads):
    assert main(["train", "resume=run", "dataset.root=here", "epochs=2"]) == 0
    run = Run.open("run")
    assert run.record["epochs"] == 2
    assert run.config["dataset"]["root"] == "here"


def test_data_are_downloaded_to_a_folder_that_is_named(downloads):
    assert main(["eval", "run=run", "root=new"]) == 3
    assert main(["train", "resume=run", "dataset.root=new (2)"]) == 3
    assert [path.parts[0] for path in downloads] == ["new", "new (2)"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval", "run=run", "root=here"], "root=here: the data set of this run is not read from a folder"),
        (["train", "resume=run", "dataset.root=here"], "unknown setting 'dataset.root'"),
    ],
)
def test_a_data_set_without_a_folder_is_not_looked_for_in_one(tmp_path, monkeypatch, words, message, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["dataset.limit=200", "model=mlp", "model.hidden=[4]", "epochs=1", "figures=false"]
    assert main(["train", *small, "hydra.run.dir=run"]) == 0
    assert main(words) == 2
    assert message in capsys.readouterr().err
