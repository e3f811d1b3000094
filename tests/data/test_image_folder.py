"""A folder of pictures as a data set. Run: pytest tests/data/test_image_folder.py"""

import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, f1_score

from cnnrun import caches
from cnnrun.cli import main
from cnnrun.data.image_folder import FolderData, geometry_for, image_folder
from cnnrun.data.preprocessing import Preprocessing
from cnnrun.errors import ConfigError, DataError
from cnnrun.run import Run
from cnnrun.tables import BROKEN, CLASSES, PREDICTIONS
from cnnrun.values import InputSpec
from tests.data.image_zoo import make_zoo

CONF = Path(__file__).parents[2] / "conf" / "dataset" / "image_folder.yaml"
DEFAULTS: dict[str, Any] = yaml.safe_load(CONF.read_text())
del DEFAULTS["name"]
SPEC = InputSpec(24, 32, "bicubic", (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
COLOURS = {"blue": (20, 40, 220), "green": (30, 200, 60), "red": (210, 30, 20)}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNRUN_CACHE", str(tmp_path / "cache"))


def write(path: Path, number: int, colour: tuple[int, int, int], size: tuple[int, int] = (12, 8)) -> None:
    """A PNG of one colour, but for its first pixel, which makes each picture another."""
    pixels = np.full((size[1], size[0], 3), colour, np.uint8)
    pixels[0, 0] = (number % 256, number // 256, 7)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """10 blue, 20 green and 30 red pictures of 12x8."""
    root = tmp_path / "photos"
    for more, (name, colour) in enumerate(COLOURS.items(), start=1):
        for number in range(10 * more):
            write(root / name / f"{number:02}.png", 100 * more + number, colour)
    return root


def data_of(
    root: Path, spec: InputSpec | None = None, known_classes: tuple[str, ...] | None = None, **settings: Any
) -> FolderData:
    knobs = {"root": str(root), "image_size": 8, "fit": "squash"} if spec is None else {"root": str(root)}
    return image_folder(lambda *_: None, spec, known_classes, **(DEFAULTS | knobs | settings))


def test_every_picture_is_in_one_split_with_its_own_pixels_and_class(photos: Path) -> None:
    data = data_of(photos, fit="crop")
    ids = []
    for split in (data.train, data.val, data.test):
        for image, target, name in zip(split.take(slice(None)), split.targets, split.ids, strict=True):
            ids.append(name)
            pixels = np.asarray(Image.open(photos / name))[:, 2:10]
            assert name.split("/")[0] == data.class_names[target]
            np.testing.assert_array_equal(image.numpy(), pixels.transpose(2, 0, 1))
    assert sorted(ids) == sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    assert [torch.bincount(split.targets).tolist() for split in (data.test, data.val)] == [[2, 4, 6], [1, 2, 2]]
    assert data.class_names == ("blue", "green", "red")
    assert data.input_shape == (3, 8, 8)


def test_preprocessing_is_fitted_on_train_alone_and_knows_the_geometry(photos: Path) -> None:
    data = data_of(photos)
    pixels = data.train.take(slice(None)).double()
    expected = pixels.std((0, 2, 3), correction=0)
    np.testing.assert_allclose(data.preprocessing.scale, (1 / expected).tolist(), rtol=1e-12)
    assert data.preprocessing.geometry == data.pictures.geometry
    assert Preprocessing.from_dict(json.loads(json.dumps(data.stored()))) == data.preprocessing


def test_what_is_not_chosen_is_as_the_weights_want_it(photos: Path) -> None:
    data = data_of(photos, SPEC)
    geometry = data.preprocessing.geometry
    assert geometry is not None
    assert (geometry.size, geometry.resize, geometry.interpolation, geometry.fit) == ((24, 24), 32, "bicubic", "crop")
    np.testing.assert_allclose(data.preprocessing.scale, [1 / (255 * std) for std in SPEC.std])
    assert data.preprocessing.normalize == "weights"
    chosen = data_of(photos, SPEC, image_size=12, interpolation="bilinear", normalize="unit").preprocessing
    assert chosen.geometry is not None
    assert (chosen.geometry.size, chosen.geometry.resize) == ((12, 12), 16), "the weights' ratio"
    assert (chosen.geometry.interpolation, chosen.normalize) == ("bilinear", "unit")
    plain = geometry_for(None, None, None, "crop", None, "rgb", draft=False)
    assert (plain.size, plain.resize, plain.interpolation) == ((64, 64), 64, "bilinear")
    padded = geometry_for(SPEC, None, None, "pad", None, "grey", draft=True)
    assert (padded.size, padded.resize, padded.channels, padded.draft) == ((24, 24), 24, 1, True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"resize": 7}, r"dataset\.resize=7: 8 pixels of it are to be cut out; take 8 or more"),
        ({"resize": 9, "fit": "pad"}, r"dataset\.resize=9: with dataset\.fit=pad nothing is cut out"),
    ],
)
def test_sizes_that_do_not_fit_each_other_are_refused(photos: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        data_of(photos, **({"fit": "crop"} | settings))


def test_pictures_in_memory_and_on_the_disk_are_the_same(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resident = data_of(photos)
    assert resident.train.rows is None
    monkeypatch.setattr(caches, "free_memory", lambda: 3 * 60 * 192 - 1)
    mapped = data_of(photos)
    assert mapped.train.rows is not None
    assert mapped.remarks[-1].startswith("the pictures take 0.0 GB, so they stay on the disk")
    for one, other in zip(
        (resident.train, resident.val, resident.test), (mapped.train, mapped.val, mapped.test), strict=True
    ):
        assert torch.equal(one.take(slice(None)), other.take(slice(None)))
        assert torch.equal(one.targets, other.targets)
    assert resident.preprocessing == mapped.preprocessing
    assert resident.fingerprint() == mapped.fingerprint()
    monkeypatch.setattr(caches, "free_memory", lambda: 3 * 60 * 192 + 1)
    assert data_of(photos).train.rows is None


def test_a_broken_file_is_left_out_and_its_neighbours_stay_in_their_places(photos: Path) -> None:
    whole = data_of(photos)
    (photos / "blue" / "005.png").write_bytes(b"")
    (photos / "green" / "005.png").write_bytes((photos / "green" / "05.png").read_bytes()[:60])
    (photos / "red" / "005.png").symlink_to("nowhere.png")
    (photos / "red" / "zzz.png").write_text("no picture")
    data = data_of(photos)
    assert [path for path, _ in data.broken] == ["blue/005.png", "green/005.png", "red/005.png", "red/zzz.png"]
    assert all(reason for _, reason in data.broken)
    assert (data.train.ids, data.val.ids, data.test.ids) == (whole.train.ids, whole.val.ids, whole.test.ids)
    assert torch.equal(data.train.take(slice(None)), whole.train.take(slice(None)))
    assert data.fingerprint() == whole.fingerprint()
    assert data.facts()["broken"] == 4
    (said,) = [sentence for sentence in data.remarks if "cannot be read" in sentence]
    assert said.startswith("4 files cannot be read, and they are left out: blue/005.png (")
    assert said.endswith(", and 1 more (see tables/broken.csv)")


def test_broken_files_are_an_error_where_that_was_asked_for(photos: Path) -> None:
    (photos / "blue" / "05.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 file cannot be read: blue/05\.png \(.*\); mend or remove"):
        data_of(photos, on_broken="error")


def test_a_class_of_which_nothing_can_be_read_is_refused(photos: Path) -> None:
    for path in (photos / "blue").iterdir():
        path.write_text("no picture")
    with pytest.raises(DataError, match=r"class 'blue': none of its 10 files can be read: blue/00\.png \("):
        data_of(photos)
    for path in (photos / "red").iterdir():
        path.write_text("no picture")
    with pytest.raises(DataError, match="can be read, nor of 1 other class: "):
        data_of(photos)


def test_copies_stay_on_one_side_and_are_counted(photos: Path) -> None:
    for number in range(8):
        shutil.copy(photos / "red" / f"{number:02}.png", photos / "red" / f"copy{number}.png")
    shutil.copy(photos / "red" / "00.png", photos / "green" / "copy.png")
    for seed in range(5):
        data = data_of(photos, split_seed=seed)
        sides: dict[str, set[str]] = {}
        for split in (data.train, data.val, data.test):
            for name in split.ids:
                sides.setdefault((photos / name).read_bytes().hex(), set()).add(split.name)
        assert {len(side) for side in sides.values()} == {1}
        assert data.doubts == []
    assert "8 pictures have copies, 9 in all: a draw keeps them on one side" in data.remarks
    assert (
        "1 of these is in more than one class, such as green/copy.png and red/00.png: one label must be wrong"
        in data.remarks
    )
    assert data.facts()["groups_of_copies"] == 8


def test_copies_across_given_splits_are_a_doubt(photos: Path) -> None:
    for split in ("train", "val", "test"):
        shutil.copytree(photos, photos.parent / "given" / split)
    for split, start in (("val", 3), ("test", 6)):
        for path in list((photos.parent / "given" / split).rglob("*.png")):
            if int(path.stem) >= start:
                path.unlink()
    data = data_of(photos.parent / "given")
    assert [len(split) for split in (data.train, data.val, data.test)] == [60, 9, 18]
    assert data.doubts == [
        "9 pictures of val are in train, too, such as val/blue/00.png: the numbers on val are better than they will be "
        "in use",
        "18 pictures of test are in train, too, such as test/blue/00.png: the numbers on test are better than they "
        "will be in use",
    ]
    assert set(data.doubts) < set(data.remarks)


def test_what_is_drawn_is_said(photos: Path) -> None:
    assert data_of(photos).remarks == [
        "60 pictures of 3 classes: train 43, val 5, test 12, drawn by dataset.split_seed",
        "of each class in train: red 22, green 14, blue 7",
        "red has 3.1 times the pictures of blue: task.class_weights=balanced or sampler=balanced give small classes "
        "more weight, and balanced_accuracy counts all classes alike",
    ]
    shutil.copytree(photos, photos.parent / "given" / "train")
    shutil.copytree(photos, photos.parent / "given" / "val")
    assert data_of(photos.parent / "given").remarks[0] == (
        "120 pictures of 3 classes: train 48, val 60, test 12; none was given as test: it is drawn from train"
    )


def test_classes_that_are_numbers_are_parted_from_their_counts(photos: Path) -> None:
    for number, name in enumerate(COLOURS):
        (photos / name).rename(photos / str(number))
    assert "of each class in train: 2: 22, 1: 14, 0: 7" in data_of(photos).remarks


def test_a_limit_reads_no_more_than_it_needs(photos: Path) -> None:
    told: list[Any] = []
    knobs = DEFAULTS | {"root": str(photos), "image_size": 8, "limit": 12}
    data = image_folder(lambda *words: told.append(words), None, **knobs)
    assert [len(data.train) + len(data.val), len(data.test)] == [12, 12]
    assert told[-1] == (24, 24, "reading", "pictures")
    assert "dataset.limit=12: 24 of 60 files are used" in data.remarks


def test_classes_in_proportions_that_chance_makes_are_not_called_uneven(photos: Path) -> None:
    for number in range(5, 10):
        (photos / "blue" / f"{number:02}.png").rename(photos / "green" / f"x{number}.png")
    assert any("red has" in remark for remark in data_of(photos).remarks)
    for number in range(10):
        (photos / "red" / f"{number:02}.png").rename(photos / "blue" / f"y{number}.png")
    assert not any("times the pictures" in remark for remark in data_of(photos).remarks)


def test_the_fingerprint_follows_pixels_labels_splits_and_geometry_and_nothing_else(photos: Path) -> None:
    before = data_of(photos).fingerprint()
    assert data_of(photos).fingerprint() == before
    shutil.copytree(photos, photos.parent / "moved")
    assert data_of(photos.parent / "moved").fingerprint() == before
    others = {data_of(photos, **knobs).fingerprint() for knobs in ({"split_seed": 1}, {"fit": "pad"}, {"limit": 30})}
    write(photos / "red" / "00.png", 999, (1, 2, 3))
    others.add(data_of(photos).fingerprint())
    shutil.move(photos / "red" / "00.png", photos / "green" / "99.png")
    others.add(data_of(photos).fingerprint())
    assert len(others | {before}) == 6


def test_of_a_zoo_every_whole_picture_has_its_own_pixels_and_every_broken_one_is_listed(photos: Path) -> None:
    """The geometry leaves all pixels of most alone; Pillow's decoding of a lossy format may be 2 off."""
    entries = {f"zoo/{entry.path.name}": entry for entry in make_zoo(photos / "zoo")}
    data = data_of(photos, image_size=40, fit="crop")
    images = {
        name: image
        for split in (data.train, data.val, data.test)
        for image, name in zip(split.take(slice(None)), split.ids, strict=True)
        if name.startswith("zoo/")
    }
    broken = {name for name, entry in entries.items() if entry.expected is None and not entry.path.is_dir()}
    assert {path for path, reason in data.broken if reason} == broken
    assert set(images) == {name for name, entry in entries.items() if entry.expected is not None}
    for name, image in images.items():
        expected = entries[name].expected
        if expected is not None and expected.shape == (40, 56, 3):
            middle = expected[:, 8:48].transpose(2, 0, 1).astype(int)
            assert abs(image.numpy().astype(int) - middle).max() <= 2, entries[name].why


# --- as a run has stored it


def test_a_run_sees_other_pictures_as_it_saw_its_own(photos: Path) -> None:
    """Its geometry and normalisation, whatever the weights or the defaults say now."""
    own = data_of(photos, SPEC)
    stored = json.loads(json.dumps(own.stored()))
    again = data_of(photos, known_classes=own.class_names).with_preprocessing(stored)
    assert again.input_shape == (3, 24, 24)
    assert again.preprocessing == own.preprocessing
    for one, other in zip((own.train, own.val, own.test), (again.train, again.val, again.test), strict=True):
        assert torch.equal(one.take(slice(None)), other.take(slice(None)))
        assert one.ids == other.ids
    assert again.fingerprint() == own.fingerprint()
    assert data_of(photos, SPEC).with_preprocessing(stored).pictures.pixels.shape[1:] == (3, 24, 24)


def test_pictures_that_are_as_the_run_saw_its_own_are_not_copied_again(photos: Path) -> None:
    data = data_of(photos)
    again = data.with_preprocessing(data.stored() | {"scale": [2.0, 2.0, 2.0]})
    assert again.preprocessing.scale == (2, 2, 2)
    assert again.train is data.train
    assert again.val is data.val
    assert again.test is data.test


def test_classes_are_matched_by_name(photos: Path) -> None:
    stored = data_of(photos).stored() | {"class_names": ["amber", "blue", "green", "red", "violet"]}
    data = data_of(photos).with_preprocessing(stored)
    assert data.class_names == ("amber", "blue", "green", "red", "violet")
    for split in (data.train, data.val, data.test):
        assert [data.class_names[target] for target in split.targets] == [name.split("/")[0] for name in split.ids]
    assert data.class_counts().tolist() == [0, 7, 14, 22, 0]
    assert "the folder has no pictures of 2 classes that the run knows: amber, violet" in data.remarks


def test_classes_that_a_run_does_not_know_are_an_error_that_names_them(photos: Path) -> None:
    stored = data_of(photos).stored()
    for number in range(20):
        write(photos / "greens" / f"{number}.png", 900 + number, (0, 0, 0))
    with pytest.raises(DataError) as caught:
        data_of(photos).with_preprocessing(stored)
    assert str(caught.value).startswith(
        "the folder has 1 class that the run does not know: 'greens' (20 pictures - did you mean 'green'?); the run "
        "knows blue, green, red"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"geometry": None}, "it was not trained on a folder of pictures"),
        ({"class_names": None}, "has no names of classes"),
        ({"class_names": []}, "has no names of classes"),
        ({"scale": [1.0]}, "has scale and shift for 1 and 3 channels, and pictures in rgb have 3"),
        ({"geometry": {"size": [8, 8]}}, "stored preprocessing, geometry"),
    ],
)
def test_what_a_run_stored_that_is_no_good_is_refused(photos: Path, change: dict[str, Any], said: str) -> None:
    data = data_of(photos)
    with pytest.raises(DataError, match=said):
        data.with_preprocessing(data.stored() | change)


# --- from the command line


SPLITS = ("train", "val", "test")


def evaluated(folder: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What an evaluation says, and what it notes."""
    capsys.readouterr()
    assert main(["eval", "run=run", "figures=false", f"hydra.run.dir={folder}"]) == 0
    return capsys.readouterr().err, " ".join(Run.open(folder).record["notes"])


def test_an_evaluation_of_a_folder_that_changed_doubts_splits_that_are_drawn(
    here: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(small(photos, "epochs=1")) == 0
    redrawn = "its splits are drawn anew, so pictures that the run was trained on may be in val and test"
    for said in evaluated("same", capsys):
        assert redrawn not in said
    trained_on = set(data_of(photos).train.ids)
    (photos / "blue" / "03.png").unlink()
    assert trained_on & set(data_of(photos).test.ids), "which is why"
    for said in evaluated("changed", capsys):
        assert "its fingerprint has changed" in said
        assert redrawn in said


def test_splits_that_were_given_are_not_doubted(
    here: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given"
    for name in SPLITS:
        shutil.copytree(photos, given / name)
    assert main(small(given, "epochs=1")) == 0
    (given / "test" / "blue" / "03.png").unlink()
    for said in evaluated("changed", capsys):
        assert "its fingerprint has changed" in said
        assert "drawn anew" not in said


def small(root: Path, *words: str) -> list[str]:
    return [
        *("train", "dataset=image_folder", f"dataset.root={root}", "dataset.image_size=8", "model=mlp"),
        *("model.hidden=[16]", "epochs=4", "threads=1", "figures=false", "hydra.run.dir=run", *words),
    ]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_trained_on_and_judged_from_the_command_line(
    here: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "blue" / "xx.png").write_bytes(b"")
    assert main(small(photos, "optimizer.lr=0.02")) == 0
    run = Run.open("run")
    told = capsys.readouterr().err
    assert "reading: 61 of 61 pictures\n" in told
    assert "note: 1 file cannot be read, and it is left out: blue/xx.png (" in told
    rows = [list(row.values()) for row in run.rows(CLASSES)]
    assert rows == [["blue", "7", "1", "2"], ["green", "14", "2", "4"], ["red", "22", "2", "6"]]
    (broken,) = run.rows(BROKEN)
    assert broken["path"] == "blue/xx.png"
    accuracy = next(row for row in run.results() if (row["split"], row["metric"]) == ("test", "accuracy"))
    assert float(accuracy["value"]) > 0.9, "red, green and blue are easy to tell apart"
    assert main(["eval", "run=run", "figures=false", "hydra.run.dir=judged"]) == 0
    again = next(row for row in Run.open("judged").results() if row["metric"] == "accuracy")
    assert again["value"] == accuracy["value"]
    assert "warning" not in capsys.readouterr().err, "the same data, and nothing to doubt"


@pytest.mark.parametrize("words", [["task.class_weights=balanced"], ["task.focal_gamma=2"], ["sampler=balanced"]])
def test_uneven_classes_can_be_weighed(here: Path, photos: Path, words: list[str]) -> None:
    assert main(small(photos, "epochs=1", *words)) == 0


@pytest.mark.slow
def test_figures_are_drawn(here: Path, photos: Path) -> None:
    words = [word for word in small(photos) if word != "figures=false"]
    assert main(words) == 0
    assert (here / "run" / "figures" / "class_counts.png").is_file()


def test_a_manifest_with_odd_characters_in_its_name_is_taken(here: Path, photos: Path) -> None:
    rows = [f"{path.relative_to(photos).as_posix()},{path.parent.name}" for path in sorted(photos.rglob("*.png"))]
    (photos / "my labels (1), new.csv").write_text("\n".join(["path,label", *rows]))
    assert main(small(photos, "epochs=1", "dataset.manifest=my labels (1), new.csv")) == 0


def test_a_folder_that_moved_is_judged_where_it_is_now(
    here: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(small(photos, "epochs=1")) == 0
    os.rename(photos, here / "moved")
    assert main(["eval", "run=run", "figures=false"]) == 3
    assert f"there is no folder {photos}; dataset.root (root with eval) names" in capsys.readouterr().err
    assert main(["eval", "run=run", "root=moved", "figures=false"]) == 0


def test_a_training_does_not_go_on_with_renamed_classes(
    here: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(small(photos, "epochs=1")) == 0
    os.rename(photos / "red", photos / "rot")
    assert main(["train", "resume=run", "epochs=2"]) == 3
    unknown = "error: the folder has 1 class that the run does not know: "
    assert f"{unknown}'rot' (30 pictures); the run knows blue, green, red: rename" in capsys.readouterr().err
    os.rename(photos / "rot", photos / "red")
    shutil.copytree(photos / "red", photos / "rose")
    assert main(["train", "resume=run", "epochs=2"]) == 3
    assert f"{unknown}'rose' (30 pictures); the run" in capsys.readouterr().err
    shutil.rmtree(photos / "rose")
    assert main(["train", "resume=run", "epochs=2"]) == 0


def test_a_root_must_be_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "dataset=image_folder"]) == 2
    assert "dataset.root is required: write dataset.root=..." in capsys.readouterr().err
    assert main(["train", "dataset.root=photos"]) == 2
    assert "digits has no 'root'; dataset=image_folder has" in capsys.readouterr().err


def test_an_evaluation_says_which_classes_are_missing(
    here: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(small(photos, "epochs=1")) == 0
    shutil.copytree(photos, here / "others")
    shutil.rmtree(here / "others" / "green")
    (here / "others" / "red" / "zz.png").write_bytes(b"")
    capsys.readouterr()
    assert main(["eval", "run=run", "root=others", "figures=false", "hydra.run.dir=judged"]) == 0
    told = capsys.readouterr().err
    assert "note: the folder has no pictures of 1 class that the run knows: green\n" in told
    assert "note: 1 file cannot be read, and it is left out: red/zz.png (" in told
    judged = Run.open("judged")
    assert [row["test"] for row in judged.rows(CLASSES)] == ["10", "0", "30"], "all of it, as it cannot be the run's"
    assert [row["path"] for row in judged.rows(BROKEN)] == ["red/zz.png"]
    assert {row["target"] for row in judged.rows(PREDICTIONS)} == {"blue", "red"}


# --- judged on a folder that could not be trained on


def one_class(root: Path) -> None:
    for number in range(4):
        write(root / "red" / f"{number}.png", 900 + number, COLOURS["red"])


def few_of_each(root: Path) -> None:
    for more, (name, colour) in enumerate(COLOURS.items()):
        for number in range(2):
            write(root / name / f"{number}.png", 900 + 2 * more + number, colour)


def only_test(root: Path) -> None:
    for more, name in enumerate(("blue", "red")):
        for number in range(3):
            write(root / "test" / name / f"{number}.png", 900 + 3 * more + number, COLOURS[name])


def rows_of_test(root: Path) -> None:
    few_of_each(root)
    rows = [f"{name}/{number}.png,{name},test" for name in ("green", "red") for number in range(2)]
    (root / "labels.csv").write_text("\n".join(["file,class,split", *rows]))


def a_class_of_broken_files(root: Path) -> None:
    one_class(root)
    (root / "blue").mkdir()
    (root / "blue" / "1.png").write_bytes(b"no picture")


NEW = {
    one_class: [0, 0, 4],
    few_of_each: [2, 2, 2],
    only_test: [3, 0, 3],
    a_class_of_broken_files: [0, 0, 4],
}


@pytest.fixture(scope="module")
def colours_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on blue, green and red pictures."""
    here = tmp_path_factory.mktemp("colours")
    for more, (name, colour) in enumerate(COLOURS.items(), start=1):
        for number in range(12):
            write(here / "photos" / name / f"{number:02}.png", 100 * more + number, colour)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CNNRUN_CACHE", str(here / "cache"))
        assert main([*small(here / "photos", "optimizer.lr=0.02"), f"hydra.run.dir={here / 'run'}"]) == 0
    return here / "run"


@pytest.mark.parametrize("make", NEW)
def test_new_pictures_of_some_classes_are_all_judged_with_the_means_of_sklearn(
    here: Path, colours_run: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    make(here / "new")
    figures = "true" if make is one_class else "false"
    words = ["eval", f"run={colours_run}", "root=new", "threads=1", f"figures={figures}", "hydra.run.dir=judged"]
    assert main(words) == 0
    told = capsys.readouterr().err
    run = Run.open("judged")
    per_class = pd.read_csv(run.table_file("per_class"))
    assert (per_class["class"].tolist(), per_class["support"].tolist()) == (list(COLOURS), NEW[make])
    predictions = pd.read_csv(run.table_file("predictions"))
    truth, ours = predictions["target"], predictions["prediction"]
    rows = {row["metric"]: float(row["value"]) for row in run.results()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that were predicted and are not there
        assert rows["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, ours))
    assert rows["f1_macro"] == pytest.approx(f1_score(truth, ours, average="macro", zero_division=0))
    missing = [name for name, count in zip(COLOURS, NEW[make], strict=True) if not count]
    said = f"note: test has samples of {3 - len(missing)} of 3 classes, and none of {', '.join(missing)}: balanced_"
    assert (said in told) == bool(missing)
    if make is not only_test:
        assert "so all its" in told
        assert "count as test; if the run was trained on some of them, the numbers are too good" in told


@pytest.mark.parametrize("make", [*NEW, rows_of_test])
def test_what_can_be_judged_is_still_not_trained_on(
    here: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    make(here / "new")
    manifest = ["dataset.manifest=labels.csv"] if make is rows_of_test else []
    assert main(small(here / "new", *manifest)) == 3
    assert "Traceback" not in (said := capsys.readouterr().err)
    reasons = ("one class only", "none for train", "to train on, and", "class 'blue': none of its 1 file can be read")
    assert any(reason in said for reason in reasons)


def test_rows_of_only_test_are_judged(here: Path, colours_run: Path) -> None:
    rows_of_test(here / "new")
    shutil.copytree(colours_run, "run")
    config = yaml.safe_load(Path("run/config.yaml").read_text())
    config["dataset"] |= {"manifest": "labels.csv", "limit": 20}
    Path("run/config.yaml").write_text(yaml.safe_dump(config))
    assert main(["eval", "run=run", "root=new", "figures=false", "hydra.run.dir=judged"]) == 0
    assert [row["test"] for row in Run.open("judged").rows(CLASSES)] == ["0", "2", "2"]


def test_a_split_without_samples_is_not_judged(
    here: Path, colours_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one_class(here / "new")
    assert main(["eval", f"run={colours_run}", "root=new", "split=val", "hydra.run.dir=judged"]) == 3
    assert "error: split=val: the data set has no samples of val; take split=test (4)\n" in capsys.readouterr().err
    assert not Path("judged").exists()


def test_an_unknown_class_is_named_before_a_picture_is_read(
    here: Path, colours_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here / "new" / "rde" / "1.png", 900, COLOURS["red"])
    assert main(["eval", f"run={colours_run}", "root=new"]) == 3
    said = capsys.readouterr().err
    assert "error: the folder has 1 class that the run does not know: 'rde' (1 picture - did you mean 'red'?)" in said
    assert "reading" not in said


def test_the_folder_of_a_class_is_not_that_of_the_pictures(photos: Path) -> None:
    with pytest.raises(DataError, match=r"red is the folder of one class; name the one .* root=.*photos$"):
        data_of(photos / "red", known_classes=tuple(COLOURS))
    with pytest.raises(DataError, match="holds 30 pictures and no class folders"):
        data_of(photos / "red")


def test_folders_within_the_folder_of_a_class_belong_to_it(photos: Path, tmp_path: Path) -> None:
    for name in ("monday", "tuesday"):
        write(tmp_path / "new" / "red" / name / "1.png", 900, COLOURS["red"])
    with pytest.raises(DataError, match="has one folder, red, with 2 folders in it"):
        data_of(tmp_path / "new")
    data = data_of(tmp_path / "new", known_classes=tuple(COLOURS))
    assert [file.label for file in data.pictures.files["test"]] == ["red", "red"]


def test_a_folder_of_all_classes_is_parted_as_in_training(photos: Path) -> None:
    trained = data_of(photos)
    judged = data_of(photos, known_classes=trained.class_names)
    assert judged.fingerprint() == trained.fingerprint()
    assert judged.preprocessing == trained.preprocessing


def test_a_folder_of_a_split_is_judged_whole(photos: Path, tmp_path: Path) -> None:
    for name in ("train", "Validation", "testing"):
        shutil.copytree(photos, tmp_path / "given" / name)
    for name, sizes in {"Validation": [0, 60, 0], "testing": [0, 0, 60]}.items():
        judged = data_of(tmp_path / "given" / name, known_classes=tuple(COLOURS), limit=12)
        assert [len(split) for split in (judged.train, judged.val, judged.test)] == sizes
        split = "val" if sizes[1] else "test"
        assert judged.if_changed.startswith(
            f"it lies beside a folder for train, so all its 60 files count as {split}; if the run was trained on some"
        )
        assert not any("limit" in remark for remark in judged.remarks)
    parted = data_of(tmp_path / "given" / "train", known_classes=tuple(COLOURS), limit=12)
    assert [len(parted.train) + len(parted.val), len(parted.test)] == [12, 12]
    assert "dataset.limit=12, as in the training: 24 of 60 files are used" in parted.remarks


def test_a_folder_called_test_that_was_trained_on_is_parted_as_in_training(photos: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(photos, tmp_path / "alone" / "test")
    assert data_of(alone, known_classes=tuple(COLOURS)).fingerprint() == data_of(alone).fingerprint()


def test_a_run_that_was_trained_on_a_folder_for_test_is_judged_on_the_same_part_of_it(
    photos: Path, tmp_path: Path
) -> None:
    for name in ("train", "test"):
        shutil.copytree(photos, tmp_path / "given" / name)
    own = tmp_path / "given" / "test"
    trained = data_of(own)
    judged = data_of(own, known_classes=tuple(COLOURS), own_root=str(own))
    assert judged.fingerprint() == trained.fingerprint()
    moved = data_of(own, known_classes=tuple(COLOURS), own_root="/elsewhere/test")
    assert moved.fingerprint() == trained.fingerprint()
    other = data_of(own, known_classes=tuple(COLOURS), own_root="/elsewhere/photos")
    assert (len(other.train), len(other.test)) == (0, 60)


def test_where_only_train_was_given_small_classes_are_parted_as_far_as_they_go(photos: Path, tmp_path: Path) -> None:
    for name in ("blue", "red"):
        shutil.copytree(photos / name, tmp_path / "given" / "train" / name)
    write(tmp_path / "given" / "train" / "green" / "1.png", 900, COLOURS["green"])
    with pytest.raises(DataError, match="class 'green' has 1 picture to train on"):
        data_of(tmp_path / "given")
    data = data_of(tmp_path / "given", known_classes=tuple(COLOURS))
    assert data.class_counts().tolist()[1] == 1
    assert torch.bincount(data.test.targets, minlength=3).tolist() == [2, 0, 6]
