"""CIFAR-10 and -100: torchvision's reader on the unpacked folder, or on the archive, wherever people keep them."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from cnnrun.data.assemble import Pool, numbered
from cnnrun.downloads import DownloadFailed, Report, fetch, md5_of, missing, refuse_damaged, unpack
from cnnrun.errors import DataError


def read(dataset: Any, source: str, root: Path, offline: bool, report: Report) -> tuple[Pool, Pool, tuple[str, ...]]:
    """Read train, test and the class names; an archive that somebody put into `root` is unpacked elsewhere, each time.

    The batches are pickles: torchvision opens them only if their checksums are the published ones.

    Args:
        dataset: torchvision's class, for its address, its published checksums and its reader.
    Raises:
        DataError: if the files are neither there nor to be had, or are not the published ones.
    """
    bases = (root, root / source)
    for base in bases:
        if (base / dataset.base_folder).is_dir():
            return _read_folder(dataset, base)
    for base in bases:
        if (base / dataset.filename).is_file():
            refuse_damaged(base / dataset.filename, dataset.tgz_md5)
            with tempfile.TemporaryDirectory() as scratch:
                unpack(base / dataset.filename, Path(scratch), dataset.base_folder)
                return _read_folder(dataset, Path(scratch))
    _download(dataset, bases, offline, report)
    return _read_folder(dataset, root)


def _download(dataset: Any, bases: tuple[Path, ...], offline: bool, report: Report) -> None:
    """Fetch the archive into the first base and unpack it there; another process may be doing the same."""
    wanted = [dataset.filename]
    if offline:
        raise missing(wanted, bases, "offline=true", dataset.url)
    archive = bases[0] / dataset.filename
    try:
        fetch([dataset.url], archive, dataset.tgz_md5, report)
    except DownloadFailed as error:
        raise missing(wanted, bases, error, dataset.url) from error
    unpack(archive, bases[0], dataset.base_folder)


def _read_folder(dataset: Any, base: Path) -> tuple[Pool, Pool, tuple[str, ...]]:
    try:
        train, test = dataset(base, train=True), dataset(base, train=False)
    except RuntimeError as error:
        raise _damaged(dataset, base / dataset.base_folder) from error
    return _pool("train", train), _pool("test", test), tuple(train.classes)


def _pool(file: str, images: Any) -> Pool:
    """torchvision shows its (N, 3, 32, 32) array as (N, 32, 32, 3); this undoes it without a copy."""
    inputs = torch.from_numpy(images.data).permute(0, 3, 1, 2)
    return Pool(inputs, torch.tensor(images.targets), numbered(file, range(len(inputs))))


def _damaged(dataset: Any, folder: Path) -> DataError:
    """The error for a folder that torchvision refuses, with the first file that is missing or changed."""
    files = [*map(tuple, dataset.train_list), *map(tuple, dataset.test_list)]
    files.append((dataset.meta["filename"], dataset.meta["md5"]))
    for name, md5 in files:
        if not (folder / name).is_file():
            problem = f"{name} is missing"
            break
        if md5_of(folder / name) != md5:
            problem = f"{name} is not the published file (its md5 should be {md5})"
            break
    else:
        problem = "torchvision cannot read it"
    return DataError(f"{folder}: {problem}; move the folder away, and it will be unpacked again from {dataset.url}")
