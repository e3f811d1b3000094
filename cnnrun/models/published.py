"""Published weights in the folder where torch keeps what it downloads, checked by the hash in their name."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import torch

from cnnrun.downloads import DownloadFailed, Report, digest_of, fetch, missing
from cnnrun.errors import DataError

HASH = re.compile(r"-([0-9a-f]{6,})\.\w+$")
"""The beginning of the sha256, at the end of the name."""

INSTEAD = "name a file of such weights that you have: model.weights=FILE"


def published_file(url: str, offline: bool, report: Report) -> Path:
    """Where the file of that address lies, or now lies.

    Raises:
        DataError: if it is not there and cannot be had, or is not the published one.
    """
    name = urlsplit(url).path.rsplit("/", 1)[1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    found = HASH.search(name)
    digest = found[1] if found else ""
    if path.is_file():
        refuse_damaged(path, digest)
        return path
    if offline:
        raise missing([name], [path.parent], "offline=true", url, INSTEAD)
    try:
        fetch([url], path, digest, report, "sha256")
    except DownloadFailed as error:
        raise missing([name], [path.parent], error, url, INSTEAD) from error
    return path


def refuse_damaged(path: Path, digest: str) -> None:
    """Raise DataError where the sha256 of a file does not begin as its name says."""
    found = digest_of(path, "sha256")
    if not found.startswith(digest):
        raise DataError(
            f"{path}: its sha256 begins with {found[: len(digest)]} and not with {digest}, as its name says, so it is "
            "damaged or not whole; move it away, and it will be downloaded"
        )
