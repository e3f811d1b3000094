"""Batches of a split that is held in memory, augmented and normalised on the device, with no wait at any step."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from cnnrun.data.augment import Augment
from cnnrun.data.sampling import balanced_order
from cnnrun.data.splits import BatchPreparation, Split
from cnnrun.errors import ConfigError
from cnnrun.seeds import generator_of, seed_of


@dataclass(frozen=True)
class Batch:
    """One rank's share of a batch.

    inputs (n, C, *spatial) float32; targets as the split has them, or (n, K) float32 once samples are mixed;
    indices (n,) int64 into the split; total: samples of the whole batch over all ranks.
    """

    inputs: Tensor
    targets: Tensor
    indices: Tensor
    total: int


class ResidentLoader:
    """A split, raw as it is stored, and its batches on a device, in an order that (seed, epoch) alone decides.

    Samples are gathered where the split lies; what does not fit on the device is copied there batch by batch, and all
    that follows is the same. Processes need not agree on where theirs lie.

    Every sample comes once an epoch; the last batch may be smaller. In training a single sample that is left over joins
    the batch before it, because batch normalisation cannot train on one. A rank gets its contiguous share of each
    batch: shares differ by at most one sample, so one may be empty. Augmentation follows (seed, epoch, sample), mixing
    (seed, epoch, step, rank); neither follows what was loaded before, so an epoch may start at any step.

    With sampler="balanced" an epoch draws every class equally often, so that some samples come several times and others
    not at all; augmentation then follows (seed, epoch, draw).

    Args:
        device: where the batches are; None for where the split lies.
    Raises:
        ConfigError: if a balanced sampler is asked for targets that are no classes.
    """

    def __init__(
        self,
        split: Split,
        preprocessing: BatchPreparation,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        sampler: Literal["uniform", "balanced"] = "uniform",
        augment: Augment | None = None,
        channels_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | None = None,
    ) -> None:
        self.device = split.inputs.device if device is None else device
        self.split = split
        self.targets = split.targets.to(self.device)
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self._classes = split.targets.cpu() if sampler == "balanced" else None
        if self._classes is not None and self._classes.is_floating_point():
            raise ConfigError(
                "sampler=balanced: it draws every class equally often, and a series has none; take sampler=uniform"
            )
        self.augment = None if augment is None or augment.is_identity else augment
        self.channels_last = channels_last and split.inputs.dim() == 4
        self.rank = rank
        self.world_size = world_size

    def of_other_inputs(self, inputs: Tensor, preparation: BatchPreparation) -> Self:
        """The same samples in the same order, with these inputs (N, ...) of theirs; nothing is augmented."""
        twin = copy.copy(self)
        twin.split = replace(self.split, inputs=inputs, rows=None)
        twin.preprocessing = preparation
        twin.augment, twin.channels_last = None, False
        return twin

    @property
    def num_samples(self) -> int:
        """Samples of an epoch, over all ranks."""
        return len(self.targets)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        whole, rest = divmod(self.num_samples, self.batch_size)
        joins = self.shuffle and whole and rest == 1
        return whole if joins or not rest else whole + 1

    def samples_until(self, step: int) -> int:
        """Samples in the batches of an epoch before `step`."""
        return self.num_samples if step >= self.steps else step * self.batch_size

    def batches(self, epoch: int = 0, first_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, or what is left of them from `first_step` on."""
        order = self._order(epoch)
        rows, order = order.to(self.split.inputs.device), order.to(self.device)
        draws = None
        if self.augment is not None:
            draws = self.augment.draws(self.num_samples, self.seed, epoch).to(self.device)
        for step in range(first_step, self.steps):
            begin = self.samples_until(step)
            total = self.samples_until(step + 1) - begin
            share = slice(begin + self._share(total, self.rank), begin + self._share(total, self.rank + 1))
            mix_seed = 0 if draws is None else seed_of("mix", self.seed, epoch, step, self.rank)
            inputs = self._inputs(rows[share] if self.shuffle else share)
            yield self._batch(inputs, order, share, total, draws, mix_seed)

    def _share(self, total: int, rank: int) -> int:
        """Where the share of a rank begins. Earlier ranks have the larger ones: the first is never without samples."""
        return math.ceil(total * rank / self.world_size)

    @property
    def smallest_share(self) -> int:
        """Samples that a rank trains on at a step, where it has any, at least."""
        totals = {self.samples_until(step + 1) - self.samples_until(step) for step in (0, self.steps - 1)}
        return min(max(1, total // self.world_size) for total in totals)

    def _order(self, epoch: int) -> Tensor:
        if self._classes is not None:
            return balanced_order(self._classes, generator_of("balanced", self.seed, epoch))
        if self.shuffle:
            return torch.randperm(self.num_samples, generator=generator_of("order", self.seed, epoch))
        return torch.arange(self.num_samples)

    def _inputs(self, which: Tensor | slice) -> Tensor:
        """The raw inputs of these samples on the device."""
        inputs = self.split.take(which)
        if inputs.device.type == self.device.type:
            return inputs
        if self.device.type != "cuda":
            return inputs.to(self.device)
        # From pinned memory it is copied behind the steps that the device still has to do; torch keeps it until then.
        # Windows of a series overlap, which cannot be pinned.
        return inputs.contiguous().pin_memory().to(self.device, non_blocking=True)

    def _batch(
        self, inputs: Tensor, order: Tensor, share: slice, total: int, draws: Tensor | None, mix_seed: int
    ) -> Batch:
        indices = order[share]
        targets = self.targets[indices if self.shuffle else share]
        if self.augment is not None and draws is not None:
            draws = draws.index_select(0, indices) if self._classes is None else draws[share]
            inputs = self.augment.transform(inputs, draws)
        inputs = self.preprocessing.apply(inputs)
        if self.augment is not None and draws is not None:
            inputs = self.augment.cut_out(inputs, draws)
            inputs, targets = self.augment.mix(inputs, targets, mix_seed)
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return Batch(inputs, targets, indices, total)
