"""Published files over the network: checked by checksum, and under their own name only when complete."""

import hashlib
import os
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

from cnnrun.errors import DataError

Report = Callable[[int, int | None, str], None]
"""Told (bytes done, bytes in all or None, file name) as a download goes on."""

Algorithm = Literal["md5", "sha256"]
"""Of a published checksum."""

TIMEOUT_SECONDS = 30
PIECE_BYTES = 1 << 18


class DataMissing(DataError):
    """Files that are nowhere and cannot be had."""


class DownloadFailed(OSError):
    """No mirror gave the file whole, or it could not be written."""


def md5_of(path: Path) -> str:
    """The checksum that the publishers of data sets give; it finds damage, not malice."""
    return digest_of(path, "md5")


def digest_of(path: Path, algorithm: Algorithm) -> str:
    """The checksum of a file, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: _new(algorithm)).hexdigest()


def _new(algorithm: Algorithm) -> Any:
    return hashlib.new(algorithm, usedforsecurity=False)


def refuse_damaged(path: Path, md5: str) -> None:
    """Raise DataError where a file that is there is not the published one."""
    found = md5_of(path)
    if found != md5:
        raise DataError(
            f"{path}: its md5 is {found} and the published one {md5}, so it is damaged or another data set's; "
            "move it away, and it will be looked for elsewhere or downloaded"
        )


def missing(
    names: Sequence[str],
    looked_in: Sequence[Path],
    why: object,
    url: str,
    instead: str = "point dataset.root elsewhere",
) -> DataMissing:
    """The error that names them; the first place is where they should be put."""
    them = "it" if len(names) == 1 else "them"
    places = list(map(str, looked_in))
    if len(places) > 2:
        places[1:] = [f"{len(places) - 1} other places"]
    return DataMissing(
        f"{', '.join(names)}: not in {' or '.join(places)}, and {why}; get {them} from {url} "
        f"and put {them} into {looked_in[0]}, or {instead}"
    )


def fetch(urls: Sequence[str], path: Path, digest: str, report: Report, algorithm: Algorithm = "md5") -> None:
    """Download one file from the first mirror that gives it whole, into a folder made for it if need be.

    A download that fails leaves nothing; one that is killed at most a hidden `.part` file, never a broken one under
    the right name.

    Args:
        digest: hex digits with which the file's checksum begins.
    Raises:
        DownloadFailed: with what each mirror said.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    mirrors: dict[str, list[str]] = {}
    try:
        for url in urls:
            try:
                _fetch_from(url, path, digest, report, algorithm)
                return
            except (HTTPException, OSError) as error:
                mirrors.setdefault(_why(error), []).append(urlsplit(url).netloc)
    finally:
        for folder in made:
            with suppress(OSError):  # one that is not empty stays
                folder.rmdir()
    problems = [f"{', '.join(dict.fromkeys(hosts))}: {why}" for why, hosts in mirrors.items()]
    raise DownloadFailed(f"downloading failed ({'; '.join(problems)})")


def _why(error: Exception) -> str:
    """The reason without the number that the system gives it."""
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason)


def _fetch_from(url: str, path: Path, digest: str, report: Report, algorithm: Algorithm) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            found = _copy(response, file, path.name, report, algorithm)
            file.flush()
            os.fsync(file.fileno())
        if not found.startswith(digest):
            raise DownloadFailed(f"its {algorithm} is {found}, the published one {digest}")
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _copy(response: HTTPResponse, file: BinaryIO, what: str, report: Report, algorithm: Algorithm) -> str:
    """Write the response to the file; returns the checksum of what came."""
    total = response.length
    digest = _new(algorithm)
    done = 0
    report(done, total, what)
    while piece := response.read(PIECE_BYTES):
        file.write(piece)
        digest.update(piece)
        done += len(piece)
        report(done, total, what)
    if total is not None and done < total:
        raise DownloadFailed(f"the transfer ended after {done:,} of {total:,} bytes")
    return str(digest.hexdigest())


def unpack(archive: Path, folder: Path, member: str) -> None:
    """Unpack a tar archive, and rename its top folder `member` into `folder` when all of it is there."""
    with tempfile.TemporaryDirectory(prefix=f".{member}.", suffix=".part", dir=folder) as scratch:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            (Path(scratch) / member).rename(folder / member)
        except (tarfile.TarError, OSError) as error:
            if not (folder / member).is_dir():
                raise DataError(f"{archive}: it could not be unpacked into {folder} ({error})") from error
