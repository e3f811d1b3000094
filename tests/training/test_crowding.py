"""What is said where other programs want the cores, too. `pytest tests/training/test_crowding.py`"""

import pytest
import torch

from cnnrun.training import crowding as module
from cnnrun.training.crowding import crowding

CPU = torch.device("cpu")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of so many cores with so many threads that run, our own among them."""

    def make(cores, running, threads=None):
        (tmp_path / "loadavg").write_text(f"0.10 0.20 0.30 {running}/250 4711\n")
        monkeypatch.setattr(module, "LOAD", tmp_path / "loadavg")
        monkeypatch.setattr(module.os, "cpu_count", lambda: cores)
        monkeypatch.setattr(module.torch, "get_num_threads", lambda: threads or cores)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    return make


@pytest.mark.parametrize(
    ("cores", "running", "threads", "busy", "fewer"),
    [(2, 2, 2, "1 of 2", 1), (2, 9, 2, "2 of 2", 1), (16, 5, 16, "4 of 16", 12), (16, 13, 8, "12 of 16", 4)],
)
def test_fewer_threads_are_advised_where_others_run(machine, cores, running, threads, busy, fewer):
    machine(cores, running, threads)
    sentence = crowding(CPU, None)
    assert f"other programs keep {busy} cores busy; " in sentence
    assert f": threads={fewer} may be much faster" in sentence


def test_nothing_is_said_on_an_idle_machine_or_with_cores_to_spare(machine):
    machine(2, 1)
    assert crowding(CPU, None) is None
    machine(16, 9, threads=8)
    assert crowding(CPU, None) is None


def test_nothing_is_said_to_who_chose_or_has_one_thread_or_a_gpu(machine, monkeypatch):
    machine(4, 20)
    assert crowding(CPU, None)
    assert crowding(CPU, 4) is None
    assert crowding(torch.device("cuda"), None) is None
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert crowding(CPU, None) is None
    machine(4, 20, threads=1)
    assert crowding(CPU, None) is None


@pytest.mark.parametrize("text", [None, "", "0.1 0.2 0.3", "0.1 0.2 0.3 many 5"])
def test_nothing_is_said_where_the_kernel_does_not_tell(machine, tmp_path, text):
    machine(2, 9)
    if text is None:
        (tmp_path / "loadavg").unlink()
    else:
        (tmp_path / "loadavg").write_text(text)
    assert crowding(CPU, None) is None
