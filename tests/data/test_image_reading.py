"""Pictures as a person sees them, against the zoo and Pillow. Run: pytest tests/data/test_image_reading.py"""

import io
import os
import random
import socket
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from cnnrun.data import image_reading
from cnnrun.data.geometry import Geometry, fit_image
from cnnrun.data.image_reading import BrokenImage, decode_image, read_file, read_image
from tests.data.image_zoo import alphas, make_zoo, picture, pillows, png, saved, tiff

GEOMETRY = Geometry((24, 24), 32)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return make_zoo(tmp_path_factory.mktemp("images") / "zoo")


def tensor(pixels):
    """(H, W, 3) array to (3, H, W) tensor."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def reason(content, color="rgb"):
    with pytest.raises(BrokenImage) as caught:
        decode_image(content, color)
    return str(caught.value)


def test_the_zoo_is_large_and_quickly_made(tmp_path):
    start = time.perf_counter()
    entries = make_zoo(tmp_path / "zoo")
    assert time.perf_counter() - start < 2
    assert len({entry.path for entry in entries}) == len(entries) > 100
    assert sum(entry.expected is None for entry in entries) > 30


def test_every_kind_is_seen_as_it_is_or_refused_in_silence(zoo, capfd):
    wrong = []
    for path, expected, why in zoo:
        try:
            pixels = decode_image(read_file(path), "rgb")
            if expected is None or not torch.equal(pixels, tensor(expected)):
                wrong.append((path.name, why))
        except BrokenImage as error:
            if expected is not None:
                wrong.append((path.name, why, str(error)))
    assert wrong == []
    assert capfd.readouterr() == ("", "")


def test_every_reason_is_one_short_clause_without_the_path(zoo):
    for path, expected, _ in zoo:
        if expected is None:
            with pytest.raises(BrokenImage) as caught:
                read_image(path, GEOMETRY)
            text = str(caught.value)
            assert 0 < len(text) < 100
            assert "\n" not in text
            assert path.name not in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("empty.jpg", "0 bytes"),
        ("text.png", "not an image"),
        ("html.jpg", "not an image"),
        ("riff.webp", "not an image"),
        ("heic.jpg", "HEIC, which is not read: save it as JPEG or PNG"),
        ("half_a.jpg", "truncated"),
        ("half_a.progressive.jpg", "truncated"),
        ("tail_missing.jpg", "truncated"),
        ("half_a.png", "truncated"),
        ("half_a.gif", "truncated"),
        ("half_a.webp", "truncated"),
        ("half_a.bmp", "truncated"),
        ("half_a.tif", "truncated"),
        ("lab.tif", "colours in CIELAB, which is not read: save it as RGB"),
        ("bad_pixels.png", "damaged (wrong checksum)"),
        ("bad_header_checksum.png", "damaged header"),
        ("bomb.png", "120,000 x 90,000 pixels: more than 178 million"),
        ("bomb.jpg", "65,500 x 65,500 pixels: more than 178 million"),
        ("bomb.gif", "65,535 x 65,535 pixels: more than 178 million"),
        ("dangling.jpg", "dangling link"),
        ("folder.jpg", "a folder, not a file"),
        ("pipe.jpg", "a pipe, not a file"),
        ("device.jpg", "a device, not a file"),
        ("not_there.jpg", "no such file"),
        ("plain.jpg/below.jpg", "not a directory"),
        ("nul\0.jpg", "damaged (embedded null byte)"),
    ],
)
def test_the_reason_says_what_is_wrong(zoo, name, expected):
    with pytest.raises(BrokenImage) as caught:
        read_image(zoo[0].path.parent / name, GEOMETRY)
    assert str(caught.value) == expected


def test_what_may_not_be_read_is_broken(tmp_path, monkeypatch):
    path = tmp_path / "locked.jpg"
    path.write_bytes(b"anything")

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(path), "read_bytes", refuse)  # for root, who may read all
    with pytest.raises(BrokenImage, match=r"^permission denied$"):
        read_file(path)


def test_a_socket_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        with pytest.raises(BrokenImage, match=r"^a socket, not a file$"):
            read_file(tmp_path / "socket.jpg")


def test_a_film_is_not_even_read(tmp_path):
    path = tmp_path / "film.jpg"
    with path.open("wb") as file:
        os.truncate(file.fileno(), image_reading.MAX_BYTES + 1)
    with pytest.raises(BrokenImage, match=r"^1,073,741,825 bytes: more than 1,073,741,824$"):
        read_file(path)


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_picture_is_read_into_its_geometry(zoo, fit, interpolation):
    geometry = Geometry((24, 20), 32, fit=fit, interpolation=interpolation)
    for path, expected, why in zoo:
        if expected is not None:
            assert torch.equal(read_image(path, geometry), fit_image(tensor(expected), geometry)), why


def test_grey_is_the_luma_of_what_is_seen(zoo):
    for path, expected, why in zoo:
        if expected is not None:
            luma = expected.astype(float) @ (0.299, 0.587, 0.114)
            grey = decode_image(read_file(path), "grey")
            assert grey.shape == (1, *expected.shape[:2])
            assert (grey[0].double() - torch.from_numpy(luma)).abs().max() <= 0.51, why
    assert read_image(zoo[-1].path.parent / "plain.jpg", Geometry((24, 24), 24, color="grey")).shape == (1, 24, 24)


def test_a_grey_picture_stays_as_it_is_in_grey():
    values = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert torch.equal(decode_image(png(values, 0), "grey")[0], torch.from_numpy(values))


def smooth(height, width):
    rows, columns = np.mgrid[:height, :width]
    channels = [rows * 200 // height, columns * 200 // width, (rows + columns) * 200 // (height + width)]
    return Image.fromarray(np.stack(channels, 2).astype(np.uint8))


def at_scale(content, size):
    """What Pillow's own draft gives, which must be of this size."""
    image = Image.open(io.BytesIO(content))
    image.draft("RGB", size)
    assert image.size == size
    return tensor(np.array(image))


@pytest.mark.parametrize(
    ("geometry", "size"),
    [
        (Geometry((64, 64), 75, draft=True), (100, 75)),
        (Geometry((64, 64), 76, draft=True), (200, 150)),
        (Geometry((64, 64), 301, draft=True), (800, 600)),
        (Geometry((75, 100), 100, fit="squash", draft=True), (100, 75)),
        (Geometry((75, 101), 101, fit="squash", draft=True), (200, 150)),
        (Geometry((100, 100), 100, fit="pad", draft=True), (100, 75)),
        (Geometry((76, 140), 140, fit="pad", draft=True), (200, 150)),
    ],
    ids=str,
)
def test_draft_decodes_to_the_smallest_size_that_is_not_below_what_is_needed(tmp_path, geometry, size):
    content = saved(smooth(600, 800), "JPEG")
    (tmp_path / "photo.jpg").write_bytes(content)
    assert torch.equal(read_image(tmp_path / "photo.jpg", geometry), fit_image(at_scale(content, size), geometry))


def test_draft_knows_that_a_picture_lies_on_its_side(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    content = saved(smooth(600, 800), "JPEG", exif=exif)
    (tmp_path / "photo.jpg").write_bytes(content)
    geometry = Geometry((200, 75), 200, fit="squash", draft=True)
    upright = at_scale(content, (200, 150)).transpose(1, 2).flip(2)
    assert torch.equal(read_image(tmp_path / "photo.jpg", geometry), fit_image(upright, geometry))


def test_without_draft_a_picture_is_decoded_whole(tmp_path):
    content = saved(smooth(600, 800), "JPEG")
    (tmp_path / "photo.jpg").write_bytes(content)
    geometry = Geometry((64, 64), 75)
    assert torch.equal(read_image(tmp_path / "photo.jpg", geometry), fit_image(tensor(pillows(content)), geometry))


def test_orientation_is_read_from_xmp_where_there_is_no_exif():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
    content = png(picture(), 2, chunks=[(b"iTXt", text)])
    assert torch.equal(decode_image(content, "rgb"), tensor(picture()[::-1, ::-1]))


def test_what_is_behind_alpha_nothing_is_white():
    clear = np.dstack([picture(), np.zeros_like(alphas())])
    assert (decode_image(png(clear, 6), "rgb") == 255).all()


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_a_thread_of_pixels_does_not_fill_the_memory(tmp_path, fit):
    path = tmp_path / "thread.png"
    path.write_bytes(png(np.full((1, 60_000), 9, np.uint8), 0))
    geometry = Geometry((224, 224), 256, fit=fit)
    if fit == "crop":  # 256 x 15,360,000 pixels before the crop
        with pytest.raises(BrokenImage, match=r"^60,000 x 1 pixels: too narrow to crop$"):
            read_image(path, geometry)
    else:
        assert read_image(path, geometry).max() == 9


def test_the_size_is_refused_before_a_pixel_is_decoded(zoo, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    for entry in zoo:
        if entry.path.name.startswith("bomb"):
            with pytest.raises(BrokenImage, match="more than 178 million"):
                read_image(entry.path, GEOMETRY)


@pytest.mark.parametrize("limit", [59, 119])
def test_pictures_above_pillows_own_limits_are_read_without_a_warning(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # it warns above, and refuses above twice as many
    content = png(np.zeros((10, 12), np.uint8), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(content, "grey").shape == (1, 10, 12)


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError("odd"), SyntaxError("odd"), KeyError("odd"), RuntimeError("odd"), OverflowError()]
)
def test_whatever_a_decoder_raises_is_a_broken_image(monkeypatch, error):
    def fail(self):
        raise error

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load_prepare", fail)
    expected = {MemoryError: "not enough memory", OverflowError: "damaged"}
    assert reason(png(picture(), 2)) in (expected.get(type(error), "damaged (odd)"), "damaged ('odd')")


def test_ctrl_c_is_no_broken_image(monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load_prepare", interrupt)
    with pytest.raises(KeyboardInterrupt):
        decode_image(png(picture(), 2), "rgb")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "LZW"])
def test_random_damage_gives_a_picture_or_a_broken_image(kind, capfd):
    image = Image.fromarray(picture())
    content = saved(image, "TIFF", compression="tiff_lzw") if kind == "LZW" else saved(image, kind)
    dice = random.Random(kind)
    num_broken = 0
    for _ in range(60):
        damaged = bytearray(content[: dice.choice([len(content), dice.randrange(1, len(content))])])
        for _ in range(dice.choice([0, 1, 1, 5, 50])):
            damaged[dice.randrange(min(len(damaged), dice.choice([30, 200, 10**6])))] = dice.randrange(256)
        num_broken += broken(bytes(damaged))
    assert 20 < num_broken < 60
    assert capfd.readouterr() == ("", "")


def broken(content):
    """Whether it is refused; anything else that is raised fails the test."""
    try:
        pixels = decode_image(content, "rgb")
    except BrokenImage:
        return True
    assert pixels.dtype == torch.uint8
    assert pixels.shape[0] == 3
    return False


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_picture_that_is_cut_anywhere_is_broken(kind):
    content = saved(Image.fromarray(picture()), kind)
    # What stands behind the last pixel: end markers, checksums, padding; without them a picture may still be whole.
    behind = {"JPEG": 2, "PNG": 20, "GIF": 5, "WEBP": 1}.get(kind, 0)
    whole = [end for end in range(0, len(content) - behind, 7) if not broken(content[:end])]
    assert whole == []


def test_pillows_remarks_are_silent_whatever_filters_there_are(zoo):
    odd = read_file(zoo[0].path.parent / "broken_exif.jpg")
    with warnings.catch_warnings():
        warnings.resetwarnings()
        decode_image(odd, "rgb")
        warnings.simplefilter("error")
        decode_image(odd, "rgb")
        with pytest.raises(UserWarning):
            warnings.warn("of others", UserWarning, stacklevel=1)


def test_libtiff_is_silent_too(capfd):
    """In C it writes to the file descriptor, where no filter of Python is."""
    content = bytearray(saved(Image.fromarray(picture()), "TIFF", compression="tiff_deflate"))
    (start,) = Image.open(io.BytesIO(content)).tag_v2[273]
    content[start + 20 : start + 60] = bytes(40)
    assert reason(bytes(content)).startswith("damaged")
    assert capfd.readouterr() == ("", "")


def test_all_pictures_in_work_share_the_memory_of_the_largest():
    budget = image_reading._Budget(10)
    held = []

    def take():
        with budget.of(5):
            held.append(True)

    with budget.of(6):
        thread = threading.Thread(target=take)
        thread.start()
        with budget.of(4):
            pass
        thread.join(0.05)
        assert held == []
    thread.join(5)
    assert held == [True]


def test_a_failed_picture_gives_its_memory_back(zoo):
    for path, expected, _ in zoo:
        if expected is None and path.is_file():
            assert broken(path.read_bytes())
    assert image_reading.IN_WORK._free == image_reading.MAX_PIXELS


def test_floats_a_little_outside_of_the_unit_interval_are_spread():
    values = np.linspace(-0.02, 1.03, 240, dtype=np.float32).reshape(12, 20)
    pixels = decode_image(tiff(values), "grey")
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_every_kind_of_nan_is_black_without_a_warning():
    values = np.array([[0.0, 1.0], [0.25, 0.5]], np.float32)
    signalling = values.view(np.uint32)
    signalling[0, 1] = 0x7F80_0001
    assert decode_image(tiff(values), "grey").tolist() == [[[0, 0], [64, 128]]]
