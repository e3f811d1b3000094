"""What a data set is: three splits of samples, held in memory, and the preprocessing fitted on train."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from cnnrun.data.preprocessing import Preprocessing
from cnnrun.errors import DataError
from cnnrun.values import Shape

GATHERED_BYTES = 1 << 26
"""Of samples that are read from a mapped file at a time, on their way to a device."""


@dataclass(frozen=True)
class Split:
    """One of train, val, test: N samples with inputs (C, *spatial) uint8 or float32, an id a sample, and targets.

    Targets are class indices (N,) int64, or values (N, ...) float32. The inputs may lie in a file that is mapped into
    memory: `take` reads no more than it is asked for.
    """

    name: str
    inputs: Tensor
    targets: Tensor
    ids: Sequence[str]
    rows: Tensor | None = field(default=None, kw_only=True)
    """(N,) int64: the row of `inputs` that a sample has; None where the inputs are just the samples, in their order."""

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, which: Tensor | slice) -> Tensor:
        """(n, C, *spatial): the raw inputs of these samples, given as indices (n,) int64 or as a slice."""
        if self.rows is not None:
            which = self.rows[which]
        return self.inputs[which] if isinstance(which, slice) else self.inputs.index_select(0, which)

    def to(self, device: torch.device | str) -> Self:
        """The same samples on a device.

        Raises:
            DataError: if they do not fit there.
        """
        if torch.device(device) == self.inputs.device:
            return self
        try:
            inputs = self.inputs.to(device) if self.rows is None else self._gathered(device)
            return replace(self, inputs=inputs, targets=self.targets.to(device), rows=None)
        except torch.OutOfMemoryError as error:
            raise DataError(
                f"{self.name} takes {len(self) * self.inputs[:1].nbytes:,} bytes, which {device} does not have free; "
                "take a smaller dataset.image_size, dataset.limit, or device=cpu"
            ) from error

    def _gathered(self, device: torch.device | str) -> Tensor:
        """The samples in their order; a few at a time, because all may not fit into the memory of the machine."""
        inputs = self.inputs.new_empty((len(self), *self.inputs.shape[1:]), device=device)
        chunk = max(1, GATHERED_BYTES // max(1, self.inputs[:1].nbytes))
        for start in range(0, len(self), chunk):
            inputs[start : start + chunk] = self.take(slice(start, start + chunk))
        return inputs


class BatchPreparation(Protocol):
    """What is still to be done to a batch before the model sees it."""

    def apply(self, inputs: Tensor) -> Tensor:
        """(N, C, *spatial) as the split holds it, to float32 of the same shape."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, from which a run prepares other data in the same way."""
        ...


class Data(Protocol):
    """A data set ready to train on, whatever its targets are. What is fitted was fitted on `train` alone."""

    kind: ClassVar[str]
    """The task that its targets are for."""

    @property
    def train(self) -> Split: ...
    @property
    def val(self) -> Split: ...
    @property
    def test(self) -> Split: ...
    @property
    def preprocessing(self) -> BatchPreparation: ...

    @property
    def input_shape(self) -> Shape:
        """(C, *spatial) of one sample."""
        ...

    @property
    def trains_on_val(self) -> bool:
        """Whether val is part of train, so that it cannot tell which epoch is the best."""
        ...

    @property
    def unit(self) -> str:
        """Of the targets; empty for classes."""
        ...

    @property
    def remarks(self) -> list[str]:
        """What was found and repaired as it was read, a sentence each."""
        ...

    def task_facts(self) -> dict[str, Any]:
        """What a task may be built with, by the name of its parameter."""
        ...

    def model_facts(self) -> dict[str, Any]:
        """What a model may be built with beside its input shape and its number of outputs."""
        ...

    def stored(self) -> dict[str, Any]:
        """What a run keeps of it, so that `with_preprocessing` can prepare another copy of the data alike."""
        ...

    def with_preprocessing(self, stored: dict[str, Any]) -> Self:
        """The same samples, prepared as a run that stored this did.

        Raises:
            DataError: if it was another kind of data, or is damaged.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """What run.json says of it."""
        ...

    def fingerprint(self) -> str:
        """16 hex digits that change with any value, target, or the way the samples are split."""
        ...


@dataclass(frozen=True)
class LabelledData:
    """Samples with a class each."""

    kind: ClassVar[str] = "classification"
    trains_on_val: ClassVar[bool] = False
    unit: ClassVar[str] = ""

    @property
    def remarks(self) -> list[str]:
        return []

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    preprocessing: Preprocessing

    @property
    def input_shape(self) -> Shape:
        return tuple(self.train.inputs.shape[1:])

    def class_counts(self) -> Tensor:
        """(K,) int64: samples of each class in train."""
        return torch.bincount(self.train.targets, minlength=len(self.class_names))

    def task_facts(self) -> dict[str, Any]:
        return {"class_names": self.class_names, "class_counts": self.class_counts()}

    def model_facts(self) -> dict[str, Any]:
        return {}

    def stored(self) -> dict[str, Any]:
        return self.preprocessing.to_dict() | {"class_names": list(self.class_names)}

    def with_preprocessing(self, stored: dict[str, Any]) -> Self:
        if stored.get("class_names") != list(self.class_names):
            raise DataError(
                f"the data set has the classes {', '.join(self.class_names[:10])}, and the run was trained on "
                f"{stored.get('class_names')}"
            )
        preprocessing = Preprocessing.from_dict(stored)
        if not len(preprocessing.scale) == len(preprocessing.shift) == self.input_shape[0]:
            raise DataError(
                f"the stored preprocessing has scale and shift for {len(preprocessing.scale)} and "
                f"{len(preprocessing.shift)} channels, and the data set has {self.input_shape[0]}"
            )
        return replace(self, preprocessing=preprocessing)

    def facts(self) -> dict[str, Any]:
        return {
            "fingerprint": self.fingerprint(),
            "input_shape": list(self.input_shape),
            "classes": len(self.class_names),
            "samples": {split.name: len(split) for split in (self.train, self.val, self.test)},
        }

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for split in (self.train, self.val, self.test):
            inputs = split.take(slice(None))
            digest.update(f"{split.name} {tuple(inputs.shape)} {inputs.dtype}".encode())
            digest.update(inputs.contiguous().numpy().data)
            digest.update(split.targets.contiguous().numpy().data)
        return digest.hexdigest()[:16]
