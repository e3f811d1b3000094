"""Pictures from files, the right way up, in RGB or grey, whatever the format; what cannot be read is a BrokenImage."""

import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import torch
from PIL import ExifTags, ImageFile
from torch import Tensor

from cnnrun.data.geometry import Color, Geometry, fit_image
from cnnrun.data.image_formats import BrokenImage, opened, refuse_damaged
from cnnrun.data.pixel_formats import visible
from cnnrun.data.quiet_decoders import quieten_decoders

MAX_PIXELS = 178_956_970
"""Of one picture, and of all that are decoded at the same time: Pillow's own limit against decompression bombs, files
of some kilobytes that claim more pixels than there is memory. No camera comes near.
A pixel takes 10 to 14 bytes while it is decoded."""
MAX_BYTES = 1 << 30
"""Of one file, about MAX_PIXELS of 16-bit RGB without compression: what is larger is a film, or a disk image."""
UPRIGHT: dict[int, tuple[bool, list[int]]] = {
    2: (False, [2]),
    3: (False, [1, 2]),
    4: (False, [1]),
    5: (True, []),
    6: (True, [2]),
    7: (True, [1, 2]),
    8: (True, [1]),
}
"""What sets (C, H, W) pixels of that EXIF orientation upright: whether rows and columns are swapped, then the axes that
are flipped. Exif 2.32 (2019), section 4.6.4, tag 274."""
NOT_FILES = {
    stat.S_IFDIR: "a folder, not a file",
    stat.S_IFIFO: "a pipe, not a file",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFCHR: "a device, not a file",
    stat.S_IFBLK: "a device, not a file",
}


def read_image(path: Path, geometry: Geometry) -> Tensor:
    """The picture in a file: (C, *geometry.size) uint8.

    Raises:
        BrokenImage: if there is none; the text is the reason.
    """
    return fitted(read_file(path), geometry)


def read_file(path: Path) -> bytes:
    """All bytes of a regular file. Others are not even opened: reading a pipe would wait for its writer, for ever.

    Raises:
        BrokenImage: if it is no regular file, too large, or cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BrokenImage(NOT_FILES.get(stat.S_IFMT(status.st_mode), "not a file"))
        if status.st_size > MAX_BYTES:
            raise BrokenImage(f"{status.st_size:,} bytes: more than {MAX_BYTES:,}")
        return path.read_bytes()
    except FileNotFoundError:
        raise BrokenImage("dangling link" if path.is_symlink() else "no such file") from None
    except (OSError, ValueError, MemoryError) as error:
        raise BrokenImage(_reason(error)) from error


def fitted(content: bytes, geometry: Geometry) -> Tensor:
    """What `read_image` makes of a file with these bytes."""
    with _picture(content, geometry) as image:
        return fit_image(_pixels(image, geometry.color), geometry)


def decode_image(content: bytes, color: Color) -> Tensor:
    """The picture that the bytes of a file encode, in its own size: (C, H, W) uint8.

    Raises:
        BrokenImage: if there is none; the text is the reason.
    """
    with _picture(content, None) as image:
        return _pixels(image, color)


@contextmanager
def _picture(content: bytes, geometry: Geometry | None) -> Iterator[ImageFile.ImageFile]:
    """The picture, not decoded yet, with memory reserved for it; whatever fails meanwhile is a BrokenImage.

    Decoders fail in many ways on bytes that are not as they should be, and the memory that a file claims may not be
    there: OSError, SyntaxError, ValueError, struct.error, zlib.error, KeyError, OverflowError, MemoryError and
    RuntimeError were met.
    """
    quieten_decoders()
    try:
        image = opened(content)
        _refuse_too_large(image.size, geometry)
        refuse_damaged(content)
        if geometry is not None and geometry.draft:
            _scale_while_decoding(image, geometry)
        with IN_WORK.of(image.width * image.height):
            yield image
    except BrokenImage:
        raise
    except Exception as error:
        raise BrokenImage(_reason(error)) from error


def _refuse_too_large(size: tuple[int, int], geometry: Geometry | None) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise BrokenImage(f"{width:,} x {height:,} pixels: more than {MAX_PIXELS // 10**6} million")
    if geometry is not None and geometry.fit == "crop":
        short, long = sorted(size)
        if geometry.resize**2 * long > MAX_PIXELS * short:
            raise BrokenImage(f"{width:,} x {height:,} pixels: too narrow to crop")


def _pixels(image: ImageFile.ImageFile, color: Color) -> Tensor:
    """(C, H, W) uint8, upright."""
    image.decodermaxblock = MAX_BYTES  # all in one call, instead of taking turns with the other threads
    image.load()
    pixels = torch.from_numpy(visible(image, color))
    pixels = pixels[None] if color == "grey" else pixels.permute(2, 0, 1)
    swapped, flipped = UPRIGHT.get(_orientation(image), (False, []))
    if swapped:
        pixels = pixels.transpose(1, 2)
    return pixels.flip(flipped) if flipped else pixels


def _orientation(image: ImageFile.ImageFile) -> int:
    """What EXIF, or XMP, says; 1, upright, where it makes no sense. Of a TIFF that was loaded, what is left to do."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # metadata that cannot be read does not make a broken picture
        return 1


def _scale_while_decoding(image: ImageFile.ImageFile, geometry: Geometry) -> None:
    """Let a JPEG's decoder leave out what is not needed: it halves, up to three times, to not less than these sides."""
    (height, width), (image_width, image_height) = geometry.size, image.size
    if UPRIGHT.get(_orientation(image), (False, []))[0]:
        height, width = width, height
    if geometry.fit == "crop":
        height = width = geometry.resize
    elif geometry.fit == "pad":
        scale = min(height / image_height, width / image_width)
        height, width = ceil(image_height * scale), ceil(image_width * scale)
    image.draft(None, (width, height))


def _reason(error: Exception) -> str:
    text = (getattr(error, "strerror", None) or str(error)).strip()
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return text.lower()
    if isinstance(error, (EOFError, struct.error)) or "truncated" in text.lower():
        return "truncated"
    first = text.partition("\n")[0]
    return f"damaged ({first[:80]})" if first else "damaged"


class _Budget:
    """Pixels that threads may hold at the same time; a picture waits until its own fit beside the others'."""

    def __init__(self, pixels: int) -> None:
        self._free = pixels
        self._returned = threading.Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        with self._returned:
            self._returned.wait_for(lambda: pixels <= self._free)
            self._free -= pixels
        try:
            yield
        finally:
            with self._returned:
                self._free += pixels
                self._returned.notify_all()


IN_WORK = _Budget(MAX_PIXELS)
