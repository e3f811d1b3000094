"""From a picture of any size to the pixels that a model sees: resize, then crop or pad."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import PositiveInt
from torch import Tensor
from torch.nn import functional as F

from cnnrun.values import Interpolation

Fit = Literal["crop", "squash", "pad"]
Color = Literal["rgb", "grey"]


@dataclass(frozen=True)
class Geometry:
    """How pictures of many sizes become pictures of one size.

    crop: the short side becomes `resize` pixels, and `size` is cut out of the middle. squash: straight to `size`,
    whatever that does to the proportions. pad: the whole picture, with black bars.
    """

    size: tuple[PositiveInt, PositiveInt]
    """(H, W) of the result."""
    resize: PositiveInt
    """Pixels; only crop reads it, and it is at least the larger side of `size`."""
    fit: Fit = "crop"
    interpolation: Interpolation = "bilinear"
    color: Color = "rgb"
    draft: bool = False
    """Let the JPEG decoder scale down as it decodes: faster, and it changes the pixels."""

    @property
    def channels(self) -> int:
        return 3 if self.color == "rgb" else 1

    def key(self) -> str:
        """16 hex digits that change with any field."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]


def fit_image(pixels: Tensor, geometry: Geometry) -> Tensor:
    """(C, H, W) uint8 to (C, *size) uint8, antialiased; the sizes in between are those of torchvision's transforms."""
    height, width = geometry.size
    if geometry.fit == "squash":
        return _resize(pixels, height, width, geometry.interpolation)
    if geometry.fit == "pad":
        return _pad(pixels, geometry)
    shape = pixels.shape[-2:]
    short = min(shape)
    new_height, new_width = (geometry.resize if side == short else geometry.resize * side // short for side in shape)
    resized = _resize(pixels, new_height, new_width, geometry.interpolation)
    top, left = round((new_height - height) / 2), round((new_width - width) / 2)
    return resized[:, top : top + height, left : left + width].contiguous()


def _pad(pixels: Tensor, geometry: Geometry) -> Tensor:
    height, width = geometry.size
    scale = min(height / pixels.shape[-2], width / pixels.shape[-1])
    new_height = min(height, max(1, round(pixels.shape[-2] * scale)))
    new_width = min(width, max(1, round(pixels.shape[-1] * scale)))
    resized = _resize(pixels, new_height, new_width, geometry.interpolation)
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return F.pad(resized, (left, width - new_width - left, top, height - new_height - top))


def _resize(pixels: Tensor, height: int, width: int, interpolation: Interpolation) -> Tensor:
    """torch's own arithmetic on bytes: see `resizing.resize`."""
    if pixels.shape[-2:] == (height, width):
        return pixels
    resized: Tensor = F.interpolate(pixels[None], size=(height, width), mode=interpolation, antialias=True)[0]
    return resized
