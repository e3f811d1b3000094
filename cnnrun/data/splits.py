"""What a data set is: three splits of samples, held in memory, and the preprocessing fitted on train."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from cnnrun.data.preprocessing import Preprocessing
from cnnrun.errors import DataError
from cnnrun.values import Shape


@dataclass(frozen=True)
class Split:
    """One of train, val, test: raw inputs (N, C, *spatial) uint8 or float32, targets (N,) int64, an id a sample."""

    name: str
    inputs: Tensor
    targets: Tensor
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str) -> Self:
        """The same samples on a device.

        Raises:
            DataError: if they do not fit there.
        """
        try:
            return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))
        except torch.OutOfMemoryError as error:
            raise DataError(
                f"{self.name} takes {self.inputs.nbytes:,} bytes, which {device} does not have free; "
                "take a smaller dataset.image_size, dataset.limit, or device=cpu"
            ) from error


@dataclass(frozen=True)
class Data:
    """A data set ready to train on. Everything in `preprocessing` was fitted on `train` alone."""

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    preprocessing: Preprocessing

    @property
    def input_shape(self) -> Shape:
        """(C, *spatial) of one sample."""
        return tuple(self.train.inputs.shape[1:])

    def class_counts(self) -> Tensor:
        """(K,) int64: samples of each class in train."""
        return torch.bincount(self.train.targets, minlength=len(self.class_names))

    def fingerprint(self) -> str:
        """16 hex digits that change with any pixel, target, or the way the samples are split."""
        digest = hashlib.sha256()
        for split in (self.train, self.val, self.test):
            digest.update(f"{split.name} {tuple(split.inputs.shape)} {split.inputs.dtype}".encode())
            digest.update(split.inputs.contiguous().numpy().data)
            digest.update(split.targets.contiguous().numpy().data)
        return digest.hexdigest()[:16]
