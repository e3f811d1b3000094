"""Activations that were computed once, in the user's cache: shared by the jobs of a sweep, by resumed runs, by eval.

An entry is a folder with one file, named by a key that stands for everything its values depend on. It is written to
another name first, and by one process at a time; the others wait for it and read it. Its last bytes are a checksum:
activations that a disk has damaged are computed again.
"""

import math
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cnnrun import caches
from cnnrun.files import remove_leftovers
from cnnrun.training.residence import room

KIND = "prefix"
FILE = "activations"
IN_MEMORY = 2 * 10**9
"""Bytes that are held in the memory of the machine at most; more is mapped from the file."""
CHECKSUM = 4
"""Bytes of the CRC-32 at the end of a file. It is compared for as many as are held in memory: 1.3 GB/s."""
BLOCK = 1 << 22
"""Bytes that are written or checked at a time."""


@dataclass(frozen=True)
class Wanted:
    """Which activations: by their key, (V, N, ...) with V views of N samples, as they lie in memory."""

    key: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def entry(self) -> Path:
        return caches.folder(KIND) / self.key


def obtain(
    wanted: Wanted, compute: Callable[[], Iterable[Tensor]], device: torch.device
) -> Generator[int, None, Tensor | None]:
    """Read the activations, or compute and keep them; yields how many samples are done.

    A cache that cannot be written is read, or done without. None if they are too large for the memory then.

    Args:
        compute: gives them in order, pieces (n, ...) of all samples of the first view, then of the next.
        device: where they are used.
    """
    with ExitStack() as stack:
        file = wanted.entry / FILE
        try:
            stack.enter_context(caches.locked(wanted.entry, lambda: None))
            locked = True
        except OSError:
            locked = False  # a file that is there is whole all the same
        if (found := _read(file, wanted)) is not None:
            return _on(device, found)
        activations: Tensor | None = None
        if wanted.nbytes <= _free(device):
            activations = yield from _in_memory(wanted, compute(), device)
            if locked and _has_room(file, wanted):
                _write(file, _in_blocks(activations))
        elif locked and _has_room(file, wanted) and (yield from _streamed(file, compute())):
            activations = _read(file, wanted)
    caches.trim(KIND)
    return activations


def _read(file: Path, wanted: Wanted) -> Tensor | None:
    """Mapped, and private: whoever changes a value changes their own copy."""
    with suppress(OSError, RuntimeError), torch.inference_mode(False):
        if file.stat().st_size == wanted.nbytes + CHECKSUM and _is_whole(file, wanted.nbytes):
            size = math.prod(wanted.shape)
            return torch.from_file(str(file), shared=False, size=size, dtype=wanted.dtype).view(wanted.shape)
    return None


def _is_whole(file: Path, nbytes: int) -> bool:
    """Whether the checksum is that of what is before it."""
    if nbytes > IN_MEMORY:
        return True
    checksum = 0
    with open(file, "rb", buffering=0) as stream:
        for begin in range(0, nbytes, BLOCK):
            checksum = zlib.crc32(stream.read(min(BLOCK, nbytes - begin)), checksum)
        return stream.read() == checksum.to_bytes(CHECKSUM, "big")


def _on(device: torch.device, activations: Tensor) -> Tensor:
    """On the device, where they fit; else where they are."""
    with torch.inference_mode(False):  # training uses them, too
        return activations.to(device) if activations.nbytes <= _free(device) else activations


def _free(device: torch.device) -> int:
    """Bytes that activations may take."""
    return room(device) if device.type == "cuda" else min(IN_MEMORY, room(device))


def _has_room(file: Path, wanted: Wanted) -> bool:
    with suppress(OSError):
        free = shutil.disk_usage(file.parent.parent).free
        return wanted.nbytes < max(caches.LIMIT_BYTES, free // 5) and 1.1 * wanted.nbytes < free
    return False


def _in_memory(wanted: Wanted, pieces: Iterable[Tensor], device: torch.device) -> Generator[int, None, Tensor]:
    with torch.inference_mode(False):  # training uses it, too
        activations = torch.empty(wanted.shape, dtype=wanted.dtype, device=device)
    rows, done = activations.flatten(0, 1), 0
    for piece in pieces:
        rows[done : done + len(piece)] = piece
        done += len(piece)
        yield done
    return activations


def _in_blocks(activations: Tensor) -> Iterable[Tensor]:
    """Samples a block at a time: of what fills a device no copy is to fill the memory of the machine."""
    rows = activations.flatten(0, 1)
    return rows.split(max(BLOCK // max(rows[:1].nbytes, 1), 1))


def _write(file: Path, pieces: Iterable[Tensor]) -> None:
    """Without complaint where it cannot be: the activations are in memory."""
    with suppress(OSError):
        for _ in _writing(file, pieces):
            pass


def _streamed(file: Path, pieces: Iterable[Tensor]) -> Generator[int, None, bool]:
    """Whether all could be written."""
    done = 0
    try:
        for count in _writing(file, pieces):
            done += count
            yield done
    except OSError:
        return False
    return True


def _writing(file: Path, pieces: Iterable[Tensor]) -> Generator[int, None, None]:
    """Write to another name, flush, rename; yields the length of each piece."""
    file.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(file.parent)  # of a process that was killed: this one holds the lock
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        checksum = 0
        with open(temporary, "wb") as stream:
            for piece in pieces:
                content = piece.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
                checksum = zlib.crc32(content, checksum)
                stream.write(content)
                yield len(piece)
            stream.write(checksum.to_bytes(CHECKSUM, "big"))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
