"""A model that is parted at a cut: its tail, and batches of activations in the place of those of samples."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cnnrun.data.loaders import Batch, ResidentLoader
from cnnrun.training.device import Compute
from cnnrun.training.parts import Cut
from cnnrun.training.prefix import Prefix
from cnnrun.training.prefix_cache import Wanted, obtain
from cnnrun.training.records import Filled, Filling


class Loader(Protocol):
    """What training and evaluation ask of the batches of a split."""

    @property
    def targets(self) -> Tensor: ...
    @property
    def num_samples(self) -> int: ...
    @property
    def steps(self) -> int: ...
    def samples_until(self, step: int) -> int: ...
    def batches(self, epoch: int = 0, first_step: int = 0) -> Iterator[Batch]: ...


class Parted:
    """A model's cut, and what of its frozen prefix is kept, for all loaders of an experiment.

    The prefix is taken from the model when it is first needed: by then its weights are loaded.

    Args:
        keeps: whether activations are kept. views: augmented ones of each training sample to compute and keep; 0:
            augmented samples are computed at each step.
        fingerprint: of the data; asked for once.
    """

    def __init__(
        self, cut: Cut, model: nn.Module, compute: Compute, *, keeps: bool, views: int, fingerprint: Callable[[], str]
    ) -> None:
        self.cut = cut
        self.keeps = keeps
        self.views = views
        self.compute = compute
        self._model = model
        self._prefix: Prefix | None = None
        self._fingerprint = fingerprint
        self._data = ""
        self._kept: dict[str, Tensor | None] = {}
        """By key; None where there is no room."""

    @property
    def prefix(self) -> Prefix:
        if self._prefix is None:
            with torch.inference_mode(False):  # an evaluation may be the first to ask
                self._prefix = Prefix(self.cut, self._model, self.compute)
        return self._prefix

    def tail(self, model: nn.Module) -> nn.Module:
        """What is after the cut, of the model or of a copy of it."""
        return self.cut.tail(model)

    def joined(self, model: nn.Module) -> nn.Module:
        """(n, *input_shape) to the outputs of the model, by the prefix and the tail: for samples of no split."""
        return _Joined(self.prefix, self.tail(model))

    def feed(self, loader: ResidentLoader) -> "Feed":
        """Its batches, with activations as their inputs."""
        return Feed(self, loader)

    def num_views(self, loader: ResidentLoader) -> int:
        """Of each sample that are kept; 0 where none is, because each epoch has others."""
        if not self.keeps:
            return 0
        return 1 if loader.augment is None else self.views

    def wanted(self, loader: ResidentLoader) -> Wanted:
        """Which activations stand for the samples of a loader."""
        self._data = self._data or self._fingerprint()
        augment = loader.augment
        facts = {
            "prefix": self.prefix.key,
            "data": self._data,
            "split": loader.split.name,
            "preprocessing": loader.preprocessing.to_dict(),
            "augment": None if augment is None else {name: str(value) for name, value in vars(augment).items()},
            "seed": None if augment is None else loader.seed,
            "views": self.num_views(loader),
            "device": self.compute.device.type,
        }
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
        shape = self.prefix.shape
        stored = (*shape[1:], shape[0]) if self.prefix.channels_last else shape
        return Wanted(key, (self.num_views(loader), loader.num_samples, *stored), self.prefix.dtype)

    def obtain(self, loader: ResidentLoader) -> Generator[int, None, Tensor | None]:
        """The activations (V, N, ...) for a loader, computed if they are nowhere; yields how many are."""
        wanted = self.wanted(loader)
        if wanted.key not in self._kept:
            self._kept[wanted.key] = yield from obtain(wanted, lambda: self._pieces(loader), self.compute.device)
        return self._kept[wanted.key]

    def filled(self, loaders: list[ResidentLoader], seconds: float) -> Filled:
        """What was done for these loaders, once their feeds are filled, which took so long."""
        kept = {loader.split.name: found for loader in loaders if (found := self._found(loader)) is not None}
        nbytes = sum(activations.nbytes for activations in kept.values())
        precision = {"bfloat16": "bf16", "float16": "fp16"}.get(str(self.prefix.dtype).removeprefix("torch."), "fp32")
        once = [f"{found.shape[1]:,} of {name}{_in_views(len(found))}" for name, found in kept.items()]
        parts = [f"once for each sample: {', '.join(once)} ({nbytes / 1e6:,.0f} MB, {precision})"] if kept else []
        if left := [name for name, found in kept.items() if found.device.type != self.compute.device.type]:
            parts.append(f"those of {' and '.join(left)} are copied to {self.compute.device} batch by batch")
        for loader in loaders:
            if loader.split.name not in kept:
                parts.append(f"at each step for {loader.split.name}: {self._why_not(loader)}")
        facts = {
            "cut": self.cut.place,
            "activations": list(self.prefix.shape),
            "precision": precision,
            "folded": self.prefix.is_folded,
            "kept": list(kept),
            "bytes": nbytes,
            "views": self.views,
            "seconds": round(seconds, 3),
        }
        return Filled(f"the frozen layers, {self.cut.extent}, are computed {'; '.join(parts)}", facts)

    def _found(self, loader: ResidentLoader) -> Tensor | None:
        return self._kept.get(self.wanted(loader).key) if self.num_views(loader) else None

    def _why_not(self, loader: ResidentLoader) -> str:
        if not self.keeps:
            return "cache.prefix=off"
        if loader.augment and not self.views:
            return "augmentation makes other images in each epoch (cache.views=4 would keep 4 of each)"
        return "there is no room for them in memory or in the cache folder"

    def _pieces(self, loader: ResidentLoader) -> Iterator[Tensor]:
        """View after view, in the order of the split, as they are stored."""
        in_order = ResidentLoader(
            loader.split,
            loader.preprocessing,
            batch_size=self.prefix.chunk,
            seed=loader.seed,
            augment=loader.augment,
            channels_last=loader.channels_last,
            device=loader.device,
        )
        for view in range(self.num_views(loader)):
            for batch in in_order.batches(view):
                activations = self.prefix(batch.inputs)
                yield activations.movedim(1, -1) if self.prefix.channels_last else activations


class _Joined(nn.Module):
    def __init__(self, prefix: Prefix, tail: nn.Module) -> None:
        super().__init__()
        self.prefix = prefix
        self.tail = tail

    def forward(self, inputs: Tensor) -> Any:
        return self.tail(self.prefix(inputs))


def _in_views(count: int) -> str:
    return f" in {count} views" if count > 1 else ""


class Feed:
    """A loader of which the model has the activations: those kept, or else those of each batch, by the same prefix.

    With K views, epoch e has view e % K of each sample, which is the augmentation that epoch e % K has otherwise.
    """

    def __init__(self, parted: Parted, loader: ResidentLoader) -> None:
        self._parted = parted
        self._loader = loader
        self._kept: Tensor | None = None
        self._is_filled = False
        self.targets = loader.targets
        self.num_samples = loader.num_samples
        self.steps = loader.steps
        self.samples_until = loader.samples_until

    def fill(self) -> Generator[Filling, None, None]:
        """Compute and keep what is to be kept, if nobody did yet."""
        if self._is_filled:
            return
        views = self._parted.num_views(self._loader)
        if views:
            filling = self._parted.obtain(self._loader)
            try:
                while True:
                    yield Filling(self._loader.split.name, next(filling), views * self.num_samples)
            except StopIteration as end:
                self._kept = end.value
            finally:
                filling.close()
        self._is_filled = True

    @property
    def kept(self) -> Tensor | None:
        """(V, N, ...), once it is filled."""
        return self._kept

    def batches(self, epoch: int = 0, first_step: int = 0) -> Iterator[Batch]:
        """As ResidentLoader's, but with activations."""
        for _ in self.fill():
            pass
        if self._kept is None:
            for batch in self._loader.batches(epoch, first_step):
                yield replace(batch, inputs=self._parted.prefix(batch.inputs))
            return
        stored = AsStored(channels_last=self._parted.prefix.channels_last)
        yield from self._loader.of_other_inputs(self._kept[epoch % len(self._kept)], stored).batches(epoch, first_step)


class AsStored:
    """What is left to do to stored activations: channels_last ones lie with their channels behind."""

    def __init__(self, *, channels_last: bool) -> None:
        self.channels_last = channels_last

    def apply(self, inputs: Tensor) -> Tensor:
        return inputs.movedim(-1, 1) if self.channels_last else inputs

    def to_dict(self) -> dict[str, Any]:
        return {"channels_last": self.channels_last}
