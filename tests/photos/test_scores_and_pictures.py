"""How predictions agree with the truth, and how they are shown. `pytest tests/photos/test_scores_and_pictures.py`"""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import log_softmax
from sklearn import metrics

from cnnrun.photos import pictures, scores, summary
from cnnrun.photos.classes import Classes
from cnnrun.photos.inputs import Inputs, find_inputs
from cnnrun.photos.predicting import row_of
from cnnrun.photos.rows import Row, TrueClass
from cnnrun.photos.scores import judged
from cnnrun.plots.canvas import png
from cnnrun.plots.captioned import captioned
from cnnrun.plots.contact_sheet import Tile, contact_sheet
from cnnrun.run import Run

CLASSES = Classes(tuple(f"class {index}" for index in range(30)))


def some_rows(count=40, kinds=30):
    generator = np.random.default_rng(1)
    outputs, targets = generator.normal(size=(count, kinds)), generator.integers(0, 5, size=count)
    outputs[np.arange(count), targets] += 2
    rows = [
        row_of(f"{number}.jpg", log_softmax(one), CLASSES, int(target), 5)
        for number, (one, target) in enumerate(zip(outputs, targets, strict=True))
    ]
    return rows, outputs, targets


def test_the_metrics_are_those_of_scikit_learn():
    rows, outputs, targets = some_rows()
    broken = [
        Row("x.jpg", "0 bytes", TrueClass("class 1", 1)),
        row_of("y.jpg", np.log(np.full(30, 1 / 30)), CLASSES, None, 5),
    ]
    results, tables = judged([*rows, *broken], CLASSES)
    found = {row["metric"]: row["value"] for row in results}
    guesses, shares = outputs.argmax(axis=1), np.exp(log_softmax(outputs, axis=1))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(targets, guesses))
    assert found["balanced_accuracy"] == pytest.approx(
        metrics.recall_score(targets, guesses, average="macro", labels=np.unique(targets))
    )
    assert found["f1_macro"] == pytest.approx(metrics.f1_score(targets, guesses, average="macro"))
    assert found["top5_accuracy"] == pytest.approx(metrics.top_k_accuracy_score(targets, shares, k=5, labels=range(30)))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(targets, shares, labels=range(30)), rel=1e-5)
    assert {row["split"] for row in results} == {"photos"}
    assert {row["n"] for row in results} == {40}
    occurring = sorted({*targets.tolist(), *guesses.tolist()})
    assert list(tables["confusion"]["target"]) == [f"class {index}" for index in occurring]
    expected = metrics.confusion_matrix(targets, guesses, labels=occurring)
    np.testing.assert_array_equal(tables["confusion"].iloc[:, 1:], expected)


def test_without_a_truth_there_is_nothing_to_judge():
    assert judged([row_of("y.jpg", np.log(np.full(30, 1 / 30)), CLASSES, None, 5)], CLASSES) == ([], {})


def test_classes_that_were_only_predicted_explain_two_means():
    def row(truth, guess):
        classes = Classes(("a", "b", "c", "d"))
        return row_of("x", np.log(np.where(np.arange(4) == guess, 0.7, 0.1)), classes, truth, 2)

    assert scores.remarks([row(0, 0), row(1, 0), row(None, 2), Row("y", "0 bytes")]) == []
    assert scores.remarks([row(0, 0), row(1, 2), row(1, 3)]) == [
        "balanced_accuracy is the mean over the 2 classes of the truth; the macro means are over these and 2 classes "
        "that are predicted and never true, as in scikit-learn"
    ]
    (sentence,) = scores.remarks([row(0, 2)])
    assert sentence.startswith("balanced_accuracy is the mean over the 1 class of the truth; the macro means are over ")
    assert sentence.endswith("these and 1 class that is predicted and never true, as in scikit-learn")


def test_classes_with_one_name_stay_two_in_the_tables():
    classes = Classes(("crane", "cat", "crane"))
    rows = [
        row_of("a.jpg", np.log([0.7, 0.2, 0.1]), classes, 2, 3),
        row_of("b.jpg", np.log([0.1, 0.2, 0.7]), classes, 2, 3),
    ]
    results, tables = judged(rows, classes)
    assert list(tables["per_class"]["class"]) == ["crane (0)", "crane (2)"]
    assert results[0]["value"] == 0.5


# --- what is said


def test_the_middle_of_long_names_is_left_out_on_screen():
    names = ["a rather long name of a class, number 1", "a rather long name of a class, number 2"]
    rows = [row_of(f"{name}/{'x' * 40}.jpg", np.log([0.7, 0.3]), Classes(tuple(names)), 0, 2) for name in names]
    for row, name in zip(map(summary.on_screen, rows), names, strict=True):
        assert row["path"] == f"{name[:28]}…{'x' * 23}.jpg"
        assert row["prediction"] == row["truth"] == "a rather long …ass, number 1"
    short = row_of("a.jpg", np.log([0.7, 0.3]), Classes(("cat", "dog")), 1, 2)
    assert summary.on_screen(short) == {"path": "a.jpg", "prediction": "cat", "probability": 0.7, "truth": "dog"}


def test_the_counts_add_up():
    rows = [*some_rows(3)[0], Row("x.jpg", "0 bytes"), Row("y.jpg", "truncated", TrueClass("class 1", 1))]
    assert summary.counts(rows) == {"files": 5, "predicted": 3, "broken": 2, "with_truth": 3}
    assert summary.sentence(rows) == "5 files: 3 predicted, 2 broken"
    assert summary.title(rows, 4) == "4 of 5 files: 3 predicted, 2 broken"
    assert summary.broken(rows) == ["2 broken files: x.jpg (0 bytes), y.jpg (truncated)"]
    many = [Row(f"{number}.jpg", "0 bytes") for number in range(8)]
    assert summary.broken(many)[0].endswith("4.jpg (0 bytes) and 3 more")
    assert summary.broken(rows[:3]) == []


# --- what is shown


@pytest.mark.parametrize(
    ("count", "broken", "shown"), [(5, [1], 5), (48, [], 48), (200, [3, 150], 48), (60, range(60), 8)]
)
def test_a_sheet_shows_all_or_a_spread_with_some_of_the_broken(count, broken, shown):
    rows = [Row(str(number), "0 bytes") if number in broken else some_rows(1)[0][0] for number in range(count)]
    places = pictures.chosen(rows)
    assert len(places) == shown
    assert places == sorted(set(places))
    assert set(list(broken)[: pictures.MOST_BROKEN]) <= set(places)


def photo(path, size=(60, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, 60).convert("RGB").save(path)


def test_a_sheet_is_drawn_of_whole_broken_and_vanished_photos(tmp_path):
    photo(tmp_path / "a.png", (600, 200))
    rows = [
        row_of("a.png", log_softmax(np.arange(30.0)), CLASSES, 3, 5),
        Row("b.png", "truncated"),
        row_of("gone.png", log_softmax(np.arange(30.0)), CLASSES, None, 5),
    ]
    tiles = pictures.tiles(Inputs(tmp_path, ("a.png", "b.png", "gone.png")), rows)
    assert tiles[0].pixels.shape == (75, 224, 3)
    assert tiles[0].note == "truth: class 3"
    assert [tile.note for tile in tiles[1:]] == ["truncated", "gone since it was predicted"]
    figure = contact_sheet(tiles, "3 files")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "truth: class 3" in texts
    assert any("truncated" in text for text in texts)
    assert Image.open(io.BytesIO(png(figure))).size[0] > 400


def test_a_long_label_is_shortened_and_keeps_its_percentage():
    tile = Tile("a" * 200 + ".jpg", np.zeros((9, 9, 3), np.uint8), [("a very long label of many words indeed", 0.123)])
    (name, guess) = [text.get_text() for text in contact_sheet([tile], "one").axes[0].texts]
    assert name.endswith(".jpg")
    assert len(name) < 40
    assert guess.endswith("… 12%")


def test_a_name_that_the_font_lacks_is_drawn_without_a_complaint():
    tile = Tile("北京.jpg", np.zeros((9, 9, 3), np.uint8), [("北京", 0.5)])
    assert png(contact_sheet([tile], "one"))


def test_copies_stand_below_their_folders_with_a_strip_for_the_caption(tmp_path):
    photo(tmp_path / "in/a/x.jpg", (300, 200))
    photo(tmp_path / "in/y.png", (40, 60))
    (tmp_path / "in/z.png").touch()
    inputs = find_inputs(str(tmp_path / "in"))
    shares = log_softmax(np.arange(30.0))
    rows = [row_of(path, shares, CLASSES, 29, 5) if path != "z.png" else Row(path, "0 bytes") for path in inputs.paths]
    run = Run.create(tmp_path / "out", {})
    assert list(pictures.annotate(run, inputs, rows)) == [1, 2, 3]
    copies = {str(file.relative_to(run.annotated(""))): file for file in run.annotated("").rglob("*.*")}
    assert set(copies) == {"a/x.jpg", "y.png"}
    with Image.open(copies["a/x.jpg"]) as copy:
        assert copy.format == "JPEG"
        assert copy.width == 300
        assert copy.height > 240
    with Image.open(copies["y.png"]) as copy:
        pixels = np.asarray(copy)
        left = (copy.width - 40) // 2
        np.testing.assert_array_equal(pixels[:60, left : left + 40], np.asarray(Image.open(tmp_path / "in/y.png")))
        assert (pixels[60:] == 255).mean() > 0.5
        assert (pixels[60:] < 128).any()
    run.annotated("y.png").write_bytes(b"kept")
    assert list(pictures.annotate(run, inputs, rows)) == [1, 2, 3]
    assert run.annotated("y.png").read_bytes() == b"kept"


def test_a_copy_stays_inside_and_has_a_name_of_its_own():
    names = pictures.copy_names(["a.jpg", "../a.jpg", "/a.jpg", "b", "b.jpg", "c/d.heic", "c.PNG"])
    assert names["a.jpg"] == "a.jpg"
    assert names["c.PNG"] == "c.PNG"
    assert names["c/d.heic"] == "c/d.heic.jpg"
    assert names["b"] == "b.jpg.jpg"
    assert len(set(names.values())) == len(names)
    assert not any(".." in name.split("/") or name.startswith("/") for name in names.values())


def test_a_copy_whose_name_would_be_too_long_has_a_shorter_one():
    long = "l" * 251
    paths = [f"a/{long}.jpg", f"{long}.heic", f"{long}.HEI", f"../a/{long}.jpg", "🌻" * 63]
    names = pictures.copy_names(paths)
    assert names[paths[0]] == paths[0]
    assert len(set(names.values())) == len(names)
    assert max(len(Path(name).name.encode()) for name in names.values()) == 255
    assert all(name.endswith(".jpg") for name in names.values())
    assert names == pictures.copy_names(paths[::-1])
    (remark,) = pictures.remarks(paths)
    assert remark.startswith("annotate=true: 3 copies have a shorter name")
    assert pictures.remarks(["a.jpg", paths[0]]) == []


def test_a_caption_names_guesses_and_truth():
    row = row_of("a", np.log([0.75, 0.25]), Classes(("cat", "dog")), 1, 2)
    assert pictures.caption(row) == ["cat 75.0%", "dog 25.0%", "truth: dog ✗"]
    wide = captioned(np.zeros((50, 30, 3), np.uint8), ["a very long label of many words 75.0%"])
    assert wide.width == 160
    assert np.asarray(wide)[:50, :65].min() == np.asarray(wide)[:50, 95:].min() == 255
    assert np.asarray(wide)[:50, 65:95].max() == 0
    assert captioned(np.zeros((50, 128, 3), np.uint8), ["hen 75.0%"]).width == 128
    assert 30 < captioned(np.zeros((50, 30, 3), np.uint8), ["hen 75.0%"]).width < 128


def test_the_table_reads_as_pandas_reads_it(tmp_path):
    from cnnrun.photos.rows import Writer

    rows = [*some_rows(4)[0], Row("x.jpg", "0 bytes")]
    with Writer(tmp_path / "p.csv", 5) as writer:
        writer.add(rows)
    frame = pd.read_csv(tmp_path / "p.csv")
    assert list(frame["status"]) == ["ok"] * 4 + ["broken"]
    assert frame["probability_1"].isna().sum() == 1
