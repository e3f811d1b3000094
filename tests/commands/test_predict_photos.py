"""`predict` on photos, with a run or with trained weights. `pytest tests/commands/test_predict_photos.py`"""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from cnnrun import experiment
from cnnrun.cli import main
from cnnrun.run import Run
from tests.data.image_zoo import make_zoo

FORMS = "run=DIR, a run of yours, or model=backbone model.arch=NAME model.weights=imagenet (or a file)"


def error_of(capsys):
    out, err = capsys.readouterr()
    assert out == ""
    return err.removesuffix("\n")


# --- the two forms


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("inputs=a", f"say what predicts: {FORMS}"),
        ("", f"say what predicts: {FORMS}"),
        ("run=x model=cnn inputs=a", f"run=... and model=... are two ways to predict, take one: {FORMS}"),
        ("model=cnn inputs=a", f"model.name=cnn: it comes without trained weights; take {FORMS}"),
        ("run=x", "inputs is required: write inputs=..."),
        ("run=x inputs=a top_k=0", "top_k=0: must be greater than 0"),
        ("run=x inputs=a annotate=maybe", "annotate=maybe: must be true or false"),
        ("run=x input=a", "unknown setting 'input' - did you mean 'inputs'?"),
        ("run=x inputs=", "'inputs=': a path must not be empty"),
        ("resume=nowhere", "nowhere is no run folder (it has no run.json and config.yaml)"),
        ("resume=x top_k=3", "'top_k=3': a resumed run keeps its settings; only trust_code can be changed"),
    ],
)
def test_settings_that_cannot_be_meant_are_answered_in_a_sentence(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", *words.split()]) == 2
    assert error_of(capsys) == f"cnnrun predict: error: {message}"
    assert not list(tmp_path.iterdir())


def test_a_part_that_was_not_chosen_has_no_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "run=x", "inputs=a", "model.arch=resnet18"]) == 2
    assert error_of(capsys).startswith("cnnrun predict: error: model has no settings before it is chosen: add model=")


def test_a_run_predicts_without_anything_of_a_model_in_its_config(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (["run=x"], ["run=x", "model=null"]):
        assert main(["predict", *words, "inputs=a", "--cfg", "job"]) == 0
        config = yaml.safe_load(capsys.readouterr().out)
        assert "model" not in config
        assert (config["run"], config["inputs"], config["top_k"]) == ("x", "a", 5)


# --- with a run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run on digits, in ./run, and its test samples as pictures below ./digits/CLASS."""
    folder = tmp_path_factory.mktemp("trained")
    words = ["train", "model=cnn", "model.channels=[8]", "epochs=2", "figures=false", "threads=1", "precision=fp32"]
    assert main([*words, f"hydra.run.dir={folder / 'run'}"]) == 0
    run = Run.open(folder / "run")
    data = experiment.load_data(run.config, lambda *_: None)
    for number in range(40):
        label = data.class_names[int(data.test.targets[number])]
        (folder / "digits" / label).mkdir(parents=True, exist_ok=True)
        pixels = data.test.take(torch.tensor([number]))[0, 0].numpy()
        Image.fromarray(pixels).save(folder / "digits" / label / f"{number:03}.png")
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "run", "run")
    shutil.copytree(trained / "digits", "digits")
    return tmp_path


def predict(*words, code=0):
    assert main(["predict", "figures=false", "threads=1", *words]) == code


def table(folder="out"):
    return list(csv.DictReader(Path(folder, "tables/predictions.csv").read_text().splitlines()))


def everything(folder):
    """The files of a prediction but those that tell when, and where."""
    files = (file for file in Path(folder).rglob("*") if file.is_file())
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in files
        if file.name not in ("run.json", "config.yaml", "run.log", ".lock")
    }


def test_a_run_says_of_pictures_what_it_said_of_its_test_split(here, capsys):
    predict("run=run", "inputs=digits", "hydra.run.dir=out")
    rows = table()
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    of_run = list(csv.DictReader(Path("run/tables/predictions.csv").read_text().splitlines()))
    for row in rows:
        expected = of_run[int(Path(row["path"]).stem)]
        assert row["truth"] == Path(row["path"]).parent.name == expected["target"]
        assert row["label_1"] == expected["prediction"]
        assert float(row["probability_1"]) == pytest.approx(float(expected["confidence"]), abs=1e-5)
        assert float(row["truth_probability"]) == pytest.approx(float(expected[f"p/{row['truth']}"]), abs=1e-5)
    found = {row["metric"]: float(row["value"]) for row in Run.open("out").results()}
    assert found["accuracy"] == np.mean([row["label_1"] == row["truth"] for row in rows])
    assert {"top5_accuracy", "balanced_accuracy", "f1_macro"} <= set(found)
    photos = json.loads(Path("out/tables/predictions.json").read_text())["photos"]
    assert [photo["predictions"][0]["label"] for photo in photos] == [row["label_1"] for row in rows]
    record = Run.open("out").record
    assert (record["of"], record["files"], record["predicted"], record["broken"]) == ("run", 40, 40, 0)
    out = capsys.readouterr().out
    assert "40 files: 40 predicted, 0 broken; 40 of these have a truth" in out
    assert "16 more rows are in out/tables/predictions.csv" in out


def test_the_run_stays_as_it_is(here):
    before = everything("run")
    predict("run=run", "inputs=digits", "hydra.run.dir=out")
    assert everything("run") == before
    assert set(everything("out")) == {
        "results.csv",
        *(f"tables/{name}" for name in ("predictions.csv", "predictions.json", "per_class.csv", "confusion.csv")),
        "tables/calibration.csv",
    }


def test_every_file_of_a_zoo_has_a_row_and_its_own_prediction(here, capsys):
    zoo = make_zoo(Path("zoo"))
    predict("run=run", "inputs=zoo", "hydra.run.dir=out")
    rows = {row["path"]: row for row in table()}
    there = {entry.path.name: entry for entry in zoo if entry.path.is_file() or not entry.path.exists()}
    assert len(there) >= 40
    for name, row in rows.items():
        assert row["status"] == ("broken" if there[name].expected is None else "ok")
        assert bool(row["error"]) == bool(not row["index_1"]) == (row["status"] == "broken")
    broken = sum(row["status"] == "broken" for row in rows.values())
    assert f"{len(rows)} files: {len(rows) - broken} predicted, {broken} broken" in capsys.readouterr().out
    assert set(there) - set(rows) <= {"pipe.jpg", "device.jpg"}
    for name in ("grey.png", "plain.png"):
        predict("run=run", f"inputs=zoo/{name}", f"hydra.run.dir=out_{name}")
        (alone,) = table(f"out_{name}")
        assert alone == rows[name]


def test_inputs_in_the_working_directory_leave_out_earlier_predictions(here):
    for number in (1, 2):
        predict("run=run", "inputs=.", "annotate=true", f"hydra.run.dir=out/{number}")
        assert {row["path"].partition("/")[0] for row in table(f"out/{number}")} == {"digits"}
    assert everything("out/1") == everything("out/2")
    assert len(list(Path("out/1/annotated/digits").rglob("*.png"))) == 40


def test_the_truth_of_a_table_and_a_list_of_files(here, capsys):
    Path("list.txt").write_text("digits/gone.png\n" + "\n".join(map(str, sorted(Path("digits/3").iterdir())[:2])))
    first = sorted(Path("digits/3").iterdir())[0]
    Path("labels.csv").write_text(f"file,label\n{first.name},3\ngone.png,4\n")
    predict("run=run", "inputs=list.txt", "truth=labels.csv", "hydra.run.dir=out", "top_k=2")
    rows = table()
    assert [row["status"] for row in rows] == ["ok", "ok", "broken"]
    assert [row["truth"] for row in rows] == ["3", "", "4"]
    assert rows[2]["error"] == "no such file"
    assert "label_2" in rows[0]
    assert "label_3" not in rows[0]
    out, err = capsys.readouterr()
    assert "3 files: 2 predicted, 1 broken; 1 of these have a truth" in out
    assert "warning: 1 broken file: digits/gone.png (no such file)" in err


def test_a_run_that_was_trained_on_a_folder_sees_photos_as_it_saw_those(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for number in range(24):
        kind, size = ("dark", "light")[number % 2], (40 + number, 70 - number)
        pixels = generator.integers(100 * (number % 2), 150 + 100 * (number % 2), size=(*size, 3), dtype=np.uint8)
        Path("photos", kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(f"photos/{kind}/{number:02}.png")
    words = ["dataset=image_folder", "dataset.root=photos", "dataset.image_size=16", "dataset.resize=20", "model=mlp"]
    words += ["epochs=1", "figures=false", "precision=fp32", "dataset.test_fraction=0.5", "hydra.run.dir=run"]
    assert main(["train", *words, "threads=1"]) == 0
    predict("run=run", "inputs=photos", "hydra.run.dir=out")
    rows = {row["path"]: row for row in table()}
    of_run = list(csv.DictReader(Path("run/tables/predictions.csv").read_text().splitlines()))
    assert len(of_run) >= 8
    for expected in of_run:
        row = rows[expected["id"]]
        assert row["label_1"] == expected["prediction"]
        assert float(row["probability_1"]) == pytest.approx(float(expected["confidence"]), abs=1e-5)
