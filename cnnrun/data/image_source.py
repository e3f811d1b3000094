"""From a listed folder to pictures of one size, parted into splits; what a data set of any classes is made of."""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from cnnrun import caches
from cnnrun.data import image_findings as findings
from cnnrun.data.geometry import Geometry
from cnnrun.data.image_listing import ImageFile, Listing
from cnnrun.data.image_splits import Draws, limited, part
from cnnrun.data.image_walk import shown
from cnnrun.data.pixel_store import stored_pixels
from cnnrun.data.splits import Split

RESIDENT_SHARE = 3
"""Pixels are copied into memory where they take less than one part in so many of what is free."""
NAMES = ("train", "val", "test")


class Report(Protocol):
    """Told how many are done, of how many in all or None, of what, and in which unit."""

    def __call__(self, done: int, total: int | None, what: str, unit: str, /) -> object: ...


@dataclass(frozen=True)
class Pictures:
    """The pictures of one geometry: the files that are not broken, by split."""

    geometry: Geometry
    files: dict[str, list[ImageFile]]
    digests: dict[str, list[str]]
    """Of the bytes of each."""
    rows: dict[str, Tensor]
    """(n,) int64: where each lies in `pixels`."""
    pixels: Tensor
    """(R, C, H, W) uint8, mapped into memory."""
    broken: tuple[tuple[str, str], ...]
    """The path of each other file, and the reason."""
    notes: tuple[str, ...]
    resident: bool
    """Whether splits are copied into memory, or stay where `pixels` is mapped."""

    def split(self, name: str, class_names: tuple[str, ...]) -> Split:
        """With the targets that the classes have among these names; the samples of a resident one are copied."""
        numbers = {label: number for number, label in enumerate(class_names)}
        targets = torch.tensor([numbers[file.label] for file in self.files[name]], dtype=torch.int64)
        ids = [shown(file.path) for file in self.files[name]]
        if self.resident:
            return Split(name, self.pixels.index_select(0, self.rows[name]), targets, ids)
        return Split(name, self.pixels, targets, ids, rows=self.rows[name])


@dataclass(frozen=True)
class Source:
    """A listed folder, and how it is parted."""

    listing: Listing
    draws: Draws
    on_broken: Literal["skip", "error"]
    report: Report

    def read(self, geometry: Geometry) -> Pictures:
        """Read what the cache does not have, and part what is not broken.

        Raises:
            DataError: if there are broken ones and on_broken says so, or a class has too few others.
        """
        listing, names = self.listing, self.listing.class_names
        kept, draws = limited(
            self._targets(listing.files), [file.split for file in listing.files], len(names), self.draws
        )
        files = [listing.files[row] for row in kept.tolist()]
        stored = stored_pixels(listing.root, files, geometry, self._count)
        broken = tuple((shown(path), reason) for path, reason in sorted(stored.reasons.items()))
        if broken and self.on_broken == "error":
            raise findings.refusal(listing.root, broken)
        whole = [(file, row) for file, row in enumerate(stored.rows.tolist()) if row >= 0]
        pictures = [files[number] for number, _ in whole]
        digests = [stored.digests[number] for number, _ in whole]
        if not (pictures and draws.of_any_size):
            findings.refuse_unreadable_classes(files, pictures, stored.reasons)
        parts = part(self._targets(pictures), digests, [file.split for file in pictures], names, draws)
        positions = {name: getattr(parts, name).tolist() for name in NAMES}
        return Pictures(
            geometry=geometry,
            files={name: [pictures[position] for position in positions[name]] for name in NAMES},
            digests={name: [digests[position] for position in positions[name]] for name in NAMES},
            rows={
                name: torch.tensor([whole[position][1] for position in positions[name]], dtype=torch.int64)
                for name in NAMES
            },
            pixels=stored.pixels,
            broken=broken,
            notes=tuple(stored.notes),
            resident=len(whole) * stored.pixels[:1].nbytes < caches.free_memory() / RESIDENT_SHARE,
        )

    def _targets(self, files: "tuple[ImageFile, ...] | list[ImageFile]") -> Tensor:
        numbers = {label: number for number, label in enumerate(self.listing.class_names)}
        return torch.tensor([numbers[file.label] for file in files], dtype=torch.int64)

    def _count(self, done: int, total: int | None, what: str) -> None:
        self.report(done, total, what, "pictures")
