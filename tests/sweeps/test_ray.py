"""The launcher for a Ray cluster: settings, errors, and a real cluster of this machine. `pytest -m "" tests/sweeps`"""

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

PATIENCE = 240
"""Seconds; a machine that does much else starts a process in 10."""


def sweep(*words):
    return cli.main(["train", "-m", "hydra/launcher=ray", *words])


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
@pytest.mark.parametrize("given", ["as a setting", "as RAY_ADDRESS"])
def test_an_address_at_which_nobody_answers_is_told_at_once(toy, capsys, monkeypatch, given):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    began = time.monotonic()
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    assert sweep("seed=1,2", *([f"hydra.launcher.address=127.0.0.1:{port}"] if given == "as a setting" else [])) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "no Ray cluster: nobody answers at " in error
    assert f":{port} (Connection refused)" in error
    assert error.endswith("start one with: ray start --head")
    assert time.monotonic() - began < 60, "Ray alone still tries after five minutes"


@pytest.mark.slow
@with_ray
def test_a_cluster_that_asks_for_a_token_is_told(place, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = place.run(command(place, f"127.0.0.1:{taken.getsockname()[1]}", "model.end=well,fine"))
    assert done.returncode == 2
    error = done.stderr.splitlines()[-1]
    assert (
        "the cluster asks for a token: RAY_AUTH_TOKEN or ~/.ray/auth_token as on the machine that started it" in error
    )


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


def command(place, address, *words):
    return place.command("ray", f"hydra.launcher.address={address}", *words)


@pytest.mark.slow
@with_ray
def test_a_job_that_is_killed_is_one_row_and_the_second_call_runs_it_alone(cluster, place, monkeypatch):
    monkeypatch.setenv("CNNRUN_WORD", "word")
    words = command(place, cluster, "model.end=well,killed,tell", "epochs=2")
    first = place.run(words)
    assert first.returncode == 4, first.stderr
    rows = place.rows()
    assert rows["killed"][0] == "failed"
    assert rows["killed"][1].startswith("killed by SIGKILL")
    assert rows["well"] == rows["tell"] == ("finished", "")
    told = (place.job("tell") / "console.log").read_text()
    assert f"threads=1 gpus='' word=word here={os.getcwd()}" in told
    before = place.records("well", "tell")

    place.cure()
    second = place.run(words)
    assert second.returncode == 0, second.stderr
    assert {status for status, _ in place.rows().values()} == {"finished"}
    assert place.records("well", "tell") == before
    assert second.stderr.count("finished before") == 2


@pytest.mark.slow
@with_ray
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_sweep_leaves_no_job_behind_and_the_same_command_goes_on(cluster, place, signum):
    words = command(place, cluster, "model.end=slow,slower", "epochs=12")
    driver = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    place.wait_for(lambda: place.epochs("slow") >= 2 and place.epochs("slower") >= 2, driver)
    driver.send_signal(signum)
    _, told = driver.communicate()
    assert driver.returncode == (130 if signum == signal.SIGINT else -signum)
    if signum == signal.SIGINT:
        assert "the same command goes on" in told
        assert all(b'"interrupted"' in record for record in place.records("slow", "slower"))
    place.wait_for(lambda: not place.at_work())
    assert 2 <= place.epochs("slow") < 12

    place.cure()
    again = place.run(words)
    assert again.returncode == 0, again.stderr
    assert place.epochs("slow") == place.epochs("slower") == 12
    assert {status for status, _ in place.rows().values()} == {"finished"}
