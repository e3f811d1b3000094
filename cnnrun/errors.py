"""The errors that a user can cause or meet; each knows its exit code. `cli` prints them without a traceback.

    CnnrunError          1   the run failed
      Diverged           1   the loss became NaN or infinite
      NotWritten         1   a file could not be written: the disk is full, or the folder not ours
      ConfigError        2   wrong usage or config
      DataError          3   bad or missing data
      JobsFailed         4   some jobs of a sweep failed
      Interrupted        128 + signal (130 for Ctrl-C, 143 for terminate)
      ToldElsewhere      that of the error in another process of the same training

Anything else that is raised is a bug of ours and keeps its traceback.
"""

import difflib
import signal
from collections.abc import Iterable


class CnnrunError(Exception):
    """Its message is one or a few short sentences for the user: what was wrong, where, what would be right."""

    exit_code = 1


class Diverged(CnnrunError):
    """Training met a loss that is NaN or infinite."""


class NotWritten(CnnrunError):
    """A file could not be written; what stood there before still stands."""


class ConfigError(CnnrunError):
    """A command line or config that cannot be run."""

    exit_code = 2


class DataError(CnnrunError):
    """Data that is missing, broken or too small."""

    exit_code = 3


class JobsFailed(CnnrunError):
    """A sweep went to its end, but some of its jobs failed."""

    exit_code = 4


class Interrupted(CnnrunError):
    """A signal stopped the run after its state was saved."""

    def __init__(self, message: str, signum: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signum = signum
        self.exit_code = 128 + signum


class ToldElsewhere(CnnrunError):
    """Another process of the same training met an error and tells it."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def near_miss(word: object, options: Iterable[object], prefix: str = "") -> str:
    """` - did you mean 'lr'?`, or nothing where no option is close; all that are as close as the closest.

    Args:
        prefix: what stands before each option where it is written, such as `optimizer.`
    """
    matcher = difflib.SequenceMatcher(b=str(word))
    close: dict[str, float] = {}
    for option in map(str, options):
        matcher.set_seq1(option)
        close[option] = matcher.ratio()
    best = max(close.values(), default=0.0)
    return did_you_mean(prefix + option for option, ratio in close.items() if ratio >= max(best - 0.01, 0.6))


def did_you_mean(names: Iterable[str]) -> str:
    """` - did you mean 'a' or 'b'?`, nothing without names."""
    quoted = [f"'{name}'" for name in names]
    return f" - did you mean {' or '.join(quoted)}?" if quoted else ""
