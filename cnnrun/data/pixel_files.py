"""The files of a store of pixels: rows, one a picture, and an index that says what each row holds.

Both only grow, and a line is written after its row is on the disk: whatever a killed process leaves, what the index
tells is there. A picture that changes gets a new row; when more than half of the rows are of no use, those of use are
copied. Each line has a checksum of itself and of its row: what a disk, or somebody, has damaged is read from the
picture again.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from cnnrun.data.decoding import Decoded
from cnnrun.data.geometry import Geometry
from cnnrun.data.image_listing import ImageFile
from cnnrun.data.pixel_index import Entry, parse_entry, parse_line, with_rows

FORMAT = 2
"""To be raised whenever the same file would be read to other pixels, or stored in another way."""
PIXEL_MAKERS = ("pillow", "torch")
"""Packages that decode and resize: with another version of one every picture is read again."""
BATCH_FILES, BATCH_BYTES = 256, 1 << 26
"""After so many pictures or bytes the rows are flushed to the disk, and the index tells of them."""
CHECKED_BYTES = 10**9
"""Of rows whose checksums are compared each time, about a second; of more, a sample."""

Decode = Callable[[Sequence[ImageFile]], Iterator[tuple[ImageFile, Decoded]]]
"""Reads files, in their order."""


class PixelFiles:
    """The files of one store. Who writes holds its lock."""

    def __init__(self, folder: Path, geometry: Geometry) -> None:
        self._folder = folder
        self._geometry = geometry
        self._row_bytes = bytes_of_row(geometry)
        self._generation = 0
        self.entries: dict[str, Entry] = {}
        """The newest of each file."""
        self._rows = 0
        """That the index tells of, also those of no use any more."""
        self._index_bytes = 0
        """Of whole lines."""
        self._read()

    def bring(self, root: Path, files: Sequence[ImageFile], decode: Decode) -> None:
        """Read what is missing.

        Raises:
            OSError: if it cannot be written.
        """
        missing = self.missing(files)
        if missing:
            self._require_room(len(missing))
            self._begin()
            self._append(decode(missing))
            self._compact(root, files)

    def missing(self, files: Sequence[ImageFile]) -> list[ImageFile]:
        """Files that it does not have, has as they were before they changed, or has damaged."""
        wanted = {file.path: self._has(file) for file in files}
        damaged = self._damaged([path for path, there in wanted.items() if there])
        return [file for file in files if not wanted[file.path] or file.path in damaged]

    def pixels(self) -> Tensor:
        """(R, C, H, W) uint8, mapped into memory: not to be written."""
        shape = (self._rows, self._geometry.channels, *self._geometry.size)
        if not self._rows:
            return torch.empty(shape, dtype=torch.uint8)
        # Mode c keeps what somebody writes by mistake out of the file, and torch from complaining.
        return torch.from_numpy(np.memmap(self._rows_file, np.uint8, mode="c", shape=shape))

    def _has(self, file: ImageFile) -> bool:
        entry = self.entries.get(file.path)
        return entry is not None and (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns)

    def _damaged(self, paths: Sequence[str]) -> set[str]:
        """Those of which the line or the row is not what was written."""
        entries = sorted((self.entries[path] for path in paths), key=lambda entry: entry.row)
        sample = entries[:: 1 + len(entries) * self._row_bytes // CHECKED_BYTES]
        contents = with_rows(sample, self._rows_file, self._row_bytes)
        return {entry.path for entry, row in contents if not entry.is_whole(row)}

    # --- reading

    @property
    def _index(self) -> Path:
        return self._folder / "index"

    @property
    def _rows_file(self) -> Path:
        return self._folder / f"rows-{self._generation}"

    def _header(self) -> dict[str, object]:
        versions = {name: version(name) for name in PIXEL_MAKERS}
        about = {"format": FORMAT, "versions": versions, "geometry": asdict(self._geometry)}
        plain: dict[str, object] = json.loads(json.dumps(about))
        return plain

    def _read(self) -> None:
        """Take in what the index tells; a line that is torn ends it, and so does a row that is not there."""
        try:
            lines = self._index.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return
        header = parse_line(lines[0]) if lines else None
        if not isinstance(header, dict) or not isinstance(generation := header.pop("generation", None), int):
            return
        self._generation = generation
        if header != self._header():
            return
        room = self._rows_file.stat().st_size // self._row_bytes if self._rows_file.exists() else 0
        self._index_bytes = len(lines[0])
        for line in lines[1:]:
            entry = parse_entry(line)
            if entry is None or entry.row >= room:
                return
            self._index_bytes += len(line)
            self._take_in(entry)

    def _take_in(self, entry: Entry) -> None:
        self.entries[entry.path] = entry
        self._rows = max(self._rows, entry.row + 1)

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
        content = header + b"".join(map(Entry.line, entries))
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
            entry = Entry.of(file, one, self._rows)
            self._take_in(entry)
            if one.pixels is not None:
                rows.write(one.pixels.contiguous().numpy().data)
            if entry.digest:  # what could not even be opened is tried again each time
                added.append(entry.line())
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
            for entry in self.entries.values()
            if entry.digest and (entry.path in wanted or os.path.lexists(root / entry.path))
        ]
        used.sort(key=lambda entry: entry.row)
        if 2 * sum(entry.row >= 0 for entry in used) >= self._rows:
            return
        contents = with_rows(used, self._rows_file, self._row_bytes)
        self._generation += 1
        kept = self._copy(contents)
        unopened = {path: entry for path, entry in self.entries.items() if not entry.digest}
        self._write_index(self._folder / "index.new", kept)
        os.replace(self._folder / "index.new", self._index)
        self.entries, self._rows = unopened | {entry.path: entry for entry in kept}, sum(e.row >= 0 for e in kept)
        self._begin()

    def _copy(self, contents: Iterable[tuple[Entry, bytes]]) -> list[Entry]:
        """Write the rows one behind the other; the entries with their new places, those that are damaged left out."""
        kept = []
        with open(self._rows_file, "wb") as rows:
            for entry, row in contents:
                if not entry.is_whole(row):
                    continue
                if entry.row >= 0:
                    rows.write(row)
                    entry = entry._replace(row=rows.tell() // self._row_bytes - 1).checked(row)
                kept.append(entry)
            rows.flush()
            os.fsync(rows.fileno())
        return kept


def bytes_of_row(geometry: Geometry) -> int:
    return geometry.channels * geometry.size[0] * geometry.size[1]
