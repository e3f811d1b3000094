"""Time and memory of `cnnrun compare` over many runs: copies of one real run, with other settings and results.

Run: python tests/benchmarks/compare.py [--runs 1000]. It trains one small network, copies what a run leaves (without
its checkpoints), and measures the whole command in a process of its own.
"""

import argparse
import csv
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

QUICK = ["model=mlp", "dataset.limit=200", "epochs=10", "figures=false", "threads=1", "hydra.run.dir=real"]
ASKED = {
    "table": ["figures=false"],
    "pivot, all formats": ["rows=model", "cols=optimizer.lr", "format=[csv,md,tex,html]", "figures=false"],
    "reference table": ["columns=reference", "figures=false"],
    "with figures": [],
    "pivot, HTML, figures": ["rows=model", "cols=optimizer.lr", "format=html"],
}
LIMITS = 10, 500
"""Seconds and MB, without figures and with."""


def copies(real: Path, number: int, folder: Path) -> None:
    """Runs of 4 models x rates x batch sizes, five seeds each."""
    config, record = yaml.safe_load((real / "config.yaml").read_text()), json.loads((real / "run.json").read_text())
    rows, noise = list(csv.DictReader((real / "results.csv").open())), random.Random(0)
    for place in range(number):
        seed, rest = place % 5, place // 5
        model, lr, batch = f"mlp_{rest % 4}", (0.1, 0.03, 0.01, 0.003, 0.001)[rest // 4 % 5], 8 * 2 ** (rest // 20)
        here = folder / f"model={model},optimizer.lr={lr},batch_size={batch},seed={seed}"
        (here / "tables").mkdir(parents=True)
        for name in ("history.csv", "preprocessing.json", "run.log"):
            shutil.copy(real / name, here)
        words = [f"model={model}", f"optimizer.lr={lr}", f"batch_size={batch}", f"seed={seed}"]
        changed = config | {"seed": seed, "batch_size": batch, "optimizer": config["optimizer"] | {"lr": lr}}
        (here / "config.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
        told = {"seed": seed, "choices": record["choices"] | {"model": model}, "overrides": words}
        (here / "run.json").write_text(json.dumps(record | told, indent=1))
        with (here / "results.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            shift = noise.gauss(-0.01 * (rest % 20), 0.01)
            writer.writerows(row | {"value": float(row["value"]) + shift} for row in rows)


def measured(words: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of the whole command, and MB of memory at its peak."""
    code = (
        "import resource, sys; from cnnrun.cli import main; code = main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 'torch' in sys.modules, file=sys.stderr);"
        "sys.exit(code)"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", *words], cwd=folder, capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - began
    kilobytes, torch = done.stderr.split()[-2:]
    assert torch == "False", "the command imported torch"
    return seconds, int(kilobytes) / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    number = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "cnnrun", "train", *QUICK], cwd=folder, check=True, capture_output=True)
        copies(folder / "real", number, folder / "runs")
        print(f"| {number:,} runs | seconds | CPU seconds | MB |\n| --- | --- | --- | --- |")
        for what, words in ASKED.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds, megabytes = measured(["runs=runs", *words], folder)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"| {what} | {seconds:.1f} | {cpu:.1f} | {megabytes:.0f} |", flush=True)
        print(f"\nto hold: {LIMITS[0]} s, {LIMITS[1]} MB")


if __name__ == "__main__":
    main()
