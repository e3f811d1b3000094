"""The trials of a search: asked of Optuna one by one, told what came of them, taken up again after a kill."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnrun import console
from cnnrun.config import Watch
from cnnrun.config.overrides import quote, without_none
from cnnrun.errors import DataError
from cnnrun.run import RECORD, Run
from cnnrun.sweeps.jobs import Job, Outcome
from cnnrun.sweeps.objective import Objective
from cnnrun.sweeps.search.sampling import Sampling
from cnnrun.sweeps.search.space import Space

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

ERROR, FINAL, REPEATS = "error", "final", "repeats"
"""What the storage keeps of a failed trial: why; whether to try again is no use; of which other it is a repetition."""
PROPOSALS = 10
"""To ask for one after the other, if all were tried before; then a point is drawn at random."""
DRAWS = 10_000


@dataclass(frozen=True)
class Tried:
    """A point of the space that was asked for, and the latest that Optuna knows of it."""

    number: int
    """In the order in which they were first asked for, 1 for the first."""
    settings: dict[str, str]
    name: str
    """Of its folder."""
    trial: "FrozenTrial"

    @property
    def state(self) -> str:
        """RUNNING, COMPLETE, PRUNED or FAIL."""
        return str(self.trial.state.name)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to try."""
        return self.state in ("COMPLETE", "PRUNED") or (self.state == "FAIL" and bool(self.trial.user_attrs.get(FINAL)))


class Trials:
    """The trials of a study; as the Source of a launcher's jobs it asks for each and is told how it ended.

    A trial is a point of the space. The study may hold more than these: a point that was tried again after it failed,
    and proposals that came twice. They are failed ones there, which samplers and pruners leave out.
    """

    def __init__(
        self,
        study: "Study",
        space: Space,
        objective: Objective,
        sampling: Sampling,
        watch: Callable[[int], Watch],
        words: Sequence[str],
        most: int,
    ) -> None:
        """
        Args:
            watch: what may end a trial early, by Optuna's id. words: what all trials share. most: trials in all.
        """
        self.study = study
        self.space = space
        self.objective = objective
        self._sampling = sampling
        self._watch = watch
        self._words = words
        self._given: dict[str, Trial] = {}
        self._refuse_strangers()
        self._complete_and_settle()
        tried = self.tried()
        self.most = max(int(min(most, space.size)), len(tried))
        """Trials in all."""
        self._numbers = {each.name: each.number for each in tried}
        self._left = [each.trial for each in tried if each.state == "RUNNING"]
        self._again = [each.trial for each in tried if each.state == "FAIL" and not each.is_done]
        self.to_do = len(self._left) + len(self._again) + max(self.most - len(tried), 0)

    def tried(self) -> list[Tried]:
        """All points that were asked for, in that order."""
        found: dict[str, Tried] = {}
        for trial in self.study.get_trials(deepcopy=False):
            if REPEATS not in trial.user_attrs and self._is_complete(trial):
                settings = self.space.settings(trial.params)
                name = self.space.name(settings)
                number = found[name].number if name in found else len(found) + 1
                found[name] = Tried(number, settings, name, trial)
        return list(found.values())

    def next(self) -> list[str] | None:
        """The words of one more trial: one that was running when the search ended, one that failed, or a new one."""
        trial = self._next()
        if trial is None:
            return None
        settings = self.space.settings(trial.params)
        name = self.space.name(settings)
        self._given[name] = trial
        self._numbers.setdefault(name, len(self._numbers) + 1)
        chosen = without_none(f"{key}={value}" for key, value in settings.items())
        return [*self._words, *chosen, f"hydra.sweep.subdir={quote(name)}"]

    def is_exhausted(self) -> bool:
        """Whether none will come any more."""
        return not self._left and not self._again and len(self._numbers) >= self.most

    def watch(self, job: Job) -> Watch | None:
        """What may end a trial early."""
        return self._watch(self._given[job.name]._trial_id)

    def ended(self, job: Job, reached: Outcome) -> None:
        """Tell the study what came of a job; one that was interrupted is taken up again by the same command."""
        trial = self._given.pop(job.name)
        if reached.status == "interrupted":
            return
        if reached.status == "pruned":
            self._tell(trial, "PRUNED")
        elif reached.status == "finished" and _is_number(reached.best_value):
            self.objective.refuse_other(reached.monitor, reached.higher_is_better)
            self._tell(trial, "COMPLETE", reached.best_value)
            if self.study.best_trial.number == trial.number:
                console.note(f"trial {self._numbers[job.name]}: {_of(reached)}, the best so far")
        else:
            trial.set_user_attr(ERROR, reached.error or f"its {reached.monitor or 'metric on val'} is no number")
            trial.set_user_attr(FINAL, reached.status == "finished" or _has_diverged(job.folder))
            self._tell(trial, "FAIL")

    def _next(self) -> "Trial | None":
        if self._left:
            return self._ask(self._left.pop(0))
        if self._again:
            return self._ask_for(self._again.pop(0).params)
        return self._ask_for_new() if len(self._numbers) < self.most else None

    def _ask(self, begun: "FrozenTrial | None" = None) -> "Trial":
        """What the sampler proposes; or a trial that was begun, with what it still lacks."""
        from optuna.trial import Trial

        number = len(self.study.get_trials(deepcopy=False)) if begun is None else begun.number
        self.study.sampler = self._sampling.sampler(number)
        trial = self.study.ask() if begun is None else Trial(self.study, begun._trial_id)
        self.space.suggest(trial)
        return trial

    def _ask_for(self, params: Mapping[str, Any]) -> "Trial":
        """A trial of this point."""
        self.study.enqueue_trial(dict(params))
        return self._ask()

    def _ask_for_new(self) -> "Trial | None":
        """A trial of a point that was not tried; None if there is none left."""
        known = {tried.name: tried for tried in self.tried()}
        for _ in range(PROPOSALS):
            trial = self._ask()
            first = known.get(self.space.name(self.space.settings(trial.params)))
            if first is None:
                return trial
            self._drop(trial, first)
        generator = self._sampling.generator(len(self.study.get_trials(deepcopy=False)))
        for params in (self.space.draw(generator) for _ in range(DRAWS)):
            if self.space.name(self.space.settings(params)) not in known:
                return self._ask_for(params)
        self.most = len(known)
        return None

    def _refuse_strangers(self) -> None:
        """Raises: DataError: if a trial has values that the space has not; somebody may have made the storage."""
        for trial in self.study.get_trials(deepcopy=False):
            if any(self.space.distributions.get(key) != each for key, each in trial.distributions.items()):
                raise DataError(f"the storage of the search is damaged: trial {trial.number} is of another space")

    def _complete_and_settle(self) -> None:
        """Put right what a kill cut in two: a proposal that lacks values, or was not yet compared with the others."""
        first: dict[str, Tried] = {}
        for each in self.study.get_trials(deepcopy=False):
            if each.state.name == "RUNNING" and not self._is_complete(each):
                self._ask(each)
        for trial in self.study.get_trials(deepcopy=False):
            if REPEATS in trial.user_attrs and not trial.state.is_finished():
                self._tell(trial.number, "FAIL")
            elif REPEATS not in trial.user_attrs and self._is_complete(trial) and trial.state.name != "FAIL":
                settings = self.space.settings(trial.params)
                name = self.space.name(settings)
                if name in first and trial.state.name == "RUNNING":
                    self._drop(self._ask(trial), first[name])
                first.setdefault(name, Tried(0, settings, name, trial))

    def _drop(self, trial: "Trial", first: Tried) -> None:
        trial.set_user_attr(REPEATS, first.trial.number)
        self._tell(trial, "FAIL")

    def _tell(self, trial: "Trial | int", state: str, value: float | None = None) -> None:
        from optuna.trial import TrialState

        self.study.tell(trial, value, state=TrialState[state])

    def _is_complete(self, trial: "FrozenTrial") -> bool:
        return trial.params.keys() >= self.space.distributions.keys()


def _of(reached: Outcome) -> str:
    return f"{reached.monitor} {reached.best_value:.4g}"


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _has_diverged(folder: Path) -> bool:
    """Whether it failed as it would fail again."""
    there = (folder / RECORD).is_file()
    return there and str(Run.open(folder).record.get("reason", "")).startswith("Diverged")
