"""Set up a sweep: the config that all jobs share, the sweep's folder, Hydra's sweeper and launcher."""

from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, read_write

from cnnrun.config import Request, compose, folders, options, overrides
from cnnrun.config.overrides import BUDGET, FULL, STUDY
from cnnrun.errors import ConfigError, Interrupted, JobsFailed
from cnnrun.settings import HOW_TO_RUN
from cnnrun.sweeps.going_on import folder_to_resume, requests
from cnnrun.sweeps.grid import GridSweeper, values
from cnnrun.sweeps.launchers.processes import ProcessLauncher
from cnnrun.sweeps.launchers.ray_cluster import RayLauncher
from cnnrun.sweeps.launchers.serial import SerialLauncher
from cnnrun.sweeps.launchers.slurm import SubmititLocalLauncher, SubmititSlurmLauncher
from cnnrun.sweeps.names import sweep_name, without
from cnnrun.sweeps.search.sweeper import OptunaSweeper
from cnnrun.sweeps.studies.jobs import folder_name, grid_of
from cnnrun.sweeps.studies.reading import read

PLUGINS: dict[str, type[Plugin]] = {
    "GridSweeper": GridSweeper,
    "OptunaSweeper": OptunaSweeper,
    "ProcessLauncher": ProcessLauncher,
    "RayLauncher": RayLauncher,
    "SerialLauncher": SerialLauncher,
    "SubmititLocalLauncher": SubmititLocalLauncher,
    "SubmititSlurmLauncher": SubmititSlurmLauncher,
}
"""By the name that conf/hydra gives them; Hydra 1.3 takes plugins only under `hydra_plugins`."""


def run(request: Request) -> None:
    """Run every job of a sweep.

    Raises:
        ConfigError: before the first job, if any of them is wrong.
        JobsFailed: after the last one, if some failed.
        Interrupted: on Ctrl-C.
    """
    if compose.takes(request, "resume") and (folder := folder_to_resume(request)):
        _go_on(requests(request, folder))
        return
    with compose.session(request) as hydra:
        parser = OverridesParser.create(config_loader=hydra.config_loader)
        parsed = parser.parse_overrides(list(request.overrides))
        groups = compose.offered(request)
        chosen = [pair for override in parsed if override.key_or_group in groups for pair in values(override)]
        overrides.refuse_no_choice(chosen, groups)
        overrides.refuse_numbers(chosen, groups)
        if compose.takes(request, STUDY) and (study := overrides.value_of(STUDY, request.overrides)) is not None:
            _run_study(hydra, request, parsed, study)
            return
        shared = _shared_config(hydra, request, parsed)
        _register_plugins()
        sweeper = Plugins.instance().instantiate_sweeper(
            config=shared,
            hydra_context=HydraContext(hydra.config_loader, Callbacks()),
            task_function=compose.Task.of(request),
        )
        sweeper.sweep(list(shared.hydra.overrides.task))


def _go_on(grids: list[Request]) -> None:
    """Run what is missing of each grid, whatever becomes of those before."""
    failures = []
    for grid in grids:
        try:
            run(grid)
        except JobsFailed as error:
            failures.append(str(error))
    if failures:
        raise JobsFailed("\n".join(failures))


def _run_study(hydra: Hydra, request: Request, parsed: list[Override], name: str) -> None:
    """Run the jobs of a study, and end with its table, whatever became of them."""
    from cnnrun.sweeps.studies.report import finish

    study = read(
        name,
        options.folders(request.config_dir),
        overrides.value_of(BUDGET, request.overrides) or FULL,
    )
    own = [word for word in parsed if not word.is_hydra_override() and word.key_or_group != STUDY]
    given = {word.key_or_group: [value for _, value in values(word)] for word in own}
    if any(word.key_or_group == "hydra/sweeper" for word in parsed):
        raise ConfigError(f"study {name} has a grid of its own: leave out hydra/sweeper")
    grid = grid_of(study, given)
    hydra_words = [str(word.input_line) for word in parsed if word.is_hydra_override()]
    config = compose.compose(hydra, request.command, [*hydra_words, *grid.asked[0].words])
    overrides.refuse_folder_of_a_run(request.overrides)
    folder = _named_folder(config) or Path("outputs", "sweeps", folder_name(study))
    _make_shared(config, folder, grid.swept)
    _register_plugins()
    launcher = Plugins.instance().instantiate_launcher(
        HydraContext(hydra.config_loader, Callbacks()), compose.Task.of(request), config
    )
    jobs = [[*case.words, f"hydra.sweep.subdir={overrides.quote(case.name)}"] for case in grid.asked]
    try:
        launcher.launch(jobs, 0)
    except (JobsFailed, Interrupted) as end:
        finish(study, grid.cases, folder, show=isinstance(end, JobsFailed))
        raise
    finish(study, grid.cases, folder, show=True)


def _shared_config(hydra: Hydra, request: Request, parsed: list[Override]) -> DictConfig:
    """A config to start the sweep from: one value of each swept group, the default of each other swept setting."""
    groups = compose.offered(request)
    swept = [override for override in parsed if override.is_sweep_override()]
    fixed = [override for override in parsed if not override.is_sweep_override()]
    first = ["=".join(values(override)[0]) for override in swept if override.key_or_group in groups]
    words = [*(str(override.input_line) for override in fixed), *first]
    config = compose.compose(hydra, request.command, words)
    overrides.refuse_folder_of_a_run(request.overrides)
    for override in swept:
        if override.key_or_group == "sweep":
            raise ConfigError(f"{overrides.shown(str(override.input_line))}: a sweep has one name")
    folder = _folder(request.command, config, [override.key_or_group for override in swept], fixed)
    _make_shared(config, folder, [str(word.input_line) for word in parsed if not word.is_hydra_override()])
    return config


def _make_shared(config: DictConfig, folder: Path, words: list[str]) -> None:
    """Make the config of one job that of a sweep in a folder, with the words that ask for all of it."""
    with read_write(config.hydra):
        config.hydra.mode = RunMode.MULTIRUN
        config.hydra.overrides.task = words
        config.hydra.overrides.hydra += ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={overrides.quote(str(folder))}"]
        config.hydra.sweep.dir = str(folder)


def _folder(command: str, config: DictConfig, keys: list[str], fixed: list[Override]) -> Path:
    """The sweep's folder: as named on the command line, or a name that the same command finds again."""
    if folder := _named_folder(config):
        return folder
    values = compose.plain(config)
    inside = sorted(str(word.input_line) for word in fixed if word.key_or_group.partition(".")[0] in keys)
    kind = ["search"] if config.hydra.runtime.choices["hydra/sweeper"] == "optuna" else []
    named = sweep_name([*kind, *sorted(keys)] or ["single"], [command, without(values, [*keys, *HOW_TO_RUN]), inside])
    return Path("outputs", "sweeps", named)


def _named_folder(config: DictConfig) -> Path | None:
    if named := folders.named("hydra.sweep.dir", config.hydra.sweep.get("dir")):
        return named
    name = config.get("sweep")
    return None if name is None else Path("outputs", "sweeps", str(name))


def _register_plugins() -> None:
    plugins = Plugins.instance()
    for name, plugin in PLUGINS.items():
        plugins.register(plugin)
        plugins.class_name_to_class[f"hydra_plugins.cnnrun.{name}"] = plugin
