"""What is told of SLURM's jobs, with stand-ins for its commands. `pytest tests/sweeps/test_queue.py`"""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest

from cnnrun.errors import ConfigError
from cnnrun.sweeps.launchers import queue
from cnnrun.sweeps.launchers.queue import SlurmQueue

pytest.importorskip("submitit", reason="needs submitit: pip install 'cnnrun[slurm]'")


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder whose `states` squeue prints, and whose `told` has what scancel was given."""
    monkeypatch.chdir(tmp_path)
    Path("bin").mkdir()
    for name, line in {"squeue": f"cat {tmp_path}/states", "scancel": f'echo "$*" >> {tmp_path}/told'}.items():
        program = Path("bin", name)
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(queue, "SECONDS_BETWEEN_CALLS", 0.0)
    monkeypatch.setattr(queue, "LATE", 0.0)
    return tmp_path


@dataclass
class Paths:
    result_pickle: Path


@dataclass
class Task:
    """As submitit's."""

    job_id: str

    @property
    def paths(self):
        return Paths(Path(f"{self.job_id}.pkl"))

    def result(self):
        return pickle.loads(self.paths.result_pickle.read_bytes())


def gone(found, *numbers):
    """After two looks: what is missed at first may be late."""
    tasks = [Task(number) for number in numbers]
    found.gone(tasks)
    return found.gone(tasks)


def test_a_job_has_ended_when_its_result_is_there_or_slurm_says_so(slurm):
    Path("states").write_text("7_0 RUNNING\n7_1 PENDING\n7_2 OUT_OF_MEMORY\n7_3 REQUEUED\n7_4 RUNNING\n")
    Path("7_4.pkl").write_bytes(pickle.dumps("killed by SIGKILL"))
    assert gone(SlurmQueue(), "7_0", "7_1", "7_2", "7_3", "7_4", "6_0") == {
        "7_2": "ended by SLURM: out of memory",
        "7_4": "killed by SIGKILL",
        "6_0": "ended by SLURM: it is not in the queue any more",
    }


def test_a_job_that_is_put_into_the_queue_again_has_not_ended(slurm, monkeypatch):
    monkeypatch.setattr(queue, "LATE", 60.0)
    jobs = SlurmQueue()
    Path("states").write_text("7_0 TIMEOUT\n")
    assert gone(jobs, "7_0") == {}
    Path("states").write_text("7_0 PENDING\n")
    assert gone(jobs, "7_0") == {}
    monkeypatch.setattr(queue, "LATE", 0.0)
    assert gone(jobs, "7_0") == {}


def test_a_job_of_an_earlier_command_is_known_while_it_runs_or_waits(slurm):
    Path("states").write_text("7_0 RUNNING\n7_1 COMPLETED\n")
    assert SlurmQueue().known(slurm, "7_0").job_id == "7_0"
    assert SlurmQueue().known(slurm, "7_1") is None
    assert SlurmQueue().known(slurm, "6_0") is None


def test_what_was_known_holds_while_squeue_fails(slurm):
    jobs = SlurmQueue()
    Path("states").write_text("7_0 RUNNING\n")
    assert gone(jobs, "7_0") == {}
    Path("states").unlink()
    assert gone(jobs, "7_0") == {}


def test_jobs_are_told_as_by_ctrl_c_so_that_they_do_not_wait_for_slurm_to_take_them_back(slurm):
    SlurmQueue().tell([Task("7_0"), Task("7_1")])
    SlurmQueue().kill([Task("7_1")])
    assert Path("told").read_text().splitlines() == ["--state=PENDING 7_0 7_1", "--signal=INT 7_0 7_1", "7_1"]


def test_without_jobs_nothing_is_cancelled_as_scancel_would_take_all_of_the_user(slurm):
    SlurmQueue().tell([])
    SlurmQueue().kill([])
    assert not Path("told").exists()


def test_a_machine_without_slurm_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no scancel on this machine"):
        SlurmQueue().kill([Task("7_0")])
