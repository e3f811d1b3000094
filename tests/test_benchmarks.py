"""The benchmarks run, at toy size; their numbers mean nothing here. `pytest -m slow tests/test_benchmarks.py`"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.mark.slow
def test_the_gpu_benchmark_prints_its_table(tmp_path):
    words = ["--device", "cpu", "--toy", "--seconds", "0.5", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "gpu.py", *words], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert rows[0] == "| training | images/s | × tutorial | GPU waits | memory |"
    assert re.fullmatch(r"\| tutorial loop \| [\d,]+ \| 1\.00 \|  \|  \|", rows[2])
    assert re.fullmatch(r"\| cnnrun, exact \| [\d,]+ \| \d+\.\d\d \|  \|  \|", rows[3])
    assert len(rows) == 4
    assert not list(tmp_path.iterdir())


def run_benchmark(folder, name, *words):
    """What it prints."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / name, *words], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_checks_of_forecasts_print_their_tables(tmp_path):
    lines = run_benchmark(tmp_path, "forecast_checks.py", "--pairs", "2", "--noise", "1").splitlines()
    assert lines[0] == "| windows | horizon | errors | told apart at 5 % | 95 % interval holds the MAE |"
    assert len([line for line in lines if re.match(r"\| [\d,]+ \| \d+ \| (white|autocorrelated) \|", line)]) == 8
    assert [line.split()[1] for line in lines[-4:]] == ["none", "zscore", "hampel", "reference"]


@pytest.mark.slow
def test_a_whole_forecast_is_compared_with_a_plain_script(tmp_path):
    import pandas as pd

    from cnnrun.data.energy_demo import energy_demo

    demo = energy_demo()[["Date", "Consumption"]]
    demo.assign(Date=pd.date_range("2012-01-01", periods=len(demo))).to_csv(tmp_path / "demo.csv", index=False)
    output = run_benchmark(tmp_path, "energy.py", "--csv", "demo.csv", "--rounds", "1")
    assert re.search(r"whole process: \d\.\d\d of the plain script", output)


@pytest.mark.slow
def test_prediction_on_photos_is_compared_with_one_at_a_time(tmp_path):
    from PIL import Image

    (tmp_path / "few").mkdir()
    for number in range(3):
        Image.effect_noise((50 + number, 40), 60).convert("RGB").save(tmp_path / f"few/{number}.jpg")
    words = ["--photos", "few", "--arch", "squeezenet1_1", "--rounds", "1", "--without-compile"]
    rows = run_benchmark(tmp_path, "photos.py", *words).splitlines()[-3:]
    assert re.fullmatch(r"\| one photo at a time, fp32 \| [\d.]+ \| [\d.]+ \| 1\.00 \| 3 of 3 \|  \|", rows[0])
    assert re.fullmatch(r"\| cnnrun predict precision=fp32 \| [\d.]+ \| [\d.]+ \| [\d.]+ \| 3 of 3 \|  \|", rows[2])


@pytest.mark.slow
def test_transfer_is_compared_with_the_tutorial_loop(tmp_path):
    lines = run_benchmark(tmp_path, "transfer.py", "--toy", "--images", "60", "--epochs", "2").splitlines()
    rows = [re.fullmatch(r"\| (.*) \| (.*) \| \S+ \| \S+ \| \d+\.\d \|", line) for line in lines[-6:]]
    assert [row[1] for row in rows] == ["the head alone"] * 3 + ["the last 40 layers"] * 3
    assert [row[2] for row in rows][:3] == [
        "the first epoch, with reading and filling",
        "an epoch after it",
        "2 epochs",
    ]


@pytest.mark.slow
def test_a_folder_is_listed_and_opened_cold_and_warm(tmp_path):
    rows = run_benchmark(tmp_path, "folder.py", "--files", "60").splitlines()[-4:]
    steps = [re.fullmatch(r"\| (\w+) \| \d+\.\d\d \| \d+ \|", row) for row in rows]
    assert [step[1] for step in steps] == ["list", "cold", "warm", "resident"]


@pytest.mark.slow
def test_the_comparison_of_many_runs_is_measured(tmp_path):
    rows = run_benchmark(tmp_path, "compare.py", "--runs", "40").splitlines()
    assert rows[0] == "| 40 runs | seconds | CPU seconds | MB |"
    measured = [re.fullmatch(r"\| (.+) \| \d+\.\d \| \d+\.\d \| \d+ \|", row) for row in rows[2:7]]
    assert [row and row[1] for row in measured] == [
        "table",
        "pivot, all formats",
        "reference table",
        "with figures",
        "pivot, HTML, figures",
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_cost_and_the_losses_of_sweeps_are_measured(tmp_path):
    line = run_benchmark(tmp_path, "sweeps.py", "overhead", "--jobs", "3").splitlines()[-1]
    assert re.search(r"median \d+\.\d\d s \(\d+\.\d\d to \d+\.\d\d, 2 jobs\)", line)
    words = ["kills", "--times", "1", "--jobs", "3", "--seconds", "2"]
    line = run_benchmark(tmp_path, "sweeps.py", *words).splitlines()[-1]
    assert re.match(r"[01] kills, 3 jobs: 0 lost, 0 finished ones run again, 0 unreadable files, 0 with other", line)
    assert not list(tmp_path.iterdir())
