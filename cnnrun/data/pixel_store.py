"""Pictures of a folder as they were read and resized once: bytes in the user's cache, mapped into memory.

A store is a file of rows, one a picture, and an index of lines that say what each row holds. Both only grow, and a line
is written after its row is on the disk: whatever a killed process leaves, what the index tells is there. A picture that
changes gets a new row; when more than half of the rows are of no use, those of use are copied. Each line has a checksum
of itself and of its row: what a disk, or somebody, has damaged is read from the picture again.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cnnrun import caches
from cnnrun.data.decoding import Decoded, decode_in_order
from cnnrun.data.geometry import Geometry
from cnnrun.data.image_listing import ImageFile
from cnnrun.errors import DataError

Report = Callable[[int, int | None, str], None]
"""Told (pictures done, pictures in all or None, what is done with them)."""

KIND = "pixels"
FORMAT = 2
"""To be raised whenever the same file would be read to other pixels, or stored in another way."""
BATCH_FILES, BATCH_BYTES = 256, 1 << 26
"""After so many pictures or bytes the rows are flushed to the disk, and the index tells of them."""
CHUNK_FILES = 8192
"""Paths that are made at a time."""
CHECKED_BYTES = 10**9
"""Of rows whose checksums are compared each time, about a second; of more, a sample."""


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


class Entry(NamedTuple):
    """A line of the index: a file as it was when it was read. `row` is -1 where it was broken."""

    path: str
    size: int
    mtime_ns: int
    digest: str
    row: int
    reason: str
    checksum: int = 0
    """Of the row, and of all that is said above."""


def stored_pixels(root: Path, files: Sequence[ImageFile], geometry: Geometry, report: Report) -> StoredPixels:
    """Read the files that the store does not have yet, and map it.

    A cache that cannot be written is no error: the pictures are then kept in a temporary folder, or in memory.

    Raises:
        DataError: if there is no room for them anywhere.
    """
    entry = caches.folder(KIND) / _name(root, geometry)
    try:
        with caches.locked(entry, lambda: report(0, None, "waiting for another process that reads the same pictures")):
            stored = _Store(entry, geometry).bring(root, files, report)
            caches.trim(KIND)
            return stored
    except OSError as error:
        with suppress(OSError):
            store = _Store(entry, geometry)
            if not store.missing(files):
                return store.stored(files)
        return _without_cache(root, files, geometry, report, entry, error)


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
            stored = _Store(place, geometry).bring(root, files, report)
        finally:
            shutil.rmtree(place, ignore_errors=True)  # what is mapped stays for as long as this process
    except OSError:
        stored = _in_memory(root, files, geometry, report)
    return replace(stored, notes=[why])


def _in_memory(root: Path, files: Sequence[ImageFile], geometry: Geometry, report: Report) -> StoredPixels:
    """Raises: DataError: if they do not fit."""
    needed, free = len(files) * _row_bytes(geometry), caches.free_memory()
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
        entries[file.path] = _entry_of(file, decoded, row)
        row += decoded.pixels is not None
    return _stored(pixels, files, entries)


class _Store:
    """The files of one store. Who writes holds its lock."""

    def __init__(self, folder: Path, geometry: Geometry) -> None:
        self._folder = folder
        self._geometry = geometry
        self._row_bytes = _row_bytes(geometry)
        self._generation = 0
        self._entries: dict[str, Entry] = {}
        """The newest of each file."""
        self._rows = 0
        """That the index tells of, also those of no use any more."""
        self._index_bytes = 0
        """Of whole lines."""
        self._read()

    def bring(self, root: Path, files: Sequence[ImageFile], report: Report) -> StoredPixels:
        """Read what is missing, then map."""
        missing = self.missing(files)
        if missing:
            self._require_room(len(missing))
            self._begin()
            self._append(_decode(root, missing, self._geometry, report))
            self._compact(root, files)
        return self.stored(files)

    def missing(self, files: Sequence[ImageFile]) -> list[ImageFile]:
        """Files that it does not have, has as they were before they changed, or has damaged."""
        wanted = {file.path: self._has(file) for file in files}
        damaged = self._damaged([path for path, there in wanted.items() if there])
        return [file for file in files if not wanted[file.path] or file.path in damaged]

    def stored(self, files: Sequence[ImageFile]) -> StoredPixels:
        return _stored(self._map(), files, self._entries)

    def _has(self, file: ImageFile) -> bool:
        entry = self._entries.get(file.path)
        return entry is not None and (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns)

    def _damaged(self, paths: Sequence[str]) -> set[str]:
        """Those of which the line or the row is not what was written."""
        entries = sorted((self._entries[path] for path in paths), key=lambda entry: entry.row)
        sample = entries[:: 1 + len(entries) * self._row_bytes // CHECKED_BYTES]
        contents = _with_pixels(sample, self._rows_file, self._row_bytes)
        return {entry.path for entry, pixels in contents if _checksum(entry, pixels) != entry.checksum}

    # --- reading

    @property
    def _index(self) -> Path:
        return self._folder / "index"

    @property
    def _rows_file(self) -> Path:
        return self._folder / f"rows-{self._generation}"

    def _header(self) -> dict[str, object]:
        about = {"format": FORMAT, "torchvision": version("torchvision"), "geometry": asdict(self._geometry)}
        plain: dict[str, object] = json.loads(json.dumps(about))
        return plain

    def _read(self) -> None:
        """Take in what the index tells; a line that is torn ends it, and so does a row that is not there."""
        try:
            lines = self._index.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return
        header = _parse(lines[0]) if lines else None
        if not isinstance(header, dict) or not isinstance(generation := header.pop("generation", None), int):
            return
        self._generation = generation
        if header != self._header():
            return
        room = self._rows_file.stat().st_size // self._row_bytes if self._rows_file.exists() else 0
        self._index_bytes = len(lines[0])
        for line in lines[1:]:
            entry = _entry(line)
            if entry is None or entry.row >= room:
                return
            self._index_bytes += len(line)
            self._take_in(entry)

    def _take_in(self, entry: Entry) -> None:
        self._entries[entry.path] = entry
        self._rows = max(self._rows, entry.row + 1)

    def _map(self) -> Tensor:
        shape = (self._rows, self._geometry.channels, *self._geometry.size)
        if not self._rows:
            return torch.empty(shape, dtype=torch.uint8)
        # Mode c keeps what somebody writes by mistake out of the file, and torch from complaining.
        return torch.from_numpy(np.memmap(self._rows_file, np.uint8, mode="c", shape=shape))

    # --- writing

    def _require_room(self, count: int) -> None:
        """Raises: OSError: if the disk has too little, before a long work that would end in nothing."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free < count * self._row_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))

    def _begin(self) -> None:
        """Make an index, where there is none that can be gone on with; remove what others left."""
        if not self._index_bytes:
            self._generation += 1
            self._rows_file.unlink(missing_ok=True)  # never cut short: another process may have mapped it
            self._write_index(self._index, [])
        for leftover in self._folder.iterdir():
            if leftover not in (self._index, self._rows_file):
                with suppress(OSError):  # Windows keeps what is mapped
                    leftover.unlink()

    def _write_index(self, path: Path, entries: Iterable[Entry]) -> None:
        header = json.dumps({"generation": self._generation} | self._header()).encode() + b"\n"
        content = header + b"".join(map(_line, entries))
        with open(path, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._index_bytes = len(content)

    def _append(self, decoded: Iterator[tuple[ImageFile, Decoded]]) -> None:
        with open(self._rows_file, "ab+") as rows, open(self._index, "rb+") as index:
            rows.truncate(self._rows * self._row_bytes)  # nobody has mapped what the index does not tell of
            index.truncate(self._index_bytes)
            index.seek(self._index_bytes)
            per_batch = max(min(BATCH_FILES, BATCH_BYTES // self._row_bytes), 1)
            while batch := list(islice(decoded, per_batch)):
                self._append_batch(rows, index, batch)

    def _append_batch(self, rows: BinaryIO, index: BinaryIO, batch: list[tuple[ImageFile, Decoded]]) -> None:
        added = []
        for file, one in batch:
            entry = _entry_of(file, one, self._rows)
            self._take_in(entry)
            if one.pixels is not None:
                rows.write(one.pixels.contiguous().numpy().data)
            if entry.digest:  # what could not even be opened is tried again each time
                added.append(_line(entry))
        rows.flush()
        os.fsync(rows.fileno())
        index.write(b"".join(added))
        index.flush()
        self._index_bytes += sum(map(len, added))

    def _compact(self, root: Path, files: Sequence[ImageFile]) -> None:
        """Copy the rows that are of use into a new file, if they are the smaller part."""
        wanted = {file.path for file in files}
        used = [
            entry
            for entry in self._entries.values()
            if entry.digest and (entry.path in wanted or os.path.lexists(root / entry.path))
        ]
        used.sort(key=lambda entry: entry.row)
        if 2 * sum(entry.row >= 0 for entry in used) >= self._rows:
            return
        contents = _with_pixels(used, self._rows_file, self._row_bytes)
        self._generation += 1
        kept = []
        with open(self._rows_file, "wb") as rows:
            for entry, pixels in contents:
                if _checksum(entry, pixels) != entry.checksum:
                    continue
                if entry.row >= 0:
                    rows.write(pixels)
                    entry = _checked(entry._replace(row=rows.tell() // self._row_bytes - 1), pixels)
                kept.append(entry)
            rows.flush()
            os.fsync(rows.fileno())
        unopened = {path: entry for path, entry in self._entries.items() if not entry.digest}
        self._write_index(self._folder / "index.new", kept)
        os.replace(self._folder / "index.new", self._index)
        self._entries, self._rows = unopened | {entry.path: entry for entry in kept}, sum(e.row >= 0 for e in kept)
        self._begin()


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
    root: Path, files: Sequence[ImageFile], geometry: Geometry, report: Report
) -> Iterator[tuple[ImageFile, Decoded]]:
    report(0, len(files), "reading")
    for begin in range(0, len(files), CHUNK_FILES):
        chunk = files[begin : begin + CHUNK_FILES]
        for decoded in decode_in_order([root / file.path for file in chunk], geometry):
            report(begin + decoded.index + 1, len(files), "reading")
            yield chunk[decoded.index], decoded


def _entry_of(file: ImageFile, decoded: Decoded, row: int) -> Entry:
    pixels = decoded.pixels
    entry = Entry(file.path, file.size, file.mtime_ns, decoded.digest, -1 if pixels is None else row, decoded.reason)
    return _checked(entry, b"" if pixels is None else pixels.contiguous().numpy().data)


def _checked(entry: Entry, pixels: bytes | memoryview) -> Entry:
    return entry._replace(checksum=_checksum(entry, pixels))


def _checksum(entry: Entry, pixels: bytes | memoryview) -> int:
    """CRC-32 of a row, then of the line but for the checksum."""
    return zlib.crc32(json.dumps(entry[:-1]).encode(), zlib.crc32(pixels))


def _with_pixels(entries: Iterable[Entry], rows_file: Path, row_bytes: int) -> Iterator[tuple[Entry, bytes]]:
    """Each entry with the bytes of its row; with none where the picture is broken."""
    with ExitStack() as stack:
        rows = None
        for entry in entries:
            if entry.row < 0:
                yield entry, b""
                continue
            rows = rows or stack.enter_context(open(rows_file, "rb", buffering=0))
            rows.seek(entry.row * row_bytes)
            yield entry, rows.read(row_bytes)


def _name(root: Path, geometry: Geometry) -> str:
    """Of the folder of a store: by where the pictures lie, and how they are brought to one size."""
    place = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return f"{place}-{geometry.key()}"


def _row_bytes(geometry: Geometry) -> int:
    return geometry.channels * geometry.size[0] * geometry.size[1]


def _line(entry: Entry) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _entry(line: bytes) -> Entry | None:
    values = _parse(line)
    if not isinstance(values, list) or [type(value) for value in values] != [str, int, int, str, int, str, int]:
        return None
    return Entry(*values)


def _parse(line: bytes) -> object:
    """None for a line that is torn."""
    try:
        return json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
