"""The launcher for a Ray cluster: settings, errors, and a real cluster of this machine. `pytest -m "" tests/sweeps`"""

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cnnrun import cli

HAS_RAY = True
try:
    import ray  # noqa: F401
except ImportError:
    HAS_RAY = False
with_ray = pytest.mark.skipif(not HAS_RAY, reason="needs Ray: pip install 'cnnrun[ray]'")

FATAL = Path(__file__).parents[1] / "fatal"
PATIENCE = 240
"""Seconds; a machine that does much else starts a process in 10."""


def sweep(*words):
    return cli.main(["train", "-m", "hydra/launcher=ray", *words])


def rows_of(folder):
    with open(folder / "sweep.csv", newline="") as file:
        return {row["model.end"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("num_cpus=0", "hydra.launcher.num_cpus=0: "),
        ("num_cpus=two", "hydra.launcher.num_cpus=two: "),
        ("num_gpus=-1", "hydra.launcher.num_gpus=-1: "),
        ("jobs=0", "hydra.launcher.jobs=0: "),
        ("timeout_min=0", "hydra.launcher.timeout_min=0: "),
        ("address=1", "hydra.launcher.address=1: "),
    ],
)
def test_settings_of_the_launcher_are_checked_before_anything_starts(toy, capsys, word, said):
    assert sweep("seed=1,2", f"hydra.launcher.{word}") == 2
    assert said in capsys.readouterr().err
    assert not Path("outputs").exists()


def test_without_ray_the_extra_is_named(toy, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert sweep("seed=1,2") == 2
    assert "hydra/launcher=ray needs Ray: pip install 'cnnrun[ray]'" in capsys.readouterr().err


@with_ray
def test_an_address_at_which_nobody_answers_is_told_at_once(toy, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    began = time.monotonic()
    assert sweep("seed=1,2", f"hydra.launcher.address=127.0.0.1:{port}") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"hydra.launcher.address=127.0.0.1:{port}: no Ray cluster: nobody answers at 127.0.0.1:{port}" in error
    assert error.endswith("start one with: ray start --head")
    assert time.monotonic() - began < 60, "Ray alone takes two minutes"


@pytest.fixture(scope="module")
def cluster():
    """The address of a Ray cluster of two cores that lives as long as the tests of this file."""
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # the names of Ray's sockets must stay below 107 characters
    program = Path(sys.executable).with_name("ray")
    words = ["--port=0", "--num-cpus=2", "--num-gpus=0", "--include-dashboard=false", "--disable-usage-stats"]
    words += [f"--temp-dir={folder}", "--object-store-memory=80000000"]
    with open(f"{folder}/start.log", "wb") as log:
        head = subprocess.Popen(
            [program, "start", "--head", "--block", *words],
            env=os.environ | {"RAY_AUTH_MODE": "disabled"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = Path(folder, "ray_current_cluster")
        wait_for(lambda: address.is_file() and address.read_text(), head)
        wait_for(lambda: b"block forever" in Path(folder, "start.log").read_bytes(), head)
        yield address.read_text()
    finally:
        head.terminate()
        head.wait(PATIENCE)
        wait_for(lambda: not processes_with(folder))
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(condition, process=None):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        assert process is None or process.poll() is None
        time.sleep(0.1)


def processes_with(text):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command:
            found.append(command)
    return found


@pytest.fixture
def fatal(tmp_path, monkeypatch):
    """A folder with a model of the user's own that ends as `model.end` says, until there is a file `cured`."""
    shutil.copytree(FATAL, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "work"


def command(address, *words):
    own = [sys.executable, "-m", "cnnrun", "train", "-m", "hydra/launcher=ray", f"hydra.launcher.address={address}"]
    return [*own, "dataset=digits", "model=fatal", "figures=false", "sweep=x", *words]


@pytest.mark.slow
@with_ray
def test_a_job_that_is_killed_is_one_row_and_the_second_call_runs_it_alone(cluster, fatal):
    words = command(cluster, "model.end=well,killed,fine", "epochs=2")
    first = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert first.returncode == 4, first.stderr
    rows = rows_of(Path("outputs/sweeps/x"))
    assert {end: row["status"] for end, row in rows.items()} == {
        "well": "finished",
        "killed": "failed",
        "fine": "finished",
    }
    assert rows["killed"]["error"].startswith("killed by SIGKILL")
    before = {end: Path(f"outputs/sweeps/x/model.end={end}/run.json").read_bytes() for end in ("well", "fine")}

    Path("cured").touch()
    second = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert second.returncode == 0, second.stderr
    assert {row["status"] for row in rows_of(Path("outputs/sweeps/x")).values()} == {"finished"}
    assert before == {end: Path(f"outputs/sweeps/x/model.end={end}/run.json").read_bytes() for end in before}
    assert second.stderr.count("finished before") == 2


@pytest.mark.slow
@with_ray
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_sweep_leaves_no_job_behind_and_the_same_command_goes_on(cluster, fatal, signum):
    words = command(cluster, "model.end=slow,slower", "epochs=12")
    folders = [Path(f"outputs/sweeps/x/model.end={end}") for end in ("slow", "slower")]
    driver = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: all(epochs(folder) >= 2 for folder in folders), driver)
    driver.send_signal(signum)
    _, told = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == (130 if signum == signal.SIGINT else -signum)
    if signum == signal.SIGINT:
        assert "the same command goes on" in told
        assert all('"interrupted"' in (folder / "run.json").read_text() for folder in folders)
    wait_for(lambda: not jobs_at_work())
    done = [epochs(folder) for folder in folders]
    assert all(2 <= count < 12 for count in done)

    Path("cured").touch()
    again = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert again.returncode == 0, again.stderr
    assert [epochs(folder) for folder in folders] == [12, 12]
    assert {row["status"] for row in rows_of(Path("outputs/sweeps/x")).values()} == {"finished"}


def epochs(folder):
    file = folder / "history.csv"
    return max(len(file.read_text().splitlines()) - 1, 0) if file.is_file() else 0


def jobs_at_work():
    """Processes whose folder is ours."""
    here = os.getcwd()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == here and int(entry.name) != os.getpid():
                found.append(entry.name)
        except OSError:
            continue
    return found


@pytest.mark.slow
@with_ray
def test_a_job_takes_as_many_threads_as_it_has_cores_and_sees_no_gpu_that_it_did_not_ask_for(cluster, fatal):
    words = command(cluster, "model.end=well,tell", "epochs=1", "hydra.launcher.num_cpus=2")
    done = subprocess.run(
        words, env={**os.environ, "CNNRUN_WORD": "word"}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    told = Path("outputs/sweeps/x/model.end=tell/console.log").read_text()
    assert f"threads=2 gpus='' word=word here={fatal}" in told
