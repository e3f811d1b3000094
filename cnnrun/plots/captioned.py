"""A photo with a caption below it, as a picture of its own."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cnnrun.plots.fonts import runs

SHARE = 0.045
"""Height of a letter, of the photo's shorter side."""
SMALLEST, LARGEST = 11, 48
"""Pixels of a letter."""
NARROWEST = 160
"""Pixels that a caption may have; a photo that is not as wide stands in the middle of a caption that is wider."""


def captioned(pixels: np.ndarray, lines: Sequence[str]) -> Image.Image:
    """Write lines of text on a white strip below a photo (H, W, 3) uint8; a line that is too long is shortened."""
    height, width = pixels.shape[:2]
    size = min(max(round(SHARE * min(height, width)), SMALLEST), LARGEST)
    needed = max((math.ceil(_length(line, size)) + size for line in lines), default=0)
    across, pitch = max(width, min(needed, NARROWEST)), round(1.35 * size)
    picture = Image.new("RGB", (across, height + len(lines) * pitch + size // 2), "white")
    picture.paste(Image.fromarray(pixels), ((across - width) // 2, 0))
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        top = height + size // 4 + number * pitch
        _write(pen, (size // 2, top), shortened(line, across - size, size), size)
    return picture


def shortened(line: str, width: int, size: int) -> str:
    """As much of a line as fits into so many pixels; what stands behind its last space is kept."""
    start, space, end = line.rpartition(" ")
    clipped = line
    while start and _length(clipped, size) > width:
        start = start[:-1]
        clipped = f"{start.rstrip()}…{space}{end}"
    return clipped


def _write(pen: ImageDraw.ImageDraw, corner: tuple[float, float], line: str, size: int) -> None:
    """From the upper left corner on; all fonts of a line stand on the baseline of the first."""
    left, top = corner
    parts = [(_font(file, size), part) for file, part in runs(line)]
    for font, part in parts:
        pen.text((left, top + parts[0][0].getmetrics()[0]), part, fill="black", font=font, anchor="ls")
        left += font.getlength(part)


def _length(line: str, size: int) -> float:
    return sum(_font(file, size).getlength(part) for file, part in runs(line))


@cache
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)
