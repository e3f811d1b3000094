"""From the modes in which Pillow holds pixels to bytes as a person sees them: RGB or grey, nothing transparent."""

from typing import Any

import numpy as np
from PIL import Image

from cnnrun.data.geometry import Color
from cnnrun.data.image_formats import BrokenImage

Array = np.ndarray[Any, np.dtype[Any]]
ALPHA = {"RGBA", "LA", "PA", "La", "RGBa"}
MIN_IS_WHITE = 0
"""Of the tag PHOTOMETRIC: small values are bright."""
UNSIGNED = 1
"""Of the tag SAMPLE_FORMAT."""
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""TIFF 6.0 (1992), sections 8 and 19: tags BitsPerSample, PhotometricInterpretation and SampleFormat."""


def visible(image: Image.Image, color: Color) -> Array:
    """The pixels of a loaded picture: (H, W, 3) uint8 RGB, or (H, W) uint8 of its luma (ITU-R 601).

    Transparent parts lie over white. CMYK is turned into RGB without a colour profile.

    Raises:
        BrokenImage: if the colours are in a space that Pillow cannot turn into RGB.
    """
    if image.mode == "LAB":
        raise BrokenImage("colours in CIELAB, which is not read: save it as RGB")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_eight_bits(image))
    elif image.mode in ALPHA or "transparency" in image.info:
        image = _over_white(image)
    mode = "L" if color == "grey" else "RGB"
    # A palette, or ink, has a luma only as the colours it stands for.
    if image.mode not in (mode, "L", "1", "RGB"):
        image = image.convert("RGB")
    if image.mode != mode:
        image = image.convert(mode)
    return np.array(image)


def _over_white(image: Image.Image) -> Image.Image:
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _eight_bits(image: Image.Image) -> Array:
    """(H, W) uint8 of grey in 12 or 16 bits, 32-bit integers or floats."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        grey = (values >> (tags.get(BITS, (16,))[0] - 8)).astype(np.uint8)
    else:
        unsigned = values.dtype == np.int32 and tags.get(SAMPLE_FORMAT, (0,))[0] == UNSIGNED
        grey = _stretched(values.view(np.uint32) if unsigned else values)
    if tags.get(PHOTOMETRIC) == MIN_IS_WHITE:
        grey = 255 - grey
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _stretched(values: Array) -> Array:
    """Numbers whose format does not say what white is: floats in [0, 1] are shares of white, whole numbers in [0, 255]
    are bytes; all others are spread from black, the smallest, to white, the largest. What is no number is black."""
    numbers = values[np.isfinite(values)]
    low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 0.0)
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0, 1
    elif low >= 0 and high <= 255 and not (numbers % 1).any():
        low, high = 0, 255
    scale = 255 / (high - low) if high > low else 0.0
    grey: Array = np.empty(values.shape, np.uint8)
    for row, line in zip(grey, values, strict=True):  # a row at a time: what float64 takes stays small
        whole = np.nan_to_num(line, nan=low, posinf=high, neginf=low)  # first: casting some kinds of NaN is warned of
        row[...] = np.rint((whole.astype(np.float64) - low) * scale)
    return grey
