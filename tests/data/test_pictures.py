"""`cape.data.pictures`: any legal picture becomes upright RGB bytes, any other file one PictureError."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cape.data.pictures import MAX_PIXELS, MAX_SIDE, read_picture
from cape.errors import CapeError, PictureError

ORIENTATION = 0x0112
RED, GREEN = (255, 0, 0), (0, 255, 0)
# EXIF 2.3, tag 274: where the stored picture's top left (red) and top right (green) corner are to be seen.
CORNERS = {
    1: ((0, 0), (0, -1)),
    2: ((0, -1), (0, 0)),
    3: ((-1, -1), (-1, 0)),
    4: ((-1, 0), (-1, -1)),
    5: ((0, 0), (-1, 0)),
    6: ((0, -1), (-1, -1)),
    7: ((-1, -1), (0, -1)),
    8: ((-1, 0), (0, 0)),
}


def encoded(form, *, mode="RGB", **options):
    """A colour ramp as the bytes of a file."""
    y, x = np.mgrid[:24, :40]
    ramp = Image.fromarray(np.stack([6 * x, 10 * y, 3 * (x + y)], axis=-1).astype(np.uint8))
    file = io.BytesIO()
    ramp.convert(mode).save(file, form, **options)
    return file.getvalue()


def png_header(width, height):
    """A PNG that says it is this large and holds nothing."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        *[("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")],
        *[("JPEG", mode) for mode in ("L", "RGB", "CMYK")],
        *[("WEBP", mode) for mode in ("RGB", "RGBA")],
        *[("BMP", mode) for mode in ("1", "L", "P", "RGB")],
    ],
)
def test_every_mode_becomes_rgb(tmp_path, form, mode):
    path = tmp_path / "picture.bin"
    path.write_bytes(encoded(form, mode=mode))
    pixels = read_picture(path)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (24, 40, 3)
    assert pixels[16:, 24:].mean() > pixels[:8, :16].mean() + 60  # the ramp rises


def test_lossless_pixels_are_kept(tmp_path):
    path = tmp_path / "picture.png"
    expected = np.random.default_rng(0).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    Image.fromarray(expected).save(path)
    np.testing.assert_array_equal(read_picture(path), expected)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.array([[0, 100 * 257], [65300, 65535]], dtype=np.uint16)).save(path)
    assert read_picture(path).tolist() == [[[0] * 3, [100] * 3], [[254] * 3, [255] * 3]]


def write_turned(path, orientation):
    pixels = np.zeros((20, 50, 3), dtype=np.uint8)
    pixels[:6, :6], pixels[:6, -6:] = RED, GREEN
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return pixels


@pytest.mark.parametrize("orientation", CORNERS)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_exif_orientation_is_applied(tmp_path, orientation, suffix):
    path = tmp_path / f"turned{suffix}"
    write_turned(path, orientation)
    upright = (50, 20) if orientation < 5 else (20, 50)
    for size in (None, upright, (7, 7)):
        pixels = read_picture(path, size=size)
        assert pixels.shape == (*upright[::-1], 3)
        for colour, corner in zip((RED, GREEN), CORNERS[orientation], strict=True):
            np.testing.assert_allclose(pixels[corner], colour, atol=40)


@pytest.mark.parametrize("orientation", CORNERS)
def test_stored_size_in_the_annotations_switches_exif_off(tmp_path, orientation):
    path = tmp_path / "turned.png"
    stored = write_turned(path, orientation)
    pixels = read_picture(path, size=(50, 20))
    assert pixels.shape == stored.shape
    if orientation >= 5:  # the annotator saw it lying
        np.testing.assert_array_equal(pixels, stored)


BAD = {
    "empty": b"",
    "text": b"not a picture\n",
    "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "gif": encoded("GIF"),
    "tiff": encoded("TIFF"),
    "half of a png": encoded("PNG")[: len(encoded("PNG")) // 2],
    "half of a jpeg": encoded("JPEG")[: len(encoded("JPEG")) // 2],
    "half of a webp": encoded("WEBP")[: len(encoded("WEBP")) // 2],
    "half of a bmp": encoded("BMP")[: len(encoded("BMP")) // 2],
    "png header only": encoded("PNG")[:33],
    "png of nothing": png_header(0, 5),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_file_is_one_error(tmp_path, refused, kind):
    path = tmp_path / "broken.jpg"
    path.write_bytes(BAD[kind])
    with refused(PictureError, "broken.jpg"):
        read_picture(path)


@pytest.mark.parametrize("name", ["gone.jpg", ".", "long" * 100 + ".jpg", "nul\0.jpg", "gone/deeper.jpg"])
def test_no_file_is_one_error(tmp_path, refused, name):
    with refused(PictureError, str(tmp_path)):
        read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("width", "height"), [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (10_001, 10_000), (MAX_SIDE + 1, 1)]
)
def test_decompression_bomb_is_refused_by_its_header(tmp_path, refused, width, height):
    assert width * height > MAX_PIXELS or width > MAX_SIDE
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(width, height))
    with refused(PictureError, "bomb.png", "pixels"):
        read_picture(path)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP"])
def test_random_damage_is_a_picture_or_one_error(tmp_path, form):
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    whole = encoded(form, **({} if form == "BMP" else {"exif": exif}))
    path = tmp_path / "damaged.bin"
    outcomes = set()
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(0, rng.choice([64, len(whole)]), rng.integers(0, 8)):
            content[place % len(whole)] = rng.integers(256)
        path.write_bytes(content[: rng.integers(len(whole) // 2, 2 * len(whole))])
        try:
            pixels = read_picture(path)
        except CapeError as error:
            outcomes.add(type(error))
        else:
            outcomes.add("read")
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
    assert outcomes == {PictureError, "read"}
