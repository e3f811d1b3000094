"""Transfer to CIFAR-10 with MobileNetV2 at 96x96: the tutorial loop and cnnrun, which keeps what frozen layers compute.

`python tests/benchmarks/transfer.py --cifar10 DIR --weights FILE`, about 8 minutes on two cores; DIR holds
cifar-10-batches-py, FILE a state dict of torchvision's mobilenet_v2, without it weights are random. The tutorial loop
is torchvision's data set with its transforms, a DataLoader, fp32, and a forward of the whole network in each epoch.
Both train on the same number of images and validate after each epoch; a time of 'first' includes reading the data.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import HERE, machine

CASES = {
    "head": ("the head alone", []),
    "top40": ("the last 40 layers", ["model.trainable=top:40", "model.scheme=keras"]),
}
"""What trains, and how cnnrun is told."""
TOP_40 = ("features.12.conv.3", *(f"features.{block}" for block in range(13, 19)), "classifier")
"""The same in the tutorial loop."""
SIDE = 96
VAL_SHARE = 0.1
"""Of the images, as cnnrun parts them."""


def main() -> None:
    arguments = _arguments()
    if arguments.only:
        measure = {"tutorial": tutorial, "ours": ours}[arguments.only]
        print(json.dumps(measure(arguments)))
        return
    print(machine())
    print(f"{arguments.images:,} images, batches of {arguments.batch_size}\n")
    print("| trained | what | tutorial, s | cnnrun, s | ratio |\n| --- | --- | --- | --- | --- |")
    for case in arguments.cases:
        arguments.case = case
        turns = [
            {name: _in_a_process(arguments, name) for name in ("tutorial", "ours")} for _ in range(arguments.rounds)
        ]
        for what, theirs, our in _rows(turns, arguments.epochs):
            print(f"| {CASES[case][0]} | {what} | {theirs:.3g} | {our:.3g} | {theirs / our:.1f} |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", type=Path, default=os.environ.get("CNNRUN_DATA"), help="its folder ($CNNRUN_DATA)")
    parser.add_argument("--weights", default="none", help="a file; none: random")
    parser.add_argument("--toy", action="store_true", help="other images, of which there are always some")
    parser.add_argument("--images", type=int, default=2000, help="to train on and to validate with")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=1, help="of turns; the table holds medians")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--only", choices=["tutorial", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--case", choices=list(CASES), default="head", help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_a_process(arguments: argparse.Namespace, system: str) -> dict[str, list[float]]:
    """Seconds of each epoch, the first with all that comes before it."""
    words = [f"--only={system}", f"--case={arguments.case}", f"--weights={arguments.weights}"]
    words += [f"--cifar10={arguments.cifar10}", f"--images={arguments.images}", f"--epochs={arguments.epochs}"]
    words += ["--toy"] if arguments.toy else []
    command = [sys.executable, str(HERE / "transfer.py"), *words, f"--batch-size={arguments.batch_size}"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    shown = " ".join(f"{seconds:.3g}" for seconds in measured["epochs"])
    print(f"{arguments.case}, {system}: {shown} s", file=sys.stderr, flush=True)
    return measured


def _rows(turns: list[dict[str, dict[str, list[float]]]], epochs: int) -> list[tuple[str, float, float]]:
    """What is compared, with the medians of both."""

    def median(of: object, system: str) -> float:
        return statistics.median(of(turn[system]["epochs"]) for turn in turns)  # type: ignore[operator]

    compared = {
        "the first epoch, with reading and filling": lambda seconds: seconds[0],
        "an epoch after it": lambda seconds: statistics.median(seconds[1:]),
        f"{epochs} epochs": sum,
    }
    return [(what, median(of, "tutorial"), median(of, "ours")) for what, of in compared.items()]


def tutorial(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """The plain loop."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Subset
    from torchvision import datasets, models, transforms

    began = time.perf_counter()
    normalize = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    transform = transforms.Compose([transforms.Resize(SIDE), transforms.ToTensor(), normalize])
    if arguments.toy:
        images = datasets.FakeData(arguments.images, (3, 32, 32), transform=transform)
    else:
        images = datasets.CIFAR10(str(arguments.cifar10), train=True, transform=transform)
    num_val = round(arguments.images * VAL_SHARE)
    train = DataLoader(Subset(images, range(num_val, arguments.images)), arguments.batch_size, shuffle=True)
    val = DataLoader(Subset(images, range(num_val)), arguments.batch_size)

    model = models.mobilenet_v2()
    if arguments.weights != "none":
        model.load_state_dict(torch.load(arguments.weights, weights_only=True), strict=False)
    model.classifier = nn.Linear(model.last_channel, 10)
    trained = TOP_40 if arguments.case == "top40" else ("classifier",)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(trained)
    model.eval()  # batch normalisation keeps its statistics: it is folded in the weights
    optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-3)
    criterion = nn.CrossEntropyLoss()

    seconds = []
    for _ in range(arguments.epochs):
        running_loss, correct = 0.0, 0
        for x, y in train:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        with torch.no_grad():
            for x, y in val:
                correct += (model(x).argmax(dim=1) == y).sum().item()
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
    print(f"tutorial: val accuracy {correct / num_val:.3f}", file=sys.stderr)
    return {"epochs": seconds}


def ours(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """`cnnrun train` with an empty cache: what it says of its epochs, and how long reading the data takes again."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CNNRUN_CACHE"] = f"{temporary}/cache"
        folder = Path(temporary, "run")
        settings = [
            "model=backbone",
            "model.arch=mobilenet_v2",
            f"model.weights={arguments.weights}",
            "model.bn=eval",
            *CASES[arguments.case][1],
            *(["dataset=digits"] if arguments.toy else ["dataset=cifar10", f"dataset.root={arguments.cifar10}"]),
            f"dataset.image_size={SIDE}",
            f"dataset.limit={arguments.images}",
            f"batch_size={arguments.batch_size}",
            f"epochs={arguments.epochs}",
            "offline=true",
            "figures=false",
            f"hydra.run.dir={folder}",
        ]
        subprocess.run([sys.executable, "-m", "cnnrun", "train", *settings], check=True, stdout=sys.stderr)
        with (folder / "history.csv").open() as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        seconds[0] += json.loads((folder / "run.json").read_text())["prefix"]["seconds"] + _loading_seconds(folder)
    return {"epochs": seconds}


def _loading_seconds(folder: Path) -> float:
    from cnnrun import experiment
    from cnnrun.run import Run

    config = Run.open(folder).config
    for _ in range(2):  # the first time imports, which the tutorial loop is not charged for either
        began = time.perf_counter()
        experiment.load_data(config, lambda *_: None)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
