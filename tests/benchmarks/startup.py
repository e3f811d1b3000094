"""CPU time of what must feel instant, against the bare interpreter. Run: python tests/benchmarks/startup.py"""

import resource
import subprocess
import sys

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "cnnrun --help": ["-m", "cnnrun", "--help"],
    "cnnrun train --help": ["-m", "cnnrun", "train", "--help"],
    "cnnrun train --cfg job": ["-m", "cnnrun", "train", "--cfg", "job"],
    "cnnrun __complete": ["-m", "cnnrun", "__complete", "cnnrun train model=r"],
}
LIMITS = {"cnnrun --help": 0.1, "cnnrun train --help": 0.1, "cnnrun train --cfg job": 0.4}
"""Seconds beyond the interpreter."""
REPEATS = 25


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Take turns, and the least of each: what else the machine does can only add."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, arguments in COMMANDS.items():
            seconds[name].append(cpu_seconds(arguments))
    bare = min(seconds["python -c pass"])
    print(f"{'command':<24}{'CPU s':>8}{'beyond':>8}{'ratio':>7}  limit")
    for name, measured in seconds.items():
        least = min(measured)
        limit = f"{LIMITS[name]:.1f} s" if name in LIMITS else ""
        print(f"{name:<24}{least:>8.3f}{least - bare:>8.3f}{least / bare:>6.1f}×  {limit}")


if __name__ == "__main__":
    main()
