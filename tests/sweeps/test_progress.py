"""What is told of a sweep while it runs, in a pipe and on a terminal. `pytest tests/sweeps/test_progress.py`"""

import os
import re
import struct
import subprocess
import sys
from contextlib import suppress

import pytest

from cnnrun.config import Invocation
from cnnrun.run import Run
from cnnrun.sweeps import progress
from cnnrun.sweeps.jobs import Asked, Job, Outcome
from cnnrun.tables import HISTORY

fcntl = pytest.importorskip("fcntl", reason="pseudo-terminals are a Unix thing")
termios = pytest.importorskip("termios", reason="pseudo-terminals are a Unix thing")
pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")

SWEEP = """
from cnnrun.console import JobLine, JobsDisplay

lines = [JobLine(f"model=cnn,seed={number}", 2, 10, "val/accuracy", 0.5, 0.75) for number in range(30)]
with JobsDisplay(40, live=True) as display:
    display.started(1, "not told")
    display.draw(lambda: (lines, 125.0), 3, 1)
    display.draw(lambda: 1 / 0, 4, 1)  # too soon
    display.ended("model=cnn,seed=99", "finished, val/accuracy 0.9000, 1.0 s")
    display.draw(lambda: ([], 5.0), 39, 1)
"""


def on_terminal(script, lines):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 100, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=kept | {"TERM": "xterm-256color"},
    )
    os.close(follower)
    pieces = []
    with suppress(OSError):  # how Linux says that the other end is closed
        while piece := os.read(leader, 65536):
            pieces.append(piece)
    os.close(leader)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(pieces).decode()).replace("\r\n", "\n")


def test_on_a_terminal_the_running_jobs_are_a_table_that_fits_the_screen():
    told = on_terminal(SWEEP, lines=12)
    first = told[: told.index("3/40 done")].splitlines()
    assert re.search(r"running +epoch +val/accuracy +best", first[0])
    assert re.search(r"model=cnn,seed=0 +2/10 +0.5000 +0.7500", first[1])
    assert "and 23 more that run" in told
    assert "model=cnn,seed=7 " not in told
    assert len(first) + 1 <= 12
    assert "3/40 done, 1 failed, 7 to come, 2:05 left" in told
    assert "model=cnn,seed=99: finished, val/accuracy 0.9000, 1.0 s" in told
    assert "not told" not in told
    last = told[told.rindex("3/40 done") :]
    assert "39/40 done, 1 failed, 1 to come, 0:05 left" in last
    assert "running" not in last, "a table without rows has no heading"


class Display:
    """Notes what it is told."""

    def __init__(self):
        self.told = []

    def started(self, place, name, remark=""):
        self.told.append((place, name, remark))

    def ended(self, name, what, to_go=""):
        self.told.append((name, what, to_go))

    def draw(self, running, done, failed):
        self.drawn = (*running(), done, failed)


def job(folder, seed):
    config = {"epochs": 4, "task": {"name": "classification", "monitor": "loss"}}
    told = Invocation(folder / str(seed), {}, [])
    return Job(f"seed={seed}", folder / str(seed), config, told, Asked({}, {}, config), {}, None)


def test_the_time_left_is_that_of_the_pace_so_far(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    display = Display()
    seen = progress.Progress(4, display)
    jobs = [job(tmp_path, seed) for seed in range(4)]
    seen.skipped(jobs[0], Outcome({}, tmp_path / "0", "finished"))
    seen.started(jobs[1])
    seen.started(jobs[2])
    for name, epochs in (("1", 3), ("2", 1)):
        run = Run.create(tmp_path / name, {})
        run.write_rows(HISTORY, [{"epoch": number, "val/loss": 1 / number} for number in range(1, epochs + 1)])
        run.close()
    now[0] = 110.0
    seen.look()
    lines, left, done, failed = display.drawn
    assert [(line.epoch, line.epochs, line.metric) for line in lines] == [(3, 4, "val/loss"), (1, 4, "val/loss")]
    assert [(line.value, line.best) for line in lines] == [(pytest.approx(1 / 3), pytest.approx(1 / 3)), (1.0, 1.0)]
    assert left == pytest.approx(20.0), "one job in ten seconds, and two are left"
    assert (done, failed) == (1, 0)
    outcome = Outcome({}, tmp_path / "1", "finished", seconds=9.0, monitor="val/loss", best_value=0.25)
    now[0] = 120.0
    seen.ended(jobs[1], outcome)
    seen.started(jobs[3])
    seen.ended(jobs[2], Outcome({}, tmp_path / "2", "failed", "out of luck"))
    assert display.told == [
        (1, "seed=0", "finished before"),
        (2, "seed=1", ""),
        (3, "seed=2", ""),
        ("seed=1", "finished, val/loss 0.2500, 9.0 s", "2 to go, 0:28 left"),
        (4, "seed=3", ""),
        ("seed=2", "failed: out of luck", "1 to go, 0:10 left"),
    ]
