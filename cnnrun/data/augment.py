"""Augmentation of whole batches on the device, from a table of random numbers that (seed, epoch) fixes per sample."""

import math
import random
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt
from torch import Tensor
from torch.nn import functional as F

from cnnrun.errors import ConfigError
from cnnrun.seeds import generator_of
from cnnrun.values import Probability, Shape

Degrees = Annotated[float, Field(ge=0, le=180)]
Fill = Literal["zero", "edge", "reflect"]

DRAWS = ("flip", "top", "left", "rotation", "down", "right", "zoom", "brightness", "cut_row", "cut_column")
"""What each column of a table of draws decides; a column that no knob uses is drawn too, so knobs do not disturb
each other."""

PADDING_MODES = {"zero": "zeros", "edge": "border", "reflect": "reflection"}
"""Our words for what lies outside an image, in those of `grid_sample`."""


class Augment:
    """Random variants of images; which one a sample gets depends on (seed, epoch, sample) alone.

    `transform` acts on raw values, `cut_out` and `mix` on preprocessed ones.

    Args:
        flip: mirror every second image left to right.
        crop_padding: pixels of padding on each side, of which a window of the image's size is cut at random.
        rotation: up to so many degrees either way. shift: up to this share of height and width, each way.
        zoom: scale by 1 ± zoom. brightness: multiply by 1 ± brightness.
        fill: what lies outside the image when it is cropped, rotated or moved.
        cutout: side in pixels of a square set to the preprocessed 0 (the training mean under `standardize`);
            its centre is anywhere in the image (DeVries & Taylor 2017).
        mixup, cutmix: alpha of the Beta distribution of the mixing share, 0 is off; with both on,
            each batch tosses a coin.
    """

    def __init__(
        self,
        input_shape: Shape,
        num_classes: int,
        *,
        flip: bool,
        crop_padding: NonNegativeInt,
        rotation: Degrees,
        shift: Probability,
        zoom: Probability,
        brightness: Probability,
        fill: Fill,
        cutout: NonNegativeInt,
        mixup: NonNegativeFloat,
        cutmix: NonNegativeFloat,
    ) -> None:
        self.num_classes = num_classes
        self.flip = flip
        self.crop_padding = crop_padding
        self.rotation = rotation
        self.shift = shift
        self.zoom = zoom
        self.brightness = brightness
        self.fill = fill
        self.cutout = cutout
        self.mixings = [(mix, alpha) for mix, alpha in ((_mixup, mixup), (_cutmix, cutmix)) if alpha > 0]
        self.moves_pixels = any((flip, crop_padding, rotation, shift, zoom))
        self.is_identity = not (self.moves_pixels or brightness or cutout or self.mixings)
        self._refuse_misfit(input_shape, cutmix)

    def _refuse_misfit(self, input_shape: Shape, cutmix: float) -> None:
        if not (self.moves_pixels or self.cutout or cutmix):
            return
        if len(input_shape) != 3:
            raise ConfigError(
                f"augment: the samples have shape {input_shape}, and moving or cutting pixels is for images (C, H, W); "
                "take augment=none"
            )
        side = min(input_shape[1:])
        for name, value in (("crop_padding", self.crop_padding), ("cutout", self.cutout)):
            if value >= side:
                raise ConfigError(f"augment.{name}={value}: the images have a side of {side} pixels; take less")

    def draws(self, num_samples: int, seed: int, epoch: int) -> Tensor:
        """(N, len(DRAWS)) float32 in [0, 1), on the CPU: the row of each sample of the split in this epoch."""
        return torch.rand(num_samples, len(DRAWS), generator=generator_of("augment", seed, epoch))

    def transform(self, inputs: Tensor, draws: Tensor) -> Tensor:
        """Raw (n, C, *spatial) and the samples' draws (n, len(DRAWS)) to raw inputs, as float32 if interpolated."""
        if len(inputs) == 0:  # a rank's share of a small last batch; affine_grid refuses it
            return inputs
        column = dict(zip(DRAWS, draws.unbind(1), strict=True))
        is_byte = inputs.dtype == torch.uint8
        if self.rotation or self.shift or self.zoom:
            inputs = self._warp(inputs.float(), column)
        elif self.moves_pixels:
            inputs = self._flip_and_crop(inputs, column)
        if self.brightness:
            factor = 1 + self.brightness * (2 * column["brightness"] - 1)
            inputs = inputs * factor.view(-1, *[1] * (inputs.dim() - 1))
            inputs = inputs.clamp_(0, 255) if is_byte else inputs
        return inputs

    def cut_out(self, inputs: Tensor, draws: Tensor) -> Tensor:
        """Preprocessed (n, C, H, W) with a square of zeros in each, cut off at the border."""
        if not self.cutout:
            return inputs
        column = dict(zip(DRAWS, draws.unbind(1), strict=True))
        rows = self._covered(column["cut_row"], inputs.shape[2])
        columns = self._covered(column["cut_column"], inputs.shape[3])
        return inputs.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)

    def _covered(self, draw: Tensor, side: int) -> Tensor:
        """(n, side) bool: the pixels of one axis that lie in a cut around the drawn pixel."""
        first = (draw * side).long() - self.cutout // 2
        offset = torch.arange(side, device=draw.device) - first[:, None]
        return (offset >= 0) & (offset < self.cutout)

    def mix(self, inputs: Tensor, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Mix each sample of the (shuffled) batch with the one before it.

        Args:
            inputs: preprocessed (n, C, *spatial). targets: (n,) int64.
        Returns:
            The inputs, and targets (n, K) float32 with the share of each class; both unchanged if no mixing is on.
        """
        if not self.mixings:
            return inputs, targets
        dice = random.Random(seed)
        mixing, alpha = dice.choice(self.mixings)
        mixed, share = mixing(inputs, inputs.roll(1, 0), dice.betavariate(alpha, alpha), dice)
        soft = F.one_hot(targets, self.num_classes).float()
        return mixed, soft.lerp(soft.roll(1, 0), 1 - share)

    def _pixel_shifts(self, column: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """(n,) each: whether to flip, and the crop's rows and columns against the image, -padding..padding."""
        width = 2 * self.crop_padding + 1
        down = (column["top"] * width).long() - self.crop_padding
        right = (column["left"] * width).long() - self.crop_padding
        return (column["flip"] < 0.5) & self.flip, down, right

    def _flip_and_crop(self, inputs: Tensor, column: dict[str, Tensor]) -> Tensor:
        """Whole pixels only, so a gather does it: (n, C, H, W) of any type."""
        flip, down, right = self._pixel_shifts(column)
        height, width = inputs.shape[2:]
        across = torch.arange(width, device=inputs.device)
        columns = torch.where(flip[:, None], across.flip(0), across) + right[:, None]
        rows = torch.arange(height, device=inputs.device) + down[:, None]
        if self.fill == "zero":
            inputs = F.pad(inputs, [self.crop_padding] * 4)
            rows, columns = rows + self.crop_padding, columns + self.crop_padding
        else:
            rows, columns = self._within(rows, height), self._within(columns, width)
        source = rows[:, :, None] * inputs.shape[3] + columns[:, None, :]
        source = source.flatten(1)[:, None].expand(-1, inputs.shape[1], -1)
        return inputs.flatten(2).gather(2, source).unflatten(2, (height, width))

    def _within(self, positions: Tensor, side: int) -> Tensor:
        """Positions, some outside 0..side-1, to those of the pixels inside that they show.

        Reflected at the outer edge of the pixels, so that the last one shows twice, as in `_warp`.
        """
        if self.fill == "reflect":
            positions = torch.where(positions < 0, -1 - positions, positions)
            return torch.minimum(positions, 2 * side - 1 - positions)
        return positions.clamp(0, side - 1)

    def _warp(self, inputs: Tensor, column: dict[str, Tensor]) -> Tensor:
        """Everything that moves pixels in one bilinear sampling: (n, C, H, W) float32."""
        height, width = inputs.shape[2:]
        flip, down, right = self._pixel_shifts(column)
        angle = math.radians(self.rotation) * (2 * column["rotation"] - 1)
        scale = 1 + self.zoom * (2 * column["zoom"] - 1)
        cos, sin = angle.cos() / scale, angle.sin() / scale
        mirror = torch.where(flip, -1.0, 1.0)
        move_x = 2 * right / width + 2 * self.shift * (2 * column["right"] - 1)
        move_y = 2 * down / height + 2 * self.shift * (2 * column["down"] - 1)
        theta = torch.stack(
            (
                torch.stack((mirror * cos, -sin * (height / width), move_x), 1),
                torch.stack((mirror * sin * (width / height), cos, move_y), 1),
            ),
            1,
        )
        grid = F.affine_grid(theta, list(inputs.shape), align_corners=False)
        return F.grid_sample(inputs, grid, padding_mode=PADDING_MODES[self.fill], align_corners=False)


def _mixup(inputs: Tensor, partners: Tensor, share: float, _dice: random.Random) -> tuple[Tensor, float]:
    """Zhang et al. 2018: `share` of each sample and the rest of its partner."""
    return partners.lerp(inputs, share), share


def _cutmix(inputs: Tensor, partners: Tensor, share: float, dice: random.Random) -> tuple[Tensor, float]:
    """Yun et al. 2019: a box of the partner, 1 - share of the area where the border allows; returns the true share."""
    height, width = inputs.shape[2:]
    side = math.sqrt(1 - share) / 2
    centre_y, centre_x = dice.random() * height, dice.random() * width
    top, bottom = max(0, round(centre_y - side * height)), min(height, round(centre_y + side * height))
    left, right = max(0, round(centre_x - side * width)), min(width, round(centre_x + side * width))
    mixed = inputs.clone()
    mixed[:, :, top:bottom, left:right] = partners[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
