"""Random variants, against torch and torchvision by hand. Run: pytest tests/data/test_augment.py"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor
from torch.nn import functional as F

from cnnrun.data.augment import DRAWS, Augment
from cnnrun.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf" / "augment"
OFF: dict[str, Any] = yaml.safe_load((CONF / "none.yaml").read_text())
del OFF["name"]
KEEP = {"flip": 0.9, "cut_row": 0.5, "cut_column": 0.5}
"""Draws that change nothing; all others are 0.5, the middle of their range."""


def augment(shape: tuple[int, ...] = (3, 8, 8), **knobs: Any) -> Augment:
    return Augment(shape, 10, **(OFF | knobs))


def images(shape: tuple[int, ...] = (6, 3, 8, 8)) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def draws(num_samples: int = 6, **columns: float) -> Tensor:
    row = [(KEEP | columns).get(name, 0.5) for name in DRAWS]
    return torch.tensor([row] * num_samples)


def padded(inputs: Tensor, padding: int, fill: str) -> np.ndarray[Any, Any]:
    mode: Any = {"zero": "constant", "edge": "edge", "reflect": "symmetric"}[fill]
    return np.pad(inputs.numpy(), ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode=mode)


def test_nothing_on_is_the_identity() -> None:
    assert augment().is_identity
    assert torch.equal(augment().transform(images(), draws()), images())
    for knob in ("crop_padding", "rotation", "shift", "zoom", "brightness", "cutout", "mixup", "cutmix"):
        assert not augment(**{knob: 1 if knob in ("crop_padding", "cutout") else 0.5}).is_identity
    assert not augment(flip=True).is_identity


def test_every_second_image_is_flipped() -> None:
    flipped = augment(flip=True).transform(images(), draws(flip=0.49))
    assert torch.equal(flipped, images().flip(3))
    assert torch.equal(augment(flip=True).transform(images(), draws(flip=0.5)), images())
    table = augment(flip=True).draws(10_000, 0, 0)
    assert abs((table[:, DRAWS.index("flip")] < 0.5).float().mean() - 0.5) < 0.02


@pytest.mark.parametrize("fill", ["zero", "edge", "reflect"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shape", [(6, 3, 8, 8), (6, 1, 7, 9)])
def test_a_crop_is_a_window_of_the_padded_image(fill: str, flip: bool, shape: tuple[int, ...]) -> None:
    """Draws of 0, 1/5, ... choose the windows at 0, 1, ... of a padding of 2, in numpy."""
    source, (height, width) = images(shape), shape[2:]
    cropper = augment(shape[1:], flip=True, crop_padding=2, fill=fill)
    for top in range(5):
        for left in range(5):
            table = draws(top=(top + 0.5) / 5, left=(left + 0.5) / 5, flip=0.0 if flip else 0.9)
            window = padded(source, 2, fill)[:, :, top : top + height, left : left + width]
            expected = window[..., ::-1] if flip else window
            np.testing.assert_array_equal(cropper.transform(source, table).numpy(), expected)
            warped = augment(shape[1:], flip=True, crop_padding=2, fill=fill, rotation=1e-9).transform(source, table)
            np.testing.assert_allclose(warped.numpy(), expected, atol=1e-2)


@pytest.mark.parametrize("fill", ["zero", "edge"])
def test_the_interpolating_way_agrees_with_the_gathering_one_on_whole_pixels(fill: str) -> None:
    source, table = images(), draws(top=0.1, left=0.9, flip=0.0)
    gathered = augment(flip=True, crop_padding=2, fill=fill).transform(source, table)
    sampled = augment(flip=True, crop_padding=2, fill=fill, rotation=5.0).transform(source, table)
    torch.testing.assert_close(sampled, gathered.float(), atol=1e-3, rtol=0)


def test_a_rotation_is_that_of_torchvision() -> None:
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as TF

    source = images((4, 3, 9, 9))
    for draw, degrees in ((0.0, 30.0), (0.75, -15.0), (1.0, -30.0)):
        ours = augment((3, 9, 9), rotation=30.0).transform(source, draws(4, rotation=draw))
        theirs = TF.affine(source.float(), degrees, [0, 0], 1.0, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR)
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)


def test_a_rotation_of_a_wide_image_does_not_shear_it() -> None:
    """By 90 degrees a pixel 2 right of the centre comes to stand 2 above or below it."""
    source = torch.zeros(1, 1, 5, 9)
    source[0, 0, 2, 6] = 100
    turned = augment((1, 5, 9), rotation=90.0).transform(source, draws(1, rotation=1.0))
    assert turned.argmax() in (0 * 9 + 4, 4 * 9 + 4)
    assert turned.max() > 99


def test_a_zoom_scales_about_the_centre() -> None:
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as TF

    source = images((4, 3, 9, 9))
    for draw, scale in ((0.0, 0.8), (1.0, 1.2)):
        ours = augment((3, 9, 9), zoom=0.2).transform(source, draws(4, zoom=draw))
        theirs = TF.affine(source.float(), 0.0, [0, 0], scale, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR)
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)


def test_a_shift_is_a_share_of_the_side() -> None:
    """Half a side of 8 at the full draw: 4 pixels; the window moves right and down, so the picture goes left and up."""
    source = images()
    moved = augment(shift=0.5).transform(source, draws(down=1.0, right=1.0))
    expected = F.pad(source.float()[:, :, 4:, 4:], (0, 4, 0, 4))
    torch.testing.assert_close(moved, expected, atol=1e-3, rtol=0)


def test_brightness_multiplies_and_bytes_stay_within_theirs() -> None:
    source = images()
    brighter = augment(brightness=0.2).transform(source, draws(brightness=1.0))
    torch.testing.assert_close(brighter, (source * 1.2).clamp(0, 255))
    assert augment(brightness=0.2).transform(source * 1.0 + 300, draws(brightness=1.0)).max() > 360


def test_the_reference_option_stays_within_what_was_published() -> None:
    """003: 5 degrees, 5 % shift, 10 % zoom move a pixel of a 32x32 image by less than 16 (0.09 + 0.11) + 1.6 < 5."""
    knobs = yaml.safe_load((CONF / "reference.yaml").read_text())
    del knobs["name"]
    reference = Augment((3, 32, 32), 10, **knobs)
    ramp = torch.arange(32.0).expand(500, 3, 32, 32).contiguous()
    table = reference.draws(500, 0, 0)
    seen = reference.transform(ramp + 100, table)
    flipped = table[:, DRAWS.index("flip")] < 0.5
    factor = 1 + 0.1 * (2 * table[:, DRAWS.index("brightness")] - 1)
    expected = torch.where(flipped[:, None, None, None], ramp.flip(3), ramp)
    assert (seen / factor[:, None, None, None] - 100 - expected).abs().max() < 5
    assert 0.9 <= factor.min() < 0.91
    assert 1.09 < factor.max() <= 1.1


def test_a_cut_is_a_square_of_zeros_around_the_drawn_pixel() -> None:
    inputs = torch.ones(2, 3, 8, 8)
    cut = augment(cutout=4).cut_out(inputs, draws(2, cut_row=3.5 / 8, cut_column=0.0))
    expected = torch.ones(2, 3, 8, 8)
    expected[:, :, 1:5, 0:2] = 0
    assert torch.equal(cut, expected)


def test_a_knob_does_not_change_what_another_one_draws() -> None:
    assert torch.equal(augment(flip=True).draws(5, 1, 2), augment(mixup=1.0, cutout=2).draws(5, 1, 2))
    assert torch.equal(augment().draws(5, 1, 2)[:3], augment().draws(5, 1, 2)[:3])
    assert not torch.equal(augment().draws(5, 1, 2), augment().draws(5, 1, 3))
    assert not torch.equal(augment().draws(5, 1, 2), augment().draws(5, 2, 2))


def test_mixup_mixes_inputs_and_targets_in_the_same_share() -> None:
    """Constant images of value 0, 10, 20 show the share; the target of each names the two classes."""
    inputs = torch.tensor([0.0, 10.0, 20.0]).view(3, 1, 1, 1).expand(3, 3, 8, 8)
    targets = torch.tensor([0, 1, 2])
    for seed in range(20):
        mixed, soft = augment(mixup=1.0).mix(inputs, targets, seed)
        torch.testing.assert_close(soft.sum(1), torch.ones(3))
        expected = (soft[:, :3] @ torch.tensor([0.0, 10.0, 20.0])).view(3, 1, 1, 1).expand_as(inputs)
        torch.testing.assert_close(mixed, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(soft[1, 0], soft[2, 1])


def test_cutmix_gives_each_class_the_share_of_its_pixels() -> None:
    inputs = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 8, 12).contiguous()
    shares = set()
    for seed in range(50):
        mixed, soft = augment((1, 8, 12), cutmix=1.0).mix(inputs, torch.arange(4), seed)
        assert soft.shape == (4, 10)
        for label in range(4):
            pixels = (mixed == label).flatten(1).float().mean(1)
            torch.testing.assert_close(soft[:, label], pixels, atol=1e-6, rtol=0)
        shares.add(round(float(soft[0, 0]), 4))
    assert len(shares) > 20


def test_the_share_of_mixup_has_the_moments_of_its_beta_distribution() -> None:
    """Beta(0.5, 0.5): mean 1/2, variance 1/8."""
    targets = torch.tensor([0, 1])
    shares = [float(augment(mixup=0.5).mix(torch.zeros(2, 3, 8, 8), targets, seed)[1][0, 0]) for seed in range(2000)]
    assert abs(np.mean(shares) - 0.5) < 0.03
    assert abs(np.var(shares) - 0.125) < 0.01


def test_with_both_mixings_on_each_batch_takes_one_of_them() -> None:
    inputs = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 8, 8).contiguous()
    both = augment(mixup=1.0, cutmix=1.0)
    whole = [
        set(both.mix(inputs, torch.tensor([0, 1]), seed)[0].unique().tolist()) <= {0.0, 1.0} for seed in range(100)
    ]
    assert 30 < sum(whole) < 70


def test_the_global_random_module_is_left_alone() -> None:
    import random

    random.seed(1)
    expected = random.random()
    random.seed(1)
    augment(mixup=1.0).mix(torch.zeros(2, 3, 8, 8), torch.tensor([0, 1]), 0)
    assert random.random() == expected


@pytest.mark.parametrize("shape", [(2, 30), (1, 8, 8, 8)])
def test_what_is_no_image_may_be_mixed_and_dimmed_but_not_moved(shape: tuple[int, ...]) -> None:
    mixer = augment(shape, mixup=1.0, brightness=0.1)
    inputs = torch.rand(3, *shape)
    assert mixer.transform(inputs, draws(3)).shape == inputs.shape
    assert mixer.mix(inputs, torch.tensor([0, 1, 2]), 0)[0].shape == inputs.shape
    with pytest.raises(ConfigError) as error:
        augment(shape, flip=True)
    assert str(error.value) == (
        f"augment: the samples have shape {shape}, and moving or cutting pixels is for images (C, H, W); "
        "take augment=none"
    )


def test_a_crop_or_cut_as_large_as_the_image_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^augment\.crop_padding=8: the images have a side of 8 pixels; take less$"):
        augment(crop_padding=8)
    with pytest.raises(ConfigError, match=r"^augment\.cutout=9: the images have a side of 8 pixels; take less$"):
        augment(cutout=9)
