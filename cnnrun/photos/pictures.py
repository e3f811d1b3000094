"""The contact sheet and the annotated copies: photos again, with what was predicted of them."""

import hashlib
import io
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from cnnrun.data.geometry import Geometry, fit_image
from cnnrun.data.image_reading import BrokenImage, decode_image, read_file
from cnnrun.photos.inputs import Inputs
from cnnrun.photos.rows import Row
from cnnrun.plots.captioned import captioned
from cnnrun.plots.contact_sheet import MOST, Tile
from cnnrun.run import Run

THUMBNAIL = 224
"""Pixels of the longer side on the contact sheet."""
LARGEST = 2048
"""Pixels of the longer side of an annotated copy."""
SHOWN = 3
"""Guesses below a photo, at most."""
MOST_BROKEN = 8
"""On a contact sheet, where not all files are."""
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
}
"""Of an annotated copy, by the name that it keeps."""
OTHER = ".jpg"
"""What is added to another name."""
LONGEST_NAME = 255
"""Bytes that systems take; that of a copy may need more than the photo's, which had no suffix to write."""


def tiles(inputs: Inputs, rows: Sequence[Row]) -> list[Tile]:
    """What the contact sheet shows: rows spread over all, of the broken ones a few."""
    return [_tile(rows[place], inputs.file(inputs.paths[place])) for place in chosen(rows)]


def chosen(rows: Sequence[Row]) -> list[int]:
    """Places of at most MOST rows, in their order."""
    if len(rows) <= MOST:
        return list(range(len(rows)))
    broken = [place for place, row in enumerate(rows) if row.is_broken][:MOST_BROKEN]
    whole = [place for place, row in enumerate(rows) if not row.is_broken]
    wanted = min(MOST - len(broken), len(whole))
    spread = [whole[number * len(whole) // wanted] for number in range(wanted)]
    return sorted([*broken, *spread])


def _tile(row: Row, file: Path) -> Tile:
    name = PurePosixPath(row.path).name
    if row.is_broken:
        return Tile(name, None, note=row.error)
    pixels = upright(file, THUMBNAIL)
    truth = row.truth
    note = f"truth: {truth.label}" if truth is not None and truth.rank != 1 else ""
    guesses = [(guess.label, guess.probability) for guess in row.guesses[:SHOWN]]
    return Tile(name, pixels, guesses, note if pixels is not None else "gone since it was predicted")


def upright(file: Path, longest: int) -> np.ndarray | None:
    """A photo as a person sees it, (H, W, 3) uint8, not larger than it is; None if it cannot be read any more."""
    try:
        pixels = decode_image(read_file(file), "rgb")
    except BrokenImage:
        return None
    height, width = pixels.shape[-2:]
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    fitted = fit_image(pixels, Geometry(size, max(size), fit="squash"))
    return np.ascontiguousarray(fitted.permute(1, 2, 0).numpy())


def annotate(run: Run, inputs: Inputs, rows: Sequence[Row]) -> Iterator[int]:
    """Write a copy of each photo with what was predicted below it; yields how many files are done.

    Copies that are there stay, so that it can go on. A broken file has no copy.
    """
    names = copy_names(inputs.paths)
    for done, (path, row) in enumerate(zip(inputs.paths, rows, strict=True), start=1):
        if not row.is_broken and not run.annotated(names[path]).exists():
            pixels = upright(inputs.file(path), LARGEST)
            if pixels is not None:
                run.write_annotated(names[path], _encoded(captioned(pixels, caption(row)), names[path]))
        yield done


def caption(row: Row) -> list[str]:
    """`hen 98.1%`, a line a guess, and the truth where it is another."""
    lines = [f"{guess.label} {guess.probability:.1%}" for guess in row.guesses[:SHOWN]]
    if row.truth is not None:
        lines.append(f"truth: {row.truth.label} {'✓' if row.truth.rank == 1 else '✗'}")
    return lines


def copy_names(paths: Collection[str]) -> dict[str, str]:
    """Where the copy of each input lies: under its own path where that stays inside, and names a format to write.

    A name that would be longer than systems take is cut, and told from others by a digest.
    """
    wanted = {path: _inside(path) for path in paths}
    taken: set[str] = set()
    names: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: (wanted[path] != path, path)):
        name = _short_enough(wanted[path], path)
        while name in taken:
            name = _short_enough(name + OTHER, path)
        taken.add(name)
        names[path] = name
    return names


def remarks(paths: Collection[str]) -> list[str]:
    """A sentence on copies whose names were cut."""
    cut = [path for path in paths if _short_enough(_inside(path), path) != _inside(path)]
    if not cut:
        return []
    have = "1 copy has" if len(cut) == 1 else f"{len(cut):,} copies have"
    return [f"annotate=true: {have} a shorter name, as {OTHER} behind the photo's own would make it too long"]


def _inside(path: str) -> str:
    parts = [part for part in PurePosixPath(path).parts if part not in ("..", "/")]
    name = "/".join(part.replace(":", "_") for part in parts)
    return name if PurePosixPath(name).suffix.lower() in FORMATS else name + OTHER


def _short_enough(name: str, path: str) -> str:
    """The name, or its beginning with a digest of the path."""
    if len(os.fsencode(PurePosixPath(name).name)) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    place = PurePosixPath(name)
    return str(place.with_name(f"{place.stem[: LONGEST_NAME // 8]}-{digest}{place.suffix}"))


def _encoded(picture: Image.Image, name: str) -> bytes:
    content = io.BytesIO()
    kind = FORMATS[PurePosixPath(name).suffix.lower()]
    picture.save(content, kind, **({"quality": 90} if kind in ("JPEG", "WEBP") else {}))
    return content.getvalue()
