"""The sweeper that -m uses: every combination of the values given, handed to the launcher at once."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from cnnrun.config.overrides import Word, quote, without_none
from cnnrun.errors import ConfigError
from cnnrun.sweeps.names import job_name
from cnnrun.sweeps.table import swept_before


class GridSweeper(Sweeper):
    """Like Hydra's basic sweeper, but it writes nothing itself, runs equal jobs once, and names each job's folder.

    The name holds what is swept, or was before in the same folder: the same job gets the same name.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._loader = hydra_context.config_loader
        self._folder = Path(config.hydra.sweep.dir)
        self._launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Sequence[Any]:
        """Launch every combination; what the launcher returns for each."""
        parsed = OverridesParser.create(config_loader=self._loader).parse_overrides(arguments)
        swept = [override.key_or_group for override in parsed if override.is_sweep_override()]
        named = list(dict.fromkeys([*swept_before(self._folder), *swept]))
        if empty := next((word for word in parsed if not values(word)), None):
            raise ConfigError(f"'{empty.input_line}' gives no value")
        distinct = {tuple(dict(combination).items()): combination for combination in product(*map(values, parsed))}
        jobs: dict[str, list[str]] = {}
        for settings, combination in distinct.items():
            given = dict(settings)
            name = job_name({key: given[key] for key in named if key in given}, taken=jobs)
            words = without_none(f"{key}={value}" for key, value in combination)
            jobs[name] = [*words, f"hydra.sweep.subdir={quote(name)}"]
        return self._launcher.launch(list(jobs.values()), initial_job_idx=0)


def values(override: Override) -> list[Word]:
    """The key with each value that it is to have, once, as it was typed.

    Raises:
        ConfigError: for a range without steps.
    """
    key = override.get_key_element()
    if override.is_interval_sweep():
        raise ConfigError(
            f"'{override.input_line}': a grid needs values, such as {key}=0.1,0.01 or {key}=range(1,4); "
            "hydra/sweeper=optuna searches a range"
        )
    if override.is_sweep_override():
        typed: dict[str, str] = {}
        texts = list(map(str, override.sweep_string_iterator()))
        for text, word in zip(texts, _words(override, texts), strict=True):
            typed.setdefault(text, word)
        return [(key, word) for word in typed.values()]
    return [(key, override.get_value_element_as_str())]


def _words(override: Override, texts: list[str]) -> list[str]:
    """Numbers as they were typed, as 1e9, of which Hydra makes 1000000000.0; all else as Hydra writes it."""
    words = override.input_line.partition("=")[2].split(",") if override.input_line else []
    if len(words) != len(texts) or not override.is_choice_sweep():
        return texts
    return [word.strip() if _is_number(word, text) else text for word, text in zip(words, texts, strict=True)]


def _is_number(word: str, text: str) -> bool:
    try:
        return float(word) == float(text)
    except ValueError:
        return False
