"""Which files are predicted, in which order. `pytest tests/photos/test_inputs.py`"""

import errno
import os
from pathlib import Path

import pytest

from cnnrun.errors import DataError
from cnnrun.photos.inputs import find_inputs


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(*paths):
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(b"x")


def test_a_folder_is_looked_through_in_the_order_of_paths_without_hidden_files_and_junk():
    files("in/b.jpg", "in/a/z.png", "in/a.jpg", "in/c/d/e.JPEG", "in/no_suffix", "in/Thumbs.db", "in/.hidden/x.jpg")
    files("in/.DS_Store", "in/labels.csv", "in/notes.txt")
    found = find_inputs("in")
    assert found.paths == ("a.jpg", "a/z.png", "b.jpg", "c/d/e.JPEG", "no_suffix")
    assert found.file("a/z.png") == Path("in/a/z.png")
    (remark,) = found.remarks
    assert remark.startswith("2 files left out that are no pictures: .csv 1, .txt 1")


def test_folders_of_runs_are_left_out_but_for_the_one_that_is_named():
    files("in/a.jpg", "in/out/run.json", "in/out/config.yaml", "in/out/figures/contact_sheet.png", "in/runs/b.png")
    found = find_inputs("in")
    assert found.paths == ("a.jpg", "runs/b.png")
    assert found.remarks == ("1 folder of runs left out: out/",)
    assert find_inputs("in/out").paths == ("figures/contact_sheet.png",)
    assert find_inputs("in/**/*.png").paths == ("runs/b.png",)


def test_a_folder_that_several_links_lead_to_is_taken_once():
    files("in/a/x.jpg")
    os.symlink("a", "in/b")
    os.symlink("..", "in/a/up")
    assert find_inputs("in").paths == ("a/x.jpg",)


def test_a_closed_folder_is_left_out_with_a_note(monkeypatch):
    files("in/a.jpg", "in/x/b.jpg", "in/y/c.jpg")
    for name in ("scandir", "stat"):
        monkeypatch.setattr(os, name, _as_another_user(getattr(os, name), "x"))
    found = find_inputs("in")
    assert found.paths == ("a.jpg", "y/c.jpg")
    assert found.remarks == ("1 folder that cannot be read left out: x/",)
    with pytest.raises(DataError, match="the folder in/x cannot be read: Permission denied"):
        find_inputs("in/x")


def _as_another_user(whole, closed):
    """`scandir` or `stat` for whom the folder of a name is closed; root may read everything."""

    def refused(place, *arguments, **more):
        path = Path(os.fsdecode(place)) if isinstance(place, str | bytes | os.PathLike) else Path()
        if closed in path.parts[:-1] or (closed == path.name and whole.__name__ == "scandir"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        return whole(place, *arguments, **more)

    return refused


def test_a_glob_takes_what_matches_below_its_fixed_part():
    files("in/a.jpg", "in/b.png", "in/c/d.jpg", "in/.e.jpg", "in/f.csv")
    assert find_inputs("in/*.jpg").paths == ("a.jpg",)
    assert find_inputs("in/**/*.jpg").paths == ("a.jpg", "c/d.jpg")
    assert find_inputs("in/*").paths == ("a.jpg", "b.png")
    assert find_inputs("i?/c/*.jpg") == find_inputs("i*/c/d.jpg")
    assert find_inputs("*/a.jpg").paths == ("in/a.jpg",)


def test_a_file_whose_name_looks_like_a_glob_is_that_file():
    files("in/photo[1].jpg", "in/photo1.jpg")
    assert find_inputs("in/photo[1].jpg").paths == ("photo[1].jpg",)


def test_a_list_has_a_path_a_line_from_where_it_lies_and_what_is_missing_stays_in():
    files("lists/here.jpg", "there.jpg", "lists/z/y.jpg")
    Path("lists/list.txt").write_text(
        f"\ufeffz/y.jpg\r\n../there.jpg\n\n  here.jpg\ngone.jpg\n{Path.cwd()}/there.jpg\n"
    )
    found = find_inputs("lists/list.txt")
    assert found.paths == ("../there.jpg", f"{Path.cwd()}/there.jpg", "gone.jpg", "here.jpg", "z/y.jpg")
    assert [found.file(path).exists() for path in found.paths] == [True, True, False, True, True]
    Path("lists/list.txt").write_text("here.jpg\n./here.jpg\n")
    assert find_inputs("lists/list.txt").remarks == ("lists/list.txt: 1 path repeated, counted once",)


def test_a_single_file_may_have_any_name():
    files("in/photo", "in/photo.csv")
    Path("in/photo.txt").write_bytes(b"\xff\xd8\xff\xe0 no text")
    for name in ("photo", "photo.csv", "photo.txt"):
        assert find_inputs(f"in/{name}").paths == (name,)
    os.symlink("nowhere", "in/dangling.jpg")
    assert find_inputs("in/dangling.jpg").paths == ("dangling.jpg",)


def test_the_digest_tells_other_files():
    files("in/a.jpg")
    before = find_inputs("in").digest()
    assert find_inputs("in/a.jpg").digest() == before
    files("in/b.jpg")
    assert find_inputs("in").digest() != before


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("photo", "inputs=photo: there is no such file or folder - did you mean 'photos'?"),
        (
            "phots/a",
            "inputs=phots/a: there is no such file or folder (phots is not there - did you mean 'photos'?)",
        ),
        ("empty", "empty is empty: inputs names a folder with pictures, at any depth"),
        ("texts", "texts holds no pictures: 2 files left out that are no pictures: .txt 2"),
        ("photos/*.jpg", "inputs=photos/*.jpg: no picture matches; photos holds .JPEG 2"),
        ("nowhere/*.jpg", "inputs=nowhere/*.jpg: no picture matches: there is no folder nowhere"),
        *(
            (several, f"inputs={several}: {problem}; a list of pictures is a .txt file with a path on each line")
            for several, problem in {
                "photos/a.JPEG,photos/b.JPEG": "there is no such file or folder",
                "[photos/a.JPEG,photos/b.JPEG]": "no picture matches",
            }.items()
        ),
        ("empty.txt", "empty.txt is empty: a list has the path of a picture on each line"),
    ],
)
def test_what_names_nothing_is_answered_in_a_sentence(inputs, message):
    files("photos/a.JPEG", "photos/b.JPEG", "texts/a.txt", "texts/b.txt")
    Path("empty").mkdir()
    Path("empty.txt").touch()
    with pytest.raises(DataError) as caught:
        find_inputs(inputs)
    assert str(caught.value) == message
