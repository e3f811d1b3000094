"""`dataset=image_folder`: pictures in class folders, in ready-made splits or named by a CSV, as a data set."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import NonNegativeInt, PositiveInt

from cnnrun.data import image_findings as findings
from cnnrun.data.geometry import Color, Fit, Geometry
from cnnrun.data.image_listing import Listing, list_images
from cnnrun.data.image_source import NAMES, Pictures, Report, Source
from cnnrun.data.image_splits import Draws, taken_whole
from cnnrun.data.preprocessing import Normalize, Preprocessing, fit_preprocessing
from cnnrun.data.splits import LabelledData
from cnnrun.errors import ConfigError, DataError
from cnnrun.values import Fraction, InputSpec, Interpolation

DEFAULT_SIZE = 64
"""Pixels of a side, for a network without pretrained weights."""


def image_folder(
    report: Report,
    input_spec: InputSpec | None = None,
    known_classes: Sequence[str] | None = None,
    own_root: str | None = None,
    goes_on: bool = False,
    *,
    root: str,
    manifest: str | None,
    image_size: PositiveInt | None,
    resize: PositiveInt | None,
    fit: Fit,
    interpolation: Interpolation | None,
    color: Color,
    draft: bool,
    test_fraction: Fraction,
    val_fraction: Fraction,
    split_seed: NonNegativeInt,
    limit: PositiveInt | None,
    normalize: Normalize,
    on_broken: Literal["skip", "error"],
) -> "FolderData":
    """Read the pictures; ids are their paths in the root.

    Args:
        report: told of the pictures that are read. input_spec: of the weights that the model brings.
        known_classes: of the run that is judged on the folder, which need not have what a training needs, unless
            the run goes on to be trained there. own_root: the folder that this run was trained on.
    Raises:
        ConfigError: if the sizes do not fit each other.
        DataError: if there is no such folder, or it holds no two classes with enough pictures, or unknown ones.
    """
    geometry = geometry_for(input_spec, image_size, resize, fit, interpolation, color, draft=draft)
    judged_by = None if goes_on else known_classes
    listing = list_images(Path(root), manifest, judged_by)
    if known_classes is not None:
        _refuse_unknown_classes(listing, known_classes)
    if judged_by is not None:
        listing = taken_whole(listing, judged_by, own_root)
    if listing.whole_because:  # a limit is for what is drawn
        limit = None
    draws = Draws(test_fraction, val_fraction, split_seed, limit, of_any_size=judged_by is not None)
    source = Source(listing, draws, on_broken, report)
    pictures = source.read(geometry)
    train = pictures.split("train", listing.class_names)
    fitted = fit_preprocessing(train, normalize if len(train) else "none", input_spec)
    preprocessing = replace(fitted, geometry=geometry)
    val, test = (pictures.split(name, listing.class_names) for name in ("val", "test"))
    return FolderData(train, val, test, listing.class_names, preprocessing, source, pictures)


def geometry_for(
    spec: InputSpec | None,
    image_size: int | None,
    resize: int | None,
    fit: Fit,
    interpolation: Interpolation | None,
    color: Color,
    *,
    draft: bool,
) -> Geometry:
    """What was not chosen is as the weights want it.

    Raises:
        ConfigError: if `resize` is smaller than what is cut out, or nothing is cut out.
    """
    size = image_size or (spec.size if spec else DEFAULT_SIZE)
    if resize is not None and fit != "crop":
        raise ConfigError(f"dataset.resize={resize}: with dataset.fit={fit} nothing is cut out; set dataset.image_size")
    if resize is not None and resize < size:
        raise ConfigError(f"dataset.resize={resize}: {size} pixels of it are to be cut out; take {size} or more")
    if resize is None:
        resize = round(size * spec.resize / spec.size) if spec and fit == "crop" else size
    chosen = interpolation or (spec.interpolation if spec else "bilinear")
    return Geometry((size, size), resize, fit=fit, interpolation=chosen, color=color, draft=draft)


@dataclass(frozen=True)
class FolderData(LabelledData):
    """The pictures of a folder, and how to read them again as another run saw them."""

    source: Source
    pictures: Pictures

    @property
    def broken(self) -> tuple[tuple[str, str], ...]:
        """Path and reason of the files that cannot be read."""
        return self.pictures.broken

    @property
    def remarks(self) -> list[str]:
        files, digests = self.pictures.files, self.pictures.digests
        present = {file.label for of_split in files.values() for file in of_split}
        here = [name for name in self.source.listing.class_names if name in present]
        split = next((name for name in NAMES if files[name]), "train")
        counts = Counter(file.label for file in files[split])
        return [
            findings.sizes(files, len(here)),
            *self._limited(),
            *findings.classes({name: counts[name] for name in here}, split),
            *findings.missing([name for name in self.class_names if name not in here]),
            *findings.broken(self.broken),
            *findings.copies(files, digests),
            *self.doubts,
            *self.source.listing.remarks,
            *self.pictures.notes,
            *self._of_size(),
        ]

    @property
    def doubts(self) -> list[str]:
        """What makes the numbers better than they will be in use, a sentence each."""
        return findings.leaks(self.pictures.files, self.pictures.digests)

    @property
    def if_changed(self) -> str:
        """What it means for an evaluation that the folder is not what it was; empty where the splits were given."""
        listing = self.source.listing
        if listing.whole_because:
            return findings.taken_whole(listing.whole_because, len(listing.files), listing.files[0].split)
        return findings.redrawn([file.split for file in listing.files])

    def _limited(self) -> list[str]:
        draws, files = self.source.draws, self.pictures.files
        used = sum(map(len, files.values())) + len(self.broken)
        return findings.limited(draws.limit, used, len(self.source.listing.files), is_judged=draws.of_any_size)

    def _of_size(self) -> list[str]:
        if self.pictures.resident:
            return []
        gigabytes = sum(len(split) * split.inputs[:1].nbytes for split in (self.train, self.val, self.test)) / 1e9
        return [f"the pictures take {gigabytes:,.1f} GB, so they stay on the disk and are fetched as they are needed"]

    def facts(self) -> dict[str, Any]:
        copies = findings.groups_of_copies(self.pictures.files, self.pictures.digests)
        return super().facts() | {"broken": len(self.broken), "groups_of_copies": copies}

    def fingerprint(self) -> str:
        """Of the bytes of the files, and of what is made of them."""
        digest = hashlib.sha256(self.pictures.geometry.key().encode())
        for split in (self.train, self.val, self.test):
            digest.update(f"{split.name} {len(split)}".encode())
            digest.update("".join(self.pictures.digests[split.name]).encode())
            digest.update(split.targets.numpy().data)
        return digest.hexdigest()[:16]

    def with_preprocessing(self, stored: dict[str, Any]) -> Self:
        """The same pictures as a run saw its own: in its size and colours, and with its classes, by their names.

        Raises:
            DataError: if there are classes that the run does not know, or it did not see pictures of a folder.
        """
        preprocessing = Preprocessing.from_dict(stored)
        geometry = preprocessing.geometry
        if geometry is None:
            raise DataError("it was not trained on a folder of pictures: it does not tell how they come to their size")
        if not len(preprocessing.scale) == len(preprocessing.shift) == geometry.channels:
            raise DataError(
                f"the stored preprocessing has scale and shift for {len(preprocessing.scale)} and "
                f"{len(preprocessing.shift)} channels, and pictures in {geometry.color} have {geometry.channels}"
            )
        names = _class_names(stored)
        _refuse_unknown_classes(self.source.listing, names)
        alike = geometry == self.pictures.geometry
        if alike and names == self.class_names:
            return replace(self, preprocessing=preprocessing)
        pictures = self.pictures if alike else self.source.read(geometry)
        train, val, test = (pictures.split(name, names) for name in NAMES)
        return type(self)(train, val, test, names, preprocessing, self.source, pictures)


def _refuse_unknown_classes(listing: Listing, known: Sequence[str]) -> None:
    """Raises: DataError: if the folder has classes that a run does not know."""
    counts = Counter(file.label for file in listing.files)
    findings.refuse_unknown_classes(listing.class_names, known, counts)


def _class_names(stored: dict[str, Any]) -> tuple[str, ...]:
    names = stored.get("class_names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise DataError("the stored preprocessing has no names of classes")
    return tuple(names)
