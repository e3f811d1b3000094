"""The store of pixels: kept, changed, killed, full. Run: pytest tests/data/test_pixel_store.py"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cnnrun import caches
from cnnrun.data import pixel_files, pixel_store
from cnnrun.data.decoding import Decoded, decode_in_order
from cnnrun.data.geometry import Geometry
from cnnrun.data.image_listing import ImageFile
from cnnrun.data.pixel_store import StoredPixels, stored_pixels
from cnnrun.errors import DataError

GEOMETRY = Geometry((2, 3), 3)
ROW = 18
"""Bytes of a row."""
SEEN: list[str] = []
"""Names of the files that were read."""


def draw(path: Path, number: int) -> None:
    """A picture whose pixels are all that number; a BMP, as its size does not depend on it."""
    Image.new("RGB", (3, 2), (number, number, number)).save(path, "BMP")


def decode_and_note(paths: Sequence[Path], geometry: Geometry, *, threads: int) -> Iterator[Decoded]:
    for result in decode_in_order(paths, geometry, threads=threads):
        SEEN.append(paths[result.index].name)
        yield result


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pixel_store, "decode_in_order", decode_and_note)
    monkeypatch.setenv("CNNRUN_CACHE", str(tmp_path / "cache"))
    SEEN.clear()
    return tmp_path / "cache" / "pixels"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five pictures of 0, 10, 20, 30, 40, and one that is none."""
    root = tmp_path / "photos"
    root.mkdir()
    for number in range(5):
        draw(root / f"{number}.jpg", 10 * number)
    (root / "x.jpg").write_text("no picture")
    return root


def files_in(root: Path) -> list[ImageFile]:
    status = {path: path.lstat() for path in sorted(root.iterdir())}
    return [ImageFile(path.name, "a", None, one.st_size, one.st_mtime_ns) for path, one in status.items()]


def bring(root: Path, files: list[ImageFile] | None = None) -> StoredPixels:
    SEEN.clear()
    return stored_pixels(root, files_in(root) if files is None else files, GEOMETRY, lambda *_: None)


def values(stored: StoredPixels) -> list[int | None]:
    """The number in each file, as the store has it."""
    for row in stored.rows.tolist():
        assert row < 0 or len(stored.pixels[row].unique()) == 1
    return [None if row < 0 else int(stored.pixels[row, 0, 0, 0]) for row in stored.rows.tolist()]


ALL = [0, 10, 20, 30, 40, None]


def the_store(cache: Path) -> Path:
    (store,) = [entry for entry in cache.iterdir() if entry.is_dir()]
    return store


def test_pictures_are_read_once_and_broken_ones_too(photos: Path) -> None:
    stored = bring(photos)
    assert values(stored) == ALL
    assert stored.pixels.shape[1:] == (3, 2, 3)
    assert stored.pixels.dtype == torch.uint8
    assert stored.reasons == {"x.jpg": "not an image"}
    assert stored.notes == []
    assert len(set(stored.digests)) == 6
    assert {len(digest) for digest in stored.digests} == {32}
    assert len(SEEN) == 6
    again = bring(photos)
    assert SEEN == []
    assert (values(again), again.reasons, again.digests) == (ALL, stored.reasons, stored.digests)


def test_only_what_is_new_or_changed_is_read_again(photos: Path, cache: Path) -> None:
    bring(photos)
    draw(photos / "1.jpg", 77)
    draw(photos / "5.jpg", 50)
    (photos / "2.jpg").unlink()
    draw(photos / "x.jpg", 8)
    stored = bring(photos)
    assert SEEN == ["1.jpg", "5.jpg", "x.jpg"]
    assert values(stored) == [0, 77, 30, 40, 50, 8]
    assert stored.reasons == {}


def test_a_file_of_the_same_size_is_told_by_its_time(photos: Path) -> None:
    bring(photos)
    before = (photos / "1.jpg").stat().st_mtime_ns
    draw(photos / "1.jpg", 99)
    os.utime(photos / "1.jpg", ns=(before + 1, before + 1))
    assert values(bring(photos))[1] == 99


def test_what_could_not_be_opened_is_tried_again(photos: Path) -> None:
    (photos / "y.jpg").symlink_to("z")
    assert bring(photos).reasons == {"x.jpg": "not an image", "y.jpg": "dangling link"}
    bring(photos)
    assert SEEN == ["y.jpg"]


def test_a_part_of_the_files_takes_its_rows_and_leaves_the_others(photos: Path) -> None:
    some = files_in(photos)[1:3]
    assert values(bring(photos, some)) == [10, 20]
    assert values(bring(photos)) == ALL
    assert SEEN == ["0.jpg", "3.jpg", "4.jpg", "x.jpg"]
    assert values(bring(photos, some[::-1])) == [20, 10]


def test_another_geometry_or_folder_is_another_store(photos: Path, cache: Path, tmp_path: Path) -> None:
    bring(photos)
    stored_pixels(photos, files_in(photos), Geometry((2, 3), 3, color="grey"), lambda *_: None)
    shutil.copytree(photos, tmp_path / "others")
    bring(tmp_path / "others")
    assert len([entry for entry in cache.iterdir() if entry.is_dir()]) == 3


@pytest.mark.parametrize("package", ["pillow", "torch"])
def test_another_version_of_what_decodes_or_resizes_reads_again(
    photos: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    bring(photos)
    monkeypatch.setattr(pixel_files, "version", lambda name: "0.0" if name == package else version(name))
    assert values(bring(photos)) == ALL
    assert len(SEEN) == 6
    bring(photos)
    assert SEEN == []


def test_pictures_are_decoded_in_as_many_threads_as_the_run_has(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def decode(paths: Sequence[Path], geometry: Geometry, *, threads: int) -> Iterator[Decoded]:
        asked.append(threads)
        return decode_in_order(paths, geometry, threads=threads)

    monkeypatch.setattr(pixel_store, "decode_in_order", decode)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert values(bring(photos)) == ALL
    assert asked == [3]


def test_writing_into_the_pixels_does_not_reach_the_store(photos: Path) -> None:
    bring(photos).pixels.fill_(9)
    assert values(bring(photos)) == ALL


def test_rows_of_no_use_are_given_up_when_they_are_more_than_half(photos: Path, cache: Path) -> None:
    mapped = bring(photos)
    for number in range(5):
        draw(photos / f"{number}.jpg", 100 + number)
    assert values(bring(photos)) == [100, 101, 102, 103, 104, None]
    (photos / "0.jpg").unlink()
    draw(photos / "1.jpg", 1)
    stored = bring(photos)
    assert values(stored) == [1, 102, 103, 104, None]
    (rows,) = the_store(cache).glob("rows-*")
    assert rows.stat().st_size == 4 * ROW
    assert values(mapped) == ALL, "what another process has mapped stays"
    assert values(bring(photos)) == [1, 102, 103, 104, None]
    assert SEEN == []


def test_a_store_cut_anywhere_gives_the_right_pixels(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each border of a line or a row, a byte before, a byte after, and in its middle."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    bring(photos)
    store = the_store(cache)
    whole = {name: (store / name).read_bytes() for name in ("index", "rows-1")}
    borders = {"index": [0], "rows-1": list(range(0, 6 * ROW, ROW))}
    for line in whole["index"].splitlines(keepends=True):
        borders["index"].append(borders["index"][-1] + len(line))
    for name, content in whole.items():
        for length in {border + more for border in borders[name] for more in (-1, 0, 1, 9)} & set(range(len(content))):
            for other in whole:
                (store / other).write_bytes(whole[other])
            (store / name).write_bytes(content[:length])
            assert values(bring(photos)) == ALL, f"{name} cut after {length} bytes"
            assert values(bring(photos)) == ALL
            assert SEEN == []
            shutil.rmtree(store)
            store.mkdir()


def test_rows_without_lines_are_written_again(photos: Path, cache: Path) -> None:
    """As a process leaves it that is killed between the two."""
    bring(photos, files_in(photos)[:2])
    with open(the_store(cache) / "rows-1", "ab") as rows:
        rows.write(b"\x63" * 31)
    assert values(bring(photos)) == ALL


@pytest.mark.parametrize("garbage", [b"\0\0\0\0\n", b"[1, 2]\n", b'["a", "b", "c", 1, 2, 3, 4]\n', b"\xff{\n", b"{}\n"])
def test_garbage_in_the_index_ends_it(photos: Path, cache: Path, garbage: bytes) -> None:
    bring(photos)
    index = the_store(cache) / "index"
    lines = index.read_bytes().splitlines(keepends=True)
    for place in range(len(lines)):
        index.write_bytes(b"".join([*lines[:place], garbage, *lines[place:]]))
        assert values(bring(photos)) == ALL
        assert len(SEEN) == len(lines) - max(place, 1)


@pytest.mark.parametrize("bit", [0, 6])
def test_a_flipped_bit_anywhere_gives_the_right_pixels_and_no_neighbours(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, bit: int
) -> None:
    """The number of a row may become that of another row, and the reason of a broken picture another one."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    expected = bring(photos)
    store = the_store(cache)
    whole = {name: (store / name).read_bytes() for name in ("index", "rows-1")}
    for name, content in whole.items():
        for place in range(0, len(content), 13):
            shutil.rmtree(store)
            store.mkdir()
            for other in whole:
                (store / other).write_bytes(whole[other])
            damaged = content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
            (store / name).write_bytes(damaged)
            for _ in range(2):
                stored = bring(photos)
                assert values(stored) == ALL, f"{name}, byte {place}"
                assert (stored.digests, stored.reasons) == (expected.digests, expected.reasons)
            assert SEEN == [], "what was damaged is mended"


def test_of_more_than_are_checked_a_part_is(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(photos)
    rows = the_store(cache) / "rows-1"
    rows.write_bytes(bytes(5 * ROW))
    monkeypatch.setattr(pixel_files, "CHECKED_BYTES", 3 * ROW)
    bring(photos)
    assert SEEN == ["2.jpg"]


def test_damaged_rows_are_not_copied_with_the_others(photos: Path, cache: Path) -> None:
    bring(photos)
    rows = the_store(cache) / "rows-1"
    rows.write_bytes(b"\x63" * ROW + rows.read_bytes()[ROW:])
    for number in range(201, 207):
        draw(photos / "3.jpg", number)
        assert values(bring(photos, files_in(photos)[3:4])) == [number]
    assert not rows.exists(), "the rows were copied"
    assert values(bring(photos)) == [0, 10, 20, 206, 40, None]
    assert SEEN == ["0.jpg"]


SCRIPT = """
import sys, time
from pathlib import Path
from cnnrun.data import pixel_files, pixel_store
from cnnrun.data.decoding import decode_in_order
from cnnrun.data.geometry import Geometry
from cnnrun.data.image_listing import ImageFile
root, seconds = Path(sys.argv[1]), float(sys.argv[2])
seen = []
def slowly(*arguments, **settings):
    for result in decode_in_order(*arguments, **settings):
        time.sleep(seconds)
        seen.append(result.index)
        yield result
pixel_store.decode_in_order = slowly
pixel_files.BATCH_FILES = 3
files = [ImageFile(p.name, "a", None, p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(root.iterdir())]
def report(*words): print(*words, flush=True)
stored = pixel_store.stored_pixels(root, files, Geometry((2, 3), 3), report)
print("read", len(seen), "sum", int(stored.pixels[stored.rows].sum()), flush=True)
"""


def child(root: Path, seconds: float) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", SCRIPT, str(root), str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


@pytest.fixture
def many(tmp_path: Path) -> Path:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(60):
        draw(root / f"{number:02}.jpg", number)
    return root


MANY_SUM = ROW * sum(range(60))


@pytest.mark.slow
@pytest.mark.parametrize("lines", [2, 20, 41])
def test_what_a_killed_process_leaves_is_gone_on_with(many: Path, lines: int) -> None:
    process = child(many, 0.02)
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert values(bring(many)) == list(range(60))
    assert 60 - lines <= len(SEEN) <= 60 - lines + 5


@pytest.mark.slow
def test_two_builders_at_once_read_every_picture_once_and_the_second_says_that_it_waits(many: Path) -> None:
    builders = [child(many, 0.05) for _ in range(2)]
    outputs = [builder.communicate(timeout=60)[0].splitlines() for builder in builders]
    assert {lines[-1] for lines in outputs} == {f"read 60 sum {MANY_SUM}", f"read 0 sum {MANY_SUM}"}
    assert sum("waiting for another process" in line for lines in outputs for line in lines) == 1


# --- caches that cannot be written


def test_a_cache_that_is_a_file_is_no_error(photos: Path, cache: Path) -> None:
    cache.parent.write_text("")
    stored = bring(photos)
    assert values(stored) == ALL
    (note,) = stored.notes
    assert note.startswith(f"the cache {cache.parent} cannot be written (")
    assert "CNNRUN_CACHE=FOLDER" in note


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_gets_full_is_no_error(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full)
    stored = bring(photos)
    assert values(stored) == ALL
    assert "No space left on device" in stored.notes[0]
    monkeypatch.undo()


def test_a_disk_with_too_little_room_is_left_alone(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(photos)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=17))
    assert values(bring(photos)) == ALL
    assert len(SEEN) == 6, "not read in vain"


def test_pixels_that_fit_nowhere_are_an_error(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(caches, "free_memory", lambda: 10)
    with pytest.raises(DataError, match=r"CNNRUN_CACHE=FOLDER, or take a smaller dataset\.image_size"):
        bring(photos)


def test_a_whole_store_that_cannot_be_locked_is_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(photos)
    monkeypatch.setattr(caches, "locked", full)
    stored = bring(photos)
    assert (values(stored), SEEN, stored.notes) == (ALL, [], [])


def test_progress_counts_to_the_end(photos: Path) -> None:
    told: list[tuple[Any, ...]] = []
    stored_pixels(photos, files_in(photos), GEOMETRY, lambda *words: told.append(words))
    assert told == [(done, 6, "reading") for done in range(7)]


def test_progress_tells_what_is_in_the_cache_already(photos: Path) -> None:
    told: list[tuple[Any, ...]] = []
    bring(photos)
    draw(photos / "5.jpg", 50)
    stored_pixels(photos, files_in(photos), GEOMETRY, lambda *words: told.append(words))
    assert told == [(done, 1, "reading what is new, 6 are in the cache") for done in range(2)]


def test_no_files_are_no_rows(photos: Path) -> None:
    assert bring(photos, []).rows.tolist() == []


def test_pictures_that_are_all_broken_have_no_rows(photos: Path) -> None:
    assert values(bring(photos, files_in(photos)[-1:])) == [None]


@pytest.fixture(autouse=True)
def _leaves_nothing_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import tempfile

    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield
    assert list(place.iterdir()) == []


def test_an_entry_that_was_used_is_the_last_to_go(photos: Path, cache: Path, tmp_path: Path) -> None:
    bring(photos)
    shutil.copytree(photos, tmp_path / "others")
    first = the_store(cache)
    os.utime(first, (time.time() - 100, time.time() - 100))
    bring(tmp_path / "others")
    bring(photos)
    caches.trim("pixels", sum(file.stat().st_size for file in first.iterdir()))
    assert the_store(cache) == first
