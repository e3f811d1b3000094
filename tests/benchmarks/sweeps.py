"""What a sweep costs, what it saves, and what it loses when it is killed.

    python tests/benchmarks/sweeps.py overhead                 # end of one job to the first step of the next, digits
    python tests/benchmarks/sweeps.py eight --opsd CSV         # eight learning rates against eight commands
    python tests/benchmarks/sweeps.py threads --mnist DIR      # two jobs of one thread, or one of two after the other
    python tests/benchmarks/sweeps.py kills                    # SIGKILL of the sweep at 20 random moments, digits

Everything is written into a temporary folder. About 1, 5, 6 and 10 minutes on two cores.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from measuring import machine

EARLY = 0.2
"""Share of the kills that come at any moment, before the first job, too; the others wait for one."""
RATES = "0.0001,0.0003,0.001,0.003,0.01,0.03,0.1,0.3"


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "cnnrun", "train", *map(str, words)]


def run(folder: Path, *words: object) -> float:
    """Seconds of a whole command."""
    began = time.perf_counter()
    subprocess.run(command(*words), cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def overhead(folder: Path, jobs: int) -> None:
    """The first job waits for imports; each other one starts when its predecessor has ended."""
    run(folder, "-m", f"seed=range({jobs})", "epochs=1", "figures=false", "hydra.launcher.jobs=1", "sweep=x")
    jobs_by_start = sorted(folder.glob("outputs/sweeps/x/*/config.yaml"), key=written)
    gaps = [written(later) - written(former.with_name("run.json")) for former, later in pairwise(jobs_by_start)]
    print(
        f"end of a job to the first step of the next: median {statistics.median(gaps):.2f} s "
        f"({min(gaps):.2f} to {max(gaps):.2f}, {len(gaps)} jobs)"
    )


def written(file: Path) -> float:
    return file.stat().st_mtime


def eight(folder: Path, opsd: Path) -> None:
    shared = ["experiment=energy_reference", f"dataset.csv={opsd.resolve()}"]
    for figures in ("true", "false"):
        words = [*shared, f"figures={figures}"]
        swept = run(folder, "-m", *words, f"optimizer.lr={RATES}", f"sweep=figures-{figures}")
        alone = sum(run(folder, *words, f"optimizer.lr={rate}") for rate in RATES.split(","))
        print(f"figures={figures}: sweep {swept:.1f} s, eight commands {alone:.1f} s, ratio {swept / alone:.2f}")


def threads(folder: Path, mnist: Path, rounds: int) -> None:
    """Images a second of both jobs, in the epoch after the first, validation not included."""
    shared = ["model=reference_001_cnn", "dataset=mnist", f"dataset.root={mnist.resolve()}", "offline=true"]
    shared += ["epochs=2", "figures=false", "test=false", "seed=0,1"]
    for batch_size in (32, 128):
        found: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(rounds):
            for jobs, speeds in found.items():
                name = f"{batch_size}-{jobs}-{turn}"
                run(folder, "-m", *shared, f"batch_size={batch_size}", f"hydra.launcher.jobs={jobs}", f"sweep={name}")
                each = [last_speed(file) for file in folder.glob(f"outputs/sweeps/{name}/*/history.csv")]
                speeds.append(statistics.mean(each) * jobs)
        after, together = (statistics.median(speeds) for speeds in found.values())
        print(
            f"batch {batch_size}: one after the other {after:,.0f} images/s, two at a time {together:,.0f}, "
            f"ratio {together / after:.2f}"
        )


def last_speed(history: Path) -> float:
    return float(table(history)[-1]["samples_per_second"])


def table(file: Path) -> list[dict[str, str]]:
    with open(file, newline="") as stream:
        return list(csv.DictReader(stream))


def kills(folder: Path, times: int, jobs: int, seconds: float) -> None:
    """Kill the sweep again and again, then let it end, and hold it against one that nobody killed."""
    words = ["-m", f"seed=range({jobs})", "epochs=6", "figures=false", "hydra.launcher.jobs=2"]
    calm, killed = folder / "outputs/sweeps/calm", folder / "outputs/sweeps/killed"
    run(folder, *words, "sweep=calm")
    moments = random.Random(0)
    done: dict[str, int] = {}
    again, unreadable, count = set[str](), set[str](), 0
    for number in range(times):
        process = subprocess.Popen(
            command(*words, "sweep=killed"), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if moments.random() > EARLY:
            wait_for_a_job(killed, process)
        try:
            process.wait(moments.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            count += 1
        unreadable |= set(damaged(killed))
        done, again = finished(killed), again | rewritten(done, killed)
        print(f"kill {number + 1}: {len(done)} of {jobs} jobs have finished", file=sys.stderr, flush=True)
    run(folder, *words, "sweep=killed")
    again |= rewritten(done, killed)
    unreadable |= set(damaged(killed))
    lost = jobs - len(finished(killed))
    differ = [job.name for job in sorted(calm.glob("seed=*")) if numbers(job) != numbers(killed / job.name)]
    print(
        f"{count} kills, {jobs} jobs: {lost} lost, {len(again)} finished ones run again, {len(unreadable)} unreadable "
        f"files, {len(differ)} with other numbers than without a kill (two writers, or a lost state)"
    )


def wait_for_a_job(sweep: Path, process: "subprocess.Popen[bytes]") -> None:
    """Until one writes something, or all is done."""
    began = time.time()
    while process.poll() is None and not any(written(file) > began for file in sweep.glob("*/console.log")):
        time.sleep(0.01)


def finished(sweep: Path) -> dict[str, int]:
    """The jobs that have finished, with the time at which their records were written."""
    records = sweep.glob("*/run.json")
    return {file.parent.name: file.stat().st_mtime_ns for file in records if status(file) == "finished"}


def rewritten(before: dict[str, int], sweep: Path) -> set[str]:
    now = finished(sweep)
    return {name for name, moment in before.items() if now.get(name) != moment}


def status(record: Path) -> Any:
    return json.loads(record.read_text())["status"]


def damaged(sweep: Path) -> list[str]:
    """Files that cannot be read, with the error."""
    readers = {".json": lambda file: json.loads(file.read_text()), ".csv": table}
    readers[".yaml"] = lambda file: yaml.safe_load(file.read_text())["seed"]
    found = []
    for file in (Path(place, name) for place, _, names in os.walk(sweep) for name in names):  # jobs may still end
        if file.name[0] != "." and ".tmp" not in str(file) and (reader := readers.get(file.suffix)):
            try:
                reader(file)
            except FileNotFoundError:
                continue  # its job, which still ends, has just replaced the folder around it
            except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
                found.append(f"{file}: {error}")
    return found


def numbers(job: Path) -> Any:
    """History and results without what depends on the clock."""
    timed = ("seconds", "samples_per_second")
    history = [{key: value for key, value in row.items() if key not in timed} for row in table(job / "history.csv")]
    return history, table(job / "results.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["overhead", "eight", "threads", "kills"])
    parser.add_argument("--opsd", type=Path, help="the CSV of Open Power System Data, for eight")
    parser.add_argument("--mnist", type=Path, help="its folder, for threads")
    parser.add_argument("--rounds", type=int, default=3, help="of turns, for threads")
    parser.add_argument("--jobs", type=int, help="12 for overhead, 80 for kills")
    parser.add_argument("--times", type=int, default=20, help="for kills")
    parser.add_argument("--seconds", type=float, default=3.0, help="the latest moment of a kill")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        match arguments.what:
            case "overhead":
                overhead(folder, arguments.jobs or 12)
            case "eight":
                eight(folder, arguments.opsd)
            case "threads":
                threads(folder, arguments.mnist, arguments.rounds)
            case "kills":
                kills(folder, arguments.times, arguments.jobs or 80, arguments.seconds)


if __name__ == "__main__":
    main()
