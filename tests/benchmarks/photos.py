"""Prediction on a folder of photos: one image at a time, as people write it, and `cnnrun predict`, whole processes.

`python tests/benchmarks/photos.py --photos DIR [--copies 10] [--arch resnet18] [--weights FILE]`, about 5 minutes on
two cores for 1,000 photos; without a file the weights are random ones. The plain script opens each photo with PIL,
applies torchvision's Resize(256), CenterCrop(224), ToTensor and Normalize, and calls the network in fp32. Ours writes
its tables and the contact sheet besides. They take turns. `same` counts the photos with the same prediction as the
plain script's, `right` those with that of `--truth labels.csv` (file, class_index).
"""

import argparse
import csv
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import machine, script

OURS = {
    "cnnrun predict": [],
    "cnnrun predict precision=fp32": ["precision=fp32"],
    "cnnrun predict compile=true": ["compile=true"],
}
PLAIN = "one photo at a time, fp32"


def main() -> None:
    arguments = _arguments()
    if arguments.only == "plain":
        print(json.dumps(one_at_a_time(arguments.photos, arguments.arch, arguments.weights)))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        count = copy(arguments.photos, folder / "photos", arguments.copies)
        weights = arguments.weights.resolve() if arguments.weights else random_weights(folder, arguments.arch)
        names = [PLAIN, *(name for name in OURS if not arguments.without_compile or "compile" not in name)]
        turns: dict[str, list[float]] = {name: [] for name in names}
        predictions: dict[str, dict[str, int]] = {}
        for _ in range(arguments.rounds):
            for name in names:
                seconds, predictions[name] = turn(name, folder, arguments.arch, weights)
                turns[name].append(seconds)
                print(f"{name}: {seconds:.1f} s", file=sys.stderr, flush=True)
        _print(turns, predictions, count, truth_of(arguments.truth))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of them")
    parser.add_argument("--copies", type=int, default=1, help="of each photo")
    parser.add_argument("--arch", default="resnet18", help="of torchvision")
    parser.add_argument("--weights", type=Path, help="a state dict of torchvision's; random without it")
    parser.add_argument("--truth", type=Path, help="a CSV with the columns file and class_index")
    parser.add_argument("--rounds", type=int, default=3, help="of turns; the table holds medians")
    parser.add_argument("--without-compile", action="store_true")
    parser.add_argument("--only", choices=["plain"], help="this process measures nothing, it is measured")
    return parser.parse_args()


def copy(photos: Path, folder: Path, copies: int) -> int:
    """Put `copies` of the pictures into a folder each; how many there are."""
    files = [file for file in sorted(photos.iterdir()) if file.suffix.lower() in (".jpg", ".jpeg", ".png")]
    for number in range(copies):
        (folder / f"{number:02}").mkdir(parents=True)
        for file in files:
            shutil.copy(file, folder / f"{number:02}")
    return copies * len(files)


def random_weights(folder: Path, arch: str) -> Path:
    import torch
    from torchvision.models import get_model

    torch.manual_seed(0)
    torch.save(get_model(arch, weights=None).state_dict(), folder / "random.pth")
    return folder / "random.pth"


def turn(name: str, folder: Path, arch: str, weights: Path) -> tuple[float, dict[str, int]]:
    """Seconds of the process, and the predicted class of each photo."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    if name == PLAIN:
        common = ["--only", "plain", "--photos", folder / "photos", "--arch", arch, "--weights", weights]
        command = script("photos.py", *common)
    else:
        words = ["model=backbone", f"model.arch={arch}", f"model.weights={weights}", f"inputs={folder / 'photos'}"]
        command = [sys.executable, "-m", "cnnrun", "predict", *words, f"hydra.run.dir={out}", *OURS[name]]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    seconds = time.perf_counter() - began
    if name == PLAIN:
        return seconds, json.loads(done.stdout)
    with (out / "tables/predictions.csv").open(newline="") as file:
        return seconds, {row["path"]: int(row["index_1"]) for row in csv.DictReader(file)}


def one_at_a_time(photos: Path, arch: str, weights: Path) -> dict[str, int]:
    """The predicted class of each photo, the way of the tutorials."""
    import torch
    from PIL import Image
    from torchvision import transforms
    from torchvision.models import get_model

    model = get_model(arch, weights=None)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()
    transform = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    predictions = {}
    with torch.no_grad():
        for file in sorted(photos.rglob("*.*")):
            outputs = model(transform(Image.open(file).convert("RGB")).unsqueeze(0))
            predictions[file.relative_to(photos).as_posix()] = outputs.argmax(dim=1).item()
    return predictions


def truth_of(file: Path | None) -> dict[str, int]:
    """The class of each photo by its name."""
    if file is None:
        return {}
    with file.open(newline="") as stream:
        return {row["file"]: int(row["class_index"]) for row in csv.DictReader(stream)}


def _print(
    turns: dict[str, list[float]], predictions: dict[str, dict[str, int]], count: int, truth: dict[str, int]
) -> None:
    print("| what | s | photos/s | × | same | right |\n| --- | --- | --- | --- | --- | --- |")
    first = statistics.median(turns[PLAIN])
    for name, seconds in turns.items():
        middle = statistics.median(seconds)
        found = predictions[name]
        same = sum(found[path] == index for path, index in predictions[PLAIN].items())
        right = sum(truth.get(Path(path).name) == index for path, index in found.items()) if truth else ""
        print(f"| {name} | {middle:.1f} | {count / middle:.1f} | {first / middle:.2f} | {same} of {count} | {right} |")


if __name__ == "__main__":
    main()
