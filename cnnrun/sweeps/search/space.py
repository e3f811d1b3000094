"""What a search may choose from: ranges and choices as Hydra writes them, as Optuna's distributions, and back."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep

from cnnrun.config import overrides
from cnnrun.errors import ConfigError, near_miss
from cnnrun.sweeps.grid import values
from cnnrun.sweeps.names import job_name

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.trial import Trial

LOG = "log"
"""The tag of a range in which each factor is as likely as any other."""
STEPS = 4
"""Numbers are rounded to 10**-STEPS of their range, or to so many significant digits where it is logarithmic."""


@dataclass(frozen=True)
class Space:
    """The settings of a search, each with its distribution; the order in which they were typed has no say."""

    distributions: dict[str, "BaseDistribution"]

    @classmethod
    def of(cls, words: Sequence[Override]) -> "Space":
        """Of the words that give a range or several values.

        Raises:
            ConfigError: if there is none, or one that makes no sense.
        """
        searched = sorted((word for word in words if word.is_sweep_override()), key=lambda word: word.key_or_group)
        if not searched:
            raise ConfigError(
                "hydra/sweeper=optuna: nothing to search; give settings a range or several values, "
                "as optimizer.lr='tag(log,interval(0.0001,0.1))' model=mlp,cnn"
            )
        return cls({word.key_or_group: _distribution(word) for word in searched})

    def suggest(self, trial: "Trial") -> dict[str, Any]:
        """A point, as the study's sampler proposes it; what the trial has already stands."""
        return {key: _suggested(trial, key, distribution) for key, distribution in self.distributions.items()}

    def settings(self, params: Mapping[str, Any]) -> dict[str, str]:
        """The words of a point, by key: what a run gets is rounded, so that it can be read and typed."""
        return {key: _word(self.distributions[key], params[key]) for key in self.distributions}

    def name(self, settings: Mapping[str, str]) -> str:
        """The folder of a trial."""
        name = job_name(settings)
        return job_name(settings, taken=[name]) if self._has_values_of_one_name else name

    @cached_property
    def _has_values_of_one_name(self) -> bool:
        """Whether two choices differ in no more than quotes, brackets or what does not belong into a file name."""
        chosen = ((key, distribution.choices) for key, distribution in self._categorical.items())
        return any(len({job_name({key: str(word)}) for word in words}) < len(words) for key, words in chosen)

    @property
    def _categorical(self) -> dict[str, "CategoricalDistribution"]:
        from optuna.distributions import CategoricalDistribution as Choice

        return {key: each for key, each in self.distributions.items() if isinstance(each, Choice)}

    @property
    def size(self) -> float:
        """How many points there are; infinite where a range has no steps."""
        return math.prod(map(_number_of_values, self.distributions.values()))

    def draw(self, generator: random.Random) -> dict[str, Any]:
        """A point at random, without a look at any other."""
        return {key: _drawn(distribution, generator) for key, distribution in self.distributions.items()}

    def probes(self, groups: Sequence[str]) -> list[dict[str, str]]:
        """Points that hold each value of a choice and both ends of a range; first, groups with each other."""
        ends = {key: list(dict.fromkeys(_ends(each))) for key, each in self.distributions.items()}
        first = {key: words[0] for key, words in ends.items()}
        points = [first]
        for key in (key for key in ends if key in groups):
            points = [{**point, key: word} for point in points for word in ends[key]]
        points += [{**first, key: word} for key, words in ends.items() if key not in groups for word in words[1:]]
        return points

    def stored(self) -> dict[str, str]:
        """What the storage keeps of it, by key."""
        return {key: _said(distribution) for key, distribution in self.distributions.items()}

    def __str__(self) -> str:
        return ", ".join(f"{key} {said}" for key, said in self.stored().items())


def _distribution(word: Override) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution

    value = word.value()
    if isinstance(value, IntervalSweep):
        _refuse_other_tags(word, value.tags)
        return _interval(word, value)
    if isinstance(value, RangeSweep):
        _refuse_other_tags(word, value.tags)
        return _range(word, value)
    if isinstance(value, ChoiceSweep) and value.tags:
        raise _senseless(word, f"{', '.join(sorted(value.tags))}: only interval(...) and range(...) have tags")
    choices = sorted(text for _, text in values(word))
    if not choices:
        raise _senseless(word, "there is nothing to choose from")
    return CategoricalDistribution(choices)


def _interval(word: Override, value: IntervalSweep) -> "FloatDistribution | IntDistribution":
    from optuna.distributions import FloatDistribution, IntDistribution

    low, high, log = value.start, value.end, LOG in value.tags
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        raise _senseless(word, "both ends must be numbers")
    if low >= high:
        raise _senseless(word, f"it must begin with the smaller end, and {low:g} is not below {high:g}")
    if log and low <= 0:
        raise _senseless(word, f"a logarithmic range begins above 0, not at {low:g}")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _range(word: Override, value: RangeSweep) -> "FloatDistribution | IntDistribution":
    """Without its end, as in a grid."""
    from optuna.distributions import FloatDistribution, IntDistribution

    numbers = sorted(map(float, word.sweep_string_iterator())) if value.step else []
    if not numbers:
        raise _senseless(word, "there is no number in it")
    low, high, step, log = numbers[0], numbers[-1], abs(value.step), LOG in value.tags
    whole = isinstance(value.start, int) and isinstance(value.step, int)
    if log and (not whole or step != 1 or low <= 0):
        raise _senseless(word, "a logarithmic range of steps holds whole numbers above 0, each of them")
    if whole:
        return IntDistribution(int(low), int(high), log=log, step=int(step))
    return FloatDistribution(low, high, step=float(step))


def _refuse_other_tags(word: Override, tags: set[str]) -> None:
    for tag in sorted(tags - {LOG}):
        raise _senseless(word, f"there is no tag '{tag}'{near_miss(tag, [LOG])} ({LOG} is the only one)")


def _senseless(word: Override, why: str) -> ConfigError:
    return ConfigError(f"{overrides.shown(str(word.input_line))}: {why}")


def _word(distribution: "BaseDistribution", value: Any) -> str:
    from optuna.distributions import FloatDistribution

    if not isinstance(distribution, FloatDistribution):
        return str(value)
    low, high = distribution.low, distribution.high
    if distribution.step is not None:
        return repr(float(f"{value:.12g}"))
    if distribution.log:
        number = float(f"{value:.{STEPS}g}")
    else:
        number = round(value, STEPS - math.floor(math.log10(high - low)))
    return repr(min(max(number, low), high))


def _number_of_values(distribution: "BaseDistribution") -> float:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if distribution.step is None:
        return math.inf
    return math.floor((distribution.high - distribution.low) / distribution.step + 1e-9) + 1


def _suggested(trial: "Trial", key: str, distribution: "BaseDistribution") -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(key, distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, log = distribution.low, distribution.high, distribution.log
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(key, int(low), int(high), step=distribution.step, log=log)
    return trial.suggest_float(key, low, high, step=distribution.step, log=log)


def _drawn(distribution: "BaseDistribution", generator: random.Random) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return generator.choice(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is not None:
        return min(low + step * generator.randrange(int(_number_of_values(distribution))), high)
    if distribution.log:
        return min(math.exp(generator.uniform(math.log(low), math.log(high))), high)
    return generator.uniform(low, high)


def _ends(distribution: "BaseDistribution") -> list[str]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return [str(choice) for choice in distribution.choices]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return [_word(distribution, distribution.low), _word(distribution, distribution.high)]


def _said(distribution: "BaseDistribution") -> str:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return f"one of {', '.join(map(str, distribution.choices))}"
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    every = "" if distribution.step in (None, 1) else f" every {distribution.step:g}"
    kind = " whole" if isinstance(distribution, IntDistribution) and distribution.step == 1 else ""
    return f"from {distribution.low!r} to {distribution.high!r}{every}{kind}{' (log)' if distribution.log else ''}"
