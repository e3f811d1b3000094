"""Which picture format a file's bytes are in, and whether they are whole as far as Pillow does not look itself."""

import io
import struct
import zlib
from typing import Literal

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)


class BrokenImage(Exception):
    """A file that gives no picture; the text is the reason, one short clause without the path."""


READERS: dict[bytes, type[ImageFile.ImageFile]] = {
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"GIF87a": GifImagePlugin.GifImageFile,
    b"GIF89a": GifImagePlugin.GifImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
    b"II+\0": TiffImagePlugin.TiffImageFile,
    b"MM\0+": TiffImagePlugin.TiffImageFile,
}
"""By the first bytes. Image.open would also try formats that nobody keeps photos in, and warn where it fails."""
REFUSED = {
    b"ftypheic": "HEIC",
    b"ftypheix": "HEIC",
    b"ftypmif1": "HEIC",
    b"ftypmsf1": "HEIC",
    b"ftypavif": "AVIF",
    b"ftypavis": "AVIF",
    b"jP  \r\n\x87\n": "JPEG 2000",
}
"""Picture formats that are met in folders of photos and are not read; by the bytes from the fifth on."""


def opened(content: bytes) -> ImageFile.ImageFile:
    """The picture with its header read, and its pixels not.

    Raises:
        BrokenImage: if the bytes begin as no format that is read, or the header is damaged.
    """
    if not content:
        raise BrokenImage("0 bytes")
    for name, reader in READERS.items():
        if content.startswith(name) and (name != b"RIFF" or content[8:12] == b"WEBP"):
            return _opened(content, reader)
    refused = REFUSED.get(content[4:12])
    raise BrokenImage(f"{refused}, which is not read: save it as JPEG or PNG" if refused else "not an image")


def _opened(content: bytes, reader: type[ImageFile.ImageFile]) -> ImageFile.ImageFile:
    try:
        image = reader(io.BytesIO(content), "")
    except MemoryError:
        raise
    except Exception as error:  # SyntaxError mostly, but whatever damage makes of a header
        cut = "truncated" in str(error).lower() or _is_cut_off(content)
        raise BrokenImage("truncated" if cut else "damaged header") from error
    if reader is PngImagePlugin.PngImageFile:
        _mend_transparency(image, bits=content[24])
    return image


def _is_cut_off(content: bytes) -> bool:
    """Whether the header speaks of bytes behind the end; WebP and TIFF tell."""
    if len(content) < 12:
        return True
    if content.startswith(b"RIFF"):
        return int.from_bytes(content[4:8], "little") + 8 > len(content)
    order: Literal["little", "big"] = "little" if content.startswith(b"II") else "big"
    return content[:2] in (b"II", b"MM") and int.from_bytes(content[4:8], order) >= len(content)


def _mend_transparency(image: ImageFile.ImageFile, bits: int) -> None:
    """Pillow hands on the clear value as it stands in a PNG, and spreads 2 or 4 bits to 8, or cuts 16 to 8."""
    clear = image.info.get("transparency")
    if image.mode == "L" and isinstance(clear, int) and clear < 2**bits < 256:
        image.info["transparency"] = clear * 255 // (2**bits - 1)
    elif image.mode == "RGB" and isinstance(clear, tuple) and bits == 16:
        image.info["transparency"] = tuple(value >> 8 for value in clear)


def refuse_damaged(content: bytes) -> None:
    """Compare the checksums of a PNG's pixels, which Pillow does not; of other formats there are none.

    Raises:
        BrokenImage: if one is wrong.
    """
    if not content.startswith(b"\x89PNG"):
        return
    start, view = 8, memoryview(content)
    while start + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        end = start + 8 + length
        if kind == b"IDAT" and end + 4 <= len(content):
            (checksum,) = struct.unpack_from(">I", content, end)
            if zlib.crc32(view[start + 4 : end]) != checksum:
                raise BrokenImage("damaged (wrong checksum)")
        start = end + 4
