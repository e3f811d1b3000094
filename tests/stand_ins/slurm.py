#!/usr/bin/env python
"""A stand-in for SLURM on one machine: sbatch, srun, squeue and scancel, by the name that it is called by.

It starts all jobs of an array at once. Each has a file in $STAND_IN with the number of its process.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

JOBS = Path(os.environ["STAND_IN"])


def sbatch(script):
    """Start the script for each place of its array, in a session of its own, and print the number."""
    number = 100 + len(list(JOBS.iterdir()))
    text = Path(script).read_text()
    array = re.search(r"--array=0-(\d+)", text)
    for place in range(int(array[1]) + 1) if array else [None]:
        name = str(number) if place is None else f"{number}_{place}"
        environment = os.environ | {"SLURM_JOB_ID": f"{number + (place or 0)}", "NAME": name}
        if place is not None:
            environment |= {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(place)}
        process = subprocess.Popen(
            ["bash", script],
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        (JOBS / name).write_text(str(process.pid))
    print(f"Submitted batch job {number}")


def srun(*words):
    """Run what stands behind the options, its output in the files that they name."""
    array, _, place = os.environ["NAME"].partition("_")
    left = list(words)
    while left[0].startswith("--"):
        option = left.pop(0)
        if option in ("--output", "--error"):
            path = left.pop(0)
            for mark, value in {"%A": array, "%a": place, "%j": os.environ["NAME"], "%t": "0"}.items():
                path = path.replace(mark, value)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(descriptor, 1 if option == "--output" else 2)
    os.execvp(left[0], left)


def squeue(*_):
    for file in JOBS.iterdir():
        print(file.name, "RUNNING" if alive(int(file.read_text())) else "COMPLETED")


def scancel(*words):
    """Tell all processes of a job."""
    told = [word for word in words if not word.startswith("--")]
    if "--state=PENDING" not in words:
        for name in told:
            signum = signal.SIGINT if "--signal=INT" in words else signal.SIGKILL
            os.killpg(int((JOBS / name).read_text()), signum)


def alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    globals()[Path(sys.argv[0]).name](*sys.argv[1:])
