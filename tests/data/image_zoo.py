"""A folder of small pictures of every kind, whole and broken, each with the pixels that a person sees.

What is expected comes from the arrays that were written, by arithmetic that is done here; of lossy formats, from
Pillow's own decoding. Nothing of cnnrun is used.
"""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 40, 56
JUNK = bytes(range(7, 250)) * 3


class ZooEntry(NamedTuple):
    path: Path
    expected: np.ndarray | None
    """(H, W, 3) uint8; None if the file is broken."""
    why: str
    """What is odd about it."""


class Kind(NamedTuple):
    name: str
    content: bytes
    expected: np.ndarray | None
    why: str


def make_zoo(folder: Path) -> list[ZooEntry]:
    """Write all kinds into the folder, in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for make in (jpegs, orientations, pngs, deep_pngs, gifs_and_webps, bmps, tiffs, deep_tiffs, lying_names, broken):
        for name, content, expected, why in make():
            (folder / name).write_bytes(content)
            entries.append(ZooEntry(folder / name, expected, why))
    return sorted([*entries, *no_regular_files(folder)])


def picture() -> np.ndarray:
    """(H, W, 3) uint8 with no symmetry, and every value somewhere."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    red, green, blue = rows * 255 // (HEIGHT - 1), columns * 255 // (WIDTH - 1), (3 * rows + 5 * columns) % 256
    colours = np.stack([red, green, blue], 2).astype(np.uint8)
    colours[4:14, 4:30] = (250, 30, 10)
    return colours


def grey_picture() -> np.ndarray:
    """(H, W) uint8"""
    return picture()[..., 2]


def grey_to_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, 2).astype(np.uint8)


def over_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) and (H, W), 0 to 255."""
    share = alpha[..., None].astype(float) / 255
    return np.floor(colours * share + 255 * (1 - share) + 0.5).astype(np.uint8)


def alphas() -> np.ndarray:
    """(H, W) uint8, from nothing on the left to all on the right."""
    return np.broadcast_to(np.arange(WIDTH) * 255 // (WIDTH - 1), (HEIGHT, WIDTH)).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pillows(content: bytes) -> np.ndarray:
    """The first picture, by Pillow's decoder."""
    return np.array(Image.open(io.BytesIO(content)).convert("RGB"))


def by_pillow(name: str, content: bytes, why: str) -> Kind:
    return Kind(name, content, pillows(content), why)


def jpegs() -> Iterator[Kind]:
    image = Image.fromarray(picture())
    yield by_pillow("plain.jpg", saved(image, "JPEG"), "JPEG")
    yield by_pillow("full_chroma.jpeg", saved(image, "JPEG", subsampling=0, quality=95), "JPEG, 4:4:4")
    yield by_pillow("progressive.jpg", saved(image, "JPEG", progressive=True), "JPEG, progressive")
    yield by_pillow("grey.jpg", saved(Image.fromarray(grey_picture()), "JPEG"), "JPEG, grey")
    yield by_pillow("rgb_inside.jpg", saved(image, "JPEG", keep_rgb=True), "JPEG, RGB without YCbCr")
    other = Image.fromarray(picture()[::-1].copy())
    several = saved(image, "MPO", save_all=True, append_images=[other])
    yield by_pillow("several.jpg", several, "JPEG of two pictures, as 3-D cameras and telephones write it")
    yield by_pillow("1x1.jpg", saved(image.crop((9, 9, 10, 10)), "JPEG"), "JPEG of one pixel")
    yield by_pillow("trailing_junk.jpg", saved(image, "JPEG") + JUNK, "JPEG with bytes behind its end")
    junk = saved(image, "JPEG")[:-2] + b"junk\xff\xd9"
    yield by_pillow("junk_before_end.jpg", junk, "JPEG with bytes before its end that libjpeg warns of")
    odd = saved(image, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01\x03\0")
    yield Kind("broken_exif.jpg", odd, pillows(saved(image, "JPEG")), "JPEG whose EXIF is cut off")
    inks = 255 - np.dstack([picture(), grey_picture() // 2 + 128])
    cmyk = saved(ink_image(inks), "JPEG", quality=95, subsampling=0)
    yield Kind("cmyk.jpg", cmyk, inks_to_rgb(np.array(Image.open(io.BytesIO(cmyk)))), "JPEG, CMYK as Adobe inverts it")
    ycck = cmyk.replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2")
    assert ycck != cmyk
    yield Kind("ycck.jpg", ycck, ycck_to_rgb(255 - np.array(Image.open(io.BytesIO(cmyk)))), "JPEG, YCCK")


def ink_image(inks: np.ndarray) -> Image.Image:
    """Of (H, W, 4) uint8 C, M, Y, K."""
    return Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.tobytes())


def inks_to_rgb(inks: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 C, M, Y, K, 255 is all ink: what light is left behind colour and behind black."""
    light = 255 - inks.astype(float)
    return np.floor(light[..., :3] * light[..., 3:] / 255 + 0.5).astype(np.uint8)


def ycck_to_rgb(stored: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 Y, Cb, Cr, K as stored: Adobe Technical Note 5116 and ITU-T T.871; K is inverted."""
    y, cb, cr, k = np.moveaxis(stored.astype(float), 2, 0)
    red, green = y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128)
    colours = np.stack([red, green, y + 1.772 * (cb - 128)], 2).round().clip(0, 255)
    # What is stored as CMY is the complement of these, and inverted, so once more these.
    return inks_to_rgb(np.dstack([colours, 255 - k]))


def orientations() -> Iterator[Kind]:
    """EXIF orientation N means that the upright picture was stored so; each is undone by its own numpy expression."""
    undo = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, -1),
        7: lambda x: np.rot90(x.swapaxes(0, 1), 2),
        8: lambda x: np.rot90(x, 1),
    }
    image = Image.fromarray(picture())
    for number, upright in undo.items():
        exif = Image.Exif()
        exif[274] = number
        content = saved(image, "JPEG", exif=exif)
        expected = upright(pillows_stored(content))
        yield Kind(f"orientation_{number}.jpg", content, expected, f"JPEG, EXIF orientation {number}")
    exif = Image.Exif()
    exif[274] = 6
    turned = np.rot90(picture(), -1)
    yield Kind("orientation_6.png", saved(image, "PNG", exif=exif), turned, "PNG, EXIF orientation 6")
    yield Kind("orientation_6.webp", saved(image, "WEBP", lossless=True, exif=exif), turned, "WebP, EXIF orientation 6")
    for number in (6, 7):
        content = tiff(picture(), extra={274: number})
        yield Kind(f"orientation_{number}.tif", content, undo[number](picture()), f"TIFF, orientation {number}")
    exif[274] = 77
    yield by_pillow("orientation_77.jpg", saved(image, "JPEG", exif=exif), "JPEG, an orientation that there is not")


def pillows_stored(content: bytes) -> np.ndarray:
    """As stored: Image.open does not turn a JPEG."""
    return pillows(content)


def pngs() -> Iterator[Kind]:
    colours, grey, alpha = picture(), grey_picture(), alphas()
    image = Image.fromarray(colours)
    yield Kind("plain.png", saved(image, "PNG"), colours, "PNG")
    yield Kind("1x1.png", saved(image.crop((9, 9, 10, 10)), "PNG"), colours[9:10, 9:10], "PNG of one pixel")
    yield Kind("interlaced.png", png(colours, 2, interlaced=True), colours, "PNG, interlaced")
    yield Kind("grey.png", png(grey, 0), grey_to_rgb(grey), "PNG, grey")
    yield Kind("rgba.png", png(np.dstack([colours, alpha]), 6), over_white(colours, alpha), "PNG with alpha")
    seen = over_white(grey_to_rgb(grey), alpha)
    yield Kind("grey_alpha.png", png(np.dstack([grey, alpha]), 4), seen, "PNG, grey with alpha")
    for bits in (1, 2, 4):
        few = grey >> (8 - bits)
        whole = grey_to_rgb(few.astype(int) * 255 // (2**bits - 1))
        yield Kind(f"grey_{bits}bit.png", png(few, 0, bits), whole, f"PNG, {bits}-bit grey")
    for bits in (1, 2, 4, 8):
        index, palette = indices(bits)
        content = png(index, 3, bits, chunks=[(b"PLTE", palette.tobytes())])
        yield Kind(f"palette_{bits}bit.png", content, palette[index], f"PNG, palette of {bits} bits")
    index, palette = indices(8)
    one = np.where(index == 3, 0, 255)
    chunks = [(b"PLTE", palette.tobytes()), (b"tRNS", bytes([255, 255, 255, 0]))]
    yield Kind("palette_clear.png", png(index, 3, chunks=chunks), over_white(palette[index], one), "palette, one clear")
    many = np.arange(256)[::-1].astype(np.uint8)
    chunks = [(b"PLTE", palette.tobytes()), (b"tRNS", many.tobytes())]
    seen = over_white(palette[index], many[index])
    yield Kind("palette_alpha.png", png(index, 3, chunks=chunks), seen, "palette, an alpha for each colour")
    clear = np.where((colours == colours[0, 5]).all(2), 0, 255)
    content = png(colours, 2, chunks=[(b"tRNS", struct.pack(">3H", *colours[0, 5].tolist()))])
    yield Kind("rgb_clear.png", content, over_white(colours, clear), "PNG, RGB with one clear colour")
    content = png(grey, 0, chunks=[(b"tRNS", struct.pack(">H", grey[0, 5]))])
    seen = over_white(grey_to_rgb(grey), np.where(grey == grey[0, 5], 0, 255))
    yield Kind("grey_clear.png", content, seen, "PNG, grey with one clear value")
    few = grey >> 6
    content = png(few, 0, 2, chunks=[(b"tRNS", struct.pack(">H", 2))])
    seen = np.where(few == 2, 255, few.astype(int) * 85)
    yield Kind("grey_2bit_clear.png", content, grey_to_rgb(seen), "PNG, 2-bit grey with one clear value")


def indices(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) uint8 below 2 ** bits and a palette of (2 ** bits, 3) uint8."""
    number = np.arange(2**bits)
    palette = np.stack([number * 37 % 256, 255 - number, number * 91 % 256], 1).astype(np.uint8)
    return grey_picture() >> (8 - bits), palette


def deep_pngs() -> Iterator[Kind]:
    """Of 16 bits a person sees the higher eight."""
    deep = deep_picture()
    grey = deep[..., 2]
    yield Kind("grey_16bit.png", png(grey, 0, 16), grey_to_rgb(grey >> 8), "PNG, 16-bit grey")
    yield Kind("rgb_16bit.png", png(deep, 2, 16), (deep >> 8).astype(np.uint8), "PNG, 16-bit RGB")
    alpha = alphas().astype(np.uint16) << 8
    seen = over_white(deep >> 8, alphas())
    yield Kind("rgba_16bit.png", png(np.dstack([deep, alpha]), 6, 16), seen, "PNG, 16-bit RGB with alpha")
    seen = over_white(grey_to_rgb(grey >> 8), alphas())
    yield Kind("grey_alpha_16bit.png", png(np.dstack([grey, alpha]), 4, 16), seen, "PNG, 16-bit grey with alpha")
    clear = np.where((deep == deep[0, 5]).all(2), 0, 255)
    content = png(deep, 2, 16, chunks=[(b"tRNS", struct.pack(">3H", *deep[0, 5].tolist()))])
    yield Kind("rgb_16bit_clear.png", content, over_white(deep >> 8, clear), "PNG, 16-bit RGB with one clear colour")
    content = png(grey, 0, 16, chunks=[(b"tRNS", struct.pack(">H", grey[0, 5]))])
    seen = np.where(grey == grey[0, 5], 255, grey >> 8)
    yield Kind("grey_16bit_clear.png", content, grey_to_rgb(seen), "PNG, 16-bit grey with one clear value")


def deep_picture() -> np.ndarray:
    """(H, W, 3) uint16"""
    return (picture().astype(np.uint16) << 8) + 255 - picture()


def png(
    values: np.ndarray, colour_type: int, bits: int = 8, *, interlaced: bool = False, chunks: list | None = None
) -> bytes:
    """PNG (2003), without filters: (H, W) or (H, W, channels) of values below 2 ** bits."""
    height, width = values.shape[:2]
    passes = [values]
    if interlaced:
        steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        passes = [values[top::down, left::across] for top, left, down, across in steps]
    rows = b"".join(b"\0" + packed(row, bits, ">") for part in passes if part.size for row in part)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(interlaced))
    all_chunks = [(b"IHDR", header), *(chunks or []), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in all_chunks)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(row: np.ndarray, bits: int, order: str) -> bytes:
    """A row of values as bytes, the first in the highest bits."""
    if bits >= 8:
        return row.astype(f"{order}u{bits // 8}").tobytes()
    places = np.unpackbits(row.astype(np.uint8)[:, None], 1)[:, 8 - bits :]
    return np.packbits(places.reshape(-1)).tobytes()


def gifs_and_webps() -> Iterator[Kind]:
    index, palette = indices(6)
    first = paletted(index, palette)
    second = paletted(index[::-1], palette)
    yield Kind("plain.gif", saved(first, "GIF"), palette[index], "GIF")
    yield Kind(
        "frames.gif", saved(first, "GIF", save_all=True, append_images=[second]), palette[index], "GIF, 2 frames"
    )
    seen = over_white(palette[index], np.where(index == 3, 0, 255))
    yield Kind("clear.gif", saved(first, "GIF", transparency=3), seen, "GIF with a clear colour")
    grey = Image.fromarray(grey_picture())
    seen = np.where(grey_picture() == grey_picture()[0, 5], 255, grey_picture())
    content = saved(grey, "GIF", transparency=int(grey_picture()[0, 5]))
    yield Kind("grey_clear.gif", content, grey_to_rgb(seen), "GIF, grey with a clear value")
    image, other = Image.fromarray(picture()), Image.fromarray(picture()[::-1].copy())
    yield Kind("lossless.webp", saved(image, "WEBP", lossless=True), picture(), "WebP, lossless")
    yield by_pillow("lossy.webp", saved(image, "WEBP", quality=80), "WebP, lossy")
    clear = Image.fromarray(np.dstack([picture(), alphas()]))
    seen = over_white(picture(), alphas())
    yield Kind("alpha.webp", saved(clear, "WEBP", lossless=True, exact=True), seen, "WebP with alpha")
    moving = saved(image, "WEBP", lossless=True, save_all=True, append_images=[other], duration=50)
    yield Kind("frames.webp", moving, picture(), "WebP, 2 frames")
    moving = saved(image, "PNG", save_all=True, append_images=[other], duration=50)
    yield Kind("frames.png", moving, picture(), "PNG, 2 frames")


def paletted(index: np.ndarray, palette: np.ndarray) -> Image.Image:
    image = Image.fromarray(index)
    image.putpalette(palette.tobytes())
    return image


def bmps() -> Iterator[Kind]:
    for bits in (1, 4, 8):
        index, palette = indices(bits)
        yield Kind(f"{bits}bit.bmp", bmp(index, bits, palette), palette[index], f"BMP, palette of {bits} bits")
    yield Kind("24bit.bmp", saved(Image.fromarray(picture()), "BMP"), picture(), "BMP")
    blue_first = np.dstack([picture()[..., ::-1], np.zeros((HEIGHT, WIDTH), np.uint8)])
    yield Kind("32bit.bmp", bmp(blue_first, 32), picture(), "BMP, 32 bits, the fourth byte unused")
    yield Kind("top_down.bmp", bmp(blue_first[..., :3], 24, downwards=True), picture(), "BMP, its first row on top")
    fifths = picture().astype(int) >> 3
    seen = (fifths * 255 // 31).astype(np.uint8)
    word = (fifths << np.array([10, 5, 0])).sum(2)
    yield Kind("16bit.bmp", bmp(word, 16), seen, "BMP, 5 bits a colour")


def bmp(values: np.ndarray, bits: int, palette: np.ndarray | None = None, downwards: bool = False) -> bytes:
    """With a BITMAPINFOHEADER, not compressed; each row filled up to four bytes."""
    height, width = values.shape[:2]
    rows = [packed(row, min(bits, 16 if bits == 16 else 8), "<") for row in (values if downwards else values[::-1])]
    pixels = b"".join(row + bytes(-len(row) % 4) for row in rows)
    colours = b"" if palette is None else np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
    signed = -height if downwards else height
    info = struct.pack("<IiiHHIIiiII", 40, width, signed, 1, bits, 0, len(pixels), 2835, 2835, len(colours) // 4, 0)
    start = 14 + len(info) + len(colours)
    return struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start) + info + colours + pixels


def tiffs() -> Iterator[Kind]:
    colours, grey = picture(), grey_picture()
    image = Image.fromarray(colours)
    yield Kind("plain.tif", tiff(colours), colours, "TIFF")
    yield Kind("big_endian.tiff", tiff(colours, ">"), colours, "TIFF, big-endian")
    for compression in ("tiff_lzw", "tiff_deflate", "packbits"):
        content = saved(image, "TIFF", compression=compression)
        yield Kind(f"{compression}.tif", content, colours, f"TIFF, {compression}")
    content = saved(image, "TIFF", compression="jpeg")
    yield by_pillow("jpeg_inside.tif", content, "TIFF, its pixels as JPEG")
    other = Image.fromarray(colours[::-1].copy())
    content = saved(image, "TIFF", save_all=True, append_images=[other])
    yield Kind("pages.tif", content, colours, "TIFF, 2 pages")
    index, palette = indices(8)
    yield Kind("palette.tif", saved(paletted(index, palette), "TIFF"), palette[index], "TIFF, palette")
    bits = Image.fromarray(grey >= 128)
    yield Kind("1bit.tif", saved(bits, "TIFF"), grey_to_rgb(np.where(grey >= 128, 255, 0)), "TIFF, 1 bit")
    fax = saved(bits, "TIFF", compression="group4")
    yield Kind("fax.tif", fax, grey_to_rgb(np.where(grey >= 128, 255, 0)), "TIFF, 1 bit as a fax")
    inks = 255 - np.dstack([colours, grey // 2 + 128])
    yield Kind("cmyk.tif", saved(ink_image(inks), "TIFF"), inks_to_rgb(inks), "TIFF, CMYK")
    yield Kind("white_is_0.tif", tiff(grey, extra={262: 0}), grey_to_rgb(255 - grey), "TIFF, 0 is white")
    content = tiff(np.dstack([colours, alphas()]), extra={338: 2})
    yield Kind("alpha.tif", content, over_white(colours, alphas()), "TIFF with alpha")


def deep_tiffs() -> Iterator[Kind]:
    deep = deep_picture()
    grey = deep[..., 2]
    for name, order in (("little", "<"), ("big", ">")):
        seen = grey_to_rgb(grey >> 8)
        yield Kind(f"grey_16bit_{name}.tif", tiff(grey, order), seen, f"TIFF, 16-bit grey, {name}-endian")
        content = tiff(deep, order)
        yield Kind(f"rgb_16bit_{name}.tif", content, (deep >> 8).astype(np.uint8), f"TIFF, 16-bit RGB, {name}-endian")
        shares = (grey_picture() / 255).astype(np.float32)
        seen = grey_to_rgb(grey_picture())
        yield Kind(f"shares_{name}.tif", tiff(shares, order), seen, f"TIFF, floats in [0, 1], {name}-endian")
    seen = grey_to_rgb(255 - (grey >> 8))
    yield Kind("grey_16bit_white_is_0.tif", tiff(grey, extra={262: 0}), seen, "TIFF, 16-bit grey, 0 is white")
    ramp = np.linspace(-3.5, 120, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    spread = np.rint((ramp.astype(np.float32).astype(float) + 3.5) / 123.5 * 255)
    yield Kind("floats.tif", tiff(ramp.astype(np.float32)), grey_to_rgb(spread), "TIFF, floats in [-3.5, 120]")
    holes = ramp.astype(np.float32)
    holes[5, 5:9], holes[6, 6], holes[7, 7] = np.nan, np.inf, -np.inf
    spread[5, 5:9], spread[6, 6], spread[7, 7] = 0, 255, 0
    yield Kind("floats_nan.tif", tiff(holes), grey_to_rgb(spread), "TIFF, floats with NaN and infinity")
    whole = grey_picture().astype(np.float32)
    yield Kind("floats_of_bytes.tif", tiff(whole), grey_to_rgb(grey_picture()), "TIFF, whole floats in [0, 255]")
    same = np.full((HEIGHT, WIDTH), 7.5, np.float32)
    yield Kind("floats_same.tif", tiff(same), np.zeros((HEIGHT, WIDTH, 3), np.uint8), "TIFF, one float all over")
    numbers = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 400 - 70000
    spread = np.rint((numbers - numbers.min()) / (numbers.max() - numbers.min()) * 255)
    yield Kind("int32.tif", tiff(numbers.astype(np.int32)), grey_to_rgb(spread), "TIFF, 32-bit integers")
    numbers = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 1_900_000
    spread = np.rint(numbers / numbers.max() * 255)
    content = tiff(numbers.astype(np.uint32))
    yield Kind("uint32.tif", content, grey_to_rgb(spread), "TIFF, 32-bit integers without sign, above 2**31")
    small = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 256
    yield Kind("int32_of_bytes.tif", tiff(small.astype(np.int32)), grey_to_rgb(small), "TIFF, bytes in 32-bit integers")
    numbers = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 20 - 20000
    spread = np.rint((numbers - numbers.min()) / (numbers.max() - numbers.min()) * 255)
    yield Kind("int16.tif", tiff(numbers.astype(np.int16)), grey_to_rgb(spread), "TIFF, 16-bit integers with sign")


def tiff(values: np.ndarray, order: str = "<", extra: dict[int, int] | None = None) -> bytes:
    """TIFF 6.0, one strip, not compressed: (H, W) or (H, W, channels) of any number type; further tags as SHORT."""
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
    bits = 8 * values.dtype.itemsize
    sample_format = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    tags = {256: width, 257: height, 259: 1, 262: 2 if channels > 1 else 1, 273: 8, 277: channels, 278: height}
    tags |= {279: len(pixels)} | (extra or {})
    lists = {258: [bits] * channels, 339: [sample_format] * channels}
    start = 8 + len(pixels) + len(pixels) % 2
    after = start + 2 + 12 * (len(tags) + len(lists)) + 4
    table, behind = struct.pack(order + "H", len(tags) + len(lists)), b""
    for tag in sorted([*tags, *lists]):
        if tag in lists:
            short = struct.pack(f"{order}{channels}H", *lists[tag])
            field = short.ljust(4, b"\0") if len(short) <= 4 else struct.pack(order + "I", after + len(behind))
            table += struct.pack(order + "HHI", tag, 3, channels) + field
            behind += short if len(short) > 4 else b""
        else:
            long = tag in (273, 279)
            field = struct.pack(order + ("I" if long else "HH"), *([tags[tag]] if long else [tags[tag], 0]))
            table += struct.pack(order + "HHI", tag, 4 if long else 3, 1) + field
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, start)
    return head + pixels.ljust(start - 8, b"\0") + table + bytes(4) + behind


def lying_names() -> Iterator[Kind]:
    image = Image.fromarray(picture())
    yield Kind("a_png.jpg", saved(image, "PNG"), picture(), "a PNG called .jpg")
    yield by_pillow("a_jpeg.png", saved(image, "JPEG"), "a JPEG called .png")
    yield Kind("a_bmp.gif", saved(image, "BMP"), picture(), "a BMP called .gif")
    yield Kind("no_extension", saved(image, "PNG"), picture(), "no extension")
    yield Kind("UPPER.PNG", saved(image, "PNG"), picture(), "upper case")
    yield Kind("Grüße aus 北京 (1) 'ä'.png", saved(image, "PNG"), picture(), "blanks, quotes and letters beyond ASCII")
    yield Kind("-dash,comma;[brackets]{a}=#%.png", saved(image, "PNG"), picture(), "characters that shells read")
    yield Kind("two.dots.jpg.png", saved(image, "PNG"), picture(), "several dots")


def broken() -> Iterator[Kind]:
    image = Image.fromarray(picture())
    contents = {
        "jpg": saved(image, "JPEG"),
        "progressive.jpg": saved(image, "JPEG", progressive=True),
        "png": saved(image, "PNG"),
        "interlaced.png": png(picture(), 2, interlaced=True),
        "gif": saved(paletted(*indices(8)), "GIF"),
        "webp": saved(image, "WEBP"),
        "lossless.webp": saved(image, "WEBP", lossless=True),
        "bmp": saved(image, "BMP"),
        "tif": tiff(picture()),
        "tail_first.tif": saved(image, "TIFF"),
        "lzw.tif": saved(image, "TIFF", compression="tiff_lzw"),
    }
    for name, content in contents.items():
        yield Kind(f"half_a.{name}", content[: len(content) // 2], None, "truncated in the middle")
    for name in ("jpg", "png", "gif", "webp", "bmp", "tif"):
        yield Kind(f"head_of_a.{name}", contents[name][:20], None, "truncated within the header")
    yield Kind("tail_missing.jpg", contents["jpg"][:-40], None, "truncated near the end")
    yield Kind("tail_missing.png", contents["png"][:-40], None, "truncated near the end")
    yield Kind("empty.jpg", b"", None, "zero bytes")
    yield Kind("one_byte.png", b"\x89", None, "one byte")
    yield Kind("text.png", b"This is no picture.\n", None, "text called .png")
    yield Kind("html.jpg", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", None, "a web page called .jpg")
    yield Kind("zeros.jpg", bytes(5000), None, "zeros")
    yield Kind("junk.jpg", b"\xff\xd8\xff\xe0" + JUNK, None, "a JPEG's first bytes, then junk")
    yield Kind("heic.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + JUNK, None, "HEIC called .jpg")
    yield Kind("riff.webp", b"RIFF\x24\0\0\0WAVEfmt " + JUNK, None, "sound called .webp")
    yield Kind("bmw.bmp", b"BMW is a maker of cars.\n" * 9, None, "text that starts as a BMP")
    flipped = bytearray(contents["png"])
    place = contents["png"].index(b"IDAT") + 60
    flipped[place] ^= 0x10
    yield Kind("bad_pixels.png", bytes(flipped), None, "PNG with a flipped bit in its pixels")
    stored = bytearray(contents["png"])
    stored[contents["png"].index(b"IEND") - 5] ^= 1
    yield Kind("bad_checksum.png", bytes(stored), None, "PNG with a wrong checksum of its pixels")
    stored = bytearray(contents["png"])
    stored[29] ^= 1
    yield Kind("bad_header_checksum.png", bytes(stored), None, "PNG with a wrong checksum of its header")
    bomb = chunk(b"IHDR", struct.pack(">IIBBBBB", 120_000, 90_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + bomb + chunk(b"IDAT", zlib.compress(bytes(9000))) + chunk(b"IEND", b"")
    yield Kind("bomb.png", bomb, None, "PNG that claims 120,000 x 90,000 pixels")
    place = contents["jpg"].index(b"\xff\xc0") + 5
    bomb = contents["jpg"][:place] + b"\xff\xdc\xff\xdc" + contents["jpg"][place + 4 :]
    yield Kind("bomb.jpg", bomb, None, "JPEG that claims 65,500 x 65,500 pixels")
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\0;"
    bomb = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0xF0, 0, 0) + bytes(6) + frame
    yield Kind("bomb.gif", bomb, None, "GIF that claims 65,535 x 65,535 pixels")
    lab = saved(Image.frombytes("LAB", (WIDTH, HEIGHT), picture().tobytes()), "TIFF")
    yield Kind("lab.tif", lab, None, "TIFF in CIELAB")
    nothing = chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 7, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b""))
    yield Kind("no_pixels.png", b"\x89PNG\r\n\x1a\n" + nothing + chunk(b"IEND", b""), None, "PNG of 0 x 7 pixels")


def no_regular_files(folder: Path) -> Iterator[ZooEntry]:
    """What a system may not be able to make is left out; so is the unreadable file where this user may read all."""
    (folder / "folder.jpg").mkdir(exist_ok=True)
    yield ZooEntry(folder / "folder.jpg", None, "a folder called .jpg")
    (folder / "link.png").symlink_to("plain.png")
    yield ZooEntry(folder / "link.png", picture(), "a link to a picture")
    (folder / "dangling.jpg").symlink_to("nothing.jpg")
    yield ZooEntry(folder / "dangling.jpg", None, "a link to nothing")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    yield ZooEntry(folder / "loop.jpg", None, "a link to itself")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
        yield ZooEntry(folder / "pipe.jpg", None, "a pipe without a writer")
    if Path("/dev/zero").exists():
        (folder / "device.jpg").symlink_to("/dev/zero")
        yield ZooEntry(folder / "device.jpg", None, "a link to a device without an end")
    locked = folder / "locked.jpg"
    locked.write_bytes(saved(Image.fromarray(picture()), "JPEG"))
    locked.chmod(0)
    if os.access(locked, os.R_OK):
        locked.unlink()
    else:
        yield ZooEntry(locked, None, "a file that may not be read")
