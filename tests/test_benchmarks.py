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
