"""Compose the configs of a sweep's jobs: those that choose the same parts share what Hydra reads and merges for them.

Hydra takes a tenth of a second for each config, so that hundreds of jobs would wait for a minute.
"""

from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, read_write

from cnnrun.config import compose

SUBDIR = "hydra.sweep.subdir"
OF_HYDRA = "${hydra"
"""How a reference begins to what Hydra knows of a single job."""


class JobConfigs:
    """Configs of jobs, as `load_sweep_config` composes them."""

    def __init__(self, loader: ConfigLoader, shared: DictConfig) -> None:
        """Args: shared: that of the sweep."""
        assert isinstance(loader, ConfigLoaderImpl)
        self._loader = loader
        self._shared = shared
        self._parser = OverridesParser.create(config_loader=loader)
        self._bases: dict[tuple[str, ...], tuple[DictConfig, bool]] = {}
        """By the words that choose parts: a config without other words, and whether it tells nothing of a job."""

    def of(self, words: list[str]) -> tuple[dict[str, Any], Any]:
        """Plain values, and Hydra's node with the folder's name, the words and the choices.

        Raises:
            HydraException, OmegaConfBaseException: if a word is wrong.
        """
        parsed = self._parser.parse_overrides(words)
        parts = tuple(word for word, override in zip(words, parsed, strict=True) if self._chooses(override))
        if parts not in self._bases:
            base = self._loader.load_sweep_config(self._shared, list(parts))
            self._bases[parts] = base, OF_HYDRA not in str(OmegaConf.to_container(compose.without_hydra(base)))
        base, is_plain = self._bases[parts]
        if not is_plain or any(OF_HYDRA in word for word in words):
            config = self._loader.load_sweep_config(self._shared, words)
            HydraConfig.instance().set_config(config)
            return compose.plain(config), config.hydra
        config = compose.without_hydra(base)
        OmegaConf.set_struct(config, True)
        OmegaConf.copy_cache(from_config=base, to_config=config)
        own = [override for override in parsed if not override.is_hydra_override()]
        self._loader._apply_overrides_to_config([word for word in own if not self._chooses(word)], config)
        with read_write(base.hydra):
            base.hydra.overrides.task = [str(override.input_line) for override in own]
            base.hydra.sweep.subdir = next(word.value() for word in parsed if word.key_or_group == SUBDIR)
        return compose.plain(config), base.hydra

    def _chooses(self, override: Override) -> bool:
        """Whether a word chooses a part, or something of Hydra's own but the folder's name, which each job has."""
        if override.is_hydra_override():
            return override.key_or_group != SUBDIR
        return self._loader.repository.group_exists(override.key_or_group)
