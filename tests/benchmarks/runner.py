"""What the runner adds to a bare loop with the same tricks: reference 001's CNN on MNIST, both in one process.

`python tests/benchmarks/runner.py --mnist DIR`, about 3 minutes. An epoch of 54,000 images in turn; that of cnnrun has
its progress, metrics, checkpoints and history, and its validation is taken out, which the bare loop has not.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import bare
import networks
import torch
from measuring import compared_arguments, machine, unpacked_mnist
from ours import train

from cnnrun import experiment
from cnnrun.commands.train import _display
from cnnrun.report import outputs_of
from cnnrun.run import Run
from cnnrun.saving import Saving
from cnnrun.training.device import prepare, resolve_device
from cnnrun.training.fit import Fit
from cnnrun.training.records import Epoch, Step

SETTINGS = ["model=reference_001_cnn", "dataset=mnist", "offline=true", "epochs=1"]


def bare_epoch(steps: Any, images: int) -> float:
    began = time.perf_counter()
    while images > 0:
        images -= next(steps)
    return time.perf_counter() - began


def our_epoch(records: Any, saving: Saving, fit: Fit, display: Any) -> float:
    """Seconds of an epoch without its validation, as `cnnrun train` spends them."""
    began = time.perf_counter()
    for record in records:
        if isinstance(record, Step):
            display.step(record)
        if isinstance(record, Epoch):
            saving.epoch(record)
            display.epoch(record)
            validation = record.seconds - fit.train.num_samples / record.samples_per_second
            return time.perf_counter() - began - validation
    raise RuntimeError("the training has ended")


def main() -> None:
    arguments = compared_arguments(__doc__, "mnist", [32, 128]).parse_args()
    print(machine())
    device = resolve_device("cpu")
    with tempfile.TemporaryDirectory() as folder, unpacked_mnist(arguments.root) as plain:
        train(Path(folder, "run"), [*SETTINGS, f"dataset.root={arguments.root}"])
        run = Run.open(Path(folder, "run"))
        run.lock()
        prepare(device, reproducibility="exact", threads=None)
        parts = experiment.from_run(run, run.config, device, "best", lambda *_: None, {})
        bf16 = parts.compute.precision == "bf16"
        model = networks.reference_001(pool_first=True).to(memory_format=torch.channels_last)
        optimizer = bare.optimizer_of("mnist", model, fused=True)
        data = {split: bare.resident("mnist", plain, train=split == "train") for split in ("train", "test")}
        for batch_size in arguments.batch_sizes:
            fit = experiment.prepare_training(run.config | {"epochs": 1000, "batch_size": batch_size}, parts)
            steps = bare.train(model, data["train"], batch_size, optimizer, None, torch.channels_last, bf16)
            records = fit.run(lambda: False)
            saving = Saving(run, fit)
            with _display(fit) as display:
                pairs = [
                    (bare_epoch(steps, fit.train.num_samples), our_epoch(records, saving, fit, display))
                    for _ in range(arguments.rounds + 1)
                ]
            tell(f"training, batch {batch_size}", pairs[1:])
        steps = bare.evaluate(model, data["test"], 2048, torch.channels_last, bf16)
        evaluations = [(bare_epoch(steps, 10_000), our_evaluation(parts)) for _ in range(5 * arguments.rounds + 1)]
        tell("evaluation", evaluations[1:])


def our_evaluation(parts: experiment.Experiment) -> float:
    began = time.perf_counter()
    outputs = outputs_of(parts, [parts.data.test])["test"]
    parts.task.epoch_metrics(outputs, parts.data.test.targets)
    return time.perf_counter() - began


def tell(what: str, pairs: list[tuple[float, float]]) -> None:
    """The median of the turns' ratios, and their range."""
    ratios = sorted(ours / plain for plain, ours in pairs)
    print(f"{what}: {statistics.median(ratios):.3f} times the bare loop ({ratios[0]:.3f} to {ratios[-1]:.3f})")


if __name__ == "__main__":
    main()
