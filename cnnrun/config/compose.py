"""Compose configs with Hydra. What leaves this module is plain values; errors leave it as one sentence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from cnnrun.config import folders, options, overrides
from cnnrun.config.callables import load
from cnnrun.config.complaints import in_our_words
from cnnrun.config.invocation import Invocation, Request
from cnnrun.config.schema import MISSING
from cnnrun.config.stored import check_stored, config_of
from cnnrun.errors import ConfigError

if TYPE_CHECKING:
    from cnnrun.run import Run

RESUMABLE = {
    "train": ("epochs", "max_seconds", "device", "threads", "dataset.root", "dataset.csv", "logger", "trust_code"),
    "predict": ("trust_code",),
}
"""What may differ where a command goes on."""


@dataclass(frozen=True)
class Job:
    """One config to run, and what goes with it."""

    config: dict[str, Any]
    invocation: Invocation


@dataclass(frozen=True)
class Task:
    """What a Hydra launcher calls for each job: it can be pickled, and finds the command by its name."""

    command: str
    function: str
    words: tuple[str, ...] = ()
    """What was asked for on the command line of all jobs."""
    trusted: bool = True
    """Whether these may name code that is not ours."""

    @classmethod
    def of(cls, request: Request) -> Self:
        return cls(request.command, request.function, request.overrides, request.trusted)

    def __call__(self, config: DictConfig) -> None:
        hydra = HydraConfig.get()
        load(self.function)(plain(config), invocation(hydra, Path(hydra.runtime.output_dir)))


@contextmanager
def session(request: Request) -> Iterator[Hydra]:
    """Hydra, looking for configs in the user's folders first and then in ours."""
    version.setbase("1.3")
    places = options.folders(request.config_dir)
    options.refuse_misplaced(request.command, overrides.experiments(request.overrides), places)
    search_path = create_config_search_path(str(options.packaged()))
    for place in places:
        if place != options.packaged():
            search_path.prepend("user", f"file://{place}", SearchPathQuery(provider="main"))
    with in_our_words(request.command, places):
        hydra = Hydra.create_main_hydra2(request.command, search_path)
        _forget_namesakes(options.packaged() / "hydra")
        try:
            yield hydra
        finally:
            GlobalHydra.instance().clear()
            HydraConfig.instance().cfg = None


def _forget_namesakes(ours: Path) -> None:
    """Take away what plugins call as we do, hydra-submitit-launcher for one: Hydra would hold our options to theirs."""
    stored = ConfigStore.instance().repo.get("hydra", {})
    for file in ours.glob("*/*.yaml"):
        stored.get(file.parent.name, {}).pop(file.name, None)


def one(request: Request) -> Job:
    """Compose the config of a single run; nothing is checked against signatures yet."""
    with session(request) as hydra:
        words = list(map(overrides.split, request.overrides))
        overrides.refuse_no_choice(words, required(request))
        overrides.refuse_numbers(words, offered(request))
        config = compose(hydra, request.command, request.overrides)
        folder = folders.named("hydra.run.dir", config.hydra.run.get("dir"))
        values, asked = plain(config), invocation(config.hydra, folder or Path())
    return Job(values, replace(asked, output_dir=folder or folders.run_folder(request.command, asked.choices, values)))


def takes(request: Request, key: str) -> bool:
    """Whether a key is a setting or a group of the command."""
    return key in options.names(request.command, options.folders(request.config_dir))


def offered(request: Request) -> dict[str, list[str]]:
    """The options of each group of the command."""
    return options.offered(request.command, options.folders(request.config_dir))


def required(request: Request) -> dict[str, list[str]]:
    """The options of each group that the command cannot do without."""
    return options.required(request.command, options.folders(request.config_dir))


def compose(hydra: Hydra, command: str, words: Sequence[str]) -> DictConfig:
    """Compose one config with its hydra node, and let Hydra know it as the current one."""
    words = overrides.without_none(words)
    with lists_as_a_whole(words):
        config = hydra.compose_config(command, words, RunMode.RUN)
    HydraConfig.instance().set_config(config)
    return config


@contextmanager
def lists_as_a_whole(words: Sequence[str]) -> Iterator[None]:
    """Refuse a word that reaches into a list by a name; OmegaConf lets the ValueError of `int(name)` through."""
    try:
        yield
    except ValueError as error:
        name = str(error).rpartition(": ")[2].strip("'")
        culprit = next((word for word in words if word.partition("=")[0].endswith(f".{name}")), None)
        if culprit is None:
            raise
        raise ConfigError(f"'{culprit}': a list has no '{name}'; give it as a whole, as in [32,64]") from error


def resumed(request: Request) -> Job:
    """The config of a run or a prediction that is gone on with: its own, but for the few settings that may change.

    Raises:
        ConfigError: if the folder holds none, or other settings are given.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    folder = Path(overrides.value_of("resume", request.overrides) or "")
    overrides.refuse_others(request.overrides, RESUMABLE[request.command])
    run = _to_go_on_with(request.command, folder)
    with in_our_words(request.command, []):
        parsed = OverridesParser.create().parse_overrides(list(request.overrides))
    several = [override.input_line for override in parsed if override.is_sweep_override()]
    if several:
        raise ConfigError(f"{overrides.shown(str(several[0]))} gives several values: a run that goes on takes one")
    changes = {override.key_or_group: override.value() for override in parsed}
    stored, older = config_of(run)
    config = _changed(stored | {"trust_code": False}, changes)
    check_stored(run, request.command, config, trusted=config["trust_code"] is True)
    choices = run.record.get("choices", {})
    return Job(config, Invocation(folder, choices, list(request.overrides), [older] if older else []))


def _to_go_on_with(command: str, folder: Path) -> "Run":
    """Raises: ConfigError: if it is not what this command makes."""
    from cnnrun.run import Run
    from cnnrun.run.layout import PLAN
    from cnnrun.tables import SWEEP

    if (folder / f"{SWEEP.name}.csv").is_file():
        if not (folder / PLAN).is_file():
            raise ConfigError(f"{folder} is a sweep without its {PLAN}: give its -m command again, it goes on")
        raise ConfigError(f"{folder} is a sweep, of many runs: name the folder of one of them")
    if command == "train":
        return Run.open_training(folder)
    run = Run.open(folder)
    if run.record.get("command") != command:
        raise ConfigError(f"{folder} is no prediction; cnnrun train resume=... goes on with a training")
    return run


def _changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of a config with other values of some dotted keys; what is wrong with them is for `check` to say."""
    changed = dict(config)
    for key, value in changes.items():
        head, _, tail = key.partition(".")
        if not tail:
            changed[head] = value
        elif isinstance(changed.get(head), dict):
            changed[head] = _changed(changed[head], {tail: value})
    return changed


def plain(config: DictConfig) -> dict[str, Any]:
    """Resolved plain values, without Hydra's own node, which is large and has references of its own."""
    return {str(key): _plain_value(config, str(key)) for key in config if key != "hydra"}


def _plain_value(config: DictConfig, key: str) -> Any:
    if OmegaConf.is_missing(config, key):
        return MISSING
    value = config[key]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def without_hydra(config: DictConfig) -> DictConfig:
    """A copy without Hydra's own node."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def invocation(hydra: Any, folder: Path) -> Invocation:
    """The facts of a run, from Hydra's node."""
    choices = {str(group): str(option) for group, option in hydra.runtime.choices.items() if option}
    own = {group: option for group, option in choices.items() if not group.startswith("hydra/")}
    return Invocation(folder, own, list(hydra.overrides.task))


def as_yaml(config: dict[str, Any]) -> str:
    """How `--cfg job` prints a config."""
    return OmegaConf.to_yaml(OmegaConf.create(config))
