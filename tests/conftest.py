"""What several test files share: a small data set that a small network can learn."""

import pytest
import torch

from cnnrun.data.preprocessing import fit_preprocessing
from cnnrun.data.splits import Data, Split


def blobs(num_samples: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey 8x8 images with a bright patch whose corner tells the class (0, 1, 2)."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(num_samples) % 3
    images = torch.randint(0, 120, (num_samples, 1, 8, 8), generator=generator)
    for image, target in zip(images, targets.tolist(), strict=True):
        row, column = ((0, 0), (0, 5), (5, 2))[target]
        image[0, row : row + 3, column : column + 3] += 60
    return images.to(torch.uint8), targets


@pytest.fixture(scope="session")
def blob_data() -> Data:
    """52 training samples, 21 for val, 24 for test, of 3 classes."""
    splits = []
    for seed, (name, size) in enumerate({"train": 52, "val": 21, "test": 24}.items()):
        inputs, targets = blobs(size, seed)
        splits.append(Split(name, inputs, targets, [f"{name}/{row:05d}" for row in range(size)]))
    train, val, test = splits
    return Data(train, val, test, ("a", "b", "c"), fit_preprocessing(train.inputs, "standardize"))
