"""A folder with a model that ends its process, for the launchers that start jobs elsewhere."""

import csv
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

PATIENCE = 240
"""Seconds; a machine that does much else starts a process in 10."""


class Place:
    """A sweep over `model.end`, by `python -m cnnrun`; the jobs end as that says until `cure`."""

    folder = Path("outputs/sweeps/x")

    def command(self, launcher, *words):
        own = [sys.executable, "-m", "cnnrun", "train", "-m", f"hydra/launcher={launcher}"]
        return [*own, "dataset=digits", "model=fatal", "figures=false", "sweep=x", *words]

    def run(self, words):
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)

    def cure(self):
        Path("cured").touch()

    def job(self, end):
        return self.folder / f"model.end={end}"

    def rows(self):
        """Status and error, by `model.end`."""
        with open(self.folder / "sweep.csv", newline="") as file:
            return {row["model.end"]: (row["status"], row["error"]) for row in csv.DictReader(file)}

    def records(self, *ends):
        return [(self.job(end) / "run.json").read_bytes() for end in ends]

    def epochs(self, end):
        file = self.job(end) / "history.csv"
        return max(len(file.read_text().splitlines()) - 1, 0) if file.is_file() else 0

    def at_work(self):
        """Processes that work in this folder."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(entry / "cwd") == os.getcwd() and int(entry.name) != os.getpid():
                    found.append(entry.name)
            except OSError:
                continue
        return found

    def wait_for(self, condition, process=None):
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until
            assert process is None or process.poll() is None
            time.sleep(0.1)


@pytest.fixture
def place(tmp_path, monkeypatch):
    shutil.copytree(Path(__file__).parents[1] / "fatal", tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Place()
