"""`cape.data.pictures`: any legal picture becomes upright RGB bytes, any other file one PictureError."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cape.data.pictures import MAX_PIXELS, MAX_SIDE, picture_fault, read_picture, upright_size
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
    assert upright_size(path) == upright
    for size in (None, upright):
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


@pytest.mark.parametrize(("orientation", "size"), [(1, (7, 7)), (1, (20, 50)), (3, (20, 50)), (6, (7, 7))])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_picture_of_another_size_is_one_error(tmp_path, refused, orientation, size, suffix):
    path = tmp_path / f"turned{suffix}"
    write_turned(path, orientation)
    assert picture_fault(path, size=size) == "of another size"
    with refused(PictureError, path.name, f"expected {size[0]} x {size[1]}", "got 50 x 20"):
        read_picture(path, size=size)


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


def with_exif(form):
    """A small file with a rich EXIF segment, and where the segment lies in it."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010F], exif[0x011A], exif[0x0132] = "maker", 72.5, "2020:01:01 00:00:00"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    whole = encoded(form, exif=exif)
    block = exif.tobytes().removeprefix(b"Exif\x00\x00")
    start = whole.index(block)
    return whole, range(start, start + len(block))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_does_not_cost_the_picture(tmp_path, form):
    """Each byte of the segment in turn; a PNG's check sum refuses most, and then it is one error."""
    whole, segment = with_exif(form)
    path = tmp_path / "damaged.bin"
    for place in segment:
        for value in (0x00, 0x07, 0x80, 0xFF):
            content = bytearray(whole)
            content[place] = value
            path.write_bytes(content)
            try:
                assert read_picture(path).shape in {(24, 40, 3), (40, 24, 3)}
            except PictureError:
                assert form == "PNG"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_one_damaged_byte_anywhere_is_a_picture_or_one_error(tmp_path, form):
    whole, _ = with_exif(form)
    rng = np.random.default_rng(1)
    path = tmp_path / "damaged.bin"
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] = rng.integers(256)
        path.write_bytes(content)
        for size in (None, (24, 40), (40, 24)):
            try:
                assert read_picture(path, size=size).shape[2] == 3
            except PictureError:
                continue


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
@pytest.mark.parametrize("length", [0, 1, 2, 5, 6, 257, 300])
def test_broken_transparency_is_a_picture_or_one_error(tmp_path, refused, mode, length):
    whole = encoded("PNG", mode=mode)
    place = whole.index(b"IDAT") - 4
    kind, data = b"tRNS", bytes(range(256)) * 2
    chunk = struct.pack(">I", length) + kind + data[:length] + struct.pack(">I", zlib.crc32(kind + data[:length]))
    path = tmp_path / "palette.png"
    path.write_bytes(whole[:place] + chunk + whole[place:])
    needed = {"P": 0, "L": 2, "RGB": 6}[mode]  # bytes that such a chunk must have
    if length < needed:
        with refused(PictureError, "palette.png"):
            read_picture(path)
    else:
        assert read_picture(path).shape == (24, 40, 3)


@pytest.mark.parametrize("error", [struct.error, TypeError, KeyError, RecursionError, MemoryError, AttributeError])
def test_whatever_a_decoder_raises_is_one_error(tmp_path, refused, monkeypatch, error):
    path = tmp_path / "picture.png"
    path.write_bytes(encoded("PNG"))

    def broken(*_, **__):
        raise error("deep inside")

    monkeypatch.setattr("PIL.Image.Image.convert", broken)
    with refused(PictureError, "picture.png", error.__name__):
        read_picture(path)


@pytest.mark.parametrize("orientation", CORNERS)
def test_sixteen_bits_turn_too(tmp_path, orientation):
    path = tmp_path / "deep.png"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(np.array([[65535, 0, 30000]], dtype=np.uint16)).save(path, exif=exif)
    pixels = read_picture(path)
    assert pixels.shape == ((1, 3, 3) if orientation < 5 else (3, 1, 3))
    assert pixels[CORNERS[orientation][0]].tolist() == [255] * 3


def test_the_size_of_what_is_no_picture(tmp_path, refused):
    (tmp_path / "a.png").write_bytes(b"text")
    for name in ("a.png", "missing.png", "."):
        with refused(PictureError):
            upright_size(tmp_path / name)
