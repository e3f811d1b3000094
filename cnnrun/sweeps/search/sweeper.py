"""The sweeper that looks for the best settings with Optuna: by their metric on val, and test is for the winner."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from pydantic import NonNegativeInt, PositiveInt

from cnnrun import console
from cnnrun.config import compose, overrides
from cnnrun.config.schema import check_fields
from cnnrun.errors import ConfigError, Interrupted
from cnnrun.settings import HOW_TO_RUN
from cnnrun.sweeps.jobs import Job
from cnnrun.sweeps.objective import Objective
from cnnrun.sweeps.running import SweepLauncher
from cnnrun.sweeps.search import storage
from cnnrun.sweeps.search.begun import refuse_another_search, settings_of
from cnnrun.sweeps.search.pruning import Pruning, Rule, Watch
from cnnrun.sweeps.search.sampling import Method, Sampling
from cnnrun.sweeps.search.space import Space
from cnnrun.sweeps.search.trials import Trials
from cnnrun.sweeps.search.winner import Ending

PREFIX = "hydra.sweeper."
TEST = "test"
"""The setting that says whether test is read: of no trial."""
NOT_COMPARABLE = ("task", "task.monitor", "dataset", "dataset.targets", "dataset.horizon")
"""Settings that change what the metric means."""


@dataclass(frozen=True)
class SearchSettings:
    """What hydra/sweeper=optuna takes; the defaults stand in conf/hydra/sweeper/optuna.yaml."""

    n_trials: PositiveInt
    sampler: Method
    startup: NonNegativeInt
    pruner: Rule
    min_epochs: PositiveInt
    seed: NonNegativeInt
    storage: str | None


class OptunaSweeper(Sweeper):
    """Trials in the place of a grid's jobs, run by the same launchers."""

    def __init__(self, **settings: Any) -> None:
        self._values = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        assert isinstance(task_function, compose.Task)
        if task_function.command != "train":
            raise ConfigError(f"hydra/sweeper=optuna is for cnnrun train; cnnrun {task_function.command} has a grid")
        check_fields(PREFIX, SearchSettings, self._values)
        storage.require_optuna()
        self._settings = SearchSettings(**self._values)
        self._loader = hydra_context.config_loader
        self._shared = config
        launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)
        if not isinstance(launcher, SweepLauncher):
            raise ConfigError("hydra/sweeper=optuna: the launcher must tell when a job has ended, as processes does")
        self._launcher = launcher

    def sweep(self, arguments: list[str]) -> Sequence[Any]:
        """Run the trials that are missing, then judge the winner on test.

        Raises:
            ConfigError: before the first trial, if the space makes no sense, or the folder holds something else.
            JobsFailed: after the last one, if some failed for a reason that may not come again.
        """
        parsed = OverridesParser.create(config_loader=self._loader).parse_overrides(arguments)
        space = Space.of(parsed)
        refuse_what_says_nothing(space)
        refuse_fractions(space, self._shared)
        fixed = [word for word in parsed if not word.is_sweep_override()]
        reads_test = may_read_test(fixed)
        words = [str(word.input_line) for word in fixed if word.key_or_group != TEST]
        groups = self._loader.list_groups("")
        probes = [self._prepare(words, point) for point in space.probes(groups)]
        with self._launcher.held():
            trials = self._trials(space, probes, words, settings_of(probes[0].config, space, fixed))
            ending = Ending(self._launcher.folder, trials, words)
            before = ending.rows(to_do=False)
            self._tell(trials, len(before))
            try:
                reached = self._launcher.search(trials, before, trials.to_do)
            except Interrupted:
                ending.write(figures=False)
                raise
            ending.write(figures=probes[0].config["figures"])
            if reads_test:
                ending.read_test(self._loader, probes[0].config, trusted=self._launcher.task.trusted)
            ending.tell()
            self._launcher.conclude(*ending.parted({row.folder for row in reached}), len(reached))
        return []

    def _prepare(self, words: list[str], point: dict[str, str]) -> Job:
        """A job of these settings, checked; it is not run."""
        chosen = overrides.without_none(f"{key}={value}" for key, value in point.items())
        return self._launcher.prepare([*words, f"{TEST}=false", *chosen, "hydra.sweep.subdir=.checked"])

    def _trials(self, space: Space, probes: list[Job], words: list[str], common: dict[str, str]) -> Trials:
        """Those of the study in the sweep's folder, which is begun where there is none."""
        settings, folder = self._settings, self._launcher.folder
        objective = Objective.of(probes[0].config)
        place = settings.storage or (folder / storage.FILE).resolve()
        pruning = Pruning(settings.pruner, settings.min_epochs, max(int(job.config["epochs"]) for job in probes))
        study = storage.open_study(storage.open_storage(place), folder.name, objective, pruner=pruning.pruner())
        refuse_another_search(study, folder, space, common)
        return Trials(
            study,
            space,
            objective,
            Sampling(settings.sampler, settings.startup, settings.seed),
            partial(Watch, place, folder.name, objective, pruning),
            [*words, f"{TEST}=false"],
            settings.n_trials,
        )

    def _tell(self, trials: Trials, done: int) -> None:
        settings = self._settings
        begun = f", {done} of them done before" if done else ""
        console.tell(
            f"search for the best {trials.objective}: {trials.most} trials{begun}; {settings.sampler}, "
            f"pruning: {settings.pruner}\n  {trials.space}"
        )
        if trials.most < settings.n_trials:
            console.note(f"n_trials={settings.n_trials} tries all of the {trials.most} different settings there are")


def refuse_what_says_nothing(space: Space) -> None:
    """Raises: ConfigError: if a setting is searched that no metric can tell the best value of."""
    for key in space.distributions:
        if key in (*HOW_TO_RUN, TEST):
            raise ConfigError(f"'{key}' is nothing to search: it does not change how good a run is")
        if key in NOT_COMPARABLE:
            raise ConfigError(f"'{key}' is nothing to search: runs that differ in it do not compare; try a grid")


def refuse_fractions(space: Space, config: DictConfig) -> None:
    """Raises: ConfigError: if an interval, which Hydra takes for one of fractions, is given where numbers are whole.

    Args:
        config: one in which the settings have a value.
    """
    from optuna.distributions import FloatDistribution

    for key, each in space.distributions.items():
        if isinstance(each, FloatDistribution) and type(OmegaConf.select(config, key)) is int:
            low, high = math.ceil(each.low), math.floor(each.high)
            raise ConfigError(f"'{key}' takes whole numbers: write {key}=range({low},{high + 1}), which ends at {high}")


def may_read_test(fixed: Sequence[Override]) -> bool:
    """Whether the winner is to be judged on test.

    Raises:
        ConfigError: if every trial is to be.
    """
    told = [word for word in fixed if word.key_or_group == TEST]
    for word in told:
        if word.value() is not False:
            raise ConfigError(f"'{word.input_line}': a search reads test once, for its winner; leave it out")
    return not told
