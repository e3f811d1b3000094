"""How a search proposes the next trial."""

import random
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

Method = Literal["tpe", "random"]


@dataclass(frozen=True)
class Sampling:
    """Each trial has a sampler of its own, seeded by its number: a search that goes on proposes what it would have."""

    method: Method
    startup: int
    """Trials that are drawn at random before TPE has enough to go by."""
    seed: int

    def sampler(self, number: int) -> "BaseSampler":
        """For Optuna's trial of that number, 0 for the first."""
        from optuna import samplers

        seed = self.seed_of(number)
        if self.method == "random":
            return samplers.RandomSampler(seed=seed)
        with warnings.catch_warnings(action="ignore"):  # Optuna 4 calls the lies an experiment
            # Trials that run are taken for bad ones, so that two at a time do not try the same.
            return samplers.TPESampler(n_startup_trials=self.startup, constant_liar=True, multivariate=True, seed=seed)

    def seed_of(self, number: int) -> int:
        return self.generator(number).getrandbits(32)

    def generator(self, number: int) -> random.Random:
        """For a draw that no sampler makes."""
        return random.Random(f"{self.seed}/{number}")
