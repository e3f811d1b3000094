"""Many pictures at once: their order, their threads, their memory. Run: pytest tests/data/test_decoding.py"""

import hashlib
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnrun.data import decoding, image_reading
from cnnrun.data.decoding import Decoded, decode_in_order, usable_cores
from cnnrun.data.geometry import Geometry, fit_image
from tests.data.image_zoo import make_zoo

GEOMETRY = Geometry((24, 24), 32)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return make_zoo(tmp_path_factory.mktemp("images") / "zoo")


@pytest.fixture
def paths(tmp_path):
    """30 pictures, each of its own grey."""
    for number in range(30):
        Image.fromarray(np.full((9, 9 + number), number, np.uint8)).save(tmp_path / f"{number:02d}.png")
    return sorted(tmp_path.iterdir())


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were read, in that order."""
    names = []

    def read(path):
        names.append(path.name)
        return image_reading.read_file(path)

    monkeypatch.setattr(decoding, "read_file", read)
    return names


def num_decoding():
    return sum(thread.name.startswith("decode") for thread in threading.enumerate())


def greys(results):
    return [int(result.pixels[0, 0, 0]) for result in results]


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_each_file_of_the_zoo_gets_its_own_result(zoo, threads):
    results = list(decode_in_order([entry.path for entry in zoo], GEOMETRY, threads=threads))
    assert [result.index for result in results] == list(range(len(zoo)))
    for (path, expected, why), result in zip(zoo, results, strict=True):
        if expected is None:
            assert result.pixels is None
            assert result.reason, why
        else:
            pixels = torch.from_numpy(expected.copy()).permute(2, 0, 1)
            assert torch.equal(result.pixels, fit_image(pixels, GEOMETRY)), why
            assert result.reason == ""
        readable = path.is_file() and os.access(path, os.R_OK)
        assert result.digest == (hashlib.sha256(path.read_bytes()).hexdigest()[:32] if readable else ""), why


def test_each_file_is_read_once(paths, reads):
    list(decode_in_order(paths, GEOMETRY, threads=3))
    assert sorted(reads) == [path.name for path in paths]


@pytest.mark.parametrize("ahead", [0, 1, 4, 100])
def test_results_come_in_the_order_of_the_paths(paths, monkeypatch, ahead):
    def slow_at_first(path):
        time.sleep(0.02 if path.name < "04" else 0)
        return image_reading.read_file(path)

    monkeypatch.setattr(decoding, "read_file", slow_at_first)
    assert greys(decode_in_order(paths, GEOMETRY, threads=4, ahead=ahead)) == list(range(30))


def test_no_more_files_are_taken_up_than_may_wait(paths, reads):
    results = decode_in_order(paths, GEOMETRY, threads=2, ahead=4)
    for taken in range(1, 5):
        next(results)
        time.sleep(0.02)
        assert len(reads) <= taken + 4
    results.close()
    assert len(reads) <= 8


def test_fewer_wait_where_a_result_takes_much_memory(paths, reads, monkeypatch):
    monkeypatch.setattr(decoding, "AHEAD_BYTES", 5 * 3 * 24 * 24)
    results = decode_in_order(paths, GEOMETRY, threads=2)
    next(results)
    time.sleep(0.05)
    assert len(reads) <= 6
    results.close()


def test_no_paths_give_no_results():
    assert list(decode_in_order([], GEOMETRY)) == []


def test_the_threads_end_with_the_results(paths):
    results = decode_in_order(paths, GEOMETRY, threads=3)
    assert num_decoding() == 0
    next(results)
    assert num_decoding() == 3
    list(results)
    assert num_decoding() == 0


def test_the_threads_end_when_nobody_wants_the_rest(paths, reads):
    results = decode_in_order(paths, GEOMETRY, threads=3, ahead=20)
    next(results)
    results.close()
    assert num_decoding() == 0
    assert len(reads) <= 21
    for _ in decode_in_order(paths, GEOMETRY, threads=3):
        break  # the generator is dropped
    assert num_decoding() == 0


def test_the_threads_end_when_the_reader_fails(paths):
    results = decode_in_order(paths, GEOMETRY, threads=3)
    next(results)
    with pytest.raises(ZeroDivisionError):
        results.throw(ZeroDivisionError())
    assert num_decoding() == 0


def test_the_threads_end_at_ctrl_c(paths, monkeypatch):
    def slow(path):
        time.sleep(0.3)
        return image_reading.read_file(path)

    monkeypatch.setattr(decoding, "read_file", slow)
    press = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    start = time.perf_counter()
    press.start()
    with pytest.raises(KeyboardInterrupt):
        list(decode_in_order(paths, GEOMETRY, threads=2))
    assert time.perf_counter() - start < 2  # all 30 would take 4.5
    press.join()
    assert num_decoding() == 0


def test_a_bug_of_ours_is_not_hidden(paths, monkeypatch):
    def fail(content, geometry):
        raise ZeroDivisionError

    monkeypatch.setattr(decoding, "fitted", fail)
    with pytest.raises(ZeroDivisionError):
        list(decode_in_order(paths, GEOMETRY, threads=2))
    assert num_decoding() == 0


def test_a_thread_that_cannot_be_started_ends_the_others(paths, monkeypatch):
    start = threading.Thread.start
    started = []

    def refuse_the_third(self):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_third)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        list(decode_in_order(paths, GEOMETRY, threads=3))
    assert num_decoding() == 0


def test_each_thread_works_alone_and_the_rest_of_the_process_as_before(paths, monkeypatch):
    def threads_of_torch(index, path, geometry):
        return Decoded(index, None, str(torch.get_num_threads()), "")

    monkeypatch.setattr(decoding, "_decode", threads_of_torch)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        results = decode_in_order(paths, GEOMETRY, threads=4)
        seen = {next(results).reason}
        assert torch.get_num_threads() == 3
        assert seen | {result.reason for result in results} == {"1"}
        assert torch.get_num_threads() == 3
        in_new_thread = []
        later = threading.Thread(target=lambda: in_new_thread.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert in_new_thread == [3]
    finally:
        torch.set_num_threads(before)


def test_as_many_threads_as_this_process_may_use(paths, monkeypatch):
    monkeypatch.setattr(decoding, "usable_cores", lambda: 3)
    results = decode_in_order(paths, GEOMETRY)
    next(results)
    assert num_decoding() == 3
    results.close()
    results = decode_in_order(paths[:2], GEOMETRY)
    next(results)
    assert num_decoding() == 2
    results.close()
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_a_file_that_vanishes_is_broken_and_its_neighbours_are_not(paths):
    results = decode_in_order([*paths[:3], Path("nowhere.png"), *paths[3:]], GEOMETRY, threads=2)
    reasons = [result.reason for result in results]
    assert reasons == ["", "", "", "no such file", *[""] * 27]
