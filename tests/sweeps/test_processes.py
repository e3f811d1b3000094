"""Jobs in processes of their own: how they end, what they get. `pytest tests/sweeps/test_processes.py`"""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from cnnrun import cli
from cnnrun.config import options
from cnnrun.run import Run
from cnnrun.sweeps.going_on import advice
from cnnrun.sweeps.launchers import process_runner, sharing

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the fork server is for Linux")
FOLDER = Path("outputs/sweeps/x")
PROGRAM = Path(__file__).parents[1] / "toy" / "program.py"


@pytest.fixture
def ends(toy, monkeypatch):
    """Say how the jobs of some seeds end."""
    monkeypatch.setitem(cli.COMMANDS, "train", replace(cli.COMMANDS["train"], function="ending:train"))
    monkeypatch.setattr(process_runner, "GRACE", 0.5)

    def write(**by_seed):
        Path("ends.json").write_text(json.dumps({name.removeprefix("s"): end for name, end in by_seed.items()}))

    return write


def sweep(*words):
    return cli.main(["train", "-m", "sweep=x", "hydra/launcher=processes", *words])


def rows():
    with open(FOLDER / "sweep.csv", newline="") as file:
        return {row["seed"]: row for row in csv.DictReader(file)}


def calls():
    """Seed and process of each time that a job was called."""
    file = Path("calls.txt")
    return [tuple(map(int, line.split())) for line in file.read_text().splitlines()] if file.exists() else []


def seeds():
    return sorted(seed for seed, _ in calls())


def wait_for(condition, seconds=60.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def is_gone(process):
    """Whether nothing of a process group is left; what is dead and waits to be reaped does no harm."""
    try:
        os.killpg(process, 0)
    except ProcessLookupError:
        return True
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def test_a_job_that_dies_is_a_row_with_its_reason_and_the_others_go_on(ends, capsys):
    ends(s1="raise", s2="kill", s3="segfault", s4="exit", s5="vanish", s6="wrong data")
    assert sweep("seed=range(8)") == 4
    assert {seed: (row["status"], row["error"]) for seed, row in rows().items()} == {
        "0": ("finished", ""),
        "1": ("failed", "ZeroDivisionError: division by zero"),
        "2": ("failed", "killed by SIGKILL (most often: out of memory)"),
        "3": ("failed", "killed by SIGSEGV (a segmentation fault)"),
        "4": ("failed", "SystemExit: 3"),
        "5": ("failed", "its process ended without a word"),
        "6": ("failed", "data/ has no digits"),
        "7": ("finished", ""),
    }
    assert list(rows()) == list("01234567"), "in the order of the grid"
    assert {Run.open(FOLDER / f"seed={seed}").status for seed in range(1, 7)} == {"failed"}
    assert "Fatal Python error: Segmentation fault" in (FOLDER / "seed=3/console.log").read_text()
    assert "Traceback" in (FOLDER / "seed=1/console.log").read_text()
    assert (FOLDER / "seed=0/console.log").read_text().startswith("seed 0 works")
    err = capsys.readouterr().err
    assert err.splitlines()[-1].endswith(
        f"6 of 8 jobs failed, {FOLDER}/sweep.csv says why; the same command tries those again, and no others"
    )
    assert "seed=2: failed: killed by SIGKILL (most often: out of memory); " in err
    assert len({process for _, process in calls()}) == 8
    assert len(err.splitlines()) == 8 + 8 + 1, "a line as each starts, one as it ends"


@pytest.mark.slow
def test_of_twelve_jobs_three_fail_and_the_same_command_runs_those_three(ends):
    ends(s2="raise", s5="kill", s8="hang")
    words = ["seed=range(12)", "hydra.launcher.jobs=3", "hydra.launcher.timeout_min=0.03"]
    assert sweep(*words) == 4
    statuses = {seed: row["status"] for seed, row in rows().items()}
    assert statuses == {str(seed): "failed" if seed in (2, 5, 8) else "finished" for seed in range(12)}
    assert seeds() == list(range(12))
    ends()
    assert sweep(*words) == 0
    assert seeds() == sorted([*range(12), 2, 5, 8])
    assert [row["status"] for row in rows().values()] == ["finished"] * 12


@pytest.mark.parametrize("end", ["hang", "deaf"])
def test_a_job_that_hangs_is_stopped_after_its_time(ends, end):
    ends(s1=end)
    assert sweep("seed=0,1,2", "hydra.launcher.timeout_min=0.02", "hydra.launcher.jobs=3") == 4
    assert [row["status"] for row in rows().values()] == ["finished", "failed", "finished"]
    assert rows()["1"]["error"] == "stopped after hydra.launcher.timeout_min=0.02"
    run = Run.open(FOLDER / "seed=1")
    assert (run.status, run.record["reason"]) == ("failed", "stopped after hydra.launcher.timeout_min=0.02")
    assert run.has_checkpoint("last") == (end == "hang"), "one that hears that it is to end can save"
    assert all(is_gone(process) for _, process in calls())


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_jobs_and_leaves_none_behind(ends, signum, code, capsys):
    ends(s1="wait", s2="wait", s3="wait")

    def stop():
        wait_for(lambda: (FOLDER / "seed=1/run.json").exists() and (FOLDER / "seed=2/run.json").exists())
        os.kill(os.getpid(), signum)

    thread = threading.Thread(target=stop)
    thread.start()
    assert sweep("seed=0,1,2,3", "hydra.launcher.jobs=2") == code
    thread.join()
    assert all(is_gone(process) for _, process in calls())
    assert [row["status"] for row in rows().values()] == ["finished", "interrupted", "interrupted"]
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"stopped after 1 of 4 jobs in {FOLDER}; {advice('train', FOLDER)}")
    ends()
    assert sweep("seed=0,1,2,3") == 0
    assert seeds() == [0, 1, 1, 2, 2, 3]
    assert "resume" not in rows()


def test_a_second_signal_kills_what_does_not_end(ends, monkeypatch):
    monkeypatch.setattr(process_runner, "GRACE", 60.0)
    ends(s1="deaf")

    def stop():
        wait_for(lambda: len(calls()) == 2 and (FOLDER / "seed=1/run.json").exists())
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    began = time.monotonic()
    assert sweep("seed=0,1", "hydra.launcher.jobs=2") == 143
    thread.join()
    assert time.monotonic() - began < 30
    assert all(is_gone(process) for _, process in calls())
    assert Run.open(FOLDER / "seed=1").status == "interrupted"


@pytest.mark.slow
def test_jobs_end_with_the_sweep_that_is_killed_and_the_same_command_goes_on(ends, toy):
    ends(s1="wait", s2="wait")
    words = ["train", "-m", "sweep=x", "seed=0,1,2", "hydra/launcher=processes", "hydra.launcher.jobs=3"]
    path = os.pathsep.join([str(PROGRAM.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(PROGRAM), str(options.packaged()), *words]
    parent = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, start_new_session=True)
    wait_for(lambda: all((FOLDER / f"seed={seed}/run.json").exists() for seed in (0, 1, 2)))
    wait_for(lambda: Run.open(FOLDER / "seed=0").status == "finished")
    parent.kill()
    parent.wait()
    ends()
    assert sweep("seed=0,1,2") == 0, "it waits for those that are about to end"
    assert seeds() == [0, 1, 1, 2, 2]
    wait_for(lambda: all(is_gone(process) for _, process in calls()))
    assert [row["status"] for row in rows().values()] == ["finished"] * 3


HANGING = """
import ctypes, multiprocessing, os, signal
from cnnrun.sweeps.launchers import worker

worker.GRACE = 0.5

def hang(told):
    worker._be_alone()
    worker._end_with_parent()
    told.send(os.getpid())
    ctypes.PyDLL(None).sleep(300)

here, there = multiprocessing.Pipe()
multiprocessing.get_context("fork").Process(target=hang, args=(there,)).start()
print(here.recv(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_job_that_hangs_with_the_lock_of_python_ends_with_its_parent_too():
    parent = subprocess.run([sys.executable, "-c", HANGING], stdout=subprocess.PIPE, timeout=100)
    assert parent.returncode == -signal.SIGKILL
    job = int(parent.stdout)
    wait_for(lambda: is_gone(job))


def test_nothing_is_forked_where_nothing_is_left_to_do(ends, monkeypatch):
    assert sweep("seed=0,1") == 0
    monkeypatch.setattr(process_runner.ProcessRunner, "start", None)
    assert sweep("seed=0,1") == 0


def test_a_second_sweep_in_the_same_folder_is_refused(ends, capsys):
    FOLDER.mkdir(parents=True)
    with FileLock(FOLDER / ".lock"):
        assert sweep("seed=0,1") == 2
    assert capsys.readouterr().err == (
        f"cnnrun train: error: {FOLDER}: another sweep runs in it; wait for it, or choose another one: sweep=NAME\n"
    )
    assert calls() == []


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("jobs=0", "jobs=0: must be auto or greater than 0"),
        ("jobs=many", "jobs=many: must be auto or a whole number"),
        ("gpus=[]", "gpus=[]: must be a list of 1 or more"),
        ("timeout_min=-1", "timeout_min=-1: must be greater than 0"),
        ("timeout=5", "unknown setting 'hydra.launcher.timeout' - did you mean 'hydra.launcher.timeout_min'?"),
    ],
)
def test_settings_of_the_launcher_are_checked(ends, word, complaint, capsys):
    assert sweep("seed=0,1", f"hydra.launcher.{word}") == 2
    err = capsys.readouterr().err
    assert complaint in err
    assert len(err.splitlines()) == 1


def test_each_job_gets_a_gpu_and_a_share_of_the_cores(ends, monkeypatch, capsys):
    monkeypatch.setattr(sharing, "cores", lambda: 8)
    monkeypatch.setattr(sharing, "DRIVERS", ())
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert sweep("seed=0,1,2,3", "hydra.launcher.gpus=[4,6]") == 0
    told = [(FOLDER / f"seed={seed}/console.log").read_text().split(", ")[1:] for seed in range(4)]
    assert {gpu for gpu, _ in told} == {"4", "6"}
    assert {threads.strip() for _, threads in told} == {"4"}
    assert "warning: hydra.launcher.gpus=[4, 6]: no GPU is seen; jobs run on the cores" in capsys.readouterr().err
    assert sweep("seed=4,5", "device=cpu", "threads=3", "sweep=y") == 0


def test_the_machine_is_parted_by_devices_then_by_cores_and_memory(monkeypatch):
    monkeypatch.setattr(sharing, "cores", lambda: 16)
    monkeypatch.setattr(sharing, "free_memory", lambda: float("inf"))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert sharing.jobs_at_a_time(12, devices=0) == 12
    assert sharing.jobs_at_a_time(100, devices=0) == 16
    assert sharing.jobs_at_a_time(100, devices=4) == 4
    monkeypatch.setattr(sharing, "free_memory", lambda: 3.5 * sharing.MEMORY_OF_A_JOB)
    assert sharing.jobs_at_a_time(100, devices=0) == 3
    assert [sharing.threads_of_a_job(jobs) for jobs in (1, 3, 16, 40)] == [16, 5, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert sharing.threads_of_a_job(3) == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert sharing.visible_devices(None, 2) == ["5", "7"]
    assert sharing.visible_devices([0], 1) == ["0"]


def test_files_that_were_read_leave_a_container_its_memory(monkeypatch, tmp_path):
    texts = {
        "MEMORY": "MemTotal: 99 kB\nMemAvailable: 9000 kB\n",
        "MEMORY_LIMIT": "5000000\n",
        "MEMORY_USED": "4000000\n",
        "MEMORY_KINDS": "anon 1\ninactive_file 3000000\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(sharing, name, tmp_path / name)
    assert sharing.free_memory() == 4_000_000
    (tmp_path / "MEMORY_LIMIT").write_text("max\n")
    assert sharing.free_memory() == 9000 * 1024


FORK_SERVER = """
from multiprocessing import forkserver
from cnnrun.sweeps.launchers import forking

forking.warm_up("builtins:print", {}, [])
with open(f"/proc/{forkserver._forkserver._forkserver_pid}/status") as file:
    print(next(line.split()[1] for line in file if line.startswith("SigBlk")))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the fork server is for Linux")
def test_the_terminals_signals_do_not_reach_the_fork_server():
    told = subprocess.run([sys.executable, "-c", FORK_SERVER], capture_output=True, text=True, check=True).stdout
    blocked = {signum for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM) if int(told, 16) >> (signum - 1) & 1}
    assert blocked == {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}


@pytest.mark.slow
def test_a_convolution_trains_in_a_forked_process(tmp_path):
    """A child of a parent that has computed with several threads would hang at its first one."""
    words = ["train", "-m", "seed=0,1", "epochs=1", "figures=false", f"hydra.sweep.dir={tmp_path / 'x'}"]
    done = subprocess.run([sys.executable, "-m", "cnnrun", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    accuracies = [
        float(row["value"]) for row in Run.open(tmp_path / "x/seed=1").results() if row["metric"] == "accuracy"
    ]
    assert min(accuracies) > 0.8


def test_a_job_that_dies_after_it_finished_has_finished(ends):
    ends(s1="die at the end", s2="stopped by somebody")
    assert sweep("seed=0,1,2,3") == 4
    assert {seed: (row["status"], row["error"]) for seed, row in rows().items()} == {
        "0": ("finished", ""),
        "1": ("finished", ""),
        "2": ("failed", "stopped by a signal that did not come from the sweep"),
        "3": ("finished", ""),
    }
    ends()
    assert sweep("seed=0,1,2,3") == 0
    assert seeds() == [0, 1, 2, 2, 3]
