"""The small image sets that torchvision reads, found where they lie or downloaded; the files stay as they are."""

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from cnnrun.data import cifar_files, idx_files
from cnnrun.data.assemble import assemble
from cnnrun.data.preprocessing import Normalize
from cnnrun.data.splits import LabelledData
from cnnrun.downloads import Report
from cnnrun.errors import DataError
from cnnrun.values import Fraction, InputSpec

READERS = {
    "mnist": ("MNIST", idx_files.read),
    "fashion_mnist": ("FashionMNIST", idx_files.read),
    "kmnist": ("KMNIST", idx_files.read),
    "cifar10": ("CIFAR10", cifar_files.read),
    "cifar100": ("CIFAR100", cifar_files.read),
}
"""Our name, torchvision's, and what reads its kind of files."""


def torchvision_images(
    offline: bool,
    report: Report,
    input_spec: InputSpec | None = None,
    *,
    source: Literal["mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100"],
    root: str,
    image_size: PositiveInt | None,
    val_fraction: Fraction,
    split_seed: NonNegativeInt,
    limit: PositiveInt | None,
    normalize: Normalize,
) -> LabelledData:
    """Read one of the sets; ids name the publisher's file and the row in it, as in `test/00005`.

    Args:
        root: a folder that holds the files, or torchvision's folders, or a folder of the data set's name; downloads
            go there too. A file is written only by a download.
    Raises:
        DataError: if the files are not there and cannot be downloaded, may not be read, or are not the published ones.
    """
    import torchvision

    class_name, read = READERS[source]
    dataset = getattr(torchvision.datasets, class_name)
    try:
        train, test, class_names = read(dataset, source, Path(root).expanduser(), offline, report)
    except PermissionError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from error
    return assemble(
        train,
        test,
        class_names,
        image_size=image_size,
        val_fraction=val_fraction,
        split_seed=split_seed,
        limit=limit,
        normalize=normalize,
        spec=input_spec,
    )
