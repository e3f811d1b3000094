"""The index of a store of pixels: a line a file, with a checksum of itself and of the row that it speaks of."""

import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from cnnrun.data.decoding import Decoded
from cnnrun.data.image_listing import ImageFile


class Entry(NamedTuple):
    """A line of the index: a file as it was when it was read. `row` is -1 where it was broken."""

    path: str
    size: int
    mtime_ns: int
    digest: str
    row: int
    reason: str
    checksum: int = 0
    """CRC-32 of the row, then of all that is said above."""

    @classmethod
    def of(cls, file: ImageFile, decoded: Decoded, row: int) -> Self:
        """What became of a file, whose pixels, if it has any, are in that row."""
        pixels = decoded.pixels
        entry = cls(file.path, file.size, file.mtime_ns, decoded.digest, -1 if pixels is None else row, decoded.reason)
        return entry.checked(b"" if pixels is None else pixels.contiguous().numpy().data)

    def checked(self, row: bytes | memoryview) -> Self:
        return self._replace(checksum=self._checksum(row))

    def is_whole(self, row: bytes | memoryview) -> bool:
        """Whether neither the line nor the row was damaged."""
        return self.checksum == self._checksum(row)

    def _checksum(self, row: bytes | memoryview) -> int:
        return zlib.crc32(json.dumps(self[:-1]).encode(), zlib.crc32(row))

    def line(self) -> bytes:
        return json.dumps(self).encode() + b"\n"


def parse_entry(line: bytes) -> Entry | None:
    """None for a line that is torn, or something else."""
    values = parse_line(line)
    if not isinstance(values, list) or [type(value) for value in values] != [str, int, int, str, int, str, int]:
        return None
    return Entry(*values)


def parse_line(line: bytes) -> object:
    """None for a line that is torn."""
    try:
        return json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None


def with_rows(entries: Iterable[Entry], rows_file: Path, row_bytes: int) -> Iterator[tuple[Entry, bytes]]:
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
