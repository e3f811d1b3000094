"""Reference 001's CNN on MNIST: the tutorial loop, a bare loop, cnnrun and, where there is one, Keras, in turn.

`python tests/benchmarks/mnist.py --mnist DIR [--keras-python VENV/bin/python] [--ladder]`, about 10 minutes; DIR holds
the four files, packed or not. Prints images/s and ratios for each phase and batch size.
"""

from pathlib import Path

import bare
from measuring import compared_arguments, machine, print_ratios, script, take_turns, unpacked_mnist

SETTINGS = ["model=reference_001_cnn", "dataset.limit=20000"]
"""Of ours: short epochs, so that more than the first one is measured; the reported speed leaves out validation."""


def systems(
    root: Path, plain: Path, phase: str, batch_size: int, seconds: float, *, keras: str | None, ladder: bool
) -> dict[str, list[str]]:
    """The command for each system, the tutorial first; `plain` is the unpacked copy of `root`."""
    common = ["--phase", phase, "--batch-size", batch_size, "--seconds", seconds]
    commands = {"tutorial": script("tutorial.py", "--root", plain, *common)}
    if ladder:
        commands["tutorial, 2 loader workers"] = script("tutorial.py", "--root", plain, *common, "--workers", 2)
    for rung, trick in enumerate(bare.RUNGS, start=1):
        if ladder or rung == bare.like_cnnrun():
            commands[f"bare, {rung}: {trick}"] = script("bare.py", "--root", plain, *common, "--rung", rung)
    commands["ours"] = script("ours.py", "--root", root, *common, "--", *SETTINGS)
    for policy in ("float32", "mixed_bfloat16") if keras else ():
        commands[f"Keras {policy}"] = script(
            "keras_mnist.py", "--root", plain, *common, "--policy", policy, python=keras
        )
    return commands


def main() -> None:
    parser = compared_arguments(__doc__, "mnist", [32, 128])
    parser.add_argument("--keras-python", help="interpreter of a venv with tensorflow-cpu and keras")
    parser.add_argument("--ladder", action="store_true", help="add each trick of the bare loop by itself")
    arguments = parser.parse_args()
    print(machine())
    with unpacked_mnist(arguments.root) as plain:
        for phase in arguments.phases:
            for batch_size in arguments.batch_sizes:
                commands = systems(
                    arguments.root,
                    plain,
                    phase,
                    batch_size,
                    arguments.seconds,
                    keras=arguments.keras_python,
                    ladder=arguments.ladder,
                )
                print_ratios(f"{phase}, batch {batch_size}", take_turns(commands, arguments.rounds))


if __name__ == "__main__":
    main()
