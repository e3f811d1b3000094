"""What outputs are called, and what files show. `pytest tests/photos/test_classes_and_truth.py`"""

import json
from pathlib import Path

import pytest

from cnnrun.data import table_columns
from cnnrun.data.image_manifest import read_manifest
from cnnrun.errors import DataError
from cnnrun.photos.classes import Classes, read_classes
from cnnrun.photos.inputs import Inputs
from cnnrun.photos.truth import Truth, of_folders, of_table, seen_in_training

PETS = Classes(("cat", "sea lion", "dog", "crane", "crane"), ("n1", "n2", "n3", "n4", "n5"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def inputs(*paths):
    return Inputs(Path("in"), paths)


# --- names


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        ("names.txt", "cat\n dog \n\nsea lion\n", ("cat", "dog", "sea lion")),
        ("names", "\ufeffcat\r\ndog\r\nox", ("cat", "dog", "ox")),
        ("names.json", '["cat", "dog", "ox"]', ("cat", "dog", "ox")),
        ("names.json", '{"2": "ox", "0": "cat"}', ("cat", "unknown", "ox")),
        ("names.json", '{"0": ["n1", "cat"], "1": ["n2", "dog"]}', ("cat", "dog", "unknown")),
        ("names.csv", "index,label\n1,dog\n0,cat\n2,\n", ("cat", "dog", "unknown")),
        ("names.csv", "Label;x\ncat;1\ndog;2\nox;3\n", ("cat", "dog", "ox")),
    ],
)
def test_names_are_read_from_lines_json_and_csv(file, text, names):
    Path(file).write_text(text)
    assert read_classes(file, 3).names == names


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.txt", "cat\ndog\n", "labels=a.txt has 2 names, and the network has 3 classes: it needs one for each, in"),
        ("a.txt", "cat\n", "labels=a.txt has 1 name, and the network has 3 classes"),
        ("a.txt", "background\na\nb\nc\n", "labels=a.txt has 4 names, and the network has 3 classes"),
        (
            "a.json",
            '{"3": "x"}',
            "labels=a.json names a class 3, and the network has 3, from 0 to 2: it is for",
        ),
        ("a.json", '{"cat": 0}', "labels=a.json: 0 is neither a name nor a pair of id and name"),
        ("a.json", '{"cat": "0"}', "labels=a.json: 'cat' is no index of a class; 0 is the first"),
        ("a.json", '{"0": ', "labels=a.json is no JSON: Expecting value"),
        ("a.json", "3", "labels=a.json: a list of names, or an object from index to name, was expected"),
        ("a.csv", "x,y\n1,2\n", "labels=a.csv has no column for the names (label, name); its columns are x, y"),
    ],
)
def test_names_of_another_network_are_refused(file, text, message):
    Path(file).write_text(text)
    with pytest.raises(DataError) as caught:
        read_classes(file, 3)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("file", "text", "where"),
    [
        ("a.txt", "crane\n\ndog\nCrane\n", "lines 1 and 4"),
        ("a.csv", "index,name\n2,crane\n0,crane\n", "classes 0 and 2"),
        ("a.json", '["crane", "crane", "dog"]', "classes 0 and 1"),
        ("a.json", '{"0": ["n1", "crane"], "1": ["n2", "crane"]}', None),
        ("a.csv", "index,name\n2,dog\n0,\n1,\n", None),
    ],
)
def test_a_name_of_two_classes_is_refused_where_names_must_differ(file, text, where):
    Path(file).write_text(text)
    assert len(read_classes(file, 3)) == 3
    if where is None:
        assert len(read_classes(file, 3, distinct=True)) == 3
    else:
        with pytest.raises(DataError, match=f"labels={file}: the {where} have the same name, '[Cc]rane'; give each"):
            read_classes(file, 3, distinct=True)


def test_a_missing_file_of_names_has_a_near_miss():
    Path("names.txt").touch()
    with pytest.raises(DataError, match=r"labels=name.txt: there is no such file - did you mean 'names.txt'\?"):
        read_classes("name.txt", 3)


def test_classes_are_found_as_folders_and_tables_write_them():
    assert [PETS.find(word) for word in ("Cat", "sea_lion", "n3", "crane", "ox", "")] == [[0], [1], [2], [3, 4], [], []]
    assert PETS.unique_names == ["cat", "sea lion", "dog", "crane (3)", "crane (4)"]
    assert Classes.numbered(2).find("unknown") == []


# --- truth


def test_the_folders_are_the_truth_where_all_are_classes():
    assert of_folders(inputs("cat/1.jpg", "x/n3/2.jpg", "Sea_Lion/3.jpg"), PETS).indices == {
        "cat/1.jpg": 0,
        "x/n3/2.jpg": 2,
        "Sea_Lion/3.jpg": 1,
    }
    assert of_folders(Inputs(Path("in/dog"), ("1.jpg",)), PETS).indices == {"1.jpg": 2}
    assert of_folders(inputs("a/1.jpg", "2.jpg"), PETS).indices == {}
    assert of_folders(inputs("a/1.jpg", "2.jpg"), PETS).remarks == ()


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (("cat/1.jpg", "dogs/2.jpg"), "as 'dogs' is no class - did you mean 'dog'?; truth=labels.csv names it"),
        (("cat/1.jpg", "crane/2.jpg"), "as 'crane' is the name of several; truth=labels.csv names it"),
    ],
)
def test_folders_that_are_classes_only_in_part_are_not_taken_and_that_is_said(paths, why):
    truth = of_folders(inputs(*paths), PETS)
    assert not truth.indices
    assert truth.remarks == (f"the folders are not taken for the truth, {why}",)


@pytest.mark.parametrize(
    "text",
    [
        "file,label\na.jpg,cat\nb/c.jpg,n3\n",
        "label;FILE\ncat;./a.jpg\nDog;b\\c.jpg\n",
        "image,class_index,label\na.jpg,0,\nb/c.jpg,2,x\nelsewhere.jpg,9,\n",
        "path\tclass\nin/a.jpg\tcat\nc.jpg\tdog\nb/d.jpg\t\n",
    ],
)
def test_a_table_names_files_by_path_or_name_and_classes_by_name_or_number(text):
    Path("labels.csv").write_text(text)
    assert of_table("labels.csv", inputs("a.jpg", "b/c.jpg", "b/d.jpg"), PETS).indices == {"a.jpg": 0, "b/c.jpg": 2}


@pytest.mark.parametrize("what", ["FILE", "LABEL"])
def test_a_table_that_a_training_takes_is_taken_for_the_truth(what):
    Path("a.jpg").touch()
    for name in getattr(table_columns, what):
        header = f"{name},label" if what == "FILE" else f"path,{name}"
        Path("labels.csv").write_text(f"{header}\na.jpg,cat\n")
        assert of_table("labels.csv", inputs("a.jpg"), PETS).indices == {"a.jpg": 0}
        ((row,), _) = read_manifest(Path(), Path("labels.csv"))
        assert (row.path, row.label) == ("a.jpg", "cat")


def test_a_name_that_two_files_share_is_none():
    Path("labels.csv").write_text("file,label\nx.jpg,cat\na/x.jpg,dog\n")
    truth = of_table("labels.csv", inputs("a/x.jpg", "b/x.jpg"), PETS)
    assert truth.indices == {"a/x.jpg": 2}
    assert truth.remarks == ("truth=labels.csv: 1 row names none of the inputs, or several: x.jpg",)


def test_rows_that_name_no_file_are_counted():
    Path("labels.csv").write_text("file,label\na.jpg,cat\ngone.jpg,dog\nz.jpg,no class\n")
    truth = of_table("labels.csv", inputs("a.jpg"), PETS)
    assert truth.indices == {"a.jpg": 0}
    assert truth.remarks == ("truth=labels.csv: 2 rows name none of the inputs, or several: gone.jpg, ...",)


def test_numbers_and_names_that_contradict_each_other_are_doubted():
    Path("labels.csv").write_text("file,class_index,label\na.jpg,1,cat\nb.jpg,1,sea lion\nc.jpg,0,dog\n")
    truth = of_table("labels.csv", inputs("a.jpg", "b.jpg", "c.jpg"), PETS)
    assert truth.indices == {"a.jpg": 1, "b.jpg": 1, "c.jpg": 0}
    assert "are other classes than the names in label for 2 rows of 3" in truth.remarks[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "fiel,label\na.jpg,cat\n",
            "truth=t.csv has no column path (or file, filename, file_name, ...) - did you mean 'fiel'?; its columns",
        ),
        (
            "file,lable\na.jpg,cat\n",
            "truth=t.csv has no column label (or class, class_name, category, ...) - did you mean 'lable'?, nor cla",
        ),
        ("file,label\na.jpg,cta\n", "truth=t.csv: 'cta' is no class of the network - did you mean 'cat'?"),
        (
            "file,label\na.jpg,crane\n",
            "truth=t.csv: 'crane' is the name of the classes 3, 4; give their number in a column",
        ),
        ("file,class_index\na.jpg,5\n", "truth=t.csv: class_index 5 is no class; there are 5, from 0 to 4"),
        (
            "file,class_index\na.jpg,1\na.jpg,2\n",
            "truth=t.csv says of a.jpg that it shows two things; keep one of the rows",
        ),
        (
            "file,label\nz.jpg,cat\n",
            "truth=t.csv names no file of the inputs; its column 'file' begins with z.jpg, and the",
        ),
        ("", "truth=t.csv has no column path (or file, filename, file_name, ...); its columns are none"),
    ],
)
def test_a_table_that_cannot_be_the_truth_is_refused(text, message):
    Path("t.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        of_table("t.csv", inputs("a.jpg"), PETS)
    assert str(caught.value).startswith(message)


def test_the_class_index_of_imagenet_is_taken_with_its_ids():
    names = {str(index): [f"n{index:08}", f"class_{index}"] for index in range(1000)}
    Path("index.json").write_text(json.dumps(names))
    classes = read_classes("index.json", 1000)
    assert classes.names[999] == "class_999"
    assert of_folders(inputs("n00000007/a.jpg"), classes).indices == {"n00000007/a.jpg": 7}


# --- what the run has seen


@pytest.mark.parametrize(
    ("root", "paths", "number"),
    [
        ("in", ["cat/a.png", "dog/b.png"], "2 files with a truth lie in in,"),
        ("in", ["train/cat/a.png", "test/cat/b.png"], "1 file with a truth lies in in,"),
        (".", ["cat/a.png"], "1 file with a truth lies in .,"),
        ("in/cat", ["cat/a.png", "dog/b.png"], "1 file with a truth lies in in/cat,"),
        ("in", ["test/cat/b.png"], None),
        ("in", ["Testing/cat/b.png"], None),
        ("in", ["../other/cat/b.png"], None),
        ("i", ["cat/a.png"], None),
    ],
)
def test_scores_of_files_of_the_training_folder_are_doubted(root, paths, number):
    known = Truth(dict.fromkeys(paths, 0))
    said = seen_in_training(inputs(*paths, "more.png"), known, {"name": "image_folder", "root": root}, "run")
    assert [sentence.partition(" which")[0] for sentence in said] == ([number] if number else [])
    assert all(
        sentence.endswith("cnnrun eval run=run split=test judges those that it was not trained on") for sentence in said
    )


def test_scores_are_not_doubted_without_a_truth_or_of_a_run_on_other_data():
    assert seen_in_training(inputs("a.png"), Truth(), {"name": "image_folder", "root": "in"}, "run") == []
    assert seen_in_training(inputs("a.png"), Truth({"a.png": 0}), {"name": "digits"}, "run") == []
