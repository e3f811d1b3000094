"""The launchers through submitit: settings, errors, and jobs of this machine. `pytest -m "" tests/sweeps`"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore

from cnnrun import cli

HAS_SUBMITIT = True
try:
    import submitit  # noqa: F401
except ImportError:
    HAS_SUBMITIT = False
STAND_IN = Path(__file__).parents[1] / "stand_ins" / "slurm.py"
with_submitit = pytest.mark.skipif(not HAS_SUBMITIT, reason="needs submitit: pip install 'cnnrun[slurm]'")


def sweep(launcher, *words):
    return cli.main(["train", "-m", f"hydra/launcher={launcher}", *words])


@pytest.mark.parametrize("launcher", ["submitit_local", "submitit_slurm"])
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("timeout_min=0", "hydra.launcher.timeout_min=0: "),
        ("cpus_per_task=two", "hydra.launcher.cpus_per_task=two: "),
        ("array_parallelism=0", "hydra.launcher.array_parallelism=0: "),
        ("timeoutmin=3", "timeoutmin"),
    ],
)
def test_settings_of_the_launcher_are_checked_before_anything_starts(toy, capsys, launcher, word, said):
    assert sweep(launcher, "seed=1,2", f"hydra.launcher.{word}") == 2
    assert said in capsys.readouterr().err
    assert not Path("outputs").exists()


def test_without_submitit_the_extra_is_named(toy, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert sweep("submitit_slurm", "seed=1,2") == 2
    assert "hydra/launcher=submitit_slurm needs submitit: pip install 'cnnrun[slurm]'" in capsys.readouterr().err


@with_submitit
def test_a_machine_without_slurm_is_told(toy, capsys, monkeypatch):
    monkeypatch.setenv("PATH", os.fspath(Path(sys.executable).parent))
    assert sweep("submitit_slurm", "seed=1,2") == 2
    assert 'Could not detect "srun"' in capsys.readouterr().err


def test_an_installed_plugin_that_calls_its_launcher_the_same_does_not_change_ours(toy, capsys):
    for name in ("submitit_slurm", "serial"):
        ConfigStore.instance().store(group="hydra/launcher", name=name, node={"_target_": "another.Launcher"})
    assert sweep("serial", "seed=1,2") == 0
    assert sweep("submitit_slurm", "seed=1,2", "hydra.launcher.timeout_min=0") == 2
    assert "hydra.launcher.timeout_min=0: " in capsys.readouterr().err


@pytest.mark.slow
@with_submitit
def test_a_job_that_is_killed_is_one_row_and_the_second_call_runs_it_alone(place):
    words = place.command(
        "submitit_local", "model.end=well,killed,fine", "epochs=2", "hydra.launcher.array_parallelism=2"
    )
    first = place.run(words)
    assert first.returncode == 4, first.stderr
    rows = place.rows()
    assert rows["killed"][0] == "failed"
    assert rows["killed"][1].startswith("killed by SIGKILL")
    assert rows["well"] == rows["fine"] == ("finished", "")
    before = place.records("well", "fine")

    place.cure()
    second = place.run(words)
    assert second.returncode == 0, second.stderr
    assert {status for status, _ in place.rows().values()} == {"finished"}
    assert place.records("well", "fine") == before
    assert second.stderr.count("finished before") == 2


@pytest.mark.slow
@with_submitit
def test_ctrl_c_leaves_no_job_behind_and_the_same_command_goes_on(place):
    words = place.command("submitit_local", "model.end=slow,slower", "epochs=12")
    driver = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    place.wait_for(lambda: place.epochs("slow") >= 2, driver)
    driver.send_signal(signal.SIGINT)
    _, told = driver.communicate()
    assert driver.returncode == 130, told
    assert b'"interrupted"' in place.records("slow")[0]
    assert not place.job("slower").exists(), "one at a time is what the YAML says"
    place.wait_for(lambda: not place.at_work())

    place.cure()
    again = place.run(words)
    assert again.returncode == 0, again.stderr
    assert place.epochs("slow") == place.epochs("slower") == 12


@pytest.mark.slow
@with_submitit
def test_a_job_that_meets_its_limit_goes_on_from_its_checkpoint_as_often_as_it_may(place):
    limit = ["hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=20"]
    words = place.command(
        "submitit_local", "model.end=slow,well", "epochs=60", *limit, "hydra.launcher.max_num_timeout=1"
    )
    done = place.run(words)
    assert done.returncode == 4, done.stderr
    assert place.rows()["slow"] == ("failed", "stopped after hydra.launcher.timeout_min=1")
    told = (place.job("slow") / "console.log").read_text()
    assert told.count("stopped in epoch") == 2
    assert told.count("epoch  1/60") == 1


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The folder with a file for each job that was handed to a stand-in for SLURM."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "jobs").mkdir()
    text = STAND_IN.read_text().replace("/usr/bin/env python", sys.executable, 1)
    for name in ("sbatch", "srun", "squeue", "scancel"):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN", str(tmp_path / "jobs"))
    return tmp_path / "jobs"


@pytest.mark.slow
@with_submitit
@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for SLURM reads /proc")
def test_a_grid_is_one_array_and_a_second_command_takes_up_what_is_in_the_queue(place, slurm):
    words = place.command("submitit_slurm", "model.end=slow,killed", "epochs=8", "hydra.launcher.cpus_per_task=1")
    driver = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    place.wait_for(lambda: place.epochs("slow") >= 1, driver)
    driver.kill()
    driver.wait()
    assert sorted(job.name for job in slurm.iterdir()) == ["100_0", "100_1"]

    again = place.run(words)
    assert again.returncode == 4, again.stderr
    rows = place.rows()
    assert rows["slow"] == ("finished", "")
    assert rows["killed"][1].startswith("killed by SIGKILL")
    assert sum(job.name in ("100_0", "100_1") for job in slurm.iterdir()) == 2
    assert (place.job("slow") / "console.log").read_text().count("epoch 1/8") == 1
    place.cure()
    assert place.run(words).returncode == 0
    assert place.rows()["killed"] == ("finished", "")
    script = next((place.folder / ".submitit").glob("*/100_submission.sh")).read_text()
    assert "#SBATCH --array=0-1%2" in script
    assert "#SBATCH --cpus-per-task=1" in script
    assert "#SBATCH --job-name=cnnrun" in script
