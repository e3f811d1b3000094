"""Files are replaced as a whole or not at all. `pytest tests/test_files.py`"""

import errno
import os

import pytest

from cnnrun.errors import CnnrunError, NotWritten
from cnnrun.files import remove_leftovers, write_bytes, write_folder


def full_disk(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path, monkeypatch):
    file = tmp_path / "results.csv"
    write_bytes(file, b"old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(CnnrunError, match=r"results\.csv: No space left on device; what was there before is unchanged"):
        write_bytes(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_the_old_folder(tmp_path, monkeypatch):
    folder = tmp_path / "best"
    write_folder(folder, lambda target: (target / "a").write_text("old"))
    with pytest.raises(CnnrunError, match="No space left"):
        write_folder(folder, full_disk)
    assert (folder / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("renames", [0, 1])
def test_a_failure_between_the_renames_leaves_one_whole_folder(tmp_path, monkeypatch, renames):
    folder = tmp_path / "best"
    write_folder(folder, lambda target: (target / "a").write_text("old"))
    rename, left = os.rename, [renames]

    def failing(source, target):
        if not left[0]:
            left[0] = 99
            full_disk()
        left[0] -= 1
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(CnnrunError):
        write_folder(folder, lambda target: (target / "a").write_text("new"))
    assert (folder / "a").read_text() == "old"


@pytest.mark.parametrize("name", ["l" * 251 + ".jpg", "🌻" * 62 + ".jpg"], ids=["letters", "wide"])
def test_a_name_as_long_as_systems_take_is_written(tmp_path, name):
    write_bytes(tmp_path / name, b"whole")
    assert (tmp_path / name).read_bytes() == b"whole"
    with pytest.raises(NotWritten, match="File name too long"):
        write_bytes(tmp_path / f"{name}.jpg", b"whole")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".best.0123.tmp").mkdir()
    (tmp_path / ".best.0123.tmp" / "model").write_text("half")
    (tmp_path / ".run.json.4567.tmp").write_text("half")
    (tmp_path / "notes.tmp").write_text("a user's own")
    remove_leftovers(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.tmp"]
