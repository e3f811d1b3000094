"""ResNet-18 for 32x32 images on CIFAR-10 with flip and crop: the tutorial loop, a bare loop and cnnrun in turn.

`python tests/benchmarks/cifar.py --cifar10 DIR`, about 15 minutes on two cores; DIR holds cifar-10-batches-py.
"""

from pathlib import Path

import bare
from measuring import compared_arguments, machine, print_ratios, script, take_turns

SETTINGS = ["model=resnet18_cifar", "optimizer=sgd", "augment=flip_crop", "dataset.limit=2000"]
"""Of ours; a whole epoch of 45,000 images takes minutes on two cores."""


def systems(root: Path, phase: str, batch_size: int, seconds: float) -> dict[str, list[str]]:
    """The command for each system, the tutorial first."""
    common = ["--set", "cifar10", "--root", root, "--phase", phase, "--batch-size", batch_size, "--seconds", seconds]
    rung = bare.like_cnnrun()
    return {
        "tutorial": script("tutorial.py", *common),
        f"bare, {rung}: {bare.RUNGS[rung - 1]}": script("bare.py", *common, "--rung", rung),
        "ours": script("ours.py", *common, "--", *SETTINGS),
    }


def main() -> None:
    arguments = compared_arguments(__doc__, "cifar10", [128]).parse_args()
    print(machine())
    for phase in arguments.phases:
        for batch_size in arguments.batch_sizes:
            commands = systems(arguments.root, phase, batch_size, arguments.seconds)
            print_ratios(f"{phase}, batch {batch_size}", take_turns(commands, arguments.rounds))


if __name__ == "__main__":
    main()
