"""`predict` on photos, with a run or with trained weights. `pytest tests/commands/test_predict_photos.py`"""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torchvision.models import squeezenet1_1
from torchvision.transforms import v2

from cnnrun import experiment
from cnnrun.cli import main
from cnnrun.config import folders
from cnnrun.errors import NotWritten
from cnnrun.photos import pictures, predicting
from cnnrun.run import Run
from cnnrun.training import checkpoints
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
        ("resume=nowhere", "nowhere does not exist"),
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


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of a small network of torchvision, in the official layout."""
    file = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.manual_seed(0)
    torch.save(squeezenet1_1(weights=None).state_dict(), file)
    return file


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
    there = {entry.path.name: entry for entry in zoo if not entry.path.is_dir()}
    assert len(there) >= 40
    assert set(rows) == set(there)
    for name, row in rows.items():
        assert row["status"] == ("broken" if there[name].expected is None else "ok")
        assert bool(row["error"]) == bool(not row["index_1"]) == (row["status"] == "broken")
    broken = sum(row["status"] == "broken" for row in rows.values())
    assert f"{len(rows)} files: {len(rows) - broken} predicted, {broken} broken" in capsys.readouterr().out
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
    assert "3 files: 2 predicted, 1 broken; 1 of these has a truth" in out
    assert "warning: 1 broken file: digits/gone.png (no such file)" in err


@pytest.mark.parametrize(
    ("files", "said"),
    [(["a.png"], "the file cannot be read"), (["a.png", "b.jpg"], "none of the 2 files can be read")],
)
def test_where_nothing_can_be_read_the_table_says_why_and_the_exit_code_tells(here, capsys, files, said):
    Path("broken").mkdir()
    for name in files:
        Path("broken", name).write_bytes(b"no picture")
    predict("run=run", "inputs=broken", "hydra.run.dir=out", "figures=true", "annotate=true", code=3)
    assert [(row["path"], row["status"], row["error"]) for row in table()] == [
        (name, "broken", "not an image") for name in files
    ]
    assert Run.open("out").status == "finished"
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"cnnrun predict: error: inputs=broken: {said} as a picture; out/tables/predictions.csv says why"
    )
    shutil.copy(next(Path("digits/3").iterdir()), "broken")
    predict("run=run", "inputs=broken", "hydra.run.dir=again")


@pytest.mark.parametrize("model", ["mlp", "backbone"])
def test_a_run_that_was_trained_on_a_folder_sees_photos_as_it_saw_those(tmp_path, monkeypatch, capsys, model, weights):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for number in range(24):
        kind, size = ("dark", "light")[number % 2], (40 + number, 70 - number)
        pixels = generator.integers(100 * (number % 2), 150 + 100 * (number % 2), size=(*size, 3), dtype=np.uint8)
        Path("photos", kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(f"photos/{kind}/{number:02}.png")
    words = [
        "dataset=image_folder",
        "dataset.root=photos",
        "dataset.image_size=32",
        "dataset.resize=40",
        f"model={model}",
    ]
    words += ["model.arch=squeezenet1_1", f"model.weights={weights}"] if model == "backbone" else []
    words += ["epochs=1", "figures=false", "precision=fp32", "dataset.test_fraction=0.5", "hydra.run.dir=run"]
    assert main(["train", *words, "threads=1"]) == 0
    capsys.readouterr()
    predict("run=run", "inputs=photos", "hydra.run.dir=out")
    assert "warning: 24 files with a truth lie in photos, which the run was trained on" in capsys.readouterr().err
    rows = {row["path"]: row for row in table()}
    of_run = list(csv.DictReader(Path("run/tables/predictions.csv").read_text().splitlines()))
    assert len(of_run) >= 8
    for expected in of_run:
        row = rows[expected["id"]]
        assert row["label_1"] == expected["prediction"]
        assert float(row["probability_1"]) == pytest.approx(float(expected["confidence"]), abs=1e-5)


# --- interrupted, and gone on with


def interrupt_after(batches, monkeypatch, how):
    """Let something happen once so many batches are predicted."""
    whole = predicting.predicted

    def some(*arguments, **more):
        for number, batch in enumerate(whole(*arguments, **more), start=1):
            if number == batches:
                how()
            yield batch

    monkeypatch.setattr(predicting, "predicted", some)


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def full_disk():
    raise NotWritten("could not write out/tables/predictions.csv: No space left on device")


WORDS = ["run=run", "inputs=digits", "batch_size=6", "annotate=true"]


@pytest.mark.parametrize(
    ("how", "code", "left", "message"),
    [
        (ctrl_c, 130, 12, "cnnrun predict: stopped by Ctrl-C; go on with: cnnrun predict resume=out\n"),
        (full_disk, 1, 6, "No space left on device; go on with: cnnrun predict resume=out\n"),
    ],
)
def test_what_was_interrupted_goes_on_and_ends_with_the_same_bytes(here, monkeypatch, capsys, how, code, left, message):
    with monkeypatch.context() as patched:
        interrupt_after(2, patched, how)
        predict(*WORDS, "hydra.run.dir=out", code=code)
    assert capsys.readouterr().err.endswith(message)
    assert len(table()) == left
    assert Run.open("out").status in ("interrupted", "failed")
    with Path("out/tables/predictions.csv").open("ab") as file:
        file.write(b"digits/x.png,ok,half a r")
    assert main(["predict", "resume=out"]) == 0
    assert f"predicted before: {left} of 40 files" in capsys.readouterr().err
    predict(*WORDS, "hydra.run.dir=whole")
    assert everything("out") == everything("whole")
    assert Run.open("out").record["files"] == 40


def test_figures_that_were_not_drawn_are_drawn_by_going_on(here, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(pictures, "tiles", lambda *_: full_disk())
        predict(*WORDS, "figures=true", "hydra.run.dir=out", code=1)
    assert not Path("out/figures/contact_sheet.png").exists()
    assert main(["predict", "resume=out"]) == 0
    assert Path("out/figures/contact_sheet.png").exists()


def test_a_finished_prediction_is_not_gone_on_with(here, capsys):
    predict(*WORDS, "hydra.run.dir=out")
    assert "note: annotate=true: writing the copies that show what was predicted\n" in capsys.readouterr().err
    before = everything("out")
    assert main(["predict", "resume=out"]) == 2
    assert error_of(capsys) == (
        "cnnrun predict: error: resume=out: it is finished, and nothing is left to do; its predictions are in "
        "out/tables/predictions.csv"
    )
    assert everything("out") == before


def test_other_inputs_are_not_gone_on_with(here, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        interrupt_after(2, patched, ctrl_c)
        predict(*WORDS, "hydra.run.dir=out", code=130)
    capsys.readouterr()
    shutil.copy(next(Path("digits/3").iterdir()), "digits/3/another.png")
    assert main(["predict", "resume=out"]) == 3
    error = error_of(capsys)
    assert error == (
        "cnnrun predict: error: the files of the inputs changed since out was begun (40 files then, 41 now); predict "
        "again, into a new folder"
    )


def other_truth():
    Path("labels.csv").write_text("file,label\ndigits/a.png,4\n")


def other_names():
    Path("names.txt").write_text("\n".join("0123456798"))


def other_weights():
    tensors, values = checkpoints.read(Path("run/checkpoints/best"))
    moved = {name: value + 1 for name, value in tensors["model"].items()}
    checkpoints.write(Path("run/checkpoints/best"), tensors | {"model": moved}, values)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (other_truth, "what the files show"),
        (other_names, "the network, or the names of its classes,"),
        (other_weights, "the network, or the names of its classes,"),
    ],
)
def test_rows_of_two_predictions_do_not_stand_in_one_table(here, monkeypatch, capsys, change, what):
    shutil.copy(next(Path("digits/3").iterdir()), "digits/a.png")
    Path("labels.csv").write_text("file,label\ndigits/a.png,3\n")
    Path("names.txt").write_text("\n".join("0123456789"))
    with monkeypatch.context() as patched:
        interrupt_after(2, patched, ctrl_c)
        words = ["run=run", "inputs=digits", "truth=labels.csv", "labels=names.txt", "batch_size=6"]
        predict(*words, "hydra.run.dir=out", code=130)
    capsys.readouterr()
    change()
    assert main(["predict", "resume=out"]) == 3
    assert error_of(capsys).startswith(f"cnnrun predict: error: {what} changed since out was begun")


def test_a_training_is_no_prediction_to_go_on_with(here, capsys):
    assert main(["predict", "resume=run"]) == 2
    assert error_of(capsys) == (
        "cnnrun predict: error: run is no prediction; cnnrun train resume=... goes on with a training"
    )


def test_a_prediction_is_no_run_that_predicts(here, capsys):
    predict(*WORDS, "hydra.run.dir=out")
    capsys.readouterr()
    predict("run=out", "inputs=digits", code=2)
    assert error_of(capsys) == "cnnrun predict: error: out is a prediction of run: name that run"


def test_the_weights_of_a_run_predict_as_that_run(here, capsys):
    for weights in ("run/checkpoints/best", "run/checkpoints/best/model.safetensors", "run"):
        predict("model=backbone", "model.arch=squeezenet1_1", f"model.weights={weights}", "inputs=digits", code=2)
        assert error_of(capsys) == (
            f"cnnrun predict: error: model.weights={weights} lies in the folder of a run: take run=run in the place of "
            "model=..."
        )


def test_names_that_differ_from_those_of_the_run_are_told(here, capsys):
    Path("names.txt").write_text("0\n1\n2\ncat\n4\n5\n6\n8\n7\n9\n")
    predict("run=run", "inputs=digits", "labels=names.txt", "hydra.run.dir=out")
    note = "labels= names the run's classes otherwise: 3 is now cat, 7 is now 8, 8 is now 7"
    assert f"note: {note}\n" in capsys.readouterr().err
    assert note in Run.open("out").record["notes"]
    Path("names.txt").write_text("0\n1\n2\n\nA\n4\n5\n6\na\n8\n9\n")
    predict("run=run", "inputs=digits", "labels=names.txt", "hydra.run.dir=twins", code=3)
    assert error_of(capsys) == (
        "cnnrun predict: error: labels=names.txt: the lines 5 and 9 have the same name, 'a'; give each class its own"
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the process is killed by a POSIX signal")
def test_a_kill_loses_a_batch_at_most(here):
    for number in range(40):
        shutil.copytree("digits", f"many/{number}")
    words = ["run=run", "inputs=many", "batch_size=8", "figures=false", "threads=1"]
    process = subprocess.Popen([sys.executable, "-m", "cnnrun", "predict", *words, "hydra.run.dir=out"])
    file = Path("out/tables/predictions.csv")
    until = time.monotonic() + 60
    while (not file.exists() or file.read_bytes().count(b"\n") < 100) and time.monotonic() < until:
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert 100 <= file.read_bytes().count(b"\n") < 1601
    assert main(["predict", "resume=out"]) == 0
    predict(*words, "hydra.run.dir=whole")
    assert everything("out") == everything("whole")
    assert len(table()) == 1600


# --- wrong use


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("run=run inputs=digit", 3, "inputs=digit: there is no such file or folder - did you mean 'digits'?"),
        ("run=run inputs=empty", 3, "empty is empty: inputs names a folder with pictures, at any depth"),
        ("run=run inputs=digits/*.jpg", 3, "inputs=digits/*.jpg: no picture matches; digits holds no files"),
        (
            "run=run inputs=digits checkpoint=last labels=few.txt",
            3,
            "labels=few.txt has 2 names, and the network has 10",
        ),
        (
            "run=run inputs=digits truth=few.txt",
            3,
            "truth=few.txt has no column path (or file, filename, ",
        ),
        ("run=run inputs=digits truth=wrong.csv", 3, "truth=wrong.csv: 'ten' is no class of the network"),
        ("run=bare inputs=digits", 2, "run bare has no checkpoint 'best'"),
        ("run=digits inputs=digits", 2, "digits is no run folder (it has no run.json and config.yaml)"),
        ("run=run inputs=digits precision=fp16", 2, "precision=fp16 needs a CUDA device; try precision=bf16 or fp32"),
        ("run=run inputs=digits device=cuda:99", 2, "device=cuda:99: this machine shows"),
    ],
)
def test_wrong_use_is_answered_in_a_sentence_before_anything_is_written(here, capsys, words, code, message):
    shutil.copytree("run", "bare")
    shutil.rmtree("bare/checkpoints")
    Path("empty").mkdir()
    Path("few.txt").write_text("zero\none\n")
    first = next(Path("digits/3").iterdir()).name
    Path("wrong.csv").write_text(f"file,label\n{first},ten\n")
    predict(*words.split(), "hydra.run.dir=out", code=code)
    error = error_of(capsys)
    assert error.startswith(f"cnnrun predict: error: {message}")
    assert len(error.splitlines()) == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda stored: stored.update(image_size=[8, 8, 8]), "run=run: it was trained on samples of 1 x 8 x 8 x 8"),
        (lambda stored: stored.update(class_names="ab"), "run: stored preprocessing, class_names: a list of names was"),
        (lambda stored: stored.pop("scale"), "run: stored preprocessing, scale: Field required"),
        (
            lambda stored: stored.update(class_names=["a"]),
            "checkpoint run/checkpoints/best does not fit the model of its",
        ),
    ],
)
def test_the_preprocessing_of_a_stranger_is_checked(here, capsys, damage, message):
    stored = json.loads(Path("run/preprocessing.json").read_text())
    damage(stored)
    Path("run/preprocessing.json").write_text(json.dumps(stored))
    assert main(["predict", "run=run", "inputs=digits"]) in (2, 3)
    assert error_of(capsys).startswith(f"cnnrun predict: error: {message}")


# --- without a run


def test_trained_weights_predict_without_a_run(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for name in ("a/one.png", "b/two.jpg"):
        Path("photos", name).parent.mkdir(parents=True)
        pixels = generator.integers(0, 256, size=(9, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((360, 270), Image.Resampling.BICUBIC).save(f"photos/{name}")
    Path("names.json").write_text(json.dumps({str(index): f"thing {index}" for index in range(999)}))
    words = ["model=backbone", "model.arch=squeezenet1_1", f"model.weights={weights}", "precision=fp32"]
    predict(*words, "inputs=photos", "labels=names.json", "hydra.run.dir=out", "top_k=1000")
    model = squeezenet1_1(weights=None).eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    steps = [
        v2.PILToTensor(),
        v2.Resize(256, antialias=True),
        v2.CenterCrop(224),
        v2.ToDtype(torch.float32, scale=True),
    ]
    chain = v2.Compose([*steps, v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    for row in table():
        with torch.no_grad():
            expected = model(chain(Image.open(Path("photos", row["path"])))[None]).softmax(dim=1)[0]
        shares = {int(row[f"index_{rank}"]): float(row[f"probability_{rank}"]) for rank in range(1, 1001)}
        found = torch.tensor([shares[index] for index in range(1000)])
        torch.testing.assert_close(found, expected, rtol=2e-4, atol=1e-7, check_dtype=False)
        names = {row[f"label_{rank}"] for rank in range(1, 1001)}
        assert names == {*(f"thing {index}" for index in range(999)), "unknown"}
    record = Run.open("out").record
    assert record["of"] == f"squeezenet1_1 with weights {weights}"
    assert "has no name for 1 class: 'unknown' in the tables" in capsys.readouterr().err


def test_a_folder_of_a_prediction_without_a_run_is_called_by_its_network(tmp_path, monkeypatch):
    config = {"run": None, "model": {"name": "backbone", "arch": "timm/resnetv2"}, "inputs": "photos/"}
    name = folders.run_folder("predict", {}, config).name
    assert re.fullmatch(r"[\d_-]{19}-timm_resnetv2-photos-[0-9a-f]{4}", name)


def test_settings_of_weights_are_checked_before_they_are_looked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.jpg").touch()
    predict("model=backbone", "model.arch=resnet81", "inputs=a.jpg", "offline=true", code=2)
    assert "resnet81" in error_of(capsys)
    predict("model=backbone", "model.arch=resnet18", "model.weights=nowhere.pth", "inputs=a.jpg", code=3)
    assert "nowhere.pth" in error_of(capsys)
    predict("model=backbone", "model.weights=none", "inputs=a.jpg", code=2)
    assert "model.weights=none: to predict without a run, the network needs weights" in error_of(capsys)


def test_the_help_tells_both_forms(capsys):
    assert main(["predict", "--help"]) == 0
    out = capsys.readouterr().out
    assert "\n  model=       backbone\n" in out
    assert "cnnrun predict model=backbone --cfg job" in out
    assert "\n  cnnrun predict model=backbone model.arch=mobilenet_v2 model.weights=imagenet inputs=photos/\n" in out
    assert main(["__complete", "cnnrun predict model=backbone model.w"]) == 0
    assert capsys.readouterr().out == "model.weights=\n"
    assert main(["__complete", "cnnrun predict model="]) == 0
    assert capsys.readouterr().out == "model=backbone\n"


def test_cfg_of_both_forms_imports_no_torch(tmp_path):
    for words in (["run=x"], ["model=backbone", "model.arch=resnet18"]):
        code = f"import sys; from cnnrun.cli import main; main({['predict', *words, '--cfg', 'job']!r}); "
        code += "sys.exit(any(name in sys.modules for name in ('torch', 'PIL', 'numpy', 'matplotlib')))"
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
