"""Made-up files of the MNIST and CIFAR kinds, wherever they lie. Run: pytest tests/data/test_torchvision_images.py"""

import gzip
import hashlib
import io
import pickle
import stat
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision

from cnnrun.data.splits import LabelledData
from cnnrun.data.torchvision_images import torchvision_images
from cnnrun.errors import DataError

NUM_TRAIN, NUM_TEST = 60, 20
IDX_NAMES = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
]


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def load(
    source: Any, root: Path | str, offline: bool = True, report: Callable[..., None] | None = None
) -> LabelledData:
    return torchvision_images(
        offline,
        report or (lambda *_: None),
        source=source,
        root=str(root),
        image_size=None,
        val_fraction=0.2,
        split_seed=0,
        limit=None,
        normalize="standardize",
    )


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """The format's definition: 0, 0, 8 for bytes, the number of axes, each length big-endian, the bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def mnist(monkeypatch: pytest.MonkeyPatch, server: Any) -> dict[str, bytes]:
    """Four packed files, whose checksums and address torchvision's MNIST has for this test."""
    generator = np.random.default_rng(0)
    bodies = {}
    for names, count in ((IDX_NAMES[:2], NUM_TRAIN), (IDX_NAMES[2:], NUM_TEST)):
        arrays = (generator.integers(0, 256, (count, 28, 28)), np.arange(count) % 10)
        for name, array in zip(names, arrays, strict=True):
            bodies[name] = gzip.compress(idx(array.astype(np.uint8)))
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", [(name, md5(bodies[name])) for name in IDX_NAMES])
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [server.url + "absent/", server.url])
    return bodies


def put(folder: Path, files: dict[str, bytes], unpacked: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        (folder / (name.removesuffix(".gz") if unpacked else name)).write_bytes(
            gzip.decompress(body) if unpacked else body
        )
    return folder


def listing(folder: Path) -> list[tuple[Path, int]]:
    return sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("place", "unpacked"),
    [
        ("MNIST/raw", False),
        ("MNIST/raw", True),
        ("mnist/MNIST/raw", False),
        ("mnist", True),
        ("mnist", False),
        ("", False),
    ],
)
def test_files_are_found_where_people_keep_them_and_nothing_is_written(
    mnist: dict[str, bytes], tmp_path: Path, place: str, unpacked: bool
) -> None:
    folder = put(tmp_path / place, mnist, unpacked)
    before = listing(tmp_path)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    data = load("mnist", tmp_path)
    folder.chmod(stat.S_IRWXU)
    assert listing(tmp_path) == before
    assert (len(data.train), len(data.val), len(data.test)) == (48, 12, 20)
    assert data.input_shape == (1, 28, 28)
    assert data.class_names == tuple("0123456789")


def test_an_id_names_the_file_and_the_row(mnist: dict[str, bytes], tmp_path: Path) -> None:
    data = load("mnist", put(tmp_path, mnist))
    for file, splits in (("train", (data.train, data.val)), ("t10k", (data.test,))):
        pixels = np.frombuffer(gzip.decompress(mnist[f"{file}-images-idx3-ubyte.gz"])[16:], np.uint8)
        for split in splits:
            for image, target, name in zip(split.inputs, split.targets, split.ids, strict=True):
                row = int(name.removeprefix("test/" if file == "t10k" else "train/"))
                np.testing.assert_array_equal(image[0], pixels.reshape(-1, 28, 28)[row])
                assert target == row % 10


def test_what_is_missing_is_downloaded_once(mnist: dict[str, bytes], tmp_path: Path, server: Any) -> None:
    server.files |= mnist
    put(tmp_path / "mnist", {name: mnist[name] for name in IDX_NAMES[:2]})
    told: list[str] = []
    first = load("mnist", tmp_path, offline=False, report=lambda done, total, what: told.append(what))
    assert set(told) == set(IDX_NAMES[2:])
    assert sorted(path.name for path in (tmp_path / "MNIST" / "raw").iterdir()) == sorted(IDX_NAMES[2:])
    server.files.clear()
    assert load("mnist", tmp_path, offline=False).fingerprint() == first.fingerprint()


def test_offline_names_the_files_the_places_and_the_address(
    mnist: dict[str, bytes], server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(Path("data/MNIST/raw"), {name: mnist[name] for name in IDX_NAMES[:3]})
    with pytest.raises(DataError) as error:
        load("mnist", "data")
    assert str(error.value) == (
        "t10k-labels-idx1-ubyte.gz: not in data/MNIST/raw or 3 other places, and "
        f"offline=true; get it from {server.url}absent/ and put it into data/MNIST/raw, or point dataset.root elsewhere"
    )
    assert server.asked == []


def test_a_failed_download_names_the_same_and_what_went_wrong(
    mnist: dict[str, bytes], server: Any, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        load("mnist", tmp_path, offline=False)
    name = IDX_NAMES[0]
    assert str(error.value).startswith(f"{name}: not in {tmp_path}/MNIST/raw or 3 other places, ")
    assert not list(tmp_path.iterdir())
    assert (
        f"and downloading failed ({server.url.split('/')[2]}: Not Found); "
        f"get it from {server.url}absent/ and put it into {tmp_path}/MNIST/raw"
    ) in str(error.value)


def test_a_changed_file_is_refused(mnist: dict[str, bytes], tmp_path: Path) -> None:
    name = IDX_NAMES[2]
    put(tmp_path, mnist | {name: mnist[name] + b"!"})
    with pytest.raises(DataError, match=f"{name}: its md5 is .* so it is damaged or another data set's"):
        load("mnist", tmp_path)


def test_unpacked_files_straight_in_the_root_might_be_of_another_set_and_are_left(
    mnist: dict[str, bytes], tmp_path: Path
) -> None:
    put(tmp_path, mnist, unpacked=True)
    with pytest.raises(DataError, match="offline=true"):
        load("mnist", tmp_path)


def test_unpacked_files_that_are_broken_are_named(mnist: dict[str, bytes], tmp_path: Path) -> None:
    folder = put(tmp_path / "MNIST" / "raw", mnist, unpacked=True)
    labels = folder / "train-labels-idx1-ubyte"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:20])
    with pytest.raises(DataError, match="train-labels-idx1-ubyte: this is no idx file of labels"):
        load("mnist", tmp_path)
    labels.write_bytes(idx(np.zeros(59, np.uint8)))
    with pytest.raises(DataError, match="train: 60 images and 59 labels; the files are not of one data set"):
        load("mnist", tmp_path)


@pytest.fixture
def cifar(monkeypatch: pytest.MonkeyPatch, server: Any) -> tuple[dict[str, bytes], bytes]:
    """The batch files of a small CIFAR-10, and their archive, with torchvision's checksums set to theirs."""
    generator = np.random.default_rng(0)
    bodies = {}
    for name, count in (("data_batch_1", 40), ("data_batch_2", 20), ("test_batch", NUM_TEST)):
        pixels = generator.integers(0, 256, (count, 3072)).astype(np.uint8)
        bodies[name] = pickle.dumps({"data": pixels, "labels": [row % 10 for row in range(count)]})
    bodies["batches.meta"] = pickle.dumps({"label_names": [f"class {label}" for label in range(10)]})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, body in bodies.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    dataset = torchvision.datasets.CIFAR10
    monkeypatch.setattr(dataset, "train_list", [[name, md5(bodies[name])] for name in ("data_batch_1", "data_batch_2")])
    monkeypatch.setattr(dataset, "test_list", [["test_batch", md5(bodies["test_batch"])]])
    monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": md5(bodies["batches.meta"])})
    monkeypatch.setattr(dataset, "url", server.url + "cifar-10-python.tar.gz")
    monkeypatch.setattr(dataset, "tgz_md5", md5(buffer.getvalue()))
    return bodies, buffer.getvalue()


def assert_is_cifar(data: LabelledData, bodies: dict[str, bytes]) -> None:
    assert data.input_shape == (3, 32, 32)
    assert data.class_names == tuple(f"class {label}" for label in range(10))
    pixels = np.concatenate([pickle.loads(bodies[name])["data"] for name in ("data_batch_1", "data_batch_2")])
    for split in (data.train, data.val):
        for image, name in zip(split.inputs, split.ids, strict=True):
            np.testing.assert_array_equal(image.flatten(), pixels[int(name.removeprefix("train/"))])


@pytest.mark.parametrize("place", ["", "cifar10"])
def test_the_folder_or_the_archive_of_cifar_is_found_and_left_alone(
    cifar: tuple[dict[str, bytes], bytes], tmp_path: Path, place: str
) -> None:
    bodies, archive = cifar
    put(tmp_path / "folder" / place / "cifar-10-batches-py", bodies)
    put(tmp_path / "archive" / place, {"cifar-10-python.tar.gz": archive})
    before = listing(tmp_path)
    for kind in ("folder", "archive"):
        assert_is_cifar(load("cifar10", tmp_path / kind), bodies)
    assert listing(tmp_path) == before


def test_cifar_is_downloaded_and_unpacked_once(
    cifar: tuple[dict[str, bytes], bytes], server: Any, tmp_path: Path
) -> None:
    bodies, archive = cifar
    server.files["cifar-10-python.tar.gz"] = archive
    for _ in range(2):
        assert_is_cifar(load("cifar10", tmp_path, offline=False), bodies)
    assert server.asked == ["cifar-10-python.tar.gz"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["cifar-10-batches-py", "cifar-10-python.tar.gz"]


def test_a_changed_batch_is_named_and_never_unpickled(
    cifar: tuple[dict[str, bytes], bytes], server: Any, tmp_path: Path
) -> None:
    bodies, _ = cifar
    folder = put(tmp_path / "cifar-10-batches-py", bodies | {"data_batch_2": pickle.dumps(print)})
    with pytest.raises(DataError) as error:
        load("cifar10", tmp_path)
    assert str(error.value) == (
        f"{folder}: data_batch_2 is not the published file (its md5 should be {md5(bodies['data_batch_2'])}); "
        f"move the folder away, and it will be unpacked again from {server.url}cifar-10-python.tar.gz"
    )
    (folder / "data_batch_2").unlink()
    with pytest.raises(DataError, match="data_batch_2 is missing"):
        load("cifar10", tmp_path)


def test_offline_without_cifar_is_refused(cifar: tuple[dict[str, bytes], bytes], server: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        load("cifar10", tmp_path)
    assert str(error.value) == (
        f"cifar-10-python.tar.gz: not in {tmp_path} or {tmp_path}/cifar10, and offline=true; get it from "
        f"{server.url}cifar-10-python.tar.gz and put it into {tmp_path}, or point dataset.root elsewhere"
    )


def test_a_file_that_may_not_be_read_is_named(mnist: dict[str, bytes], tmp_path: Path, monkeypatch: Any) -> None:
    put(tmp_path / "mnist", mnist, True)

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("torchvision.datasets.mnist.read_label_file", refuse)
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte: Permission denied$"):
        load("mnist", tmp_path)
