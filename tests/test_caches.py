"""Where the cache lies, who may write into it, and what goes first. `pytest tests/test_caches.py`"""

import os
import threading
from pathlib import Path

import pytest

from cnnrun import caches


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNRUN_CACHE", str(tmp_path))
    return tmp_path


def test_the_folder_is_the_named_one_or_the_users(tmp_path, monkeypatch):
    assert caches.folder("pixels") == tmp_path / "pixels"
    monkeypatch.setenv("CNNRUN_CACHE", "~/here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert caches.folder("pixels") == tmp_path / "here" / "pixels"
    monkeypatch.delenv("CNNRUN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert caches.folder("pixels") == tmp_path / "xdg" / "cnnrun" / "pixels"
    for none in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", none)
        assert caches.folder("pixels") == tmp_path / ".cache" / "cnnrun" / "pixels"
    assert not (tmp_path / "pixels").exists(), "asking makes nothing"


def entry(place: Path, name: str, size: int, age: int) -> Path:
    folder = place / "pixels" / name
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "rows").write_bytes(b"x" * size)
    os.utime(folder, (10**9 - age, 10**9 - age))
    return folder


def there(place: Path) -> set[str]:
    return {folder.name for folder in (place / "pixels").iterdir() if folder.is_dir()}


def test_what_was_used_longest_ago_goes_first_until_the_rest_fits(place):
    for number, name in enumerate("abcd"):
        entry(place, name, 100, age=10 - number)
    caches.trim("pixels", 400)
    assert there(place) == {"a", "b", "c", "d"}
    caches.trim("pixels", 250)
    assert there(place) == {"c", "d"}
    caches.trim("pixels", 0)
    assert there(place) == set()


def test_an_entry_that_is_locked_stays_and_using_one_makes_it_young(place):
    for number, name in enumerate("abc"):
        entry(place, name, 100, age=10 - number)
    with caches.locked(place / "pixels" / "a", lambda: None):
        caches.trim("pixels", 100)
        assert there(place) == {"a"}
    entry(place, "d", 100, age=0)
    caches.trim("pixels", 100)
    assert there(place) == {"a"}


def test_a_usual_limit_is_generous(place):
    entry(place, "a", 10**6, age=10**6)
    caches.trim("pixels")
    assert there(place) == {"a"}


def test_trimming_what_is_not_there_does_nothing(place):
    caches.trim("nothing", 0)


def test_who_comes_second_is_told_and_waits(place):
    waiting, order = threading.Event(), []

    def second():
        with caches.locked(place / "pixels" / "a", waiting.set):
            order.append("second")

    with caches.locked(place / "pixels" / "a", lambda: order.append("nobody is in the way")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_cache_that_cannot_be_written_is_an_oserror(place):
    (place / "pixels").write_text("a file")
    with pytest.raises((FileExistsError, NotADirectoryError)), caches.locked(place / "pixels" / "a", lambda: None):
        pass


def test_free_memory_is_a_plausible_number():
    assert 10**7 < caches.free_memory() < 10**14
