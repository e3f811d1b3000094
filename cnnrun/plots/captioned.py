"""A photo with a caption below it, as a picture of its own."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image, ImageDraw, ImageFont

SHARE = 0.045
"""Height of a letter, of the photo's shorter side."""
SMALLEST, LARGEST = 11, 48
"""Pixels of a letter."""
NARROWEST = 160
"""Pixels that a caption needs; a photo that is not as wide gets a white margin."""


def captioned(pixels: np.ndarray, lines: Sequence[str]) -> Image.Image:
    """Write lines of text on a white strip below a photo (H, W, 3) uint8; a line that is too long is shortened."""
    height, width = pixels.shape[:2]
    size = min(max(round(SHARE * min(height, width)), SMALLEST), LARGEST)
    font = _font(size)
    across, pitch = max(width, NARROWEST), round(1.35 * size)
    picture = Image.new("RGB", (across, height + len(lines) * pitch + size // 2), "white")
    picture.paste(Image.fromarray(pixels), (0, 0))
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        text = shortened(line, across - size, font)
        pen.text((size // 2, height + size // 4 + number * pitch), text, fill="black", font=font)
    return picture


def shortened(line: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """As much of a line as fits into so many pixels; what stands behind its last space is kept."""
    start, space, end = line.rpartition(" ")
    clipped = line
    while start and font.getlength(clipped) > width:
        start = start[:-1]
        clipped = f"{start.rstrip()}…{space}{end}"
    return clipped


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """That of the figures."""
    return ImageFont.truetype(findfont(FontProperties(family="DejaVu Sans")), size)
