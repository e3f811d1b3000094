"""MNIST and the sets that copy its four files, packed or unpacked, wherever people keep them."""

import gzip
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from cnnrun.data.assemble import Pool, numbered
from cnnrun.downloads import DownloadFailed, Report, fetch, missing, refuse_damaged
from cnnrun.errors import DataError


def read(dataset: Any, source: str, root: Path, offline: bool, report: Report) -> tuple[Pool, Pool, tuple[str, ...]]:
    """Read train, test and the class names.

    Args:
        dataset: torchvision's class, for its mirrors, its published checksums and its class names.
    Raises:
        DataError: if a file is neither there nor to be had, or is not the published one.
    """
    places = [root / dataset.__name__ / "raw", root / source / dataset.__name__ / "raw", root / source, root]
    paths = {name: _find(name, places, root) for name, _ in dataset.resources}
    wanted = [name for name, path in paths.items() if path is None]
    if wanted and offline:
        raise missing(wanted, places, "offline=true", dataset.mirrors[0])
    tensors = []
    for name, md5 in dataset.resources:
        path = paths[name]
        if path is None:
            path = _download(name, md5, dataset.mirrors, places, report)
        elif path.suffix == ".gz":
            refuse_damaged(path, md5)
        tensors.append(_tensor(path, images="images" in name))
    train, test = (_pool(file, *pair) for file, pair in (("train", tensors[:2]), ("test", tensors[2:])))
    return train, test, tuple(name.split(" - ")[0] for name in dataset.classes)


def _download(name: str, md5: str, mirrors: Sequence[str], places: list[Path], report: Report) -> Path:
    path = places[0] / name
    try:
        fetch([mirror + name for mirror in mirrors], path, md5, report)
    except DownloadFailed as error:
        raise missing([name], places, error, mirrors[0]) from error
    return path


def _find(name: str, places: list[Path], root: Path) -> Path | None:
    """A packed file in any place, or an unpacked one in a place that bears the data set's name.

    Unpacked files have no published checksum and are called alike in all these sets, so straight in the root nothing
    would tell one set from another.
    """
    for place in places:
        if (place / name).is_file():
            return place / name
        unpacked = (place / name).with_suffix("")
        if place != root and unpacked.is_file():
            return unpacked
    return None


def _tensor(path: Path, images: bool) -> Tensor:
    """(N, H, W) uint8 images or (N,) int64 labels, by torchvision's readers, which want the file unpacked."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    reader: Callable[[str], Tensor] = read_image_file if images else read_label_file
    try:
        if path.suffix != ".gz":
            return reader(str(path))
        with gzip.open(path) as packed, tempfile.NamedTemporaryFile() as unpacked:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
            unpacked.flush()
            return reader(unpacked.name)
    except (ValueError, TypeError, IndexError, KeyError, RuntimeError, AssertionError, EOFError) as error:
        raise DataError(f"{path}: this is no idx file of {'images' if images else 'labels'} ({error})") from error


def _pool(file: str, images: Tensor, labels: Tensor) -> Pool:
    if len(images) != len(labels):
        raise DataError(f"{file}: {len(images)} images and {len(labels)} labels; the files are not of one data set")
    return Pool(images.unsqueeze(1), labels, numbered(file, range(len(labels))))
