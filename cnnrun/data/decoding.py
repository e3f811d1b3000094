"""Many pictures at once: decoded in threads, handed out in order, few in memory."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cnnrun.data.geometry import Geometry
from cnnrun.data.image_reading import BrokenImage, fitted, read_file

AHEAD_BYTES = 1 << 26
"""Of pixels that wait to be handed out."""


@dataclass(frozen=True)
class Decoded:
    """What became of one file."""

    index: int
    """Of its path among those that were given."""
    pixels: Tensor | None
    """(C, *geometry.size) uint8; None if the file gives no picture."""
    reason: str
    """Why not; empty if it does."""
    digest: str
    """The first half of the SHA-256 of the file's bytes, 32 hex digits; empty if they cannot be read."""


def decode_in_order(
    paths: Sequence[Path], geometry: Geometry, *, threads: int | None = None, ahead: int = 256
) -> Iterator[Decoded]:
    """Read each file once and decode it; one result for each path, in their order.

    The threads end with the generator: when it is used up or closed, or an exception, Ctrl-C too, leaves it.

    Args:
        threads: None for as many as there are cores.
        ahead: files that are taken up before the result of the first is wanted; fewer where their pixels are many.
    """
    threads = max(1, min(threads or usable_cores(), len(paths)))
    height, width = geometry.size
    ahead = min(ahead, max(2 * threads, AHEAD_BYTES // (geometry.channels * height * width)))
    waiting: deque[Future[Decoded]] = deque()
    pool = ThreadPoolExecutor(threads, "decode")
    try:
        _keep_to_one_core_each(pool, threads)
        for index, path in enumerate(paths):
            waiting.append(pool.submit(_decode, index, path, geometry))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(index: int, path: Path, geometry: Geometry) -> Decoded:
    digest = ""
    try:
        content = read_file(path)
        digest = hashlib.sha256(content).hexdigest()[:32]
        return Decoded(index, fitted(content, geometry), "", digest)
    except BrokenImage as error:
        return Decoded(index, None, str(error), digest)


def _keep_to_one_core_each(pool: ThreadPoolExecutor, threads: int) -> None:
    """Start the threads, each to run torch's operators alone: else each would start as many helpers as there are cores.

    The number of helpers belongs to a thread, but setting it also sets a default of the process, which is put back.
    The first question for it keeps a thread from taking that default later.
    """
    before = torch.get_num_threads()
    all_set = threading.Barrier(threads + 1)

    def keep_to_one_core() -> None:
        torch.get_num_threads()
        torch.set_num_threads(1)
        all_set.wait()

    try:
        for _ in range(threads):
            pool.submit(keep_to_one_core)
        all_set.wait()
    except BaseException:  # no thread more can be started, or Ctrl-C
        all_set.abort()
        raise
    torch.set_num_threads(before)


def usable_cores() -> int:
    """Those that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
