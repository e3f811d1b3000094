"""The 1,797 handwritten digits that ship with scikit-learn: no download, no file, a real test in seconds."""

import torch
from pydantic import NonNegativeInt, PositiveInt

from cnnrun.data.assemble import Pool, assemble, numbered
from cnnrun.data.partition import train_and_val_rows
from cnnrun.data.preprocessing import Normalize
from cnnrun.data.splits import LabelledData
from cnnrun.values import Fraction, InputSpec

TEST_FRACTION = 0.2
"""scikit-learn files the digits in one piece; this share of them, always the same, is the test set."""


def digits(
    input_spec: InputSpec | None = None,
    *,
    image_size: PositiveInt | None,
    val_fraction: Fraction,
    split_seed: NonNegativeInt,
    limit: PositiveInt | None,
    normalize: Normalize,
) -> LabelledData:
    """8x8 grey images, 0..16 stretched to 0..255; ids number the rows of `sklearn.datasets.load_digits`."""
    from sklearn.datasets import load_digits

    source = load_digits()
    inputs = torch.from_numpy(source.images * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
    targets = torch.from_numpy(source.target).long()
    class_names = tuple(str(name) for name in source.target_names)
    train_rows, test_rows = train_and_val_rows(
        targets, class_names, val_fraction=TEST_FRACTION, split_seed=0, limit=None
    )
    return assemble(
        Pool(inputs[train_rows], targets[train_rows], numbered("digits", train_rows.tolist())),
        Pool(inputs[test_rows], targets[test_rows], numbered("digits", test_rows.tolist())),
        class_names,
        image_size=image_size,
        val_fraction=val_fraction,
        split_seed=split_seed,
        limit=limit,
        normalize=normalize,
        spec=input_spec,
    )
