"""cnnrun itself: training throughput as `cnnrun train` reports it, evaluation throughput as `cnnrun eval` has it.

One measurement, in images/s:
`python tests/benchmarks/ours.py --set mnist --root DIR --batch-size 128 --phase train -- model=reference_001_cnn`;
what follows the dashes goes to `cnnrun train`, which trains for `--seconds` and a warm-up before it is measured.
"""

import csv
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measuring import WARM_UP, images_per_second, print_measured, timed_arguments

TRAINED_SECONDS = 2
"""Before an evaluation is measured: the speed does not depend on what the network has learned."""


def train(folder: Path, settings: list[str]) -> None:
    """Run `cnnrun train` into the folder."""
    command = [sys.executable, "-m", "cnnrun", "train", *settings, f"hydra.run.dir={folder}", "figures=false"]
    subprocess.run(command, check=True, stdout=sys.stderr)


def reported(folder: Path) -> float:
    """Samples a second, the median of the epochs; the first one, which warms up, counts only if it is alone."""
    with (folder / "history.csv").open() as file:
        speeds = [float(row["samples_per_second"]) for row in csv.DictReader(file)]
    return statistics.median(speeds[1:] or speeds)


def evaluations(folder: Path) -> Iterator[int]:
    """Evaluate the run on its test split without end, as `cnnrun eval` does; yields the number of images each time."""
    from cnnrun import experiment
    from cnnrun.report import outputs_of
    from cnnrun.run import Run
    from cnnrun.training.device import prepare, resolve_device

    run = Run.open(folder)
    config = run.config
    device = resolve_device(config["device"])
    prepare(device, reproducibility=config["reproducibility"], threads=config["threads"])
    parts = experiment.from_run(run, config, device, "best", lambda *_: None, {})
    while True:
        outputs = outputs_of(parts, [parts.data.test])["test"]
        parts.task.epoch_metrics(outputs, parts.data.test.targets)
        yield len(outputs)


def main() -> None:
    parser = timed_arguments(__doc__)
    parser.add_argument("settings", nargs="*", help="of cnnrun train")
    arguments = parser.parse_args()
    settings = [
        f"dataset={arguments.set}",
        f"dataset.root={arguments.root}",
        f"batch_size={arguments.batch_size}",
        "offline=true",
        "epochs=1000",
        f"max_seconds={arguments.seconds + WARM_UP if arguments.phase == 'train' else TRAINED_SECONDS}",
        *arguments.settings,
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "run")
        train(folder, settings)
        if arguments.phase == "train":
            print_measured(reported(folder))
        else:
            print_measured(images_per_second(evaluations(folder), arguments.seconds))


if __name__ == "__main__":
    main()
