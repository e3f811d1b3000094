"""Pictures of any size to one size, against torchvision's transforms. `pytest tests/data/test_geometry.py`"""

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from cnnrun.data.geometry import Geometry, fit_image

SHAPES = [(375, 500), (500, 375), (300, 300), (30, 41), (7, 300), (256, 257), (1, 1)]


def picture(height, width, channels=3):
    return torch.randint(256, (channels, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_crop_is_torchvisions_resize_and_centre_crop(shape, interpolation):
    pixels = picture(*shape)
    resized = TF.resize(pixels, [256], interpolation=InterpolationMode(interpolation), antialias=True)
    expected = TF.center_crop(resized, [224, 224])
    assert torch.equal(fit_image(pixels, Geometry((224, 224), 256, interpolation=interpolation)), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_squash_is_torchvisions_resize_to_both_sides(shape):
    pixels = picture(*shape)
    expected = TF.resize(pixels, [64, 96], interpolation=InterpolationMode.BILINEAR, antialias=True)
    assert torch.equal(fit_image(pixels, Geometry((64, 96), 96, fit="squash")), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_pad_keeps_the_proportions_and_leaves_black_bars(shape):
    white = torch.full((3, *shape), 255, dtype=torch.uint8)
    padded = fit_image(white, Geometry((64, 64), 64, fit="pad"))
    assert padded.shape == (3, 64, 64)
    rows, columns = padded[0].any(1).sum().item(), padded[0].any(0).sum().item()
    assert max(rows, columns) == 64
    assert min(rows, columns) == max(1, round(64 * min(shape) / max(shape)))
    assert set(padded.unique().tolist()) <= {0, 255}


def test_a_picture_of_the_right_size_stays_as_it_is():
    pixels = picture(64, 64, channels=1)
    assert torch.equal(fit_image(pixels, Geometry((64, 64), 64, color="grey")), pixels)


def test_the_key_changes_with_every_field():
    plain = {"size": (64, 64), "resize": 64}
    others = [
        {"size": (64, 65)},
        {"resize": 72},
        {"fit": "pad"},
        {"interpolation": "bicubic"},
        {"color": "grey"},
        {"draft": True},
    ]
    keys = {Geometry(**plain).key(), *(Geometry(**plain | other).key() for other in others)}
    assert len(keys) == 1 + len(others)
