"""Figures that travel inside a page: the same picture in fewer bytes."""

import io

import numpy as np
from PIL import Image

LARGE = 100_000
"""Bytes; below it there is little to gain."""
VISIBLE = 4.0
"""Of 255, root mean square: up to here curves and cells look the same. Measured: figures below 3.1, noise 13."""


def packed(content: bytes) -> bytes:
    """A PNG with a palette of 256 colours where that looks the same, else packed as tightly as it goes."""
    if len(content) < LARGE:
        return content
    with Image.open(io.BytesIO(content)) as file:
        picture = file.convert("RGB")
        dpi = file.info.get("dpi")
    reduced = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    difference = np.asarray(picture, dtype=np.float32) - np.asarray(reduced.convert("RGB"), dtype=np.float32)
    chosen = reduced if np.sqrt(np.mean(np.square(difference))) <= VISIBLE else picture
    buffer = io.BytesIO()
    chosen.save(buffer, "png", optimize=True, **({"dpi": dpi} if dpi else {}))
    return min(buffer.getvalue(), content, key=len)
