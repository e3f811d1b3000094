"""Other image sizes, against PIL. Run: pytest tests/data/test_resizing.py"""

import numpy as np
import pytest
import torch
from PIL import Image

from cnnrun.data import resizing
from cnnrun.data.resizing import available_memory, resize
from cnnrun.errors import DataError


def images(num_channels: int = 3) -> torch.Tensor:
    return torch.randint(
        0, 256, (7, num_channels, 20, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("size", [5, 13, 20, 33, 64])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_resizing_agrees_with_pil(size: int, num_channels: int) -> None:
    source = images(num_channels)
    resized = resize(source, size)
    assert resized.dtype == torch.uint8
    for before, after in zip(source, resized, strict=True):
        for channel in range(num_channels):
            expected = Image.fromarray(before[channel].numpy()).resize((size, size), Image.Resampling.BILINEAR)
            difference = np.asarray(expected).astype(int) - after[channel].numpy()
            assert abs(difference).max() <= 1


def test_no_size_and_the_native_size_leave_the_images_as_they_are() -> None:
    source = images()
    assert resize(source, None) is source
    assert resize(source, 20) is source


def test_pieces_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resize(images(), 11)
    monkeypatch.setattr(resizing, "CHUNK_BYTES", 1000)
    assert torch.equal(resize(images(), 11), whole)


def test_images_that_would_not_fit_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resizing, "available_memory", lambda: 1_000_000)
    with pytest.raises(DataError) as error:
        resize(images(), 4000)
    assert str(error.value) == (
        "dataset.image_size=4000: the images would take 336,000,000 bytes of memory and 1,000,000 are free; "
        "take a smaller dataset.image_size or a dataset.limit"
    )


def test_the_free_memory_is_known_here() -> None:
    free = available_memory()
    assert free is None or free > 1 << 20
