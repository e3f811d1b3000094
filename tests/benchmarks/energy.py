"""A run of reference 000's network, whole process, against the script that people write for it (plain_energy.py).

Both read the same CSV and train 100 epochs; ours writes all tables and figures besides. They take turns.
Run: python tests/benchmarks/energy.py --csv opsd_germany_daily.csv
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import machine, script


def seconds(command: list[str], folder: str) -> float:
    """Of a whole process, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, required=True, help="opsd_germany_daily.csv")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("settings", nargs="*", help="further ones of cnnrun train")
    arguments = parser.parse_args()
    csv = arguments.csv.resolve()
    print(machine())
    pairs = []
    for _ in range(arguments.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            words = ["experiment=energy_reference", f"dataset.csv={csv}", "hydra.run.dir=run", *arguments.settings]
            plain = seconds(script("plain_energy.py", csv, folder), folder)
            ours = seconds([sys.executable, "-m", "cnnrun", "train", *words], folder)
            pairs.append((plain, ours))
            print(f"plain {plain:.2f} s, ours {ours:.2f} s, {ours / plain:.2f} of it", flush=True)
    ratios = sorted(ours / plain for plain, ours in pairs[1:])  # the first round fills the caches of the disk
    middle = statistics.median(ratios)
    print(f"whole process: {middle:.2f} of the plain script ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
