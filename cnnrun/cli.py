"""The `cnnrun` program: command names, flags, help and exit codes. Imports nothing heavy."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cnnrun import __version__
from cnnrun.errors import CnnrunError, ConfigError, Diverged, Interrupted, ToldElsewhere, near_miss

if TYPE_CHECKING:
    from cnnrun.config import Request
    from cnnrun.config.compose import Job

INTERRUPTED = 130
UNTIL_TOLD = 15.0
"""Seconds: torchrun ends all processes once one has ended, and the one that is to tell may be slower."""


@dataclass(frozen=True)
class Command:
    """One command: where its function is, and what its help says."""

    function: str
    summary: str
    examples: tuple[str, ...]


COMMANDS = {
    "train": Command(
        "cnnrun.commands.train:train",
        "Train a model, evaluate it, and write a folder with its tables, figures and checkpoints.",
        (
            "cnnrun train",
            "cnnrun train model=resnet dataset=mnist optimizer.lr=0.01",
            "cnnrun train -m model=mlp,cnn optimizer.lr=0.1,0.01 seed=0,1,2",
            "cnnrun train resume=outputs/train/...",
        ),
    ),
    "eval": Command(
        "cnnrun.commands.eval:evaluate",
        "Evaluate a finished run on one of its splits, into a folder of its own.",
        ("cnnrun eval run=outputs/train/... split=test",),
    ),
    "predict": Command(
        "cnnrun.commands.predict:predict",
        "Say what photos show, with a run of yours or pretrained weights; or forecast what follows the end of a CSV.",
        (
            "cnnrun predict run=outputs/train/... inputs=photos/",
            "cnnrun predict model=backbone model.arch=mobilenet_v2 model.weights=imagenet inputs=photos/",
            "cnnrun predict resume=outputs/predict/...",
            "cnnrun predict run=outputs/train/... inputs=new.csv",
        ),
    ),
    "compare": Command(
        "cnnrun.commands.compare:compare",
        "Put runs into one table: what differs, means over seeds with their intervals, and which is the best.",
        (
            "cnnrun compare runs=outputs/sweeps/...",
            "cnnrun compare runs=outputs rows=model cols=optimizer.lr format=[md,tex]",
        ),
    ),
}
COMPLETION = "completion"
COMPLETE = "__complete"
"""What the scripts of `cnnrun completion` ask."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code. An error that is a bug of ours is raised."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(words)
    except CnnrunError as error:
        code = error.exit_code
        if _is_told_elsewhere(error):
            with suppress(KeyboardInterrupt):
                time.sleep(0 if isinstance(error, Interrupted) else UNTIL_TOLD)
        else:
            kind = "" if isinstance(error, Interrupted) else "error: "
            _tell(f"{_program(words)}: {kind}{error}")
    except KeyboardInterrupt:
        code = INTERRUPTED
        _tell(f"{_program(words)}: interrupted")
    except BrokenPipeError:
        code = CnnrunError.exit_code
    return _flush(code, _program(words))


def _tell(line: str) -> None:
    with suppress(OSError):
        print(line, file=sys.stderr)


def _flush(code: int, program: str) -> int:
    """Write out what is left; the exit code tells where that fails, unless the reader has gone, as with `| head`."""
    for stream in filter(None, (sys.stderr, sys.stdout)):  # with >&- there is none
        try:
            stream.flush()
        except OSError as error:
            # What is left is thrown away: Python would try again as it ends, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                _tell(f"{program}: error: could not write to the standard output: {error.strerror}")
                code = code or CnnrunError.exit_code
    return code


def _is_told_elsewhere(error: CnnrunError) -> bool:
    """Whether another process that torchrun started says the same: these they all meet, and the first one tells."""
    alike = isinstance(error, ConfigError | Diverged | Interrupted) and os.environ.get("LOCAL_RANK", "0") != "0"
    return alike or isinstance(error, ToldElsewhere)


def _program(words: list[str]) -> str:
    return f"cnnrun {words[0]}" if words and words[0] in COMMANDS else "cnnrun"


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        from cnnrun import usage

        print(usage.program(COMMANDS), end="")
        return 0 if words else ConfigError.exit_code
    first, rest = words[0], words[1:]
    if first in ("-V", "--version"):
        print(f"cnnrun {__version__}")
        return 0
    if first in (COMPLETION, COMPLETE):
        _complete(first, rest)
        return 0
    if first not in COMMANDS:
        raise ConfigError(_no_such_command(first))
    return _run(first, rest)


def _complete(command: str, words: list[str]) -> None:
    from cnnrun import completion, usage

    if command == COMPLETE:
        print(*completion.candidates(" ".join(words), COMMANDS, _flag_names()), sep="\n")
    elif {"-h", "--help"} & set(words):
        print(usage.completion({shell: script.splitlines()[0] for shell, script in completion.SCRIPTS.items()}), end="")
    else:
        print(completion.script(words), end="")


def _no_such_command(word: str) -> str:
    if "=" in word:
        return f"'{word}' needs a command before it, for example: cnnrun train {word}"
    kind = "flag" if word.startswith("-") else "command"
    known = ["--help", "--version"] if kind == "flag" else [*COMMANDS, COMPLETION]
    return f"unknown {kind} '{word}'{near_miss(word, known)} (there are {', '.join(known)})"


def _run(command: str, words: list[str]) -> int:
    from cnnrun.config import Request, options, overrides

    flags = _parse(command, words)
    places = options.folders(flags.config_dir)
    if flags.help:
        from cnnrun import usage

        print(usage.command(command, COMMANDS[command], places), end="")
        return 0
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and (command != "train" or flags.multirun):
        what = f"{command} -m" if flags.multirun else command
        raise ConfigError(f"torchrun is for one 'cnnrun train'; start 'cnnrun {what}' without it")
    if command == "compare" and flags.multirun:
        raise ConfigError("cnnrun compare makes one table of all runs: leave out -m")
    offered, names = options.offered(command, places), options.names(command, places)
    settings = overrides.prepare(flags.overrides, offered, names, multirun=flags.multirun)
    request = Request(command, COMMANDS[command].function, settings, flags.config_dir)
    if flags.cfg:
        _show_config(request, flags)
        return 0
    _let_threads_wait_briefly()
    if flags.multirun or _goes_on_with_a_sweep(request):
        _sweep(request)
    else:
        _run_one(request)
    return 0


def _let_threads_wait_briefly() -> None:
    """Let OpenMP's threads spin less long while they wait for each other, before they sleep.

    It reads this once, when torch is imported; what the user says of it stands. By default GNU's spins so long that on
    a machine where something else runs too the threads keep each other from working. The small MNIST CNN at batch 32,
    two threads, ms a step on idle cores | on busy ones: default 12 | 64-580, this 11 | 50-65, no spinning 17 | 26-40.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def _show_config(request: "Request", flags: argparse.Namespace) -> None:
    if flags.multirun:
        raise ConfigError("--cfg job shows the settings of one run: leave out -m")
    from cnnrun.config import compose

    print(compose.as_yaml(_compose(request).config), end="")


def _run_one(request: "Request") -> None:
    from cnnrun.config import check, overrides
    from cnnrun.config.callables import load
    from cnnrun.run import Run

    overrides.refuse_launcher(request.overrides)
    job = _compose(request)
    overrides.refuse_folder_of_a_sweep(request.overrides)
    check(request.command, job.config)
    if job.config.get("resume") is None:
        Run.require_new(job.invocation.output_dir)
    load(request.function)(job.config, job.invocation)


def _compose(request: "Request") -> "Job":
    from cnnrun.config import compose, overrides

    goes_on = compose.takes(request, "resume") and overrides.value_of("resume", request.overrides) is not None
    return compose.resumed(request) if goes_on else compose.one(request)


def _goes_on_with_a_sweep(request: "Request") -> bool:
    from cnnrun.config import overrides

    folder = overrides.value_of("resume", request.overrides)
    if folder is None:
        return False
    from cnnrun.sweeps.plan import is_sweep

    return is_sweep(Path(folder))


def _sweep(request: "Request") -> None:
    from cnnrun.sweeps.sweep import run

    run(request)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-c", "--cfg", choices=["job"])
    parser.add_argument("--config-dir", type=Path)
    return parser


def _flag_names() -> list[str]:
    return [name for action in _parser()._actions for name in action.option_strings]


def _parse(command: str, words: list[str]) -> argparse.Namespace:
    """Tell flags from settings, in any order.

    Raises:
        ConfigError: for a flag that does not exist.
    """
    from cnnrun.config import options

    flags, unknown = _parser().parse_known_intermixed_args(words)
    if unknown:
        key, _, value = unknown[0].lstrip("-").partition("=")
        if key.partition(".")[0] in options.names(command, options.folders()):
            raise ConfigError(f"'{unknown[0]}': settings have no dashes, write {key}={value or '...'}")
        known = _flag_names()
        raise ConfigError(f"unknown flag '{unknown[0]}'{near_miss(unknown[0], known)} (there are {', '.join(known)})")
    return flags
