"""Pictures of a folder as they were read and resized once: bytes in the user's cache, mapped into memory."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from cnnrun import caches
from cnnrun.data.decoding import Decoded, decode_in_order
from cnnrun.data.geometry import Geometry
from cnnrun.data.image_listing import ImageFile
from cnnrun.data.pixel_files import PixelFiles, bytes_of_row
from cnnrun.data.pixel_index import Entry
from cnnrun.errors import DataError

Report = Callable[[int, int | None, str], None]
"""Told (pictures done, pictures in all or None, what is done with them)."""

KIND = "pixels"
CHUNK_FILES = 8192
"""Paths that are made at a time."""


@dataclass(frozen=True)
class StoredPixels:
    """The pictures of N files, some of which are broken; R rows, some of which may be of other files."""

    pixels: Tensor
    """(R, C, H, W) uint8, mapped into memory: not to be written."""
    rows: Tensor
    """(N,) int64: the row of a file; -1 for one that is broken."""
    reasons: dict[str, str]
    """Why a file is broken, by its path."""
    digests: list[str]
    """Of the bytes of each file; empty where it could not be opened."""
    notes: list[str]
    """What is to be said about the cache, a sentence each."""


def stored_pixels(root: Path, files: Sequence[ImageFile], geometry: Geometry, report: Report) -> StoredPixels:
    """Read the files that the store does not have yet, and map it.

    A cache that cannot be written is no error: the pictures are then kept in a temporary folder, or in memory.

    Raises:
        DataError: if there is no room for them anywhere.
    """
    entry = caches.folder(KIND) / _name(root, geometry)
    try:
        with caches.locked(entry, lambda: report(0, None, "waiting for another process that reads the same pictures")):
            stored = _brought(entry, root, files, geometry, report)
            caches.trim(KIND)
            return stored
    except OSError as error:
        with suppress(OSError):
            there = PixelFiles(entry, geometry)
            if not there.missing(files):
                return _stored(there.pixels(), files, there.entries)
        return _without_cache(root, files, geometry, report, entry, error)


def _brought(folder: Path, root: Path, files: Sequence[ImageFile], geometry: Geometry, report: Report) -> StoredPixels:
    """Raises: OSError: if the folder cannot be written."""
    there = PixelFiles(folder, geometry)
    there.bring(root, files, lambda missing: _decode(root, missing, geometry, report, len(files) - len(missing)))
    return _stored(there.pixels(), files, there.entries)


def _without_cache(
    root: Path, files: Sequence[ImageFile], geometry: Geometry, report: Report, entry: Path, error: OSError
) -> StoredPixels:
    why = (
        f"the cache {entry.parent.parent} cannot be written ({error.strerror or error}), so the pictures are read again"
    )
    why += " by the next run; CNNRUN_CACHE=FOLDER names another place"
    try:
        place = Path(tempfile.mkdtemp(prefix="cnnrun-"))
        try:
            stored = _brought(place, root, files, geometry, report)
        finally:
            shutil.rmtree(place, ignore_errors=True)  # what is mapped stays for as long as this process
    except OSError:
        stored = _in_memory(root, files, geometry, report)
    return replace(stored, notes=[why])


def _in_memory(root: Path, files: Sequence[ImageFile], geometry: Geometry, report: Report) -> StoredPixels:
    """Raises: DataError: if they do not fit."""
    needed, free = len(files) * bytes_of_row(geometry), caches.free_memory()
    if needed > free:
        raise DataError(
            f"{needed / 1e9:,.1f} GB of pixels fit neither into the cache or the temporary folder nor into memory, "
            f"which has {free / 1e9:,.1f} GB free; name another cache with CNNRUN_CACHE=FOLDER, or take a smaller "
            "dataset.image_size or a dataset.limit"
        )
    pixels = torch.empty((len(files), geometry.channels, *geometry.size), dtype=torch.uint8)
    entries: dict[str, Entry] = {}
    row = 0
    for file, decoded in _decode(root, files, geometry, report):
        if decoded.pixels is not None:
            pixels[row] = decoded.pixels
        entries[file.path] = Entry.of(file, decoded, row)
        row += decoded.pixels is not None
    return _stored(pixels, files, entries)


def _stored(pixels: Tensor, files: Sequence[ImageFile], entries: dict[str, Entry]) -> StoredPixels:
    mine = [entries[file.path] for file in files]
    return StoredPixels(
        pixels=pixels,
        rows=torch.tensor([entry.row for entry in mine], dtype=torch.int64),
        reasons={entry.path: entry.reason for entry in mine if entry.row < 0},
        digests=[entry.digest for entry in mine],
        notes=[],
    )


def _decode(
    root: Path, files: Sequence[ImageFile], geometry: Geometry, report: Report, num_cached: int = 0
) -> Iterator[tuple[ImageFile, Decoded]]:
    what = f"reading what is new, {num_cached:,} are in the cache" if num_cached else "reading"
    report(0, len(files), what)
    threads = torch.get_num_threads()  # those of the run: there may be other runs beside it
    for begin in range(0, len(files), CHUNK_FILES):
        chunk = files[begin : begin + CHUNK_FILES]
        for decoded in decode_in_order([root / file.path for file in chunk], geometry, threads=threads):
            report(begin + decoded.index + 1, len(files), what)
            yield chunk[decoded.index], decoded


def _name(root: Path, geometry: Geometry) -> str:
    """Of the folder of a store: by where the pictures lie, and how they are brought to one size."""
    place = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return f"{place}-{geometry.key()}"
