"""From the two files of a published image set to three splits: subset, part, resize, fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from cnnrun.data.partition import test_rows, train_and_val_rows
from cnnrun.data.preprocessing import Normalize, fit_preprocessing
from cnnrun.data.resizing import resize
from cnnrun.data.splits import LabelledData, Split
from cnnrun.values import InputSpec


@dataclass(frozen=True)
class Pool:
    """Samples as their publisher filed them: inputs (N, C, H, W) uint8, targets (N,) int64, an id a sample."""

    inputs: Tensor
    targets: Tensor
    ids: Sequence[str]

    def split(self, name: str, rows: Tensor, image_size: int | None) -> Split:
        """The rows as a split, resized."""
        inputs = resize(self.inputs.index_select(0, rows), image_size)
        return Split(name, inputs, self.targets[rows], [self.ids[row] for row in rows.tolist()])


def numbered(file: str, rows: Iterable[int]) -> list[str]:
    """Ids that name a file and the row in it: `train/00017`."""
    return [f"{file}/{row:05d}" for row in rows]


def assemble(
    train: Pool,
    test: Pool,
    class_names: tuple[str, ...],
    *,
    image_size: int | None,
    val_fraction: float,
    split_seed: int,
    limit: int | None,
    normalize: Normalize,
    spec: InputSpec | None,
) -> LabelledData:
    """Part `train` into train and val, and fit the preprocessing on train alone.

    Args:
        image_size: side in pixels, None for the native one.
        limit: at most so many samples in train and val together, and at most so many in test.
        spec: of the weights that the model brings.
    """
    train_rows, val_rows = train_and_val_rows(
        train.targets, class_names, val_fraction=val_fraction, split_seed=split_seed, limit=limit
    )
    kept = test_rows(test.targets, len(class_names), split_seed=split_seed, limit=limit)
    train_split = train.split("train", train_rows, image_size)
    return LabelledData(
        train=train_split,
        val=train.split("val", val_rows, image_size),
        test=test.split("test", kept, image_size),
        class_names=class_names,
        preprocessing=fit_preprocessing(train_split, normalize, spec),
    )
