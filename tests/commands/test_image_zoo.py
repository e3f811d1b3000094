"""Odd and broken pictures of every kind through train, eval and predict. `pytest tests/commands/test_image_zoo.py`"""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from cnnrun import experiment
from cnnrun.cli import main
from cnnrun.data.image_folder import image_folder
from cnnrun.photos.network import Network
from cnnrun.run import Run
from tests.data.image_zoo import make_zoo

OPTIONS = Path(__file__).parents[2] / "conf" / "dataset" / "image_folder.yaml"
LONGEST = 56
"""Pixels of the longer side of nearly all of them: padded to that, nothing is resized."""
PADDED = ["dataset.fit=pad", f"dataset.image_size={LONGEST}"]


class Zoo:
    """A folder with two classes, `zoo` and `plain`: what each file shows, and why it is odd."""

    def __init__(self, root):
        self.root = root
        entries = make_zoo(root / "zoo")
        generator = np.random.default_rng(0)
        self.expected = {f"zoo/{entry.path.name}": entry.expected for entry in entries if not entry.path.is_dir()}
        (root / "plain").mkdir()
        for number in range(12):
            pixels = generator.integers(0, 256, size=(LONGEST, LONGEST - number, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "plain" / f"{number:02}.png")
            self.expected[f"plain/{number:02}.png"] = pixels
        self.broken = {path for path, pixels in self.expected.items() if pixels is None}

    @property
    def whole(self):
        return {path: pixels for path, pixels in self.expected.items() if pixels is not None}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    zoo = Zoo(tmp_path_factory.mktemp("pictures"))
    assert len(zoo.expected) > 140
    assert 30 < len(zoo.broken) < 60
    return zoo


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _here(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CNNRUN_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)


def padded(pixels):
    """(3, LONGEST, LONGEST) uint8: the picture between black bars; one of a single pixel fills all."""
    if pixels.shape[:2] == (1, 1):
        pixels = np.broadcast_to(pixels, (LONGEST, LONGEST, 3))
    height, width = pixels.shape[:2]
    assert max(height, width) == LONGEST
    whole = np.zeros((LONGEST, LONGEST, 3), np.uint8)
    top, left = (LONGEST - height) // 2, (LONGEST - width) // 2
    whole[top : top + height, left : left + width] = pixels
    return whole.transpose(2, 0, 1)


def cropped(pixels, resize, size):
    """(3, size, size) uint8 by Pillow: the short side to `resize`, then the middle."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    new = (resize * width // short, resize * height // short)
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(new, Image.Resampling.BILINEAR)
    left, top = round((new[0] - size) / 2), round((new[1] - size) / 2)
    return np.asarray(image.crop((left, top, left + size, top + size))).transpose(2, 0, 1)


def data_of(zoo, **settings):
    knobs = yaml.safe_load(OPTIONS.read_text()) | {"root": str(zoo.root)} | settings
    del knobs["name"]
    return image_folder(lambda *_: None, **knobs)


def samples(data):
    """Raw pixels (C, H, W) by id, of all splits, each sample taken alone and out of order."""
    found = {}
    for split in (data.train, data.val, data.test):
        for number in reversed(range(len(split))):
            assert split.ids[number] not in found
            found[split.ids[number]] = split.take(torch.tensor([number]))[0].numpy()
            assert split.ids[number].startswith(data.class_names[split.targets[number]] + "/")
    return found


def rows(file):
    with Path(file).open(newline="") as stream:
        return list(csv.DictReader(stream))


# --- the data set


@pytest.mark.parametrize("in_memory", [True, False])
def test_each_file_has_the_pixels_that_a_person_sees_under_its_own_id(zoo, monkeypatch, in_memory):
    if not in_memory:
        monkeypatch.setattr("cnnrun.caches.free_memory", lambda: 0)
    data = data_of(zoo, fit="pad", image_size=LONGEST)
    assert (data.train.rows is None) == in_memory
    found = samples(data)
    assert found.keys() == zoo.whole.keys()
    for path, pixels in zoo.whole.items():
        np.testing.assert_array_equal(found[path], padded(pixels), err_msg=path)
    assert {path for path, _ in data.broken} == zoo.broken
    assert all(reason for _, reason in data.broken)


def test_pictures_that_are_scaled_and_cropped_are_as_pillow_does_it(zoo):
    found = samples(data_of(zoo, image_size=20, resize=26))
    assert found.keys() == zoo.whole.keys()
    for path, pixels in zoo.whole.items():
        off = np.abs(found[path].astype(int) - cropped(pixels, 26, 20))
        assert off.max() <= 1, path


# --- the commands


@pytest.fixture(scope="module")
def trained(zoo, cache, tmp_path_factory):
    """The folder of a run on the zoo."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    words = ["dataset=image_folder", f"dataset.root={zoo.root}", *PADDED, "model=cnn", "model.channels=[4]"]
    words += ["epochs=1", "precision=fp32", "threads=1", "figures=false", f"hydra.run.dir={folder}"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CNNRUN_CACHE", str(cache))
        assert main(["train", *words]) == 0
    return folder


def test_a_training_lists_every_broken_file_and_its_counts_add_up(zoo, trained):
    listed = rows(trained / "tables/broken.csv")
    assert [row["path"] for row in listed] == sorted(zoo.broken)
    assert all(row["reason"] for row in listed)
    data = Run.open(trained).record["data"]
    assert data["broken"] == len(zoo.broken)
    assert sum(data["samples"].values()) + data["broken"] == len(zoo.expected)
    of_classes = rows(trained / "tables/classes.csv")
    counts = {row["class"]: sum(int(row[name]) for name in ("train", "val", "test")) for row in of_classes}
    assert counts == {"plain": 12, "zoo": len(zoo.whole) - 12}


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_an_evaluation_has_a_row_for_each_picture_of_the_split(zoo, trained, split, capsys):
    words = [f"run={trained}", f"split={split}", "figures=false", "hydra.run.dir=out"]
    assert main(["eval", *words]) == 0
    found = rows("out/tables/predictions.csv")
    expected = experiment_of(trained).data
    assert [row["id"] for row in found] == list(getattr(expected, split).ids)
    for row in found:
        assert row["target"] == row["id"].partition("/")[0]
    assert [row["path"] for row in rows("out/tables/broken.csv")] == sorted(zoo.broken)


def experiment_of(run):
    opened = Run.open(run)
    return experiment.from_run(opened, opened.config, torch.device("cpu"), "best", lambda *_: None, {})


@pytest.mark.slow
def test_a_prediction_sees_each_photo_as_it_is_in_the_row_with_its_name(zoo, trained, monkeypatch, capsys):
    seen = []
    plain = Network.log_probabilities

    def noted(network, pixels):
        seen.extend(pixels.numpy().copy())
        return plain(network, pixels)

    monkeypatch.setattr(Network, "log_probabilities", noted)
    words = [f"run={trained}", f"inputs={zoo.root}", "threads=1", "batch_size=1", "annotate=true", "figures=false"]
    assert main(["predict", *words, "hydra.run.dir=out"]) == 0
    found = rows("out/tables/predictions.csv")
    assert [row["path"] for row in found] == sorted(zoo.expected)
    assert {row["path"] for row in found if row["status"] == "broken"} == zoo.broken
    assert all(row["error"] for row in found if row["status"] == "broken")
    whole = [row for row in found if row["status"] == "ok"]
    for row, pixels in zip(whole, seen, strict=True):
        np.testing.assert_array_equal(pixels, padded(zoo.expected[row["path"]]), err_msg=row["path"])
    total = f"{len(found)} files: {len(whole)} predicted, {len(zoo.broken)} broken"
    assert total in capsys.readouterr().out
    assert len([file for file in Path("out/annotated").rglob("*") if file.is_file()]) == len(whole)
    assert_probabilities(trained, zoo, whole)


def assert_probabilities(run, zoo, predicted):
    """Those of the network in plain torch, on the pixels that are expected."""
    parts = experiment_of(run)
    preprocessing = parts.data.preprocessing
    scale, shift = (torch.tensor(values).view(-1, 1, 1) for values in (preprocessing.scale, preprocessing.shift))
    model = parts.model.eval()
    for row in predicted:
        inputs = torch.from_numpy(padded(zoo.expected[row["path"]])).float() * scale + shift
        with torch.no_grad():
            shares = model(inputs[None].float()).softmax(1)[0]
        for rank in (1, 2):
            index, share = int(row[f"index_{rank}"]), float(row[f"probability_{rank}"])
            assert share == pytest.approx(float(shares[index]), abs=1e-5), row["path"]


@pytest.mark.slow
def test_figures_of_odd_pictures_are_drawn(zoo, trained):
    words = ["threads=1", "precision=fp32"]
    folder = [f"dataset.root={zoo.root}", *PADDED, "model=mlp", "epochs=1", "hydra.run.dir=run"]
    assert main(["train", "dataset=image_folder", *folder, *words]) == 0
    assert main(["eval", "run=run", "hydra.run.dir=again", *words]) == 0
    assert main(["predict", "run=run", f"inputs={zoo.root}", "hydra.run.dir=out", *words]) == 0
    for figure in ("run/figures/first_images.png", "again/figures/confusion.png", "out/figures/contact_sheet.png"):
        assert Path(figure).stat().st_size > 1000


def test_training_stops_at_broken_files_where_that_is_wanted(zoo, capsys):
    words = ["dataset=image_folder", f"dataset.root={zoo.root}", *PADDED, "dataset.on_broken=error", "epochs=1"]
    assert main(["train", *words, "hydra.run.dir=run"]) == 3
    assert f"{len(zoo.broken)} files cannot be read" in capsys.readouterr().err
    assert not Path("run").exists()
