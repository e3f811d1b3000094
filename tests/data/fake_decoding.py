"""Stands in for the reading of pictures: a file `7` is a picture whose pixels are all 7. Counts what is read."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from cnnrun.data.decoding import Decoded
from cnnrun.data.geometry import Geometry

SEEN: list[str] = []
"""Names of the files that were read."""


def decode(paths: Sequence[Path], geometry: Geometry, *, threads: int, seconds: float = 0.0) -> Iterator[Decoded]:
    for index, path in enumerate(paths):
        time.sleep(seconds)
        SEEN.append(path.name)
        yield _decode(index, path, geometry)


def _decode(index: int, path: Path, geometry: Geometry) -> Decoded:
    try:
        content = path.read_bytes()
    except OSError as error:
        return Decoded(index, None, str(error.strerror).lower(), "")
    digest = hashlib.sha256(content).hexdigest()[:32]
    if not content.isdigit():
        return Decoded(index, None, "not an image", digest)
    return Decoded(index, torch.full((geometry.channels, *geometry.size), int(content), dtype=torch.uint8), "", digest)
