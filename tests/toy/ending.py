"""A `train` for the processes of a sweep: it ends as ends.json says, and leaves a line in calls.txt, without torch."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from cnnrun.errors import DataError
from cnnrun.run import Run
from cnnrun.signals import Signals
from cnnrun.tables import HISTORY, RESULTS


def train(config, invocation):
    """By seed: raise | wrong data | exit | vanish | kill | segfault | hang | deaf | wait | ...; all else ends well."""
    seed = config["seed"]
    with open("calls.txt", "a") as file:
        file.write(f"{seed} {os.getpid()}\n")
    end = json.loads(Path("ends.json").read_text()).get(str(seed)) if Path("ends.json").exists() else None
    if end == "wrong data":
        raise DataError("data/ has no digits")
    if config["resume"]:
        run = Run.open(Path(config["resume"]))
        run.lock()
    else:
        run = Run.create(invocation.output_dir, config, command="train", overrides=invocation.overrides, choices={})
    with run.recorded(), Signals() as signals:
        print(f"seed {seed} works, {os.environ.get('CUDA_VISIBLE_DEVICES')}, {os.environ.get('OMP_NUM_THREADS')}")
        run.update(status="running", monitor="val/accuracy", higher_is_better=True)
        {"exit": lambda: sys.exit(3), "raise": lambda: 1 / 0, "vanish": lambda: os._exit(3)}.get(end, lambda: None)()
        if end in ("kill", "segfault"):
            os.kill(os.getpid(), {"kill": signal.SIGKILL, "segfault": signal.SIGSEGV}[end])
        if end == "stopped by somebody":
            os.kill(os.getpid(), signal.SIGTERM)
        if end == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while end in ("hang", "deaf", "wait"):
            time.sleep(0.02)
            if signals() or (end == "wait" and Path("go").exists()):
                break
        if signals():
            run.write_rows(HISTORY, [{"epoch": 1, "val/accuracy": 0.5}])
            run.checkpoint("last").mkdir(parents=True, exist_ok=True)
            raise signals.interrupted()
        accuracy = 0.5 + seed / 100
        run.write_rows(RESULTS, [{"split": "test", "metric": "accuracy", "value": accuracy}])
        run.update(status="finished", seconds=0.1, best_value=accuracy)
    if end == "die at the end":
        os.kill(os.getpid(), signal.SIGSEGV)
