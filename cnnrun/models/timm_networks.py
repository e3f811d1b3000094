"""The networks of timm, an optional package: how each is built, and what its published weights are."""

import io
import math
import sys
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cnnrun.downloads import Report
from cnnrun.errors import ConfigError, DataError, near_miss
from cnnrun.models.published import INSTEAD, published_file
from cnnrun.models.spatial import size_text
from cnnrun.models.torchvision_networks import imagenet_labels
from cnnrun.values import InputSpec

PREFIX = "timm/"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of weights on the hub, in the order in which they are looked for."""


class TimmNetwork:
    """An `architectures.Architecture`; its published weights are those of its tag, or timm's default."""

    def __init__(self, arch: str) -> None:
        try:
            import timm
        except ImportError as error:
            raise ConfigError(f"model.arch={arch}: it needs timm: pip install 'cnnrun[timm]'") from error
        self.name = arch
        self._name = arch.removeprefix(PREFIX)
        bare, _, tag = self._name.partition(".")
        if not timm.is_model(bare):
            close = near_miss(bare, timm.list_models(), PREFIX)
            raise ConfigError(f"model.arch={arch}: timm has no such network{close}")
        tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{bare}.*")]
        if tag and tag not in tags:
            close = near_miss(tag, tags, f"{PREFIX}{bare}.") or f" (there are {', '.join(tags) or 'none'})"
            raise ConfigError(f"model.arch={arch}: timm has no weights '{tag}' for {bare}{close}")
        config: Any = timm.models.get_pretrained_cfg(self._name)
        self._config = config
        self.published: tuple[str, ...] = ("imagenet",) if config.has_weights else ()

    def build(self, size: tuple[int, int], weights: str | None, num_classes: int | None = None) -> nn.Module:
        import timm

        side = self._config.input_size[1:]
        if self._config.fixed_input_size and size != side:
            raise ConfigError(
                f"model.arch={self.name}: it needs images of {size_text(side)}, not {size_text(size)}: "
                f"dataset.image_size={side[0]}"
            )
        settings: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
        network: nn.Module = timm.create_model(self._name, pretrained=False, **settings)
        return network

    def classifier(self, network: nn.Module) -> tuple[str, ...]:
        names = self._config.classifier or ()
        return (names,) if isinstance(names, str) else tuple(names)

    def without_classifier(self, network: nn.Module) -> nn.Module:
        network.reset_classifier(0)  # type: ignore[operator]
        return network

    def input_spec(self, weights: str) -> InputSpec:
        size = self._config.input_size[-1]
        return InputSpec(
            size=size,
            resize=math.floor(size / self._config.crop_pct),
            interpolation="bilinear" if self._config.interpolation == "bilinear" else "bicubic",
            mean=tuple(self._config.mean),
            std=tuple(self._config.std),
        )

    def smallest_size(self) -> int:
        return max((self._config.min_input_size or (3, 1, 1))[1:])

    def labels(self, weights: str) -> list[str] | None:
        from timm.data import ImageNetInfo, infer_imagenet_subset

        if self._config.num_classes == 1000:
            return imagenet_labels()
        subset = infer_imagenet_subset({"num_classes": self._config.num_classes})
        return list(ImageNetInfo(subset).label_descriptions()) if subset else None

    def locate(self, weights: str, offline: bool, report: Report) -> Path:
        if self._config.hf_hub_id:
            return from_hub(self._config.hf_hub_id, self._config.hf_hub_filename, offline, report)
        if self._config.custom_load or not isinstance(self._config.url, str):
            raise DataError(f"the weights of {self.name} are in a format that is not read here; {INSTEAD}")
        return published_file(self._config.url, offline, report)

    def translate(self, tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
        """By the function that timm keeps beside a network for this, where the names are not today's."""
        filter_names = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        if filter_names is None or tensors.keys() <= network.state_dict().keys():
            return tensors
        translated: dict[str, Tensor] = filter_names(tensors, network)
        return translated


def timm_has(name: str) -> bool:
    """Whether timm is installed and knows that network."""
    try:
        import timm
    except ImportError:
        return False
    return bool(timm.is_model(name))


def from_hub(identity: str, filename: str | None, offline: bool, report: Report) -> Path:
    """The file of weights in the hub's cache on this machine, downloaded into it if need be.

    Raises:
        DataError: if it is not there and cannot be had.
    """
    import huggingface_hub
    from huggingface_hub import constants

    repository, _, revision = identity.partition("@")
    names = (filename,) if filename else HUB_FILES
    for name in names:
        found = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    why = "offline=true"
    if not offline:
        # The client that the hub's package is built on; older ones raise OSError.
        from huggingface_hub.errors import HTTPError

        try:
            return _download(repository, names, revision or None, report)
        except (OSError, ValueError, HTTPError) as error:
            why = f"downloading failed ({str(error).strip().partition('. ')[0] or type(error).__name__})"
    url = f"{constants.ENDPOINT}/{repository}/resolve/{revision or 'main'}/{names[0]}"
    raise DataError(
        f"{names[0]} of {repository}: not in {constants.HF_HUB_CACHE}, and {why}; get it from {url} and name it: "
        "model.weights=FILE"
    )


def _download(repository: str, names: tuple[str, ...], revision: str | None, report: Report) -> Path:
    """The first of the names that the repository has."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    for name in names:
        try:
            # Asked for once: the download itself would try six times, for half a minute, where there is no network.
            huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(repository, name, revision=revision))
        except EntryNotFoundError:
            if name == names[-1]:
                raise
            continue
        bar = _reporting_bar(f"{repository} {name}", report)
        return Path(huggingface_hub.hf_hub_download(repository, name, revision=revision, tqdm_class=bar))
    raise AssertionError("no name of a file")


def _reporting_bar(what: str, report: Report) -> Any:
    """A progress bar of the hub that draws nothing and tells `report`."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **settings: Any) -> None:
            settings.pop("name", None)
            super().__init__(*args, **settings | {"file": io.StringIO(), "disable": False})

        def display(self, *_: Any, **__: Any) -> None:
            report(int(self.n), None if self.total is None else int(self.total), what)

    return Bar
