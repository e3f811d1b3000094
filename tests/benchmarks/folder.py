"""A folder of many small pictures: the time of listing and opening it, and the memory that this takes.

`python tests/benchmarks/folder.py [--files 20000]`, about a minute on two cores, most of it making the files. Each line
is a process of its own, in this order: `list` finds the files and their classes; `cold` also decodes all into an empty
cache; `warm` does the same with the cache that is there; `resident` is the whole data set, as training holds it. Memory
is the growth of the resident set after the imports, at its peak; what is mapped from the cache and can be dropped by
the system is counted, too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import machine

SIDE = 64
CLASSES = 10
STEPS = ("list", "cold", "warm", "resident")


def main() -> None:
    arguments = _arguments()
    if arguments.step:
        print(json.dumps(measure(arguments.step, arguments.folder)))
        return
    print(machine())
    print(f"{arguments.files:,} pictures of {SIDE}x{SIDE}\n\n| step | s | MB |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fill(folder / "pictures", arguments.files)
        environment = os.environ | {"CNNRUN_CACHE": str(folder / "cache")}
        for step in STEPS:
            command = [sys.executable, __file__, "--step", step, "--folder", str(folder / "pictures")]
            output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            found = json.loads(output.splitlines()[-1])
            print(f"| {step} | {found['seconds']:.2f} | {found['megabytes']:.0f} |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def fill(folder: Path, count: int) -> None:
    """Write pictures of noise, all different, the same number in each class."""
    import numpy as np
    from PIL import Image

    dice = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"class{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.kron(dice.integers(256, size=(8, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
        Image.fromarray(pixels).save(place / f"{number:06d}.jpg", quality=80)


def measure(step: str, folder: Path) -> dict[str, float]:
    """Seconds and megabytes of one step."""
    import torch  # noqa: F401

    from cnnrun.data.geometry import Geometry
    from cnnrun.data.image_folder import image_folder
    from cnnrun.data.image_listing import list_images
    from cnnrun.data.pixel_store import stored_pixels

    settings = {"manifest": None, "image_size": SIDE, "resize": None, "fit": "crop", "interpolation": None}
    settings |= {"color": "rgb", "draft": False, "test_fraction": 0.2, "val_fraction": 0.1, "split_seed": 0}
    settings |= {"limit": None, "normalize": "standardize", "on_broken": "skip"}
    before, began = resident_set("VmRSS"), time.perf_counter()
    if step == "resident":
        image_folder(lambda *_: None, root=str(folder), **settings)
    else:
        listing = list_images(folder, None)
        if step != "list":
            stored_pixels(listing.root, listing.files, Geometry((SIDE, SIDE), SIDE), lambda *_: None)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "megabytes": max(resident_set("VmHWM"), resident_set("VmRSS")) - before}


def resident_set(entry: str) -> float:
    """Megabytes: VmRSS as it is, VmHWM at its highest; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


if __name__ == "__main__":
    main()
