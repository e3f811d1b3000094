"""What a trial of a search tells after each epoch, and when it is ended early; runs where the trial does."""

import statistics
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cnnrun import console
from cnnrun.sweeps.objective import Objective
from cnnrun.sweeps.search import storage

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

Rule = Literal["median", "hyperband", "none"]
FINISHED_BEFORE = 5
"""Trials that must have finished before the median ends one."""


@dataclass(frozen=True)
class Pruning:
    """When a trial is ended early."""

    rule: Rule
    min_epochs: int
    """That every trial gets."""
    max_epochs: int
    """That a trial may get."""

    def pruner(self) -> "BasePruner":
        from optuna import pruners

        if self.rule == "median":
            return pruners.MedianPruner(n_startup_trials=FINISHED_BEFORE, n_warmup_steps=self.min_epochs)
        if self.rule == "hyperband":
            most = max(self.max_epochs, self.min_epochs)
            return pruners.HyperbandPruner(min_resource=self.min_epochs, max_resource=most)
        return pruners.NopPruner()


@dataclass(frozen=True)
class Watch:
    """Told of each epoch of one trial, it tells the storage, and says why the trial is hopeless if it is."""

    storage: Path | str
    study: str
    objective: Objective
    pruning: Pruning
    trial: int
    """Its id in the storage."""

    def __call__(self, epoch: int, value: float) -> str | None:
        from optuna.exceptions import StorageInternalError

        try:
            trial = _trial(self)
            # A run that goes on may tell of an epoch once more.
            if epoch not in trial.storage.get_trial(self.trial).intermediate_values:
                trial.report(value, epoch)
            return self._why(trial, epoch) if trial.should_prune() else None
        except StorageInternalError as error:
            console.warn(f"epoch {epoch} is not in the search's storage, and could not end the trial: {error}")
            return None

    def _why(self, trial: "Trial", epoch: int) -> str:
        """The rule that ended it, and its best against that of the others by the same epoch."""
        from optuna.trial import TrialState

        own = trial.storage.get_trial(self.trial).intermediate_values
        best = (max if self.objective.higher_is_better else min)(own.values())
        finished = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        others = [each.intermediate_values[epoch] for each in finished if epoch in each.intermediate_values]
        told = f"{self.pruning.rule} rule: {best:.4g} at best by epoch {epoch}"
        if not others:
            return told
        return f"{told}; of {len(others)} finished trials the median was {statistics.median(others):.4g} then"


@cache
def _trial(watch: Watch) -> "Trial":
    """As this process sees it, opened once."""
    from optuna.samplers import RandomSampler
    from optuna.trial import Trial

    place = storage.open_storage(watch.storage, is_there=True)
    study = storage.open_study(
        place, watch.study, watch.objective, pruner=watch.pruning.pruner(), sampler=RandomSampler()
    )
    return Trial(study, watch.trial)
