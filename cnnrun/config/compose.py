"""Compose configs with Hydra. What leaves this module is plain values; errors leave it as one sentence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from cnnrun.config import folders, options, overrides
from cnnrun.config.complaints import in_our_words
from cnnrun.config.invocation import Invocation, Request
from cnnrun.config.schema import check
from cnnrun.run import Run

RESUMABLE = ("epochs", "max_seconds", "device", "trust_code")
"""What may differ in a resumed run."""


@dataclass(frozen=True)
class Job:
    """One config to run, and what goes with it."""

    config: dict[str, Any]
    invocation: Invocation


@contextmanager
def session(request: Request) -> Iterator[Hydra]:
    """Hydra, looking for configs in the user's folders first and then in ours."""
    version.setbase("1.3")
    places = options.folders(request.config_dir)
    search_path = create_config_search_path(str(options.packaged()))
    for place in places:
        if place != options.packaged():
            search_path.prepend("user", f"file://{place}", SearchPathQuery(provider="main"))
    with in_our_words(request.command, places):
        hydra = Hydra.create_main_hydra2(request.command, search_path)
        try:
            yield hydra
        finally:
            GlobalHydra.instance().clear()
            HydraConfig.instance().cfg = None


def one(request: Request) -> Job:
    """Compose the config of a single run; nothing is checked against signatures yet."""
    with session(request) as hydra:
        config = compose(hydra, request.command, request.overrides)
        return job(config, folder_of(config, "hydra.run.dir"), sweep=False)


def compose(hydra: Hydra, command: str, words: Sequence[str]) -> DictConfig:
    """Compose one config, with its hydra node.

    Raises:
        ConfigError: if a group is set to null, which Hydra would report as a bug.
    """
    overrides.refuse_no_choice(words, hydra.config_loader.list_groups(""), hydra.config_loader.get_group_options)
    return hydra.compose_config(command, list(words), RunMode.RUN)


def resumed(request: Request) -> Job:
    """The config of a run that is gone on with: its own, but for the few settings that may change.

    Raises:
        ConfigError: if the folder holds no run, or other settings are given.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    folder = Path(overrides.value_of("resume", request.overrides) or "")
    overrides.refuse_others(request.overrides, RESUMABLE)
    run = Run.open(folder)
    with in_our_words(request.command, []):
        parsed = OverridesParser.create().parse_overrides(list(request.overrides))
    changes = {override.key_or_group: override.value() for override in parsed}
    config = run.config | {"trust_code": False} | changes
    check(request.command, config, trusted=config["trust_code"] is True)
    choices = run.record.get("choices", {})
    return Job(config, Invocation(request.command, folder, choices, list(request.overrides), sweep=False))


def plain(config: DictConfig) -> dict[str, Any]:
    """Resolved plain values, without Hydra's own node."""
    HydraConfig.instance().set_config(config)
    own = config.copy()
    with open_dict(own):
        del own["hydra"]
    values: dict[str, Any] = OmegaConf.to_container(own, resolve=True, enum_to_str=True)  # type: ignore[assignment]
    return values


def folder_of(config: DictConfig, key: str) -> Path | None:
    """A folder that the user named, None where we may."""
    HydraConfig.instance().set_config(config)
    node, _, name = key.rpartition(".")
    parent = OmegaConf.select(config, node)
    return None if OmegaConf.is_missing(parent, name) else Path(str(parent[name]))


def job(config: DictConfig, folder: Path | None, *, sweep: bool) -> Job:
    """Turn a composed config into plain values and the facts of its run."""
    command = config.hydra.job.name
    values = plain(config)
    chosen = OmegaConf.to_container(config.hydra.runtime.choices)
    choices = {group: option for group, option in chosen.items() if "/" not in group and option}  # type: ignore
    folder = folder or folders.run_folder(command, choices, values)
    return Job(values, Invocation(command, folder, choices, list(config.hydra.overrides.task), sweep))


def as_yaml(config: dict[str, Any]) -> str:
    """How `--cfg job` prints a config."""
    return OmegaConf.to_yaml(OmegaConf.create(config))
